package bot

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Where an act came from that was not made in a chat.
const (
	fromBelay     = "belay"     // Belay by itself
	fromMicrosoft = "microsoft" // read there
	fromElsewhere = "elsewhere" // made in the portal, on a phone, with a command line
)

// Entries of the history that the audit trail tells of, too.
const (
	noteUnsent       = "canceled before it was sent"
	noteAcknowledged = "acknowledged"
)

// audit records what a change did to a request. It is given the request before and
// after, and not the events, so that nothing can change it and leave no trace.
func (b *Bot) audit(tx store.Tx, before, after Request, at time.Time) error {
	for _, e := range audited(before, after, at) {
		if err := b.o.Trail.Append(tx, e); err != nil {
			return err
		}
	}
	return nil
}

// audited is what the audit trail hears of a change, in the order in which it came about.
func audited(before, after Request, at time.Time) []trail.Event {
	var all []trail.Event
	add := func(e trail.Event) {
		e.At, e.Request, e.Held, e.Subject, e.Role = at, after.ID, after.Held.ID, after.Requester.ID, auditRole(after.Role)
		if e.Outcome == "" {
			e.Outcome = trail.OK
		}
		all = append(all, e)
	}
	if before.ID == "" {
		add(begun(after))
	}
	for _, n := range after.History[min(len(before.History), len(after.History)):] {
		if n.What == noteUnsent { // a press without a call
			add(trail.Event{Kind: trail.Wanted, Verb: string(ToCancel), Actor: auditActor(after.Requester), Texts: trail.Texts{"actor": personText(after.Requester.Principal)}})
		}
	}
	for _, p := range after.Reports[len(before.Reports):] {
		add(trail.Event{Kind: trail.NotMe, Verb: string(toDisown), Actor: auditActor(p.By), Texts: trail.Texts{"actor": personText(p.By.Principal)},
			More: map[string]string{"unlinked": strconv.Itoa(len(p.Unlinked)), "undone": strconv.Itoa(len(p.Undone))}})
	}
	for _, i := range after.Intents {
		was, _ := before.Intent(i.ID)
		auditIntent(was, i, add)
	}
	if d := after.Decided; d != nil && (before.Decided == nil || before.Decided.Result != d.Result || before.Decided.By.ID != d.By.ID) {
		e := trail.Event{Kind: trail.Decided, Verb: strings.ToLower(string(d.Result)), Actor: trail.Actor{Principal: d.By.ID, Platform: fromMicrosoft},
			Texts: trail.Texts{"actor": personText(d.By), "reason": d.Reason}}
		if d.Elsewhere {
			e.Actor.Platform = fromElsewhere
		}
		add(e)
	}
	if u := after.Held.Unknown; u != "" && u != before.Held.Unknown {
		add(trail.Event{Kind: trail.Moved, Outcome: trail.Unknown, Actor: trail.Actor{Platform: fromMicrosoft}, From: string(before.State), To: string(after.State), Reason: string(u)})
	}
	if before.State != after.State {
		e := trail.Event{Kind: trail.Moved, Actor: trail.Actor{Platform: fromMicrosoft}, From: string(before.State), To: string(after.State), Reason: string(after.End)}
		switch after.State {
		case Submitting, SignInRequired:
			e.Actor.Platform = fromBelay
		case Canceled, Ended:
			if after.Held.ID == "" && !after.Elsewhere || after.End == EndNotVisible { // no word of Microsoft's
				e.Actor.Platform = fromBelay
			}
		case Failed:
			e.Outcome = trail.No
			if after.Trouble != nil {
				e.Reason, e.Ref = string(after.Trouble.Code), after.Trouble.Ref
			}
		case Active:
			e.More = map[string]string{"until": after.Held.Until.UTC().Format(time.RFC3339)}
		}
		add(e)
	}
	return all
}

// begun is how the request came about.
func begun(r Request) trail.Event {
	e := trail.Event{Kind: trail.Asked, Actor: auditActor(r.Requester), Verb: string(ToActivate), More: map[string]string{"duration": pim.FormatDuration(r.Ask.Duration)},
		Texts: trail.Texts{"actor": personText(r.Requester.Principal), "justification": r.Ask.Justification,
			"ticket": strings.TrimSpace(r.Ask.Ticket.System + " " + r.Ask.Ticket.Number)}}
	if slices.ContainsFunc(r.History, func(n Entry) bool { return n.What == noteAcknowledged }) {
		e.More["acknowledged"] = "yes"
	}
	if r.Follows != "" {
		e.More["follows"] = r.Follows
	}
	if !r.Ask.Start.IsZero() {
		e.More["start"] = r.Ask.Start.UTC().Format(time.RFC3339)
	}
	if r.Elsewhere {
		e.Kind, e.Actor.Platform = trail.Found, fromElsewhere
	}
	return e
}

// auditIntent is what became of one call that is owed.
func auditIntent(was, i Intent, add func(trail.Event)) {
	event := func(k trail.Kind) trail.Event {
		return trail.Event{Kind: k, Verb: string(i.Kind), Actor: auditActor(i.By)}
	}
	if was.ID == "" && i.Kind != ToActivate {
		e := event(trail.Wanted)
		e.Texts = trail.Texts{"actor": personText(i.By.Principal), "reason": i.Reason}
		add(e)
	}
	if was.State == IntentWaiting && i.State != IntentWaiting && i.State != IntentDone {
		e := event(trail.Resumed)
		if i.Fresh {
			e.More = auditPresence(i.Proof)
		}
		add(e)
	}
	if i.Restored && !was.Restored { // nothing was sent now
		e := event(trail.Delayed)
		e.Outcome, e.Reason = trail.Unknown, "restored"
		add(e)
	}
	for range i.Calls - was.Calls {
		e := event(trail.Sent)
		e.Token = i.By.ID
		if i.Kind.review() {
			e.More = auditPresence(i.Proof)
		}
		add(e)
	}
	if i.Tries > was.Tries {
		e := event(trail.Delayed)
		if e.Outcome = trail.Failed; !i.SentAt.IsZero() {
			e.Outcome = trail.Unknown
		}
		add(e)
	}
	if i.State == IntentWaiting && (was.State != IntentWaiting || was.SignIns != i.SignIns) {
		e := event(trail.NeedsSignIn)
		if i.Challenge {
			e.Reason = "challenge"
		}
		if i.Fresh {
			e.More = map[string]string{"presence": "required"}
		}
		add(e)
	}
	if i.State != IntentDone || was.State == IntentDone {
		return
	}
	switch i.Outcome {
	case Accepted:
		e := event(trail.Accepted)
		e.Token = i.By.ID
		add(e)
	case Refused:
		e := event(trail.Refused)
		e.Outcome = trail.No
		if i.Refusal != nil {
			e.Reason, e.Ref = string(i.Refusal.Code), i.Refusal.Ref
		}
		add(e)
	default: // lapsed, dropped, taken back
		e := event(trail.Withdrawn)
		if e.Reason = string(i.Outcome); i.Disowned {
			e.Reason = string(toDisown)
		}
		add(e)
	}
}

// auditPresence is how a person showed that it was they who decided.
func auditPresence(p Proof) map[string]string {
	if p.AuthTime.IsZero() {
		return map[string]string{"presence": "session"}
	}
	return map[string]string{"presence": "fresh", "auth_time": p.AuthTime.UTC().Format(time.RFC3339)}
}

func auditActor(p Person) trail.Actor {
	a := trail.Actor{Principal: p.ID, Platform: string(p.User.Platform), Tenant: p.User.Tenant, User: p.User.ID}
	if a.Platform == "" {
		a.Platform = fromElsewhere
	}
	return a
}

func auditRole(r pim.EligibleAssignment) *trail.Role {
	return &trail.Role{Kind: string(r.Kind), ID: r.Role, Name: r.RoleName, Scope: r.Scope}
}
