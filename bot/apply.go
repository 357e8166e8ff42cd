package bot

import (
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// Event is one thing that happened to a request. Ids and times come in from
// outside, so that Apply is pure.
type Event interface {
	apply(r *Request, at time.Time) error
}

// SignInTime is how long an intent waits for a sign-in before it lapses.
const SignInTime = 10 * time.Minute

// Window is how long Microsoft keeps a request for approval open. It cannot be
// set (FACTS: PIM approval workflow, "24 hours, not configurable").
const Window = 24 * time.Hour

// windowSlack is how long after Window an outcome may still become visible.
const windowSlack = 10 * time.Minute

// maxIntents is how many calls one request may owe in its life: people press, are
// refused and press again, but not without end.
const maxIntents = 40

// maxSignIns is how often one intent asks for a sign-in before it gives up.
const maxSignIns = 3

// Apply gives the request that r becomes by e at the time at. r itself is not
// changed. It returns an *Error, with a sentence for the person, when the event is
// a person's act that is not allowed; the request is then to be left as it was.
func Apply(r Request, at time.Time, e Event) (Request, error) {
	next := r.clone()
	if err := e.apply(&next, at); err != nil {
		return r, err
	}
	return next, nil
}

// move is the only way a state changes. Microsoft's word never goes backwards,
// because reads are only eventually consistent.
func (r *Request) move(to State) bool {
	if r.State == to || !canMove(r.State, to) {
		return false
	}
	r.State = to
	return true
}

func (r *Request) note(at time.Time, what, who, detail string) {
	r.History = append(r.History, Entry{At: at, What: what, Who: who, State: r.State, Detail: detail})
}

// intent gives a pointer into r's own copy.
func (r *Request) intent(id string) *Intent {
	i := slices.IndexFunc(r.Intents, func(i Intent) bool { return i.ID == id })
	if i < 0 {
		return nil
	}
	return &r.Intents[i]
}

// Asked creates the request: the requester has sent the form.
type Asked struct {
	ID        string
	Requester Person
	Role      pim.EligibleAssignment
	Ask       Ask
	Policy    pim.Policy
	Intent    string
	SignedIn  bool   // a sign-in can be used now
	Ticket    string // where not: the one-time link
	// Acknowledged is the text that the requester had to tick; empty: there was none.
	Acknowledged string
	With         []Together // as of a Request

	// Of an extension: the request whose activation has to be over first, and when
	// it ends by itself.
	Follows      string
	FollowsUntil time.Time
}

func (e Asked) apply(r *Request, at time.Time) error {
	if r.ID != "" {
		return refuse(CodeInvalid, sayAlreadySent)
	}
	*r = Request{ID: e.ID, Requester: e.Requester, Role: e.Role, Ask: e.Ask, Made: at, With: e.With, Follows: e.Follows, FollowsUntil: e.FollowsUntil,
		ApproverGroups: e.Policy.ApproverGroups, DefaultApprovers: e.Policy.DefaultApprovers,
		Approval: e.Policy.Approval, Approvers: slices.DeleteFunc(slices.Clone(e.Policy.Approvers), func(p pim.Principal) bool {
			return strings.EqualFold(p.ID, e.Requester.ID) // nobody approves their own request
		})}
	i := Intent{ID: e.Intent, Kind: ToActivate, By: e.Requester, Reason: e.Ask.Justification, State: IntentReady, Made: at}
	r.State = begins(e.SignedIn)
	if !e.SignedIn {
		i.State, i.Ticket, i.Deadline, i.SignIns = IntentWaiting, e.Ticket, at.Add(SignInTime), 1
	}
	if len(r.With) > 1 {
		r.WordGiven = r.State
	}
	r.Intents = append(r.Intents, i)
	r.note(at, "asked", e.Requester.ID, "")
	if e.Acknowledged != "" {
		r.note(at, noteAcknowledged, e.Requester.ID, e.Acknowledged)
	}
	return nil
}

// Intended records that a person wants something done with the request: a
// decision, or the requester's cancel or deactivate.
type Intended struct {
	ID       string
	Kind     IntentKind
	By       Person
	Reason   string
	SignedIn bool
	Ticket   string
	Then     string // of a deactivation: the request that is to follow it
	Fresh    bool   // of a decision: it needs a fresh sign-in, whoever is signed in
	Told     []Told // of a decision: who hears of it
}

func (e Intended) apply(r *Request, at time.Time) error {
	if err := r.mayIntend(e.Kind, e.By.ID); err != nil {
		return err
	}
	if e.Kind == ToCancel && r.Held.ID == "" && !r.sentActivation() {
		for n := range r.Intents { // Microsoft has not heard of it: nothing to relay
			r.finish(&r.Intents[n], Dropped, nil)
		}
		r.move(Canceled)
		r.note(at, noteUnsent, e.By.ID, "")
		return nil
	}
	i := Intent{ID: e.ID, Kind: e.Kind, By: e.By, Reason: e.Reason, State: IntentReady, Made: at, Then: e.Then, Told: e.Told}
	if e.Kind == ToDeactivate {
		r.planStop(&i, at)
	}
	i.Fresh = e.Fresh && e.Kind.review()
	if !e.SignedIn || i.Fresh {
		i.State, i.Ticket, i.Deadline, i.SignIns = IntentWaiting, e.Ticket, at.Add(SignInTime), 1
	}
	r.Intents = append(r.Intents, i)
	r.note(at, "wants to "+string(e.Kind), e.By.ID, "")
	return nil
}

// mayIntend refuses on what is stored; Microsoft is asked again before a call.
func (r *Request) mayIntend(kind IntentKind, who string) error {
	if kind.review() {
		if strings.EqualFold(who, r.Requester.ID) {
			return bar("own-request", sayOwnRequest)
		}
		if r.State != PendingApproval {
			return refuse(CodeInvalid, sayNotPending(*r))
		}
		if _, ok := r.approver(who); !ok {
			return bar("not-approver", sayNotApprover)
		}
	} else if !strings.EqualFold(who, r.Requester.ID) {
		return bar("not-theirs", sayNotYours)
	}
	switch {
	case kind == ToCancel && (r.State.Final() || r.State == Active):
		return refuse(CodeInvalid, sayCannotCancel(*r))
	case kind == ToDeactivate && r.State != Active:
		return refuse(CodeInvalid, sayNotActive(*r))
	}
	if len(r.Intents) >= maxIntents {
		return refuse(CodeBusy, sayTooMany)
	}
	for _, i := range r.Intents {
		if !i.open() || i.Kind == ToActivate {
			continue
		}
		if i.By.ID == who && i.Kind.review() == kind.review() {
			return refuse(CodeBusy, sayAlreadyUnderWay(i))
		}
		if kind.review() && i.Kind.review() && i.State == IntentSent {
			return refuse(CodeBusy, sayBeingDecided(i.By.Name))
		}
	}
	return nil
}

// sentActivation says that Microsoft may have heard of the request.
func (r *Request) sentActivation() bool {
	return slices.ContainsFunc(r.Intents, func(i Intent) bool { return i.Kind == ToActivate && !i.SentAt.IsZero() })
}

func (r *Request) finish(i *Intent, o Outcome, why *Refusal) {
	if i.State == IntentDone {
		return
	}
	i.State, i.Outcome, i.Refusal, i.Ticket, i.Deadline = IntentDone, o, why, "", time.Time{}
	r.unplan(*i)
}

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

// Routed records where the approvers can be reached.
type Routed struct {
	Approvers []pim.Principal // who they are, where the policy had to be read anew; nil: as known
	Groups    []pim.ApproverGroup
	Default   bool // the policy names nobody
	Reach     []Reach
	Unreached []string
	Again     time.Time // a platform did not answer: look again then; zero: this is all
}

func (e Routed) apply(r *Request, _ time.Time) error {
	if e.Approvers != nil {
		r.Approval, r.ApproverGroups, r.DefaultApprovers = true, e.Groups, e.Default
		r.Approvers = slices.DeleteFunc(slices.Clone(e.Approvers), func(p pim.Principal) bool { return strings.EqualFold(p.ID, r.Requester.ID) })
	}
	r.Routed, r.RouteAt, r.Reach, r.Unreached = e.Again.IsZero(), e.Again, e.Reach, e.Unreached
	return nil
}

// Showed records what a slot shows now.
type Showed struct {
	Slot  Slot
	Shown Shown
}

func (e Showed) apply(r *Request, _ time.Time) error {
	if r.Shown == nil {
		r.Shown = map[Slot]Shown{}
	}
	r.Shown[e.Slot] = e.Shown
	return nil
}

// Unshown forgets a card that is not there any more, so that it is posted anew.
type Unshown struct{ Slot Slot }

func (e Unshown) apply(r *Request, _ time.Time) error {
	delete(r.Shown, e.Slot)
	return nil
}
