package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Accounts reads Entra's logs of single accounts, as Belay itself. Errors are *pim.Error.
type Accounts interface {
	// SignIns reads the interactive sign-ins of an account since a time, oldest first.
	SignIns(ctx context.Context, account string, since time.Time) ([]pim.SignIn, error)
	// Changes reads what was done to an account since a time, oldest first.
	Changes(ctx context.Context, account string, since time.Time) ([]pim.AccountChange, error)
}

// placeLooks are how long after an activation the sign-in log is read for it: the log is
// minutes late, so that one look is not enough. What is unusual is told at the first look
// that finds it.
var placeLooks = []time.Duration{10 * time.Minute, 45 * time.Minute}

const (
	placeAgain  = 2 * time.Minute // after a look that failed, or whose process died
	placeGiveUp = 3 * time.Hour   // after the activation, when the log could not be read until then
	placeSlack  = 5 * time.Minute // Entra's clock and ours
)

// placeCheck is an activation whose sign-ins are still to be looked at.
type placeCheck struct {
	Request string                 `json:"request"`
	Person  pim.Principal          `json:"person"`
	Role    pim.EligibleAssignment `json:"role"`
	Began   time.Time              `json:"began"`
	Look    int                    `json:"look"` // how many there were
	Told    bool                   `json:"told,omitempty"`
}

var placeChecks = store.NewBucket[placeCheck]("place-checks") // when to look + request

// checkPlace has the sign-ins looked at by which an activation came about.
func (b *Bot) checkPlace(tx store.Tx, r Request, at time.Time) error {
	c := placeCheck{Request: r.ID, Person: r.Requester.Principal, Role: r.Role, Began: maxTime(r.Held.From, r.Made)}
	return placeChecks.Put(tx, dueKey(at.Add(placeLooks[0]), r.ID), c)
}

// lookAtPlaces looks at the sign-ins of activations whose time has come.
func (b *Bot) lookAtPlaces(ctx context.Context, now time.Time) {
	for ctx.Err() == nil {
		c, ok, err := b.claimPlace(ctx, now)
		if err == nil && ok {
			err = b.lookAtPlace(ctx, c, now)
		}
		if err != nil && ctx.Err() == nil {
			b.o.Log.Warn("the sign-ins of an activation could not be looked at; tried again", "request", c.Request, "code", pim.CodeOf(err), "error", err)
		}
		if err != nil || !ok {
			return
		}
	}
}

// claimPlace takes the check that is due first, if there is one and the budget allows a
// reading, and puts it off for as long as a look may take: should this process die, or
// another one look, nothing is lost and little done twice.
func (b *Bot) claimPlace(ctx context.Context, now time.Time) (c placeCheck, ok bool, err error) {
	find := func(tx store.Tx) (key string, err error) {
		ok = false
		err = placeChecks.Scan(tx, "", dueKey(now, ""), func(k string, v placeCheck) error {
			key, c, ok = k, v, true
			return store.Stop
		})
		return key, err
	}
	if err := b.o.Store.View(ctx, func(tx store.Tx) error { _, err := find(tx); return err }); err != nil || !ok || b.reads.take(reports, once) > 0 {
		return c, false, err
	}
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		key, err := find(tx)
		if err != nil || !ok {
			return err
		}
		return errors.Join(placeChecks.Delete(tx, key), placeChecks.Put(tx, dueKey(now.Add(placeAgain), c.Request), c))
	})
	return c, ok && err == nil, err
}

// lookAtPlace is one look. What it learns, and the alert, are one transaction.
func (b *Bot) lookAtPlace(ctx context.Context, c placeCheck, now time.Time) error {
	rules, claimed := *b.o.Alerts, dueKey(now.Add(placeAgain), c.Request)
	var known usual
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		known, err = usualPlaces.Get(tx, b.placesKey(c.Person.ID))
		return ignoreMissing(err)
	})
	if err != nil {
		return err
	}
	cctx, cancel := context.WithTimeout(ctx, 4*callTime)
	all, err := b.o.Accounts.SignIns(cctx, c.Person.ID, known.since(c.Began, rules))
	cancel()
	b.sees(AlertPlace, err)
	if err != nil {
		b.reads.rest(reports, err)
		if now.Sub(c.Began) < placeGiveUp {
			return err
		}
		b.cannotSee(AlertPlace, err) // a throttle too: this one will never be seen
		b.o.Metrics.placed.WithLabelValues(placeUnseen).Inc()
		return errors.Join(err, b.o.Store.Update(ctx, func(tx store.Tx) error { return placeChecks.Delete(tx, claimed) }))
	}
	b.reads.charge(pages(len(all)) - 1)
	outcome, last := "", c.Look+1 >= len(placeLooks)
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		key := b.placesKey(c.Person.ID)
		known, err := usualPlaces.Get(tx, key)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		var strange *pim.SignIn
		var next usual
		next, strange, outcome = known.learn(all, c.Began, rules)
		then := c
		then.Look++
		if strange != nil {
			then.Told = true
			if err := b.raise(tx, strangePlace(c, *strange, next, rules), now); err != nil {
				return err
			}
		}
		if then.Told {
			outcome = placeUnusual
		}
		if err := errors.Join(usualPlaces.Put(tx, key, next), placeChecks.Delete(tx, claimed)); err != nil || last {
			return err
		}
		return placeChecks.Put(tx, dueKey(maxTime(now, c.Began).Add(placeLooks[then.Look]-placeLooks[c.Look]), c.Request), then)
	})
	if err == nil && last {
		b.o.Metrics.placed.WithLabelValues(outcome).Inc()
	}
	return err
}

func strangePlace(c placeCheck, s pim.SignIn, u usual, rules AlertRules) detection {
	a := Alert{Kind: AlertPlace, Severity: Medium, Subject: c.Person, Role: c.Role, Request: c.Request, Reason: sayStrange(s, rules.PlaceDays)}
	a.Evidence = append(signInFacts(s), Fact{Name: "Usual", Value: sayList(u.countries(s.Country), "and")}, Fact{Name: "Active since", At: c.Began})
	return detection{Alert: a, cause: strings.ToLower(c.Person.ID) + "/" + s.ID}
}

// signInFacts are a sign-in as evidence.
func signInFacts(s pim.SignIn) []Fact {
	facts := []Fact{{Name: saySignedIn(s.App), At: s.At}}
	for _, f := range []Fact{{Name: "From", Value: saySignInPlace(s)}, {Name: "With", Value: s.Device}} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return facts
}
