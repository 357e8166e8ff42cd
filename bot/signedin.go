package bot

import (
	"context"
	"fmt"

	"github.com/belaybot/belay/store"
)

// SignedIn lets what waited for a person's sign-in go on. adapters/web calls it
// through Links when the sign-in is kept.
func (b *Bot) SignedIn(ctx context.Context, principal string, t Ticket) error {
	var ids []string
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		ids = ids[:0]
		waiting, err := b.docs.of(tx, principal, partWaits)
		if err != nil {
			return err
		}
		if err := b.oweGreeting(tx, at, t); err != nil {
			return err
		}
		for _, r := range waiting {
			e := SignedIn{Principal: principal, User: t.User, Intent: t.Intent}
			if r.ID == t.Request {
				e.AuthTime = t.AuthTime
			}
			if _, err := b.changeIn(tx, r.ID, at, e); err != nil {
				return err
			}
			ids = append(ids, r.ID)
		}
		reviews, err := b.reviewersSignedIn(tx, principal, t, at)
		ids = append(ids, reviews...)
		return err
	})
	if err != nil {
		return err
	}
	b.menu.drop(principal) // more of it may be readable now
	for _, id := range append(ids, b.greetingID(t.User)) {
		b.kick(id, true)
	}
	b.watch.renew()
	if err := b.reachable(ctx, principal); err != nil {
		return err
	}
	if t.Intent == string(VerbApprove) { // the press of somebody who was not linked yet
		in := Inbound{User: t.User}
		if t.User.Platform == Teams {
			in.Principal = principal
		}
		a, err := b.who(ctx, in)
		if err != nil {
			return err
		}
		reply, _ := b.intend(ctx, in, a, Press{Verb: VerbApprove, ID: t.Request}, ToApprove,
			fmt.Sprintf("Approved in %s through Belay.", platformName(t.User.Platform)))
		if chat := b.o.Chats[t.User.Platform]; reply.Card != nil && reply.Card.Tone == Bad && chat != nil && a.Direct.ID != "" {
			if _, err := chat.Post(ctx, a.Direct, "after-link/"+t.Request+"/"+principal, *reply.Card); err != nil {
				b.o.Log.WarnContext(ctx, "an approver could not be told why their press has no effect", "request", t.Request, "error", err)
			}
		}
	}
	return nil
}
