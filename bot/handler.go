package bot

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

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
	b.o.Metrics.handled.WithLabelValues(string(in.User.Platform), kindOf(in.Said)).Inc()
	if by, wait, ok := b.limits.take(in); !ok {
		b.o.Metrics.limited.WithLabelValues(string(in.User.Platform), by).Inc()
		return slowDown(in, wait), nil
	}
	switch first, err := b.first(ctx, in); {
	case err != nil:
		return b.trouble(in, err), nil
	case !first:
		return Reply{}, nil
	}
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
	a := actor{Person: Person{User: in.User, Principal: pim.Principal{ID: in.Principal, Name: in.User.Name}}}
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
			a.Principal = l.Principal
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
	case SubAgain:
		return b.again(ctx, in, a, "", e)
	case SubSave:
		return b.save(ctx, in, a, e.Name), nil
	case SubSaved:
		return b.listSaved(ctx, in, a), nil
	case SubForget:
		return b.forget(ctx, in, a, e.Name), nil
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

// press does what a button is for.
func (b *Bot) press(ctx context.Context, in Inbound, p Press) (Reply, Later) {
	a, err := b.who(ctx, in)
	if err != nil {
		return b.trouble(in, err), nil
	}
	switch p.Verb {
	case VerbElevate:
		return b.elevate(ctx, in, a, Elevate{Key: p.ID})
	case VerbAgain:
		return b.again(ctx, in, a, p.ID, Elevate{})
	case VerbSaved:
		return b.openSaved(ctx, in, a, p.ID)
	case VerbLink:
		t, _ := b.unreadFor(a.ID)
		return b.offer(ctx, in, a, t)
	case VerbSignIn:
		return b.signIn(ctx, in, p), nil
	case VerbUnlink:
		return b.unlink(ctx, in, a, p.ID), nil
	case VerbNotMe:
		return b.notMe(ctx, in, a, p), nil
	case VerbApprove:
		return b.intend(ctx, in, a, p, ToApprove, fmt.Sprintf("Approved in %s through Belay.", platformName(in.User.Platform)))
	case VerbDeny:
		return b.askWhyNot(ctx, in, a, p)
	case VerbCancel:
		return b.intend(ctx, in, a, p, ToCancel, "")
	case VerbStop:
		return b.intend(ctx, in, a, p, ToDeactivate, fmt.Sprintf("Deactivated in %s through Belay.", platformName(in.User.Platform)))
	case VerbKeep:
		return b.keep(ctx, in, a, p)
	case VerbExtend:
		return b.extend(ctx, in, a, p)
	case VerbFollow:
		return b.followThat(ctx, in, a, p)
	case VerbShow:
		return b.showAgain(ctx, in, a, p), nil
	}
	return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}, nil
}

// intend records what a person wants done, in one transaction, and has it settled.
func (b *Bot) intend(ctx context.Context, in Inbound, a actor, p Press, kind IntentKind, reason string) (Reply, Later) {
	if !a.known {
		t := Ticket{}
		if kind == ToApprove {
			t = Ticket{Request: p.ID, Intent: string(VerbApprove)} // goes on after the sign-in
		}
		return b.offer(ctx, in, a, t)
	}
	intent, ticket, at := b.newID(), b.newTicket(), b.o.Now().UTC()
	var r Request
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := b.docs.get(tx, p.ID)
		if err != nil {
			return err
		}
		var told []Told
		if kind.review() {
			if told, err = b.tellsOf(tx, before, a); err != nil {
				return err
			}
		}
		events := []Event{Intended{ID: intent, Kind: kind, By: a.Person, Reason: reason, SignedIn: b.stands(a), Ticket: ticket, Fresh: b.fresh(before.Role, kind), Told: told}}
		if before.adopts(a, p.Copy) {
			events = append(events, Showed{Slot: copySlot(a.ID, p.Copy), Shown: Shown{Message: p.Copy}})
		}
		if r, err = b.changeIn(tx, p.ID, at, events...); err != nil {
			return err
		}
		if i, ok := r.Intent(intent); ok && i.State == IntentWaiting {
			return b.o.Links.Offer(tx, ticket, Ticket{User: in.User, Direct: a.Direct, Expect: a.ID, Request: p.ID, Intent: intent, What: sayWhat(r, kind), Fresh: i.Fresh})
		}
		return nil
	})
	if err != nil {
		return b.refusedPress(ctx, in, a, p, kind, err), nil
	}
	b.kick(r.ID, true)
	i, ok := r.Intent(intent)
	switch {
	case !ok:
		return Reply{Card: plain(Neutral, headline(r), requesterText(r))}, nil
	case i.State == IntentWaiting:
		return b.waiting(r, i), nil
	}
	if _, planned := r.planned(); planned && kind == ToDeactivate {
		return Reply{Card: plannedCard(r)}, nil
	}
	return Reply{Card: plain(Waiting, "On its way", saySending)}, nil
}

// waiting tells somebody where the link is that their answer waits for: in their
// chat with Belay, where it outlives whatever happens to the card.
func (b *Bot) waiting(r Request, i Intent) Reply {
	c := signInToDecide(b.o.Links.URL(i.Ticket), i)
	c.Note = b.project.linkNote()
	if r.direct(i.By).ID != "" {
		c.Text, c.Note, c.Actions = saySent(i), "", nil
	}
	if b.project.silently(r, i) {
		c.SignIn = &SignIn{Ticket: i.Ticket, URL: b.o.Links.URL(i.Ticket)}
	}
	return Reply{Card: &c}
}

// refusedPress explains why nothing was recorded. Who pressed before and has not
// signed in yet is told where the link is.
func (b *Bot) refusedPress(ctx context.Context, in Inbound, a actor, p Press, kind IntentKind, err error) Reply {
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}
	}
	r, rerr := b.Request(ctx, p.ID)
	if rerr != nil {
		return b.trouble(in, err)
	}
	if r.adopts(a, p.Copy) { // refused or not, the copy is kept true from now on
		if _, cerr := b.change(ctx, r.ID, Showed{Slot: copySlot(a.ID, p.Copy), Shown: Shown{Message: p.Copy}}); cerr != nil {
			return b.trouble(in, cerr)
		}
		b.kick(r.ID, true)
	}
	for _, i := range r.Intents {
		if i.Kind != kind || i.By.ID != a.ID {
			continue
		}
		if kind.review() && i.open() && i.State != IntentWaiting { // an impatient thumb, or the same delivery to another replica
			return Reply{Card: plain(Waiting, "On its way", saySending)}
		}
		if i.State != IntentWaiting {
			continue
		}
		if !b.stands(a) || i.Challenge || b.fresh(r.Role, kind) {
			return b.waiting(r, i)
		}
		// Signed in meanwhile for something else: this press is the word for this one.
		if _, cerr := b.change(ctx, r.ID, SignedIn{Principal: a.ID, User: i.By.User, Intent: i.ID, Waived: true}); cerr != nil {
			return b.trouble(in, cerr)
		}
		b.kick(r.ID, true)
		return Reply{Card: plain(Waiting, "On its way", saySending)}
	}
	verb := string(kind)
	if verb == "" {
		verb = string(p.Verb)
	}
	b.pressRefused(ctx, a, r, verb, err)
	return b.trouble(in, err)
}

// adopts says that a pressed copy is to be kept true: it is not on record, it
// stands where only the presser reads, and the presser has a part in the request.
func (r Request) adopts(a actor, copied Message) bool {
	_, decides := r.approver(a.ID)
	return r.ID != "" && copied.ID != "" && copied.Conversation.Private && a.known &&
		(decides || strings.EqualFold(a.ID, r.Requester.ID)) && !r.onRecord(copied)
}

// askWhyNot opens the form for the reason of a denial, unless it is plain already
// that the person cannot decide.
func (b *Bot) askWhyNot(ctx context.Context, in Inbound, a actor, p Press) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	r, err := b.Request(ctx, p.ID)
	if err == nil {
		err = r.mayIntend(ToDeny, a.ID)
	}
	if err != nil {
		return b.refusedPress(ctx, in, a, p, ToDeny, err), nil
	}
	return Reply{Form: r.ReasonForm("", ""), Replace: true}, nil
}

// ReasonForm asks for the reason of a denial, with what is filled in and what is
// wrong with it.
func (r Request) ReasonForm(value, problem string) *Form {
	return &Form{ID: r.ID, Verb: VerbReason, Title: formDeny, Submit: "Deny",
		Text: personName(r.Requester.Principal) + " asked for " + roleAt(r.Role) + ".",
		Fields: []Field{{Name: fieldReason, Label: "Reason", Hint: personName(r.Requester.Principal) + " will read it.",
			Kind: Paragraph, Required: true, Max: maxReason, Value: value, Error: problem}},
		Back: &Action{Label: "Back", Verb: VerbShow, ID: r.ID}}
}

// showAgain shows the card of a request to somebody with a part in it.
func (b *Bot) showAgain(ctx context.Context, in Inbound, a actor, p Press) Reply {
	r, err := b.Request(ctx, p.ID)
	if err != nil {
		return b.refusedPress(ctx, in, a, p, "", err)
	}
	c, now := Card{}, b.o.Now().UTC()
	switch _, decides := r.approver(a.ID); {
	case a.known && strings.EqualFold(a.ID, r.Requester.ID):
		c = b.project.requesterCard(r, now)
	case a.known && decides:
		c = b.project.approverCard(r, a.ID, now)
	default:
		b.pressRefused(ctx, a, r, string(VerbShow), bar("not-theirs", sayNotApprover))
		return Reply{Card: plain(Bad, "Not yours to see", sayNotApprover)}
	}
	return Reply{Card: &c, Replace: true}
}

// trouble is the one place where an error becomes a sentence. What the operator
// has to know goes to the log under the reference that the person sees.
func (b *Bot) trouble(in Inbound, err error) Reply {
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
		b.o.Log.Error("an act could not be done", "reference", ref, "platform", in.User.Platform, "kind", kindOf(in.Said), "error", err)
	}
	return Reply{Card: plain(Bad, title, sentence)}
}
