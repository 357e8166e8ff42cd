package bot

import (
	"time"

	"github.com/belaybot/belay/pim"
)

// Sending marks an intent as possibly heard by Microsoft, before each call.
type Sending struct{ Intent string }

func (e Sending) apply(r *Request, at time.Time) error {
	i := r.intent(e.Intent)
	if i == nil {
		return nil
	}
	switch {
	case i.State == IntentReady && r.runnable(*i) && !at.Before(i.NotBefore), i.State == IntentSent && i.Restored: // which was looked up by now
		i.State, i.SentAt, i.Restored = IntentSent, at, false
	}
	if i.State == IntentSent {
		i.Calls++
	}
	return nil
}

// Accept records that Microsoft took the call.
type Accept struct{ Intent string }

func (e Accept) apply(r *Request, at time.Time) error {
	i := r.intent(e.Intent)
	if i == nil || i.State == IntentDone {
		return nil
	}
	r.finish(i, Accepted, nil)
	r.ObserveAt = at
	r.Trouble = nil
	r.note(at, "Microsoft accepted: "+string(i.Kind), i.By.ID, "")
	return nil
}

// Refuse records that Microsoft, or the sign-in, said no for good.
type Refuse struct {
	Intent string
	Why    Refusal
}

func (e Refuse) apply(r *Request, at time.Time) error {
	i := r.intent(e.Intent)
	if i == nil || i.State == IntentDone {
		return nil
	}
	why := e.Why
	r.finish(i, Refused, &why)
	if i.Kind == ToActivate {
		r.Trouble = &why
		r.move(Failed)
		r.close()
	} else if !r.State.Final() {
		r.ObserveAt = at // something is not as it was thought to be
	}
	r.note(at, "refused: "+string(i.Kind), i.By.ID, string(why.Code))
	return nil
}

// Delay records that a call is to be made again later.
type Delay struct {
	Intent string
	Until  time.Time
	Why    Refusal
	// Unheard says that Microsoft certainly did not do it, so that no reading is
	// needed before the next try.
	Unheard bool
}

func (e Delay) apply(r *Request, at time.Time) error {
	i := r.intent(e.Intent)
	if i == nil || i.State == IntentDone || i.State == IntentWaiting { // only its person ends a waiting
		return nil
	}
	if e.Unheard {
		i.State, i.SentAt = IntentReady, time.Time{}
		if r.pointless(*i) {
			r.finish(i, TakenBack, nil)
			return nil
		}
	}
	i.NotBefore, i.Tries = e.Until, i.Tries+1
	if i.Kind == ToActivate {
		why := e.Why
		r.Trouble = &why
	}
	return nil
}

// NeedSignIn records that the person of an intent must sign in first.
type NeedSignIn struct {
	Intent    string
	Ticket    string
	Challenge bool // Microsoft asked for more than a plain sign-in
	Unheard   bool // Microsoft certainly did not do what was asked
	Fresh     bool // of a decision: a fresh one
}

func (e NeedSignIn) apply(r *Request, at time.Time) error {
	i := r.intent(e.Intent)
	if i == nil || i.State == IntentDone {
		return nil
	}
	if i.SignIns >= maxSignIns {
		why := Refusal{Code: pim.CodeStepUp}
		if e.Fresh && !e.Challenge {
			why.Code = pim.CodeNotFresh
		}
		return Refuse{Intent: e.Intent, Why: why}.apply(r, at)
	}
	if e.Unheard {
		i.SentAt = time.Time{}
		if r.pointless(*i) {
			r.finish(i, TakenBack, nil)
			return nil
		}
	}
	if i.Disowned { // nobody signs in for it, so it cannot be found out
		return Lost{Intent: e.Intent}.apply(r, at)
	}
	i.State = IntentWaiting
	i.Ticket, i.Challenge, i.Deadline, i.SignIns = e.Ticket, e.Challenge, at.Add(SignInTime), i.SignIns+1
	i.Fresh, i.Proof = e.Fresh && i.Kind.review(), Proof{}
	if i.Kind == ToActivate {
		r.move(SignInRequired)
	}
	r.note(at, "sign-in needed", i.By.ID, string(i.Kind))
	return nil
}

// SignedIn lets what waited for a person's sign-in go on: the intent that the
// sign-in was for, and the requester's own calls from the same chat account. A
// sign-in for one thing never sends somebody's decision on another.
type SignedIn struct {
	Principal string
	User      User   // the chat account whose link was used
	Intent    string // what the link was for; empty: nothing in particular

	// AuthTime is when Microsoft says that the person signed in, of a sign-in that was
	// asked to be fresh for that intent; zero: it was not. Waived: no fresh one is asked
	// for any more.
	AuthTime time.Time
	Waived   bool
}

func (e SignedIn) apply(r *Request, at time.Time) error {
	for n := range r.Intents {
		i := &r.Intents[n]
		same := i.By.User.Platform == e.User.Platform && i.By.User.Tenant == e.User.Tenant && i.By.User.ID == e.User.ID
		if i.State != IntentWaiting || i.By.ID != e.Principal || !same || i.Kind.review() && i.ID != e.Intent {
			continue
		}
		if !i.proven(e, at) {
			continue
		}
		i.State, i.Ticket, i.Deadline, i.NotBefore = IntentReady, "", time.Time{}, time.Time{}
		if i.Kind == ToDeactivate {
			r.planStop(i, at)
		}
		if !i.SentAt.IsZero() {
			i.State = IntentSent // look first
		}
		if i.Kind == ToActivate {
			r.move(Submitting)
		}
		r.note(at, "signed in", e.Principal, string(i.Kind))
	}
	return nil
}

// Moot ends an intent that nothing is left to do for.
type Moot struct{ Intent string }

func (e Moot) apply(r *Request, at time.Time) error {
	if i := r.intent(e.Intent); i != nil && i.open() {
		r.finish(i, Dropped, nil)
		r.note(at, "nothing was left to do: "+string(i.Kind), i.By.ID, "")
	}
	return nil
}

// Lapse ends an intent whose person did not sign in.
type Lapse struct{ Intent string }

func (e Lapse) apply(r *Request, at time.Time) error {
	i := r.intent(e.Intent)
	if i == nil || i.State != IntentWaiting || at.Before(i.Deadline) {
		return nil
	}
	heard := !i.SentAt.IsZero() // its answer was lost: it may well have been done
	r.finish(i, Lapsed, nil)
	if i.Kind == ToActivate {
		if heard {
			r.End = EndNotVisible
			r.move(Ended)
		} else {
			r.move(Canceled)
		}
		r.close()
	}
	r.note(at, "nobody signed in", i.By.ID, string(i.Kind))
	return nil
}

// Lost ends an intent of which it cannot be found out any more whether Microsoft
// did it.
type Lost struct{ Intent string }

func (e Lost) apply(r *Request, at time.Time) error {
	i := r.intent(e.Intent)
	if i == nil || i.State == IntentDone {
		return nil
	}
	r.finish(i, Refused, &Refusal{Code: pim.CodeUnavailable})
	if i.Kind == ToActivate {
		r.End = EndNotVisible
		r.move(Ended)
		r.close()
	}
	r.note(at, "given up: "+string(i.Kind), i.By.ID, "")
	return nil
}
