package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// The question of the form that only an extension has, and its answers.
const (
	fieldWhen = "when"
	whenNow   = "now"   // deactivate, and ask again
	whenAfter = "after" // ask again when the running activation has ended by itself
)

// extend answers [Extend] with a form that says what an extension is.
func (b *Bot) extend(ctx context.Context, in Inbound, a actor, p Press) (Reply, Later) {
	if !a.known || !a.live {
		return b.offer(ctx, in, a, Ticket{})
	}
	r, err := b.Request(ctx, p.ID)
	if err == nil {
		err = r.mayExtend(a.ID)
	}
	if err != nil {
		return b.refusedPress(ctx, in, a, p, "", err), nil
	}
	return b.extensionForm(in, a, r, map[string]string{fieldReason: r.Ask.Justification, fieldTime: pim.FormatDuration(r.Ask.Duration),
		fieldTicket: r.Ask.Ticket.Number, fieldSystem: r.Ask.Ticket.System}, "")
}

// extensionForm is the form at once where the rules are known, and else when they
// were read.
func (b *Bot) extensionForm(in Inbound, a actor, r Request, values map[string]string, note string) (Reply, Later) {
	if m, ok := b.menu.get(a.ID); ok {
		if _, ok := m.policies[r.Role.Assignment]; ok {
			return b.extensible(r, m, values, note), nil
		}
	}
	return Reply{Card: plain(Waiting, formExtend, sayOneMoment), Replace: true}, func(ctx context.Context) Reply {
		m, err := b.readMenu(ctx, a.ID)
		if err != nil {
			return b.menuTrouble(ctx, in, a, err)
		}
		_, held := m.holding(r.Role)
		for _, hole := range m.missing { // whether they are still eligible for it is not known
			if !held && hole.kind == r.Role.Kind {
				return b.menuTrouble(ctx, in, a, hole)
			}
		}
		if _, ok := m.policies[r.Role.Assignment]; !ok {
			p, err := b.policy(ctx, a.ID, r.Role.Assignment)
			if err != nil {
				return b.menuTrouble(ctx, in, a, missing{kind: r.Role.Kind, err: err})
			}
			m = m.with(map[pim.Assignment]pim.Policy{r.Role.Assignment: p}, nil)
			b.menu.put(a.ID, m)
		}
		return b.extensible(r, m, values, note)
	}
}

// extensible gives the form, unless the person is not eligible any more: what could
// not be activated again is not to be deactivated for it.
func (b *Bot) extensible(r Request, m *Menu, values map[string]string, note string) Reply {
	if held, ok := m.holding(r.Role); !ok || !held.Until.IsZero() && !b.o.Now().Before(held.Until) {
		return Reply{Card: &Card{Title: headline(r), Tone: Bad, Text: sayNotEligibleAnyMore, Facts: []Fact{{Name: "Active until", At: r.Held.Until}}}, Replace: true}
	}
	return Reply{Form: m.ExtensionForm(r, values, nil, note), Replace: true}
}

// ExtensionForm asks for how long and why, under the policy, and says what will
// happen; values and problems are by field name. The menu holds the policy.
func (m *Menu) ExtensionForm(r Request, values, problems map[string]string, note string) *Form {
	p := m.policies[r.Role.Assignment]
	if d, err := ParseTime(values[fieldTime]); err == nil && d > p.MaxDuration { // the policy allowed more when it was asked for
		values = maps.Clone(values)
		values[fieldTime] = pim.FormatDuration(p.MaxDuration)
	}
	when := Field{Name: fieldWhen, Label: "When", Kind: Choice, Required: true, Value: values[fieldWhen],
		Options: []Option{{Value: whenNow, Label: "Deactivate and ask again now"}, {Value: whenAfter, Label: "Ask again after its end"}}}
	if when.Value == "" {
		when.Value = whenNow
		if p.Approval { // until somebody approves it would be missing
			when.Value = whenAfter
		}
	}
	f := &Form{ID: r.ID, Verb: VerbExtend, Title: formExtend, Submit: "Extend", Text: extendText(r, p), Note: note,
		Fields: []Field{when}, Back: &Action{Label: "Back", Verb: VerbShow, ID: r.ID}}
	if f.Note == "" {
		f.Note = policyNote(p)
	}
	for _, q := range questions(p, values, problems) {
		switch q.Name {
		case fieldStart: // it is the end of the other one
			continue
		case fieldTime:
			q.Hint = extendTime
		}
		f.Fields = append(f.Fields, q)
	}
	for _, t := range m.termsOf(choice{first: r.Role}) {
		f.Fields = append(f.Fields, Field{Name: t.field, Label: t.text, Kind: Tick, Required: true, Value: boxed(values[t.field]), Error: problems[t.field]})
	}
	return f
}

// extended takes the form that was sent.
func (b *Bot) extended(ctx context.Context, in Inbound, a actor, s Submit) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	r, err := b.Request(ctx, s.ID)
	if err == nil && r.FollowedBy != "" && strings.EqualFold(r.Requester.ID, a.ID) { // the deed is done already
		if r, err = b.Request(ctx, r.FollowedBy); err == nil {
			c := b.project.requesterCard(r, b.o.Now().UTC())
			return Reply{Card: &c, Replace: true}, nil
		}
	}
	if err == nil {
		err = r.mayExtend(a.ID)
	}
	if err != nil {
		return b.refusedPress(ctx, in, a, Press{ID: s.ID}, "", err), nil
	}
	m, ok := b.menu.get(a.ID)
	policy, known := pim.Policy{}, false
	if ok {
		policy, known = m.policies[r.Role.Assignment]
	}
	if !known { // nothing is recorded, and the person is told so
		return b.extensionForm(in, a, r, s.Values, sayRestarted)
	}
	s.Values = maps.Clone(s.Values)
	delete(s.Values, fieldStart) // which this form does not ask for
	ask, problems := m.check(choice{first: r.Role}, []pim.Policy{policy}, s.Values, b.o.Now())
	if len(problems) > 0 {
		return Reply{Form: m.ExtensionForm(r, s.Values, problems, ""), Replace: true}, nil
	}
	e := Asked{Role: r.Role, Ask: ask, Policy: policy}
	if held, ok := m.holding(r.Role); ok { // of which one that was made elsewhere tells nothing
		e.Role.Schedule, e.Role.Condition, e.Role.ConditionVersion = held.Schedule, held.Condition, held.ConditionVersion
	}
	if t, ok := m.termOf(r.Role); ok {
		e.Acknowledged = t.text
	}
	return b.recordExtension(ctx, in, a, r, e, s.Values[fieldWhen] != whenAfter)
}

// recordExtension keeps both requests, durably and in one transaction: what is to end
// now or by itself, and what follows it.
func (b *Bot) recordExtension(ctx context.Context, in Inbound, a actor, r Request, e Asked, now bool) (Reply, Later) {
	id, stop, ticket, at := b.newID(), b.newID(), b.newTicket(), b.o.Now().UTC()
	// That it is sent only after the end makes its sign-in a matter of then.
	e.ID, e.Requester, e.Intent, e.SignedIn, e.Follows = id, a.Person, b.newID(), true, r.ID
	e.Trace = traceOf(ctx)
	var next Request
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		old, err := b.docs.get(tx, e.Follows) // and not r.ID: this may run again
		if err != nil {
			return err
		}
		follower := e
		follower.FollowsUntil = old.Held.Until
		next, err = b.changeIn(tx, id, at, follower)
		if err != nil {
			return err
		}
		events := []Event{Followed{By: id, Who: a.ID}}
		if now {
			events = append(events, Intended{ID: stop, Kind: ToDeactivate, By: a.Person, Reason: sayExtendReason(in.User.Platform), SignedIn: a.live, Ticket: ticket, Then: id, Trace: e.Trace})
		}
		if r, err = b.changeIn(tx, old.ID, at, events...); err != nil {
			return err
		}
		if i, ok := r.Intent(stop); ok && i.State == IntentWaiting {
			return b.o.Links.Offer(tx, ticket, Ticket{User: in.User, Direct: a.Direct, Expect: a.ID, Request: r.ID, Intent: stop, What: sayWhat(r, ToDeactivate)})
		}
		return nil
	})
	if err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return b.refusedPress(ctx, in, a, Press{ID: e.Follows}, "", err), nil
		}
		return b.trouble(in, err), nil
	}
	b.kick(r.ID, true)
	b.kick(id, true)
	if i, ok := r.Intent(stop); ok && i.State == IntentWaiting {
		return b.waiting(r, i), nil
	}
	c := followCard(next, r, now)
	return Reply{Card: &c, Replace: true}, nil
}

// checkFirst asks Microsoft, before an activation is ended for another one to follow,
// whether it would refuse that one. While the role is active Microsoft may say so
// and no more, which is no refusal. A stronger sign-in is asked for now, while
// nothing is missing yet.
func (b *Bot) checkFirst(ctx context.Context, p Pillar, r Request, i Intent) (next Request, done bool, err error) {
	follower, err := b.Request(ctx, i.Then)
	if err != nil {
		return r, true, fmt.Errorf("the request that is to follow cannot be read: %w", err)
	}
	err = p.Check(ctx, i.By.ID, follower.activation())
	switch pim.CodeOf(err) {
	case pim.CodePolicy, pim.CodeLicense, pim.CodeForbidden:
		next, err = b.refused(ctx, r, i, refusal(err))
		return next, true, err
	case pim.CodeSignIn, pim.CodeStepUp:
		next, err = b.failed(ctx, r, i, err)
		return next, true, err
	}
	if err != nil {
		b.o.Log.InfoContext(ctx, "whether Microsoft would take the next activation is not known", "request", r.ID, "code", pim.CodeOf(err))
	}
	return r, false, nil
}
