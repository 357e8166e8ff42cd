package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// favourites keeps what a person saved. Names are a person's own words: they stand
// in the sealed value, not in the key.
var favourites = store.NewBucket[[]favourite]("favourites") // pseudonym of the person → sorted by name

// favourite is a request that was saved under a name.
type favourite struct {
	Name  string                   `json:"name"` // one word, in lower case
	Roles []pim.EligibleAssignment `json:"roles"`
	Ask   Ask                      `json:"ask"` // without a start
	Made  time.Time                `json:"made"`
}

const (
	mostFavourites = 20
	maxName        = 30 // runes
)

// values are the answers of an earlier form. A start is over, and a box is to be
// ticked anew.
func (a Ask) values() map[string]string {
	return map[string]string{fieldTime: pim.FormatDuration(a.Duration), fieldReason: a.Justification,
		fieldTicket: a.Ticket.Number, fieldSystem: a.Ticket.System}
}

// favourite finds what a person saved under a name.
func (b *Bot) favourite(ctx context.Context, person, name string) (found favourite, ok bool, err error) {
	all, err := b.saved(ctx, person)
	n := slices.IndexFunc(all, func(f favourite) bool { return f.Name == strings.ToLower(name) })
	if err != nil || n < 0 {
		return favourite{}, false, err
	}
	return all[n], true, nil
}

func (b *Bot) saved(ctx context.Context, person string) (all []favourite, err error) {
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		all, err = b.savedIn(tx, person)
		return err
	})
	return all, err
}

func (b *Bot) savedIn(tx store.Tx, person string) ([]favourite, error) {
	all, err := favourites.Get(tx, b.o.Pseudonym("principal", person))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return all, err
}

// latestOf gives the request a person made last, and those sent with it.
func (b *Bot) latestOf(ctx context.Context, person string) ([]Request, error) {
	var id string
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		var err error
		id, err = latest.Get(tx, b.o.Pseudonym("principal", person))
		return err
	})
	if err != nil {
		return nil, err
	}
	r, err := b.Request(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("a person's latest request %s: %w", id, err)
	}
	return b.together(ctx, r)
}

func rolesOf(all []Request) []pim.EligibleAssignment {
	roles := make([]pim.EligibleAssignment, len(all))
	for n, r := range all {
		roles[n] = r.Role
	}
	return roles
}

// again opens the form as it was for a request: the one with id, or the person's
// latest.
func (b *Bot) again(ctx context.Context, in Inbound, a actor, id string, e Elevate) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	var all []Request
	var r Request
	var err error
	if id == "" {
		all, err = b.latestOf(ctx, a.ID)
	} else if r, err = b.Request(ctx, id); err != nil {
		all = nil
	} else if !strings.EqualFold(r.Requester.ID, a.ID) {
		err = bar("not-theirs", sayNotYours)
	} else {
		all = []Request{r} // the button stands on one role's card
	}
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Neutral, "Nothing to repeat", sayNothingAgain)}, nil
	}
	if err != nil {
		b.pressRefused(ctx, a, r, string(VerbAgain), err)
		return b.trouble(in, err), nil
	}
	return b.openForm(ctx, in, a, wish{roles: rolesOf(all), values: all[0].Ask.values()}.said(e))
}

// openSaved opens the form for what was saved under a name.
func (b *Bot) openSaved(ctx context.Context, in Inbound, a actor, name string) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	f, ok, err := b.favourite(ctx, a.ID, name)
	if err != nil {
		return b.trouble(in, err), nil
	}
	if !ok {
		return Reply{Card: plain(Neutral, "Not saved", sayNotSaved(name))}, nil
	}
	return b.openForm(ctx, in, a, wish{roles: f.Roles, values: f.Ask.values()})
}

// save keeps the person's latest request under a name.
func (b *Bot) save(ctx context.Context, in Inbound, a actor, name string) Reply {
	name = strings.ToLower(name)
	if why := badName(name); why != "" {
		return Reply{Card: plain(Bad, "Nothing was saved", why)}
	}
	all, err := b.latestOf(ctx, a.ID)
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Neutral, "Nothing to save", sayNothingAgain)}
	}
	if err != nil {
		return b.trouble(in, err)
	}
	f := favourite{Name: name, Roles: rolesOf(all), Ask: all[0].Ask, Made: b.o.Now().UTC()}
	f.Ask.Start = time.Time{}
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		mine, err := b.savedIn(tx, a.ID)
		if err != nil {
			return err
		}
		mine = slices.DeleteFunc(slices.Clone(mine), func(old favourite) bool { return old.Name == name })
		if len(mine) >= mostFavourites {
			return refuse(CodeInvalid, sayTooManySaved)
		}
		mine = append(mine, f)
		slices.SortFunc(mine, func(a, b favourite) int { return strings.Compare(a.Name, b.Name) })
		return favourites.Put(tx, b.o.Pseudonym("principal", a.ID), mine)
	})
	if err != nil {
		return b.trouble(in, err)
	}
	return Reply{Card: savedCard(f)}
}

// forget drops what was saved under a name.
func (b *Bot) forget(ctx context.Context, in Inbound, a actor, name string) Reply {
	if name = strings.ToLower(name); name == "" {
		return Reply{Card: plain(Bad, "Nothing was forgotten", sayForgetWhat)}
	}
	found := false
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		mine, err := b.savedIn(tx, a.ID)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(mine), func(f favourite) bool { return f.Name == name })
		if found = len(left) < len(mine); !found {
			return nil
		}
		if len(left) == 0 {
			return favourites.Delete(tx, b.o.Pseudonym("principal", a.ID))
		}
		return favourites.Put(tx, b.o.Pseudonym("principal", a.ID), left)
	})
	switch {
	case err != nil:
		return b.trouble(in, err)
	case !found:
		return Reply{Card: plain(Neutral, "Not saved", sayNotSaved(name))}
	}
	return Reply{Card: plain(Neutral, "Forgotten", sayForgotten(name))}
}

// listSaved shows what a person saved, with a button for each.
func (b *Bot) listSaved(ctx context.Context, in Inbound, a actor) Reply {
	all, err := b.saved(ctx, a.ID)
	if err != nil {
		return b.trouble(in, err)
	}
	if len(all) == 0 {
		return Reply{Card: plain(Neutral, "Nothing saved", sayNothingSaved)}
	}
	cards := savedCards(all)
	return Reply{Card: &cards[0], More: cards[1:]}
}

// badName says why a name cannot be one; "" when it can. A command has to mean one
// thing only.
func badName(name string) string {
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r == ' ' }):
		return saySaveWhat
	case utf8.RuneCountInString(name) > maxName:
		return sayLongName
	case slices.Contains(subcommands, Subcommand(name)) || isNumber(name) || looksLikeTime(name):
		return sayReservedName(name)
	}
	if _, err := ParseTime(name); err == nil {
		return sayReservedName(name)
	}
	return ""
}

// earlier reads the subcommands that may have a name behind them: whatever follows
// "save" and "forget" is one, or is told to be none.
func earlier(words []string) (Elevate, bool) {
	sub := Subcommand(strings.ToLower(words[0]))
	return Elevate{Sub: sub, Name: strings.Join(words[1:], " ")}, sub == SubSave || sub == SubForget
}

// orAgain takes "again", where a role's name may stand, for the subcommand.
func (e Elevate) orAgain() Elevate {
	if strings.EqualFold(e.Role, string(SubAgain)) {
		e.Sub, e.Role = SubAgain, ""
	}
	return e
}
