package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// chatTime bounds one call to a chat platform.
const chatTime = 15 * time.Second

// giveUpShowing is for how long a card is tried while its platform does not answer;
// then it is left as it is until it changes again.
const giveUpShowing = 24 * time.Hour

// show brings cards up to date, each in its own place, all at once. Each outcome is
// recorded by itself, so that a crash repeats as little as can be.
func (b *Bot) show(ctx context.Context, r Request, wants []Want) (Request, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, w := range wants {
		g.Go(func() error {
			return guarded(func() error {
				e := b.showOne(gctx, r, w)
				_, err := b.change(context.WithoutCancel(gctx), r.ID, e)
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	return b.Request(ctx, r.ID)
}

func (b *Bot) showOne(ctx context.Context, r Request, w Want) Event {
	before := r.Shown[w.Slot]
	shown, lost := b.display(ctx, r.ID, w, before)
	if lost {
		return Unshown{Slot: w.Slot} // posted anew at the next step
	}
	if what, _, ok := toldCard(r); ok && w.Slot == slotRequester && before.Message.ID == "" && b.o.Chats[w.At.Platform] != nil {
		shown.Told = what
	}
	return Showed{Slot: w.Slot, Shown: shown}
}

// display posts or updates one card of a document, and is all of Belay's writing to places
// that outlives a moment. lost: the message is not there any more.
func (b *Bot) display(ctx context.Context, id string, w Want, shown Shown) (next Shown, lost bool) {
	ctx, cancel := context.WithTimeout(ctx, chatTime)
	defer cancel()
	chat, ok := b.o.Chats[w.At.Platform]
	if !ok { // a platform that is no longer configured
		shown.GivenUp = digest(w.Card)
		return shown, false
	}
	m, err := shown.Message, error(nil)
	if m.ID == "" {
		// The card is part of the key: what a platform that refuses a second post under one
		// key goes on showing is then what is recorded as shown.
		m, err = chat.Post(ctx, w.At, id+"/"+string(w.Slot)+"/"+digest(w.Card), w.Card)
	} else {
		err = chat.Update(ctx, m, w.Card)
	}
	if err == nil {
		b.o.Metrics.shown.WithLabelValues(string(w.At.Platform), "ok").Inc()
		return Shown{Message: m, Digest: digest(w.Card), Told: shown.Told}, false
	}
	code := chatCode(err)
	b.o.Metrics.shown.WithLabelValues(string(w.At.Platform), string(code)).Inc()
	b.o.Log.Warn("a card could not be shown", "request", id, "slot", w.Slot, "platform", w.At.Platform, "code", code, "error", err)
	if code == ChatGone && shown.Message.ID != "" {
		return Shown{}, true
	}
	now := b.o.Now().UTC()
	if shown.Since.IsZero() {
		shown.Since = now
	}
	if code == ChatUnreachable || code == ChatRefused || now.Sub(shown.Since) > giveUpShowing {
		shown.GivenUp, shown.Tries, shown.Since = digest(w.Card), 0, time.Time{}
		return shown, false
	}
	wait := backoff(shown.Tries)
	shown.Tries++
	if after, ok := retryAfter(err); ok {
		wait = maxDuration(wait, after)
	}
	shown.NotBefore = now.Add(wait)
	return shown, false
}

// route finds out where each approver can be reached. Routing is not identity: who
// has never linked is still reached, and signs in at the press.
func (b *Bot) route(ctx context.Context, r Request) (Request, error) {
	e, approvers := Routed{}, r.Approvers
	if len(approvers) == 0 { // the policy came to want approval after it was read
		p, err := b.pillar(r.Role.Kind)
		if err != nil {
			return r, err
		}
		policy, err := p.Policy(ctx, r.Requester.ID, r.Role.Assignment)
		if err != nil { // a list that cannot be read means nobody, until it can
			b.o.Log.Warn("the approvers could not be read", "request", r.ID, "error", err)
			return b.change(ctx, r.ID, Routed{Again: b.o.Now().UTC().Add(time.Minute)})
		}
		approvers, e.Approvers, e.Groups, e.Default = policy.Approvers, policy.Approvers, policy.ApproverGroups, policy.DefaultApprovers
	}
	found, missed := make([]Reach, len(approvers)), make([]bool, len(approvers))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for n, a := range approvers {
		g.Go(func() error {
			return guarded(func() error {
				at, all, err := b.reach(gctx, a)
				found[n], missed[n] = Reach{Principal: a.ID, At: at}, !all
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	for n, f := range found {
		switch {
		case len(f.At) > 0:
			e.Reach = append(e.Reach, f)
		case missed[n]:
			e.Again = b.o.Now().UTC().Add(time.Minute)
		case !strings.EqualFold(approvers[n].ID, r.Requester.ID):
			e.Unreached = append(e.Unreached, personName(approvers[n]))
		}
	}
	return b.change(ctx, r.ID, e)
}

// reach lists the places where only p and the bot are: linked accounts, known
// conversations, and else whatever each platform finds by the directory's names.
// all is false when a platform did not answer.
func (b *Bot) reach(ctx context.Context, p pim.Principal) (at []Conversation, all bool, err error) {
	known := map[Platform]Conversation{}
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		clear(known)
		links, err := b.o.Links.At(tx, p.ID)
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.Direct.ID != "" {
				known[l.User.Platform] = l.Direct
			}
		}
		for platform := range b.o.Chats {
			c, ok, err := b.docs.place(tx, p.ID, platform)
			if err != nil {
				return err
			}
			if ok {
				known[platform] = c
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	all = true
	for _, platform := range []Platform{Slack, Teams} {
		chat, served := b.o.Chats[platform]
		if !served {
			continue
		}
		if c, ok := known[platform]; ok {
			at = append(at, c)
			continue
		}
		c, err := b.find(ctx, chat, p)
		switch code := chatCode(err); {
		case err == nil:
			at = append(at, c)
		case code != ChatUnreachable:
			all = false
			b.o.Log.Warn("an approver could not be looked up", "platform", platform, "principal", p.ID, "code", code, "error", err)
		}
	}
	return at, all, nil
}

// find looks a person up, twice when the platform asks to wait a moment.
func (b *Bot) find(ctx context.Context, chat Chat, p pim.Principal) (Conversation, error) {
	ctx, cancel := context.WithTimeout(ctx, chatTime)
	defer cancel()
	for try := 0; ; try++ {
		c, err := chat.Reach(ctx, p)
		code := chatCode(err)
		if err == nil || try == 3 || code != ChatThrottled && code != ChatUnavailable {
			return c, err
		}
		wait := time.Second
		if after, ok := retryAfter(err); ok {
			wait = after
		}
		select {
		case <-ctx.Done():
			return Conversation{}, errors.Join(err, ctx.Err())
		case <-time.After(wait):
		}
	}
}
