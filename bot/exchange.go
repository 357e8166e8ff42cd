package bot

import (
	"context"
	"errors"
	"strings"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// A sign-in may be taken up by the chat client of the person who pressed, which is
// signed in at Microsoft already: it brings a token by which the platform vouches for
// that person (an Exchange), and no browser is needed. It is asked only in the answer
// to a press: whoever forged the press gets that answer, and has no token. Who may be
// linked is decided by Complete, as after a browser's sign-in. What cannot be done
// silently is done in the browser, with the same ticket's link.

// silent says whether a sign-in without the person's doing will do. A challenge wants
// more proof than the chat client's own sign-in gave, and a fresh sign-in the person.
func (t Ticket) silent() bool {
	return t.User.Platform == Teams && t.Claims == "" && t.Kind == "" && !t.Fresh
}

// silently says whether the presser's client may take up the sign-in that an intent
// waits for. The ticket itself decides; this is for what a card offers.
func (p Projection) silently(r Request, i Intent) bool {
	return p.Silent && i.By.User.Platform == Teams && !i.Challenge && i.Ticket != "" && !i.Fresh && !(i.Kind.review() && p.presence(r.Role))
}

// signInActions are the ways to take up a ticket.
func (p Projection) signInActions(ticket string, silent bool) []Action {
	if !silent {
		return []Action{{Label: "Sign in", Style: Primary, URL: p.SignIn(ticket)}}
	}
	return []Action{{Label: "Sign in", Style: Primary, Verb: VerbSignIn, ID: ticket}, {Label: "Use my browser", URL: p.SignIn(ticket)}}
}

// signIn answers a press on a card that asks for a sign-in.
func (b *Bot) signIn(ctx context.Context, in Inbound, p Press) Reply {
	t, err := b.o.Links.Open(ctx, p.ID)
	if err == nil && !t.of(in.User) {
		err = bar("not-theirs", sayLinkUnknown)
		b.o.Links.turnedAway(ctx, t, chatActor(in), pim.Principal{ID: in.Principal, Name: in.User.Name}, err)
	}
	if sentence, ok := ErrorMessage(err); ok {
		return Reply{Card: plain(Bad, "Nothing was done", sentence)}
	}
	if err != nil {
		return b.trouble(in, err)
	}
	c := browserCard(b.o.Links.URL(p.ID), sayBrowserOnly)
	if b.o.SingleSignOn != nil && t.silent() && !t.Taken {
		c.SignIn = &SignIn{Ticket: p.ID, URL: b.o.Links.URL(p.ID)}
	}
	return Reply{Card: &c}
}

// of says whose ticket it is.
func (t Ticket) of(u User) bool {
	return t.User.Platform == u.Platform && t.User.Tenant == u.Tenant && strings.EqualFold(t.User.ID, u.ID)
}

// TakeUp uses up the one silent sign-in that a ticket allows, for its own chat user.
// first is false when there is nothing to do any more: another client of the same
// person was faster, or the ticket has ended. An *Error says that it is not theirs to
// take up, or that only a browser will do.
func (l *Links) TakeUp(ctx context.Context, id string, u User) (t Ticket, first bool, err error) {
	now := l.o.Now()
	err = l.o.Store.Update(ctx, func(tx store.Tx) error {
		first = false
		t, err = tickets.Get(tx, hashed(id))
		switch {
		case errors.Is(err, store.ErrNotFound):
			return refuse(CodeNotFound, sayLinkUnknown)
		case err != nil:
			return err
		case !t.of(u):
			return bar("not-theirs", sayLinkUnknown)
		case t.Taken || t.Used || !now.Before(t.Expires):
			return nil
		case !t.silent():
			return refuse(CodeSignIn, sayBrowserOnly)
		}
		first, t.Taken = true, true
		return tickets.Put(tx, hashed(id), t)
	})
	return t, first, err
}

// Challenge has the browser's sign-in ask for what Microsoft wanted to see before it
// took a silent one.
func (l *Links) Challenge(ctx context.Context, id, claims string) error {
	now := l.o.Now()
	return l.o.Store.Update(ctx, func(tx store.Tx) error {
		t, err := l.ticket(tx, hashed(id), now)
		if err != nil {
			return err
		}
		t.Claims = claims
		return tickets.Put(tx, hashed(id), t)
	})
}

// exchange signs a person in with what their chat client brought. Nothing but the
// claim on the ticket is stored before it is acknowledged, and no more is promised:
// whatever happens after it, the link in the chat still works.
func (b *Bot) exchange(ctx context.Context, in Inbound, e Exchange) (Reply, Later) {
	if b.o.SingleSignOn == nil {
		return Reply{Card: plain(Bad, "Nothing was done", sayBrowserOnly)}, nil
	}
	t, first, err := b.o.Links.TakeUp(ctx, e.ID, in.User)
	switch {
	case err != nil:
		b.o.Links.turnedAway(ctx, t, chatActor(in), pim.Principal{ID: in.Principal, Name: in.User.Name}, err)
		if sentence, ok := ErrorMessage(err); ok {
			return Reply{Card: plain(Bad, "Nothing was done", sentence)}, nil
		}
		return b.trouble(in, err), nil
	case !first:
		return Reply{}, nil
	}
	return Reply{}, func(ctx context.Context) Reply {
		err := b.exchanged(ctx, in, e)
		if err != nil {
			b.o.Log.InfoContext(ctx, "single sign-on did not serve", "platform", in.User.Platform, "principal", in.Principal, "error", err)
			c := browserCard(b.o.Links.URL(e.ID), saySilentFailed(err))
			return Reply{Card: &c}
		}
		if t.Request != "" && t.Intent != string(VerbApprove) {
			return Reply{} // the request's own cards tell
		}
		return Reply{Card: plain(Good, "You are signed in", saySilent)}
	}
}

func (b *Bot) exchanged(ctx context.Context, in Inbound, e Exchange) error {
	who, keep, err := b.o.SingleSignOn.Exchange(ctx, in.Principal, e.Token)
	if err != nil {
		var no *pim.Error
		if errors.As(err, &no) && no.Claims != "" {
			return errors.Join(err, b.o.Links.Challenge(ctx, e.ID, no.Claims))
		}
		b.o.Links.turnedAway(ctx, Ticket{User: in.User, Expect: in.Principal}, chatActor(in), pim.Principal{ID: in.Principal, Name: in.User.Name}, SignInFailed(err))
		return err
	}
	_, err = b.o.Links.Complete(ctx, Hop{Ticket: hashed(e.ID)}, who, keep)
	return err
}
