package bot

import (
	"context"
	"time"

	"github.com/belaybot/belay/store"
)

// One Microsoft account goes with one user of a Slack workspace: whose press is whose would
// not be plain otherwise. A second one is refused, which its user reads on the page; and the
// first one is told, because somebody has signed in with their Microsoft account.
// What is linked in one chat is told in the others too, for the same reason.

// takenError is a link that was refused because another user of the workspace has the account.
type takenError struct{ holder Link }

// Error says why.
func (*takenError) Error() string { return "another user of the workspace has the account" }

// taken has the holder told of a link that was refused.
func (l *Links) taken(ctx context.Context, holder, tried Link) error {
	return l.o.Store.Update(ctx, func(tx store.Tx) error {
		return l.o.Taken(tx, holder, tried)
	})
}

// LinkTried makes it due to tell somebody that another user of their workspace signed in with
// their Microsoft account. Links calls it.
func (b *Bot) LinkTried(tx store.Tx, holder, tried Link) error {
	return b.putGreeting(tx, owed{User: holder.User, Made: tried.Linked, Wake: tried.Linked, What: linkTried, Link: &tried})
}

// oweElsewhere makes it due to tell a person, wherever else they are linked, what was linked
// just now.
func (b *Bot) oweElsewhere(tx store.Tx, at time.Time, made Link) error {
	all, err := b.o.Links.At(tx, made.Principal.ID)
	if err != nil {
		return err
	}
	for _, l := range all {
		if (Ticket{User: l.User}).of(made.User) {
			continue
		}
		if err := b.putGreeting(tx, owed{User: l.User, Made: at, Wake: at, What: linkElsewhere, Link: &made}); err != nil {
			return err
		}
	}
	return nil
}
