package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Handle implements Handler.
func (b *Bot) Handle(ctx context.Context, in Inbound) (reply Reply, later Later) {
	defer func() {
		if p := recover(); p != nil {
			// Its value may hold a person's words; only its type is told.
			reply, later = b.trouble(in, fmt.Errorf("panic with a %T\n%s", p, debug.Stack())), nil
		}
	}()
	ctx, span := b.o.Tracer.Start(ctx, "act "+kindOf(in.Said), trace.WithAttributes(attribute.String("belay.platform", string(in.User.Platform))))
	defer span.End()
	defer func() { later = b.afterwards(ctx, later) }()
	in.Trace = traceOf(ctx)
	b.o.Metrics.handled.WithLabelValues(string(in.User.Platform), kindOf(in.Said)).Inc()
	if by, wait, ok := b.limits.take(in); !ok {
		b.o.Metrics.limited.WithLabelValues(string(in.User.Platform), by).Inc()
		return slowDown(in, wait), nil
	}
	return b.taken(ctx, in)
}

// handle is Handle without what is the same for everything.
func (b *Bot) handle(ctx context.Context, in Inbound) (Reply, Later) {
	switch s := in.Said.(type) {
	case Installed:
		return b.installed(ctx, in, true), nil
	case Uninstalled:
		return b.installed(ctx, in, false), nil
	case Left:
		return b.left(ctx, in, s), nil
	case Command:
		return b.command(ctx, in, ParseCommand(s.Text))
	case Press:
		return b.press(ctx, in, s)
	case Submit:
		return b.submit(ctx, in, s)
	case Change:
		return b.changed(ctx, in, s)
	case Search:
		return b.search(ctx, in, s), nil
	case Opened:
		return b.opened(ctx, in)
	case Exchange:
		return b.exchange(ctx, in, s)
	}
	return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}, nil
}

func kindOf(s Said) string {
	switch s := s.(type) {
	case Command:
		return "command"
	case Press:
		return "press"
	case Submit:
		return "submit"
	case Change:
		return "change"
	case Search:
		return "search"
	case Opened:
		return "opened"
	case Exchange:
		return "exchange"
	case Left:
		return "left"
	case Installed:
		return "installed"
	case Uninstalled:
		return "uninstalled"
	default:
		return fmt.Sprintf("%T", s)
	}
}

// actor is who did something, as far as Belay knows.
type actor struct {
	Person
	known bool // bound to an Entra principal
	live  bool // and with a sign-in that can be used now
}

// who finds out who acts. It reads only what is stored.
func (b *Bot) who(ctx context.Context, in Inbound) (actor, error) {
	a := actor{Person: Person{User: in.User, Zone: in.Zone, Principal: pim.Principal{ID: in.Principal, Name: in.User.Name}}}
	if in.At.Private {
		a.Direct = in.At
	}
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		l, err := b.o.Links.Of(tx, in.User)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		case in.Principal == "" || in.Principal == l.Principal.ID:
			a.Principal, a.Zone = l.Principal, cmp.Or(a.Zone, l.Zone)
			if a.Direct.ID == "" {
				a.Direct = l.Direct
			}
		}
		if a.Direct.ID == "" && a.ID != "" {
			c, ok, err := b.docs.place(tx, a.ID, in.User.Platform)
			if err != nil {
				return err
			}
			if ok {
				a.Direct = c
			}
		}
		return nil
	})
	if err != nil {
		return a, err
	}
	a.known = a.ID != ""
	if a.known {
		a.live, err = b.o.Grants.Live(ctx, a.ID)
	}
	return a, err
}

// installed keeps or forgets where a person can be reached.
func (b *Bot) installed(ctx context.Context, in Inbound, there bool) Reply {
	if !in.At.Private || in.Principal == "" {
		return Reply{} // channels are chosen by the configuration
	}
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		if there {
			return b.docs.putPlace(tx, in.Principal, in.At)
		}
		return b.docs.dropPlace(tx, in.Principal, in.At.Platform)
	})
	if err == nil && there {
		err = b.reachable(ctx, in.Principal, in.At)
	}
	if err != nil {
		return b.trouble(in, err)
	}
	if !there {
		return Reply{}
	}
	return Reply{Card: &Card{Title: "Belay is here", Text: sayHelp, Actions: []Action{{Label: "Choose a role", Style: Primary, Verb: VerbElevate}}}}
}

// opened shows a person's own page.
func (b *Bot) opened(ctx context.Context, in Inbound) (Reply, Later) {
	a, err := b.who(ctx, in)
	if err != nil {
		return b.trouble(in, err), nil
	}
	return b.home(ctx, in, a)
}

// command does what was typed after /elevate.
func (b *Bot) command(ctx context.Context, in Inbound, e Elevate) (Reply, Later) {
	if e.Sub == SubHelp {
		return Reply{Card: plain(Neutral, "What Belay does", sayHelp)}, nil
	}
	a, err := b.who(ctx, in)
	if err != nil {
		return b.trouble(in, err), nil
	}
	switch e.Sub {
	case SubLink:
		if t, ok := b.unreadFor(a.ID); ok {
			return b.offer(ctx, in, a, t)
		}
		if a.live {
			return Reply{Card: plain(Good, "You are linked", fmt.Sprintf("Belay acts for you as %s.", personText(a.Principal)))}, nil
		}
		return b.offer(ctx, in, a, Ticket{})
	case SubUnlink:
		return b.unlink(ctx, in, a, ""), nil
	case "":
		return b.elevate(ctx, in, a, e)
	case SubHome:
		return b.home(ctx, in, a)
	}
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	switch e.Sub {
	case SubStatus:
		return b.status(ctx, in, a), nil
	case SubApprovals:
		return b.approvals(ctx, in, a), nil
	case SubPosture, SubChecklist:
		return b.posture(in, a, e.Sub)
	case SubDrift:
		return b.listDrift(in, a)
	case SubReviews:
		return b.reviews(ctx, in, a)
	case SubAgain:
		return b.again(ctx, in, a, "", e)
	case SubSave:
		return b.save(ctx, in, a, e.Name), nil
	case SubSaved:
		return b.listSaved(ctx, in, a), nil
	case SubForget:
		return b.forget(ctx, in, a, e.Name), nil
	}
	if e.Sub == SubAlerts {
		return b.listAlerts(ctx, in, a), nil
	}
	return b.stopOne(ctx, in, a)
}

// offer gives a person their one-time sign-in link. t may name what goes on after it.
// Where their chat client may take it up it is the answer itself, so that the press that
// needs it goes on with what the client brings.
func (b *Bot) offer(ctx context.Context, in Inbound, a actor, t Ticket) (Reply, Later) {
	if t.User = in.User; b.o.SingleSignOn != nil && t.silent() {
		return b.offered(ctx, in, a, t), nil
	}
	return Reply{}, func(ctx context.Context) Reply { return b.offered(ctx, in, a, t) }
}

func (b *Bot) offered(ctx context.Context, in Inbound, a actor, t Ticket) Reply {
	if !a.known {
		if p := b.o.Profiles[in.User.Platform]; p != nil {
			profile, err := p.Profile(ctx, in.User)
			if err != nil {
				return b.trouble(in, err)
			}
			if !profile.Full {
				b.o.Links.turnedAway(ctx, t, chatActor(in), pim.Principal{Name: in.User.Name}, bar("guest", sayGuest))
				return Reply{Card: plain(Bad, "Not for guests", sayGuest)}
			}
		}
	}
	id := b.newTicket()
	t.User, t.Expect, t.Direct = in.User, a.ID, a.Direct
	err := b.o.Store.Update(ctx, func(tx store.Tx) error { return b.o.Links.Offer(tx, id, t) })
	if err != nil {
		return b.trouble(in, err)
	}
	c := linkCard(b.project.signInActions(id, b.o.SingleSignOn != nil && t.silent()))
	c.Note = b.project.linkNote()
	if b.o.SingleSignOn != nil && t.silent() {
		c.SignIn = &SignIn{Ticket: id, URL: b.o.Links.URL(id)}
	}
	return Reply{Card: &c}
}

// unlink forgets this account's link, and the sign-in whatever else is linked: in
// Teams the platform vouches for who somebody is, so that their sign-in would
// serve there as if nothing had been forgotten. Other accounts stay linked and
// ask for a sign-in when it is needed.
// other names another link of the same person, which was made elsewhere.
func (b *Bot) unlink(ctx context.Context, in Inbound, a actor, other string) Reply {
	if !a.known {
		return Reply{Card: plain(Neutral, "Not linked", sayNotLinked)}
	}
	var changed []string
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		user := in.User
		if other != "" {
			if user, err = b.o.Links.otherUser(tx, other, a.ID); err != nil {
				return err
			}
		}
		changed, err = b.endLink(tx, at, user, a.ID, auditActor(a.Person), EndedByPerson)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Neutral, "Not linked", sayNotLinkedThere)}
	}
	if err != nil {
		return b.trouble(in, err)
	}
	b.afterEnd(a.ID, changed)
	return Reply{Card: plain(Neutral, "Unlinked", sayUnlinked)}
}

// trouble is the one place where an error becomes a sentence. What the operator
// has to know goes to the log under the reference that the person sees.
func (b *Bot) trouble(in Inbound, err error) Reply {
	if errors.Is(err, errKnown) {
		return Reply{}
	}
	ref := b.newID()[24:]
	sentence, tell := sayTrouble(err, ref)
	title := "Nothing was done"
	switch {
	case errors.Is(err, store.ErrBusy):
		sentence = sayNotRecorded
	case errors.Is(err, store.ErrUncertain):
		title, sentence = "It is not certain what was done", sayUncertain
	}
	if tell {
		b.o.Log.ErrorContext(continued(context.Background(), in.Trace), "an act could not be done", "reference", ref, "platform", in.User.Platform, "kind", kindOf(in.Said), "error", err)
	}
	return Reply{Card: plain(Bad, title, sentence)}
}
