package bot

import (
	"context"
	"time"

	"github.com/belaybot/belay/pim"
)

// Presence: a decision on some roles needs its approver in person. A live sign-in would
// let whoever forges that approver's press decide; a fresh one, made in the browser after
// the press and for it alone, does not.
//
// The rule is asked twice: at the press, so that the decision waits for the sign-in, and
// where the decision leaves for Microsoft, whatever happened before. The second is what
// holds; the first is so that nobody is surprised.

// Proof is that the person of a decision signed in for it. It lies in the intent, whose
// request, verb and person never change, and so is worth nothing for another one.
type Proof struct {
	AuthTime time.Time `json:"authTime"` // Microsoft's word: when they signed in
	At       time.Time `json:"at"`       // when Belay learned of it
}

// present says that the proof still counts: as long as a sign-in is waited for.
func (p Proof) present(now time.Time) bool {
	return !p.AuthTime.IsZero() && !now.Before(p.At) && now.Before(p.At.Add(SignInTime))
}

// proven takes a sign-in for the proof that the intent waits for, and says whether it
// may go on. What waits for nothing special may.
func (i *Intent) proven(e SignedIn, at time.Time) bool {
	switch {
	case !i.Fresh:
		return true
	case e.Waived:
		i.Fresh = false
		return true
	case e.AuthTime.IsZero() || i.ID != e.Intent || !at.Before(i.Deadline):
		return false
	}
	i.Proof = Proof{AuthTime: e.AuthTime.UTC(), At: at}
	return true
}

// fresh says whether a call on a role needs a fresh sign-in by today's rule.
func (b *Bot) fresh(role pim.EligibleAssignment, kind IntentKind) bool {
	return kind.review() && b.project.presence(role)
}

// presence says whether decisions on a role need one.
func (p Projection) presence(role pim.EligibleAssignment) bool {
	return p.Presence != nil && p.Presence(role)
}

// present refuses a decision whose approver has not proven to be there. Errors are
// *pim.Error with CodeNotFresh.
func (b *Bot) present(r Request, i Intent) error {
	if !b.fresh(r.Role, i.Kind) || i.Proof.present(b.o.Now().UTC()) {
		return nil
	}
	return &pim.Error{Op: string(i.Kind), Code: pim.CodeNotFresh}
}

// decide sends a decision, as it is stored, and is the only place that does.
func (b *Bot) decide(ctx context.Context, p Caller, r Request, intent string, d pim.Decision) error {
	i, _ := r.Intent(intent)
	if err := b.present(r, i); err != nil {
		return err
	}
	return p.Review(ctx, i.By.ID, d)
}
