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

	Trace string // of the act; empty: none
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
	i := Intent{ID: e.Intent, Kind: ToActivate, By: e.Requester, Reason: e.Ask.Justification, State: IntentReady, Made: at, Trace: e.Trace}
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
	Trace    string // of the act; empty: none
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
	i := Intent{ID: e.ID, Kind: e.Kind, By: e.By, Reason: e.Reason, State: IntentReady, Made: at, Then: e.Then, Told: e.Told, Trace: e.Trace}
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
