package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Who leaves a Slack workspace, or stays as a guest only, is unlinked: Belay serves full
// members, and nobody signs a deactivated user out at Microsoft. Slack tells of it (Left);
// that may be missed, so that each link is looked at again, slowly. A profile that cannot be
// read proves nothing. In Teams the account is Entra's own: who is disabled there has no
// sign-in any more, and a chat that cannot be reached says nothing of its person.

const (
	lookEvery = 24 * time.Hour   // at one link
	lookPause = 10 * time.Second // between two of them, so that Slack hardly notices
	lookAgain = time.Hour        // after a profile that could not be read
)

// looks lists the links to look at: time + "/" + key in links → that key.
var looks = store.NewBucket[string]("link-looks")

// plan makes it due to look at a link, once a day at the most.
func (l *Links) plan(tx store.Tx, key string, link *Link, at time.Time) error {
	if link.User.Platform != Slack {
		return nil
	}
	if err := l.unplan(tx, key, *link); err != nil {
		return err
	}
	link.Look = at
	return looks.Put(tx, dueKey(at, key), key)
}

func (l *Links) unplan(tx store.Tx, key string, link Link) error {
	if link.Look.IsZero() {
		return nil
	}
	return looks.Delete(tx, dueKey(link.Look, key))
}

// nextLook takes the link that is due to be looked at, and plans to look again for when this
// look fails. store.ErrNotFound: none is due.
func (l *Links) nextLook(ctx context.Context, now time.Time) (link Link, err error) {
	due := ""
	find := func(tx store.Tx) error {
		due = ""
		return looks.Scan(tx, "", dueKey(now.Add(1), ""), func(_, key string) error {
			due = key
			return store.Stop
		})
	}
	if err := l.o.Store.View(ctx, find); err != nil {
		return Link{}, err
	}
	if due == "" { // as nearly always: nothing is written
		return Link{}, store.ErrNotFound
	}
	err = l.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		if due == "" { // another process was faster
			return store.ErrNotFound
		}
		if link, err = linked.Get(tx, due); err != nil {
			return fmt.Errorf("the index of looks names link %s: %v", due, err) //nolint:errorlint // not found is a fault here, and not the answer
		}
		if err := l.plan(tx, due, &link, now.Add(lookAgain)); err != nil {
			return err
		}
		return linked.Put(tx, due, link)
	})
	return link, err
}

// looked plans the next look at a link that is as it should be.
func (l *Links) looked(ctx context.Context, u User, zone string, now time.Time) error {
	key := l.key(u)
	return l.o.Store.Update(ctx, func(tx store.Tx) error {
		link, err := linked.Get(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		link.Zone = cmp.Or(zone, link.Zone)
		if err := l.plan(tx, key, &link, now.Add(lookEvery)); err != nil {
			return err
		}
		return linked.Put(tx, key, link)
	})
}

// lookAtLinks looks at one link that is due, if the pause after the last one is over.
func (b *Bot) lookAtLinks(ctx context.Context, last *time.Time) {
	now := b.o.Now().UTC()
	if over(now, *last, lookPause) < 0 {
		return
	}
	link, err := b.o.Links.nextLook(ctx, now)
	if errors.Is(err, store.ErrNotFound) {
		return
	}
	*last = now
	profiles := b.o.Profiles[link.User.Platform]
	if err == nil && profiles == nil {
		return // Slack is not served at present
	}
	var p Profile
	if err == nil {
		cctx, cancel := context.WithTimeout(ctx, chatTime)
		p, err = profiles.Profile(cctx, link.User)
		cancel()
	}
	switch {
	case err != nil:
	case p.Full:
		err = b.o.Links.looked(ctx, link.User, p.Zone, now)
	default:
		err = b.leave(ctx, link.User, EndedAsNoMember)
	}
	if err != nil && ctx.Err() == nil {
		b.o.Log.WarnContext(ctx, "a linked user could not be looked at; tried again in an hour", "platform", link.User.Platform, "error", err)
	}
}

// left hears that a chat user is no full member any more.
func (b *Bot) left(ctx context.Context, in Inbound, s Left) Reply {
	if err := b.leave(ctx, in.User, s.Why); err != nil {
		return b.trouble(in, err)
	}
	return Reply{}
}

// leave unlinks a chat user who is no full member any more, and is told so where they still
// read it. Nobody linked: nothing to do.
func (b *Bot) leave(ctx context.Context, u User, why string) error {
	var link Link
	var changed []string
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if link, err = b.o.Links.Of(tx, u); err != nil {
			return err
		}
		if changed, err = b.endLink(tx, at, u, link.Principal.ID, trail.Actor{Platform: fromBelay}, why); err != nil || why == EndedAsLeft {
			return err
		}
		return b.oweFarewell(tx, at, link, why)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	b.o.Log.InfoContext(ctx, "unlinked", "platform", u.Platform, "principal", link.Principal.ID, "why", why)
	b.afterEnd(link.Principal.ID, changed, link)
	return nil
}
