package bot

import (
	"context"

	"github.com/belaybot/belay/store"
)

// open lists a person's open requests of one part.
func (b *Bot) open(ctx context.Context, principal string, p part) ([]Request, error) {
	var all []Request
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		var err error
		all, err = b.docs.of(tx, principal, p)
		return err
	})
	return all, err
}

// mostListed is how many requests one list shows.
const mostListed = 10

// status shows the requester's open requests and active roles.
func (b *Bot) status(ctx context.Context, in Inbound, a actor) Reply {
	all, err := b.open(ctx, a.ID, partAsks)
	if err != nil {
		return b.trouble(in, err)
	}
	switch len(all) {
	case 0:
		return Reply{Card: &Card{Title: "Nothing open", Text: sayNothingOpen, Actions: []Action{{Label: "Choose a role", Style: Primary, Verb: VerbElevate}}}}
	case 1:
		c := b.project.countdown(all[0], b.o.Now().UTC())
		return Reply{Card: &c}
	}
	c := b.project.listCard(all[max(0, len(all)-mostListed):], b.o.Now().UTC())
	return Reply{Card: &c}
}

// approvals shows what waits for the person's decision.
func (b *Bot) approvals(ctx context.Context, in Inbound, a actor) Reply {
	all, err := b.open(ctx, a.ID, partDecides)
	if err != nil {
		return b.trouble(in, err)
	}
	switch len(all) {
	case 0:
		c := plain(Neutral, "Nothing to decide", sayNoApprovals)
		c.Note = b.blindNote(a)
		return Reply{Card: c}
	case 1:
		c := b.project.approverCard(all[0], a.ID, b.o.Now().UTC())
		return Reply{Card: &c}
	}
	c := Card{Title: "Waiting for your decision", Tone: Waiting, Note: b.blindNote(a)}
	for n, r := range all {
		if n == mostListed {
			c.Note = "Older ones first; decide these to see the rest."
			break
		}
		who := personName(r.Requester.Principal)
		c.Facts = append(c.Facts, Fact{Name: who, Value: roleAt(r.Role) + ", " + sayDuration(r.Ask.Duration)})
		c.Actions = append(c.Actions, Action{Label: who + ": " + r.Role.RoleName, Verb: VerbShow, ID: r.ID})
	}
	return Reply{Card: &c}
}

// stopOne deactivates the one active role, or lets the person choose among several.
func (b *Bot) stopOne(ctx context.Context, in Inbound, a actor) (Reply, Later) {
	all, err := b.open(ctx, a.ID, partAsks)
	if err != nil {
		return b.trouble(in, err), nil
	}
	c := Card{Title: "Which role?", Text: "Choose the role to deactivate."}
	var last Request
	for _, r := range all {
		if r.State == Active {
			last = r
			c.Actions = append(c.Actions, Action{Label: "Deactivate " + roleAt(r.Role), Style: Danger, Verb: VerbStop, ID: r.ID})
		}
	}
	switch len(c.Actions) {
	case 0:
		return Reply{Card: plain(Neutral, "Nothing is active", sayNothingStop)}, nil
	case 1:
		return b.press(ctx, in, Press{Verb: VerbStop, ID: last.ID})
	}
	return Reply{Card: &c}, nil
}
