package bot

import (
	"slices"
	"strings"

	"github.com/belaybot/belay/store"
)

// Where no sign-in is kept (Options.EachTime), a person signs in for each act, and what they
// signed in with is dropped when the act is settled: in the transaction that records it, so
// that nothing later can be done with it. The sign-in itself ends by age, in minutes.

// forgetUsed is the code in the audit trail of a sign-in that served its act.
const forgetUsed = "used"

// stands says that a person's sign-in serves for what they do now. One that was for
// something else does not where each act wants its own.
func (b *Bot) stands(a actor) bool { return a.live && !b.o.EachTime }

// spend drops the sign-ins of those whose last act that was under way is settled by this
// change.
func (b *Bot) spend(tx store.Tx, before, after Request) error {
	if !b.o.EachTime {
		return nil
	}
	for _, i := range after.Intents {
		was, known := before.Intent(i.ID)
		if i.open() || known && !was.open() {
			continue
		}
		more, err := b.underWay(tx, i.By.ID, accessReview{})
		if err != nil || more {
			return err
		}
		if err := b.o.Grants.ForgetIn(tx, i.By.ID, forgetUsed); err != nil {
			return err
		}
	}
	return nil
}

// underWay says that something of a person's is under way that waits for no sign-in. A review
// that is about to be kept counts as it will be.
func (b *Bot) underWay(tx store.Tx, principal string, next accessReview) (bool, error) {
	reviews, err := b.reviewsOf(tx, principal)
	if err != nil {
		return false, err
	}
	for _, r := range reviews {
		if r.ID == next.ID {
			r = next
		}
		if slices.ContainsFunc(r.Acts, func(a reviewAct) bool { return !a.settled() && a.State != IntentWaiting }) {
			return true, nil
		}
	}
	for _, p := range []part{partAsks, partDecides} {
		all, err := b.docs.of(tx, principal, p)
		if err != nil {
			return false, err
		}
		for _, r := range all {
			if slices.ContainsFunc(r.Intents, func(i Intent) bool {
				return i.open() && i.State != IntentWaiting && strings.EqualFold(i.By.ID, principal)
			}) {
				return true, nil
			}
		}
	}
	return false, nil
}
