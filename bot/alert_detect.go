package bot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// What detectors find in the life of a request. All of it is pure: a request before and
// after a change, the rules, and what was counted before.

// Often is how many times within how long are unusual.
type Often struct {
	Times  int // 0: never
	Within time.Duration
}

// Mark is one thing that is counted.
type Mark struct {
	At      time.Time `json:"at"`
	Request string    `json:"request"`
	Who     string    `json:"who"`  // object id of whoever asked, whom What may name
	What    string    `json:"what"` // as the evidence names it
}

// add counts one mark more. hit are the marks that are too many together; those that led to
// one alert lead to no other.
func (o Often) add(marks []Mark, m Mark) (kept, hit []Mark) {
	if o.Times <= 0 {
		return nil, nil
	}
	kept = slices.DeleteFunc(slices.Clone(marks), func(old Mark) bool {
		return m.At.Sub(old.At) > o.Within || old.Request == m.Request
	})
	kept = append(kept, m)
	if len(kept) >= o.Times {
		return nil, kept
	}
	return kept, nil
}

// count is something to be counted.
type count struct {
	kind  Detector
	of    string // whose: the key of the counter, and the subject
	often Often
	mark  Mark
	who   pim.Principal // the alert is about; without an ID: about a role
}

// began says that an activation begins.
func began(before, after Request) bool { return before.State != Active && after.State == Active }

// counted is what a change of a request adds to counters.
func counted(before, after Request, rules AlertRules) (all []count) {
	who, what := after.Requester.Principal, roleAt(after.Role)
	if began(before, after) {
		at := maxTime(after.Held.From, after.Made)
		role := strings.ToLower(string(after.Role.Kind) + "\x00" + after.Role.Role + "\x00" + after.Role.Scope)
		all = append(all,
			count{kind: AlertPerson, of: who.ID, often: rules.PersonBurst, mark: Mark{At: at, Request: after.ID, Who: who.ID, What: what}, who: who},
			count{kind: AlertRole, of: role, often: rules.RoleBurst, mark: Mark{At: at, Request: after.ID, Who: who.ID, What: personName(who)}})
	}
	if before.State != Denied && after.State == Denied {
		at := after.Made
		if n := len(after.History); n > 0 {
			at = after.History[n-1].At
		}
		all = append(all, count{kind: AlertDenied, of: who.ID, often: rules.Denied, mark: Mark{At: at, Request: after.ID, Who: who.ID, What: what}, who: who})
	}
	if d := after.Decided; d != nil && before.Decided == nil {
		if i := after.relayed(d.Result); i != nil && strings.EqualFold(i.By.ID, d.By.ID) {
			if took := i.Made.Sub(after.waitsSince()); took <= rules.HastyWithin {
				mark := Mark{At: i.Made, Request: after.ID, Who: who.ID, What: fmt.Sprintf(sayHasty, what, personName(who), saySeconds(took))}
				all = append(all, count{kind: AlertHasty, of: d.By.ID, often: rules.Hasty, mark: mark, who: d.By})
			}
		}
	}
	return all
}

// waitsSince is when a request began to wait for a decision.
func (r Request) waitsSince() time.Time {
	for _, e := range r.History {
		if e.State == PendingApproval {
			return e.At
		}
	}
	return r.Made
}

// found is the alert of a counter that is full. Its cause is the mark that filled it.
func (c count) found(r Request, hit []Mark) detection {
	last := hit[len(hit)-1]
	a := Alert{Kind: c.kind, Severity: Medium, Subject: c.who, Request: last.Request}
	if c.kind == AlertRole || len(hit) == 1 {
		a.Role = r.Role
	}
	if a.Role.Kind == "" {
		a.Role.Kind = r.Role.Kind // where the portal is opened
	}
	took := last.At.Sub(hit[0].At)
	a.Reason = c.reason(r, len(hit), took)
	for _, m := range hit {
		a.Evidence = append(a.Evidence, Fact{Name: m.What, At: m.At})
	}
	return detection{Alert: a, cause: c.of + "/" + last.Request}
}

// outsideHours looks at the moment at which an activation begins.
func outsideHours(r Request, hours WorkHours) (detection, bool) {
	why, off := hours.Off(r.Held.From)
	if !off {
		return detection{}, false
	}
	a := Alert{Kind: AlertHours, Severity: Medium, Subject: r.Requester.Principal, Role: r.Role, Request: r.ID, Reason: why,
		Evidence: []Fact{
			{Name: "Active since", At: r.Held.From},
			{Name: "There", Value: hours.local(r.Held.From).Format("Monday 2 January 15:04") + " (" + hours.zone().String() + ")"},
			{Name: "Active until", At: r.Held.Until},
		}}
	return detection{Alert: a, cause: r.ID}, true
}

// Unanswered says that a request has waited long for a decision.
type Unanswered struct{}

func (Unanswered) apply(r *Request, at time.Time) error {
	if r.State == PendingApproval && r.Unanswered.IsZero() {
		r.Unanswered = at
	}
	return nil
}

// unanswered looks at a request that waits, or has waited in vain.
func unanswered(before, after Request) (detection, bool) {
	waits := before.Unanswered.IsZero() && !after.Unanswered.IsZero()
	vain := before.State != Failed && after.State == Failed && after.Trouble != nil && after.Trouble.Code == codeUndecided
	if !waits && !vain {
		return detection{}, false
	}
	a := Alert{Kind: AlertUnanswered, Severity: Low, Subject: after.Requester.Principal, Role: after.Role, Request: after.ID, Reason: sayUnanswered,
		Evidence: []Fact{{Name: "Asked", At: after.Made}, {Name: "Waits since", At: after.waitsSince()}}}
	if vain {
		a.Reason = sayUnansweredAtAll
	}
	names := make([]string, 0, len(after.Approvers))
	for _, p := range after.Approvers {
		names = append(names, personName(p))
	}
	if len(names) > 0 {
		a.Evidence = append(a.Evidence, Fact{Name: "May decide", Value: sayList(names[:min(len(names), 10)], "and")})
	}
	if len(after.Unreached) > 0 {
		a.Evidence = append(a.Evidence, Fact{Name: "Cannot be reached", Value: sayList(after.Unreached, "and")})
	}
	return detection{Alert: a, cause: after.ID}, true
}

// unansweredAt is when an unanswered request is to be told of; zero: never.
func (b *Bot) unansweredAt(r Request) time.Time {
	if !b.o.Alerts.on(AlertUnanswered) || b.o.Alerts.UnansweredAfter <= 0 || r.State != PendingApproval || !r.Unanswered.IsZero() {
		return time.Time{}
	}
	return r.waitsSince().Add(b.o.Alerts.UnansweredAfter)
}
