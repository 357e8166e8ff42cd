package bot

import "context"

// mostHomely is how many of a kind a person's own page shows; the commands show the
// rest.
const mostHomely = 10

// home is a person's own page: what is active, what waits for them, what they can
// activate. Slack shows it in the App Home, and "/elevate home" anywhere. It is a
// read: nothing is stored for it.
func (b *Bot) home(ctx context.Context, in Inbound, a actor) (Reply, Later) {
	if !a.known {
		return Reply{Card: &Card{Title: "Belay", Text: sayLinkFirst, Actions: []Action{{Label: "Sign in", Style: Primary, Verb: VerbLink}}}}, nil
	}
	cards, err := b.homely(ctx, a)
	if err != nil {
		return b.trouble(in, err), nil
	}
	if m, ok := b.menu.get(a.ID); ok || !a.live {
		return page(cards, rolesCard(m, a.live)), nil
	}
	return page(cards, Card{Title: homeRoles, Tone: Waiting, Text: sayOneMoment}), func(ctx context.Context) Reply {
		m, err := b.readMenu(ctx, a.ID)
		if err != nil {
			b.trouble(in, err) // for the operator; the rest of the page is still true
			return page(cards, Card{Title: homeRoles, Text: sayNoMenuNow})
		}
		return page(cards, rolesCard(m, true))
	}
}

// page is several cards as one answer.
func page(cards []Card, last Card) Reply {
	all := append(append([]Card{}, cards...), last)
	return Reply{Card: &all[0], More: all[1:], Replace: true}
}

// homely is what stands open for a person, most urgent first: what they decide,
// what is active, what they asked for.
func (b *Bot) homely(ctx context.Context, a actor) ([]Card, error) {
	decides, err := b.open(ctx, a.ID, partDecides)
	if err != nil {
		return nil, err
	}
	asks, err := b.open(ctx, a.ID, partAsks)
	if err != nil {
		return nil, err
	}
	now := b.o.Now().UTC()
	cards := []Card{{Title: homeDecide, Text: sayNoApprovals}}
	if len(decides) > 0 {
		cards[0] = Card{Title: homeDecide, Text: sayWaiting(len(decides))}
	}
	for _, r := range decides[:min(len(decides), mostHomely)] {
		cards = append(cards, b.project.approverCard(r, a.ID, now))
	}
	var active, waiting []Card
	for _, r := range asks {
		c := b.project.countdown(r, now)
		if r.State == Active {
			active = append(active, c)
		} else {
			waiting = append(waiting, c)
		}
	}
	mine := append(active, waiting...)
	head := Card{Title: homeActive, Text: sayNothingOpen}
	if len(mine) > 0 {
		head.Text = sayMine(len(active), len(waiting))
	}
	cards = append(cards, head)
	return append(cards, mine[:min(len(mine), mostHomely)]...), nil
}

// rolesCard offers what the person can activate.
func rolesCard(m *Menu, live bool) Card {
	c := Card{Title: homeRoles}
	switch {
	case !live:
		c.Text, c.Actions = saySessionOver, []Action{{Label: "Sign in", Style: Primary, Verb: VerbLink}}
		return c
	case len(m.items) == 0:
		c.Text, c.Note = sayNoRoles, sayMissing(m.missing)
		return c
	}
	c.Note = sayMissing(m.missing)
	for n, i := range m.items {
		if n == mostHomely {
			c.Note = sentences(sayMoreRoles(len(m.items)-n), c.Note)
			c.Actions = append(c.Actions, Action{Label: "Choose another role", Verb: VerbElevate})
			break
		}
		c.Actions = append(c.Actions, Action{Label: i.label, Verb: VerbElevate, ID: i.key})
	}
	c.Text = "Press a role to ask for it."
	return c
}
