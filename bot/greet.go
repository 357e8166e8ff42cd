package bot

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/belaybot/belay/store"
)

// owed is a message that a newly linked person has still to get: what was linked,
// with a way to undo it. It is owed durably, like everything Belay has to say.
type owed struct {
	User  User      `json:"user"`
	Made  time.Time `json:"made"`
	Wake  time.Time `json:"wake"`
	Again bool      `json:"again,omitempty"` // linked before: a fresh sign-in only
	// What else there is to say than that User was linked, and of which link.
	What tiding `json:"what,omitempty"`
	Link *Link  `json:"link,omitempty"`
	Why  string `json:"why,omitempty"`
}

// tiding is what a person is told of a link that is not the one they just made.
type tiding string

const (
	linkEnded     tiding = "ended"     // User's own link, Link, has ended; there is none any more
	linkElsewhere tiding = "elsewhere" // Link was made with the same Microsoft account
	linkTried     tiding = "tried"     // Link was refused: User has that Microsoft account
)

var greetings = store.NewBucket[owed]("greetings") // pseudonym of the chat user

// greeting begins the id under which the due index lists a greeting.
const greeting = "greet-"

func (b *Bot) greetingID(u User) string {
	return greeting + b.o.Pseudonym("greeting", string(u.Platform), u.Tenant, u.ID)
}

// oweGreeting makes a greeting due: to who was linked just now, and to who signed in
// for no request in particular, so that they can go on in chat.
func (b *Bot) oweGreeting(tx store.Tx, at time.Time, t Ticket) error {
	l, err := b.o.Links.Of(tx, t.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && l.Told && t.Request != "" {
		return nil
	}
	if err != nil {
		return err
	}
	if !l.Told && !l.Linked.Before(t.Made) { // by this very sign-in
		if err := b.oweElsewhere(tx, at, l); err != nil {
			return err
		}
	}
	return b.putGreeting(tx, owed{User: t.User, Made: at, Wake: at, Again: l.Told})
}

// oweFarewell makes it due to tell somebody that their link ended, in the place of whatever
// else they were to be told.
func (b *Bot) oweFarewell(tx store.Tx, at time.Time, l Link, why string) error {
	return b.putGreeting(tx, owed{User: l.User, Made: at, Wake: at, What: linkEnded, Link: &l, Why: why})
}

// id is by what an owed message is known. Of what one person made elsewhere another word
// must not take the place.
func (o owed) id(b *Bot) string {
	if o.What == linkElsewhere || o.What == linkTried {
		return greeting + b.o.Pseudonym("greeting", string(o.User.Platform), o.User.Tenant, o.User.ID, string(o.What))
	}
	return b.greetingID(o.User)
}

func (b *Bot) putGreeting(tx store.Tx, o owed) error {
	id := o.id(b)
	if err := b.dropGreeting(tx, id); err != nil {
		return err
	}
	if err := greetings.Put(tx, strings.TrimPrefix(id, greeting), o); err != nil {
		return err
	}
	return dueIndex.Put(tx, dueKey(o.Wake, id), struct{}{})
}

func (b *Bot) dropGreeting(tx store.Tx, id string) error {
	key := strings.TrimPrefix(id, greeting)
	o, err := greetings.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := dueIndex.Delete(tx, dueKey(o.Wake, id)); err != nil {
		return err
	}
	return greetings.Delete(tx, key)
}

// greet tells a person what was linked, wherever they can be reached.
func (b *Bot) greet(ctx context.Context, id string) {
	var o owed
	var l Link
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		var err error
		if o, err = greetings.Get(tx, strings.TrimPrefix(id, greeting)); err != nil {
			return err
		}
		if o.What == linkEnded {
			l = *o.Link
			return nil
		}
		l, err = b.o.Links.Of(tx, o.User)
		return err
	})
	chat := b.o.Chats[o.User.Platform]
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && (o.What == "" && l.Told && !o.Again || chat == nil):
		err = b.o.Store.Update(ctx, func(tx store.Tx) error { return b.dropGreeting(tx, id) })
		b.noteGreeting(id, err)
	case err == nil:
		err = b.tell(ctx, id, o, l, chat)
	}
	if err != nil && ctx.Err() == nil {
		level := slog.LevelError
		if _, chat := errors.AsType[*ChatError](err); chat { // it is tried again, as any card is
			level = slog.LevelWarn
		}
		b.o.Log.Log(ctx, level, "a person could not be told yet what was linked", "platform", o.User.Platform, "error", err)
	}
}

func (b *Bot) tell(ctx context.Context, id string, o owed, l Link, chat Chat) error {
	// A stop does not cut it off: whether it was posted would be unknown, and it would be
	// posted again.
	tctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chatTime)
	defer cancel()
	at, err := l.Direct, error(nil)
	if at.ID == "" {
		at, err = chat.Reach(tctx, l.Principal)
	}
	if err == nil {
		_, err = chat.Post(tctx, at, id+"/"+o.Made.Format(time.RFC3339Nano), b.tidings(l, o))
	}
	retry := o
	retry.Wake = b.o.Now().UTC().Add(10 * time.Second)
	if after, ok := retryAfter(err); ok {
		retry.Wake = b.o.Now().UTC().Add(after)
	}
	code := chatCode(err)
	kept := b.o.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		now, gerr := greetings.Get(tx, strings.TrimPrefix(id, greeting))
		if errors.Is(gerr, store.ErrNotFound) || gerr == nil && (now.What != o.What || !now.Made.Equal(o.Made)) {
			return nil // there is something else to say meanwhile
		}
		if gerr != nil {
			return gerr
		}
		if err != nil && code != ChatUnreachable && code != ChatRefused {
			return b.putGreeting(tx, retry)
		}
		if err == nil && o.What == "" {
			if err := b.o.Links.Told(tx, o.User); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return b.dropGreeting(tx, id)
	})
	b.noteGreeting(id, kept)
	return errors.Join(err, kept)
}

// noteGreeting leaves a message alone for a while of which the store did not take what
// became of it: it would be posted at every tick else.
func (b *Bot) noteGreeting(id string, kept error) {
	if kept != nil {
		b.stumble(id)
		return
	}
	b.recovered(id)
}

// tidings is the card of an owed message to the person of l.
func (b *Bot) tidings(l Link, o owed) Card {
	switch o.What {
	case linkEnded:
		return farewellCard(l, o.Why)
	case linkElsewhere:
		return linkedElsewhereCard(*o.Link, b.o.Links.key(o.Link.User))
	case linkTried:
		return triedCard(*o.Link)
	}
	c := linkedCard(l, o.Again)
	if b.o.EachTime {
		c.Text += " " + sayEachTime
	}
	return c
}
