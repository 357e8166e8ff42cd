package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Why a link ended, for the audit trail and for the sentence that its person reads.
const (
	EndedByPerson   = "unlinked"
	EndedByOperator = "revoked by an operator"
	EndedAsLeft     = "deactivated"
	EndedAsGuest    = "made a guest"
	EndedAsNoMember = "no full member any more"
)

// Unlinked is the end of a call whose person's link ended before Microsoft heard of it.
const Unlinked Outcome = "unlinked"

// endLink ends one chat user's link, with the sign-in of whose link it was, and what is owed
// in its name, in one transaction. Other accounts of that person stay linked and ask for a
// sign-in when it is needed. Without a link, as in Teams before the first sign-in, the rest
// is done all the same. It returns the requests to kick.
func (b *Bot) endLink(tx store.Tx, at time.Time, u User, principal string, by trail.Actor, why string) (changed []string, err error) {
	if _, err := b.o.Links.Unlink(tx, u, by, why); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err := b.o.Grants.ForgetIn(tx, principal, why); err != nil {
		return nil, err
	}
	return b.withdraw(tx, at, principal, u)
}

// revoke ends every link of a principal, their sign-in, and all that is owed in their name,
// in one transaction, and owes each of their chat accounts a word. It returns the requests
// to kick, and the links that ended.
func (b *Bot) revoke(tx store.Tx, at time.Time, principal string, by trail.Actor, why string) (changed []string, ended []Link, err error) {
	if ended, err = b.o.Links.At(tx, principal); err != nil {
		return nil, nil, err
	}
	for _, l := range ended {
		if _, err := b.o.Links.Unlink(tx, l.User, by, why); err != nil {
			return nil, nil, err
		}
		if err := b.oweFarewell(tx, at, l, why); err != nil {
			return nil, nil, err
		}
	}
	if err := b.o.Grants.ForgetIn(tx, principal, why); err != nil {
		return nil, nil, err
	}
	changed, err = b.withdraw(tx, at, principal, User{})
	return changed, ended, err
}

// withdraw takes back what a person owes Microsoft and Microsoft has not heard of: from one
// of their chat accounts, or, with the zero User, from all.
func (b *Bot) withdraw(tx store.Tx, at time.Time, principal string, from User) (changed []string, err error) {
	seen := map[string]bool{}
	for _, p := range []part{partAsks, partDecides, partWaits} {
		all, err := b.docs.of(tx, principal, p)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			e := Withdraw{Principal: principal, From: from}
			if seen[r.ID] || !e.concerns(r) {
				continue
			}
			seen[r.ID] = true
			if _, err := b.changeIn(tx, r.ID, at, e); err != nil {
				return nil, err
			}
			changed = append(changed, r.ID)
		}
	}
	reviews, err := b.withdrawReviews(tx, principal, from, at)
	return append(changed, reviews...), err
}

// afterEnd is what is left to do when links of a principal have ended durably.
func (b *Bot) afterEnd(principal string, changed []string, ended ...Link) {
	b.menu.drop(principal)
	for _, l := range ended {
		b.kick(b.greetingID(l.User), true)
	}
	for _, id := range changed {
		b.kick(id, true)
	}
	b.watch.renew()
}

// Withdraw takes back the calls of a person whose link ended. A call that Microsoft may have
// heard of is not among them: what became of it is found out as ever.
type Withdraw struct {
	Principal string
	From      User // the account whose link ended; zero: all of theirs
}

func (e Withdraw) takes(i Intent) bool {
	return i.open() && i.SentAt.IsZero() && strings.EqualFold(i.By.ID, e.Principal) && (e.From == User{} || Ticket{User: i.By.User}.of(e.From))
}

func (e Withdraw) concerns(r Request) bool {
	for _, i := range r.Intents {
		if e.takes(i) {
			return true
		}
	}
	return false
}

func (e Withdraw) apply(r *Request, at time.Time) error {
	for n := range r.Intents {
		i := &r.Intents[n]
		if !e.takes(*i) {
			continue
		}
		r.finish(i, Unlinked, nil)
		if i.Kind == ToActivate {
			r.move(Canceled)
			r.close()
		}
		r.note(at, "unlinked before it was sent: "+string(i.Kind), i.By.ID, "")
	}
	return nil
}

// Whom are the links that an operator names: by chat user id, Entra object id or user
// principal name.
func (l *Links) Whom(tx store.Tx, name string) (found []Link, err error) {
	all, err := l.All(tx)
	for _, link := range all {
		if link.User.ID == name || strings.EqualFold(link.Principal.ID, name) || link.Principal.UPN != "" && strings.EqualFold(link.Principal.UPN, name) {
			found = append(found, link)
		}
	}
	return found, err
}

// otherUser is the chat user of a link that one of the same principal's chats names, or
// store.ErrNotFound.
func (l *Links) otherUser(tx store.Tx, key, principal string) (User, error) {
	if key == "" || len(key) > maxID {
		return User{}, store.ErrNotFound
	}
	link, err := linked.Get(tx, key)
	if err == nil && !strings.EqualFold(link.Principal.ID, principal) {
		err = store.ErrNotFound
	}
	return link.User, err
}

// RevokeLinks ends all links of a person for an operator. command, when not nil, is recorded
// in the same transaction. It says which links there were; none is no error.
func (b *Bot) RevokeLinks(ctx context.Context, p pim.Principal, by trail.Actor, command *trail.Event) ([]Link, error) {
	var changed []string
	var ended []Link
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if changed, ended, err = b.revoke(tx, at, p.ID, by, EndedByOperator); err != nil || command == nil {
			return err
		}
		e := *command
		e.Subject, e.Texts = p.ID, trail.Texts{"subject": personText(p)}
		return b.o.Trail.Append(tx, e)
	})
	if err != nil {
		return nil, err
	}
	b.afterEnd(p.ID, changed, ended...)
	return ended, nil
}
