package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/belaybot/belay/store"
)

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
	case VerbAcknowledge, VerbAskThem, VerbWasMe, VerbWasNotMe, VerbMute, VerbAlert, VerbUnmute:
		return b.alertPress(ctx, in, a, p)
	case VerbAccept:
		return b.driftPress(ctx, in, a, p)
	case VerbReviews, VerbKeepAccess, VerbRemoveAccess, VerbCannotTell, VerbAcceptAll, VerbSeveral:
		return b.reviewPress(ctx, in, a, p)
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
		events := []Event{Intended{ID: intent, Kind: kind, By: a.Person, Reason: reason, SignedIn: b.stands(a), Ticket: ticket, Fresh: b.fresh(before.Role, kind), Told: told, Trace: traceOf(ctx)}}
		if before.adopts(a, p.Copy) {
			events = append(events, Showed{Slot: copySlot(a.ID, p.Copy), Shown: Shown{Message: p.Copy}})
		}
		if r, err = b.changeOf(tx, before, at, events...); err != nil {
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
