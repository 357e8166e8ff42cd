package bot

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store/trail"
)

// endsTogether is how far apart two words about the same end may be, where Entra gives
// the end a request id of its own.
const endsTogether = time.Hour

// Difference is one act of which Belay's audit trail and Entra's audit log do not say
// the same, or that was not made through Belay.
type Difference struct {
	Lacks     Side          `json:"lacks,omitempty"` // who does not have it; empty: both have it, and it was made elsewhere
	At        time.Time     `json:"at"`
	What      pim.TraceKind `json:"what"`
	Held      string        `json:"held,omitempty"`    // Microsoft's id of the request
	Request   string        `json:"request,omitempty"` // Belay's
	Kind      pim.Kind      `json:"kind"`
	Role      string        `json:"role,omitempty"`
	Actor     string        `json:"actor,omitempty"` // Entra object id; empty: not told
	ActorName string        `json:"actorName,omitempty"`
	Subject   string        `json:"subject,omitempty"` // Entra object id of whose activation it is
	Hint      string        `json:"hint"`
}

// Side is one of the two logs.
type Side string

// The two logs.
const (
	InBelay Side = "belay"
	InEntra Side = "entra"
)

// Reconciled is what a comparison found.
type Reconciled struct {
	Differences []Difference
	Compared    int // acts that both have
	Azure       int // acts on Azure resource roles, which Entra's log does not hold
}

// word is what one event of the trail says of a request, in the terms of Entra's log.
type word struct {
	trail.Event
	what  pim.TraceKind
	actor string // Entra object id; empty: not told
	here  bool   // an act that was made through Belay; else read at Microsoft
}

// Reconciler compares Belay's audit trail with Entra's audit log. Give it every event
// with Take; it keeps those that matter.
type Reconciler struct {
	since, until time.Time
	traces       []pim.Trace
	traced       map[string][]pim.Trace // by Microsoft's id of the request
	endsTraced   map[string][]pim.Trace // ends of activations, by whose and which
	words        map[string][]word      // as traced
	ends         map[string][]word      // as endsTraced
	azure        int
}

// NewReconciler compares what happened from since on and before until: what is newer
// may have reached one log and not yet the other. traces may begin earlier.
func NewReconciler(since, until time.Time, traces []pim.Trace) *Reconciler {
	r := &Reconciler{since: since, until: until, traces: traces, traced: map[string][]pim.Trace{}, endsTraced: map[string][]pim.Trace{},
		words: map[string][]word{}, ends: map[string][]word{}}
	for _, t := range traces {
		held := strings.ToLower(t.Request)
		r.traced[held] = append(r.traced[held], t)
		if t.What == pim.TraceEnded {
			key := endKey(t.Principal, t.Assignment)
			r.endsTraced[key] = append(r.endsTraced[key], t)
		}
	}
	return r
}

// Take hears of one event of the trail.
func (r *Reconciler) Take(e trail.Event) {
	w, ok := wordOf(e)
	held := strings.ToLower(e.Held)
	if !ok || held == "" {
		return
	}
	if e.Role != nil && e.Role.Kind == string(pim.AzureResource) {
		if w.here && r.within(e.At) {
			r.azure++
		}
		return
	}
	if r.traced[held] != nil || !e.At.Before(r.since) {
		r.words[held] = append(r.words[held], w)
	}
	if w.what == pim.TraceEnded && !e.At.Before(r.since.Add(-endsTogether)) {
		r.ends[w.endKey()] = append(r.ends[w.endKey()], w)
	}
}

// endKey tells activations apart by whose and which they are. The log does not name
// the scope of a directory role.
func endKey(subject string, a pim.Assignment) string {
	if a.Kind != pim.Group {
		a.Scope = ""
	}
	return strings.ToLower(strings.Join([]string{subject, string(a.Kind), a.Role, a.Scope}, "\n"))
}

func (w word) endKey() string {
	if w.Role == nil {
		return ""
	}
	return endKey(w.Subject, pim.Assignment{Kind: pim.Kind(w.Role.Kind), Role: w.Role.ID, Scope: w.Role.Scope})
}

// acts are what an accepted call is in Entra's log.
var acts = map[IntentKind]pim.TraceKind{ToActivate: pim.TraceAsked, ToApprove: pim.TraceApproved, ToDeny: pim.TraceDenied,
	ToCancel: pim.TraceCanceled, ToDeactivate: pim.TraceEnded}

// wordOf is what an event says in the terms of Entra's log, if anything.
func wordOf(e trail.Event) (w word, ok bool) {
	w.Event = e
	w.Texts = nil
	switch e.Kind {
	case trail.Accepted:
		w.what, ok = acts[IntentKind(e.Verb)]
		w.actor, w.here = e.Token, true
	case trail.Found:
		w.what, w.actor, ok = pim.TraceAsked, e.Subject, true
	case trail.Decided:
		w.what, ok = acts[IntentKind(e.Verb)]
		w.actor = e.Actor.Principal
	case trail.Moved:
		w.what, ok = map[State]pim.TraceKind{Active: pim.TraceActivated, Ended: pim.TraceEnded, Denied: pim.TraceDenied, Canceled: pim.TraceCanceled,
			Failed: pim.TraceExpired}[State(e.To)]
		ok = ok && e.From != e.To
	}
	return w, ok
}

func (r *Reconciler) within(at time.Time) bool { return !at.Before(r.since) && at.Before(r.until) }

// Result compares.
func (r *Reconciler) Result() Reconciled {
	res := Reconciled{Azure: r.azure}
	type line struct {
		request string
		what    pim.TraceKind
	}
	seen := map[line]bool{}
	for _, t := range r.traces {
		key := line{strings.ToLower(t.Request), t.What}
		if t.Request != "" && seen[key] || !r.within(t.At) {
			continue // asked for and sent to its approvers: two lines, one act
		}
		seen[key] = true
		if d, same := r.inBelay(t); same {
			res.Compared++
		} else {
			res.Differences = append(res.Differences, d)
		}
	}
	for _, words := range r.words {
		for _, w := range words {
			if d, lacks := r.inEntra(w, words); lacks {
				res.Differences = append(res.Differences, d)
			}
		}
	}
	slices.SortStableFunc(res.Differences, func(a, b Difference) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(strings.ToLower(a.Held), strings.ToLower(b.Held)))
	})
	return res
}

// inBelay looks a line of Entra's log up in the trail.
func (r *Reconciler) inBelay(t pim.Trace) (d Difference, same bool) {
	d = Difference{At: t.At, What: t.What, Held: t.Request, Kind: t.Assignment.Kind, Role: t.RoleName, Actor: t.By.ID, ActorName: t.By.Name, Subject: t.Principal}
	if d.Role == "" {
		d.Role = t.Assignment.Role
	}
	words := r.words[strings.ToLower(t.Request)]
	if t.What == pim.TraceEnded && !slices.ContainsFunc(words, func(w word) bool { return w.what == pim.TraceEnded }) {
		for _, w := range r.ends[endKey(t.Principal, t.Assignment)] {
			if near(w.At, t.At) {
				words = append(slices.Clone(words), w)
			}
		}
	}
	if len(words) == 0 {
		d.Lacks, d.Hint = InBelay, hintUnknownRequest
		return d, false
	}
	d.Request = words[0].Request
	person := t.By.ID != "" && t.What != pim.TraceActivated // PIM activates, whoever the log names
	read, other := false, ""
	for _, w := range words {
		switch {
		case w.what != t.What && (t.What != pim.TraceExpired || w.what != pim.TraceEnded):
			continue
		case !person, w.here && strings.EqualFold(w.actor, t.By.ID):
			return d, true
		case w.actor == "" || strings.EqualFold(w.actor, t.By.ID):
			read = read || !w.here
		default:
			other = w.actor
		}
	}
	switch {
	case other != "":
		d.Lacks, d.Hint = InBelay, hintOtherActor(other)
	case read:
		d.Hint = hintElsewhere
	default:
		d.Lacks, d.Hint = InBelay, hintUnknownStep
	}
	return d, false
}

// inEntra looks a word of the trail up in Entra's log. An act that Microsoft itself
// told of counts only where the trail names who did it, or that a role became active.
func (r *Reconciler) inEntra(w word, words []word) (d Difference, lacks bool) {
	decided := w.Kind == trail.Decided && w.actor != "" && !slices.ContainsFunc(words, func(o word) bool {
		return o.here && o.what == w.what && strings.EqualFold(o.actor, w.actor)
	})
	if !r.within(w.At) || !w.here && !decided && w.what != pim.TraceActivated {
		return d, false
	}
	other := ""
	traces := r.traced[strings.ToLower(w.Held)]
	if w.what == pim.TraceEnded {
		for _, t := range r.endsTraced[w.endKey()] {
			if near(w.At, t.At) {
				traces = append(slices.Clone(traces), t)
			}
		}
	}
	for _, t := range traces {
		switch {
		case t.What != w.what:
			continue
		case w.actor == "" || t.By.ID == "" || strings.EqualFold(t.By.ID, w.actor):
			return d, false
		}
		other = t.By.ID
	}
	d = Difference{Lacks: InEntra, At: w.At, What: w.what, Held: w.Held, Request: w.Request, Actor: w.actor, Subject: w.Subject, Hint: hintNotInEntra}
	if w.Role != nil {
		d.Kind, d.Role = pim.Kind(w.Role.Kind), w.Role.Name
	}
	if other != "" {
		d.Hint = hintOtherInEntra(other)
	}
	return d, true
}

func near(a, b time.Time) bool { return a.Sub(b).Abs() <= endsTogether }
