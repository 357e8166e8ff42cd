package bot

import (
	"context"
	"errors"
	"strings"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// erasePage is how many requests one transaction of an erasure looks at.
const erasePage = 200

// Erased is what an erasure did.
type Erased struct {
	Requests int // requests that lost texts
	Open     int // requests that still run, and access reviews with reasons on their way: they keep these until they are over
}

// Whose says whose texts are erased: those of a person, or those of one request.
type Whose struct {
	Person  string // Entra object id
	Request string // Belay's id
}

// is says whether the person is the one.
func (w Whose) is(principal string) bool {
	return w.Person != "" && strings.EqualFold(w.Person, principal)
}

// errUnchanged leaves a transaction without a write.
var errUnchanged = errors.New("bot: nothing to erase")

// Erase drops what people wrote from finished requests: what a person wrote as a
// requester or an approver, what others wrote to that person's requests, what that
// person saved, their names and reasons in access reviews, why they muted something, what
// alerts count of them, from where they sign in, in alerts too, and what drift calls them.
// record, when not nil, is appended in the first transaction that drops something. Other
// cards that were shown stay as they are.
func (b *Bot) Erase(ctx context.Context, whose Whose, record *trail.Event) (done Erased, err error) {
	at := b.o.Now().UTC()
	for from, more := "", true; more; {
		var page Erased
		var next string
		waits := 0 // reviews with decisions that are on their way
		err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
			saved := false
			if from == "" && whose.Person != "" {
				muted, merr := dropMuteReasons(tx, whose)
				counted, cerr := b.eraseMarks(tx, whose)
				placed, perr := b.erasePlaces(tx, whose)
				signed, serr := b.eraseSignIns(tx, whose, at)
				called, derr := b.eraseDrift(tx, whose.Person)
				saved, err = b.dropFavourites(tx, whose.Person)
				if err = errors.Join(merr, cerr, perr, serr, derr, err); err != nil {
					return err
				}
				reviewed, open, rerr := b.eraseReviews(tx, whose)
				if rerr != nil {
					return rerr
				}
				waits = open
				saved = saved || muted || counted || placed || signed || called || reviewed
			}
			if page, next, err = b.erasePage(tx, from, whose); err != nil {
				return err
			}
			if page.Requests == 0 && !saved {
				return errUnchanged
			}
			if record == nil {
				return nil
			}
			return b.o.Trail.Append(tx, *record)
		})
		if err != nil && !errors.Is(err, errUnchanged) {
			return done, err
		}
		if err == nil {
			record = nil
		}
		done.Requests, done.Open = done.Requests+page.Requests, done.Open+page.Open+waits
		from, more = next, next != ""
	}
	return done, nil
}

// erasePage looks at one page of requests; next is where the one after it begins.
func (b *Bot) erasePage(tx store.Tx, from string, whose Whose) (page Erased, next string, err error) {
	var all []Request
	err = requests.Scan(tx, from, "", func(id string, r Request) error {
		if len(all) == erasePage {
			next = id
			return store.Stop
		}
		all = append(all, r)
		return nil
	})
	for _, r := range all {
		bare, any := r.wordless(whose)
		switch {
		case err != nil || !any:
		case !r.State.Final():
			page.Open++
		default:
			page.Requests++
			err = b.docs.put(tx, r, bare)
		}
	}
	return page, next, err
}

// wordless is r without what was written, as far as the erasure is about it; any: there
// was something.
func (r Request) wordless(whose Whose) (bare Request, any bool) {
	whole := whose.Request != "" && r.ID == whose.Request || whose.is(r.Requester.ID)
	bare = r.clone()
	drop := func(text *string) {
		any, *text = any || *text != "", ""
	}
	if whole {
		drop(&bare.Ask.Justification)
		drop(&bare.Ask.Ticket.Number)
		drop(&bare.Ask.Ticket.System)
	}
	if d := r.Decided; d != nil && (whole || whose.is(d.By.ID)) {
		without := *d
		drop(&without.Reason)
		bare.Decided = &without
	}
	for n := range bare.Intents {
		if i := &bare.Intents[n]; whole || whose.is(i.By.ID) {
			drop(&i.Reason)
		}
	}
	return bare, any
}

// dropFavourites drops what a person saved, and says whether there was anything.
func (b *Bot) dropFavourites(tx store.Tx, person string) (bool, error) {
	for _, id := range []string{person, strings.ToLower(person)} { // saved under the id as Microsoft spells it
		key := b.o.Pseudonym("principal", id)
		_, err := favourites.Get(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		return err == nil, errors.Join(err, favourites.Delete(tx, key))
	}
	return false, nil
}
