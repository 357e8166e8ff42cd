package bot

import (
	"context"
	"errors"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// elevate opens the form, filled in as far as the command said. What was saved
// under exactly that name goes before a role that is called so.
func (b *Bot) elevate(ctx context.Context, in Inbound, a actor, e Elevate) (Reply, Later) {
	w := wish{query: e.Role, key: e.Key, values: map[string]string{}, badTime: e.BadTime}
	if a.known && e.Role != "" {
		saved, ok, err := b.favourite(ctx, a.ID, e.Role)
		if err != nil {
			return b.trouble(in, err), nil
		}
		if ok {
			w.query, w.roles, w.values = "", saved.Roles, saved.Ask.values()
		}
	}
	return b.openForm(ctx, in, a, w.said(e))
}

// said lets the words of a command go before what was there.
func (w wish) said(e Elevate) wish {
	if e.Duration > 0 {
		w.values[fieldTime] = pim.FormatDuration(e.Duration)
	}
	if e.Reason != "" {
		w.values[fieldReason] = e.Reason
	}
	w.badTime = e.BadTime
	return w
}

// openForm opens the form for a wish. Without a role it opens at once from what is
// in memory; with one, Microsoft is asked what the form has to say of it.
func (b *Bot) openForm(ctx context.Context, in Inbound, a actor, w wish) (Reply, Later) {
	if !a.live {
		return b.offer(ctx, in, a, Ticket{})
	}
	id := b.newID()
	m, ok := b.menu.get(a.ID)
	if ok && m.patchy(b.o.Now()) {
		b.menu.drop(a.ID)
		ok = false
	}
	if ok {
		if values, problems, note := w.fill(m); values[fieldRole] == "" && !m.unhinted() {
			return b.lay(a, id, m, values, problems, note), nil
		}
	}
	return Reply{Card: plain(Waiting, formTitle, sayOneMoment), Replace: true}, func(ctx context.Context) Reply {
		m, err := b.readMenu(ctx, a.ID)
		if err != nil {
			return b.menuTrouble(ctx, in, a, err)
		}
		values, problems, note := w.fill(m)
		if values[fieldRole] == "" {
			m = b.hinted(ctx, a.ID, m)
		}
		if m, err = b.prepare(ctx, a.ID, id, m, values); err != nil {
			return b.menuTrouble(ctx, in, a, err)
		}
		return b.lay(a, id, m, values, problems, note)
	}
}

// lay shows the form and remembers what it was shown for.
func (b *Bot) lay(a actor, id string, m *Menu, values, problems map[string]string, note string) Reply {
	if len(m.items) == 0 {
		return Reply{Card: &Card{Title: "No roles", Text: sayNoRoles, Note: sayMissing(m.missing)}}
	}
	c, _ := m.choose(values)
	heard := b.menu.recall(a.ID, id).heard
	b.menu.sheet(a.ID, id, func(s *sheet) {
		if !c.known {
			s.typed = typed(values) // asked for once the role is chosen
			return
		}
		s.role, s.laid = c.held.Assignment, c.laidFor()
	})
	return Reply{Form: m.form(a.ID, id, values, problems, note, heard)}
}

// menuTrouble offers a sign-in where that is what is missing.
func (b *Bot) menuTrouble(ctx context.Context, in Inbound, a actor, err error) Reply {
	var hole missing
	if errors.As(err, &hole) {
		if claims, ok := hole.signIn(); ok {
			return b.offered(ctx, in, a, Ticket{Claims: claims, Kind: hole.kind})
		}
	}
	return b.trouble(in, err)
}

// changed answers a new choice of a role, of its place or of further roles.
func (b *Bot) changed(ctx context.Context, in Inbound, c Change) (Reply, Later) {
	if c.Verb != VerbAsk {
		return Reply{}, nil
	}
	a, err := b.who(ctx, in)
	if err != nil {
		return b.trouble(in, err), nil
	}
	if _, filled := c.Values[fieldTime]; !filled {
		c.Values = b.menu.withTyped(a.ID, c.ID, c.Values)
	}
	if m, ok := b.menu.get(a.ID); ok && b.ready(m, a.ID, c.ID, c.Values) {
		return b.lay(a, c.ID, m, m.settled(c.Values), nil, ""), nil
	}
	return Reply{}, b.reread(in, a, c.ID, c.Values, "")
}

// ready says that all that a form shows of its roles is known.
func (b *Bot) ready(m *Menu, person, id string, values map[string]string) bool {
	c, _ := m.choose(values)
	if !c.known {
		return true // the role is still to be chosen
	}
	if _, known := m.policiesOf(c); !known {
		return false
	}
	_, unfolded := m.children[c.held.Assignment]
	heard := b.menu.recall(person, id).heard
	for _, e := range c.all() {
		if _, asked := heard[e.Assignment]; !asked {
			return false
		}
	}
	return unfolded
}

// settled drops a place that belongs to a role that was chosen before.
func (m *Menu) settled(values map[string]string) map[string]string {
	if _, wrong := m.choose(values); wrong[fieldWhere] != "" {
		values = maps.Clone(values)
		delete(values, fieldWhere)
	}
	return values
}

// reread reads the menu and the chosen roles' policies and shows the form anew.
func (b *Bot) reread(in Inbound, a actor, id string, values map[string]string, note string) Later {
	values = maps.Clone(values)
	return func(ctx context.Context) Reply {
		m, err := b.readMenu(ctx, a.ID)
		if err == nil {
			m, err = b.prepare(ctx, a.ID, id, m, values)
		}
		if err != nil {
			return b.menuTrouble(ctx, in, a, err)
		}
		reply := b.lay(a, id, m, m.settled(values), nil, note)
		reply.Replace = true
		return reply
	}
}

// search answers what was typed into a list, from what is in memory.
func (b *Bot) search(ctx context.Context, in Inbound, s Search) Reply {
	a, err := b.who(ctx, in)
	if err != nil {
		b.trouble(in, err) // for the operator: a list of options has no room for a sentence
		return Reply{}
	}
	m, ok := b.menu.get(a.ID)
	if !ok {
		return Reply{}
	}
	role := b.menu.recall(a.ID, s.ID).role
	var options []Option
	switch s.Field {
	case fieldRole:
		options, _ = m.options(s.Text, pim.Assignment{})
	case fieldAlso:
		options, _ = m.options(s.Text, role)
	case fieldWhere:
		options, _ = m.places(role, s.Text)
	}
	return Reply{Options: options}
}

// submit takes a form that was sent.
func (b *Bot) submit(ctx context.Context, in Inbound, s Submit) (Reply, Later) {
	a, err := b.who(ctx, in)
	if err != nil {
		return b.trouble(in, err), nil
	}
	switch s.Verb {
	case VerbAsk:
		return b.ask(ctx, in, a, s)
	case VerbExtend:
		return b.extended(ctx, in, a, s)
	case VerbMute:
		return b.submitMute(ctx, in, a, s)
	case VerbKeepAccess, VerbAcceptAll, VerbSeveral:
		return b.submitReview(ctx, in, a, s)
	case VerbReason:
		reason := strings.TrimSpace(s.Values[fieldReason])
		problem := ""
		switch {
		case reason == "":
			problem = sayDenyReason
		case utf8.RuneCountInString(reason) > maxReason:
			problem = sayTooLongText(maxReason)
		}
		if problem != "" {
			if !a.known {
				return b.offer(ctx, in, a, Ticket{})
			}
			r, err := b.Request(ctx, s.ID)
			if err == nil {
				err = r.mayIntend(ToDeny, a.ID)
			}
			if err != nil {
				return b.refusedPress(ctx, in, a, Press{ID: s.ID}, ToDeny, err), nil
			}
			return Reply{Form: r.ReasonForm(cut(reason, maxReason), problem), Replace: true}, nil
		}
		reply, later := b.intend(ctx, in, a, Press{Verb: VerbReason, ID: s.ID, Copy: s.Copy}, ToDeny, reason)
		reply.Replace = true
		return reply, later
	}
	return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}, nil
}

// ask checks the form and records what it asks for: from then on it is settled.
func (b *Bot) ask(ctx context.Context, in Inbound, a actor, s Submit) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	if !ours(s.ID) { // no form of Belay's: the id is to become the request's
		return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}, nil
	}
	if r, err := b.Request(ctx, s.ID); err == nil { // the deed is done already
		if !strings.EqualFold(r.Requester.ID, a.ID) {
			return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}, nil
		}
		return b.standing(ctx, in, r), nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return b.trouble(in, err), nil
	}
	_, filled := s.Values[fieldTime]
	if !filled {
		s.Values = b.menu.withTyped(a.ID, s.ID, s.Values)
	}
	again := func(m *Menu, problems map[string]string, note string) (Reply, Later) {
		reply := b.lay(a, s.ID, m, s.Values, problems, note)
		reply.Replace = true
		return reply, nil
	}
	anew := func() (Reply, Later) { // nothing is recorded, and the person is told so
		note := ""
		if filled {
			note = sayRestarted
		}
		return Reply{Card: plain(Waiting, formTitle, sayOneMoment), Replace: true}, b.reread(in, a, s.ID, s.Values, note)
	}
	m, ok := b.menu.get(a.ID)
	if !ok {
		return anew()
	}
	c, problems := m.choose(s.Values)
	if !c.known {
		return again(m, problems, "")
	}
	policies, known := m.policiesOf(c)
	if _, unfolded := m.children[c.held.Assignment]; !known || !unfolded && s.Values[fieldWhere] != "" || !filled && !b.ready(m, a.ID, s.ID, s.Values) {
		return anew()
	}
	if !filled {
		return again(m, nil, "")
	}
	ask, wrong := m.check(c, policies, s.Values, b.o.Now().UTC())
	maps.Copy(problems, wrong)
	if len(problems) > 0 {
		return again(m, problems, "")
	}
	if laid := b.menu.recall(a.ID, s.ID).laid; laid != "" && laid != c.laidFor() { // who decides on these was not said yet
		return again(m, nil, sayLaidAnew)
	}
	return b.record(ctx, in, a, s.ID, m, c, policies, ask), nil
}
