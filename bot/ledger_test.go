package bot

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Ledger is what an auditor, who has nothing but the trail, knows of one request.
type Ledger struct {
	state   State
	begun   int
	decided string
	calls   map[string]int // verb, person and what came of it → how often
	last    time.Time
	faults  []error
}

func (l *Ledger) fault(e trail.Event, format string, args ...any) {
	l.faults = append(l.faults, fmt.Errorf("%s %s %s: "+format, append([]any{e.Kind, e.Verb, e.Reason}, args...)...))
}

// Take reads one event.
func (l *Ledger) Take(e trail.Event) {
	if l.calls == nil {
		l.calls = map[string]int{}
	}
	if e.At.Before(l.last) {
		l.fault(e, "it is from %v, after %v", e.At, l.last)
	}
	l.last = e.At
	count := func(what string) { l.calls[strings.Join([]string{e.Verb, e.Actor.Principal, what}, " ")]++ }
	if begins := e.Kind == trail.Asked || e.Kind == trail.Found; begins != (l.begun == 0) {
		l.fault(e, "the request began %d times before", l.begun)
	}
	switch e.Kind {
	case trail.Asked, trail.Found:
		l.begun++
	case trail.Moved:
		if e.Outcome == trail.Unknown {
			return
		}
		if e.From != string(l.state) || e.To == e.From {
			l.fault(e, "from %q to %q, and it was %q", e.From, e.To, l.state)
		}
		l.state = State(e.To)
	case trail.Decided:
		l.decided = e.Verb + " by " + e.Actor.Principal
	case trail.Wanted, trail.NeedsSignIn, trail.Resumed, trail.Delayed, trail.Sent, trail.Accepted, trail.Refused, trail.Withdrawn, trail.NotMe:
		if (e.Kind == trail.Sent || e.Kind == trail.Accepted) && e.Token != e.Actor.Principal {
			l.fault(e, "with the token of %q, by %q", e.Token, e.Actor.Principal)
		}
		count(string(e.Kind))
	case trail.Alerted: // about a request, and no part of its life
	default:
		l.fault(e, "what is that?")
	}
}

// Agrees says where the trail and the request itself differ: the trail lacks something, or
// tells of what did not happen.
func (l *Ledger) Agrees(r Request) error {
	errs := l.faults
	if l.begun != 1 || l.state != r.State {
		errs = append(errs, fmt.Errorf("the trail leads to %q, the request is %q; it began %d times", l.state, r.State, l.begun))
	}
	decided := ""
	if r.Decided != nil {
		decided = strings.ToLower(string(r.Decided.Result)) + " by " + r.Decided.By.ID
	}
	if decided != l.decided {
		errs = append(errs, fmt.Errorf("the trail says %q of the decision, the request %q", l.decided, decided))
	}
	want := map[string]int{}
	for _, i := range r.Intents {
		add := func(k trail.Kind, n int) {
			if n != 0 {
				want[strings.Join([]string{string(i.Kind), i.By.ID, string(k)}, " ")] += n
			}
		}
		if i.Kind != ToActivate {
			add(trail.Wanted, 1)
		}
		add(trail.Sent, i.Calls)
		add(trail.Delayed, i.Tries)
		add(trail.NeedsSignIn, i.SignIns)
		switch {
		case i.State != IntentDone:
		case i.Outcome == Accepted:
			add(trail.Accepted, 1)
		case i.Outcome == Refused:
			add(trail.Refused, 1)
		default:
			add(trail.Withdrawn, 1)
		}
	}
	for _, p := range r.Reports {
		want[strings.Join([]string{string(toDisown), p.By.ID, string(trail.NotMe)}, " ")]++
	}
	for _, n := range r.History {
		if n.What == noteUnsent {
			want[strings.Join([]string{string(ToCancel), r.Requester.ID, string(trail.Wanted)}, " ")]++
		}
	}
	got := maps.Clone(l.calls)
	maps.DeleteFunc(got, func(what string, _ int) bool { return strings.HasSuffix(what, string(trail.Resumed)) })
	for _, what := range slices.Sorted(maps.Keys(want)) {
		if got[what] != want[what] {
			errs = append(errs, fmt.Errorf("%s: %d times in the trail, and %d in the request", what, got[what], want[what]))
		}
		delete(got, what)
	}
	for what := range got {
		errs = append(errs, fmt.Errorf("%s: in the trail, and not in the request", what))
	}
	return errors.Join(errs...)
}

// Calls is how often the trail tells of such a thing.
func (l *Ledger) Calls(verb IntentKind, person string, k trail.Kind) int {
	return l.calls[strings.Join([]string{string(verb), person, string(k)}, " ")]
}

// Documents are all requests as they are stored.
func (b *Bot) Documents(tx store.Tx) (all map[string]Request, err error) {
	all = map[string]Request{}
	return all, requests.Scan(tx, "", "", func(id string, r Request) error { all[id] = r; return nil })
}
