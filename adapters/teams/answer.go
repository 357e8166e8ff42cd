package teams

import (
	"context"
	"errors"
	"time"

	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/bot"
)

// An answer that Teams puts off is tried again here, since nobody else would: it
// is on no record. Only where nothing can have been shown yet.
const (
	answerTries = 4
	answerWait  = time.Second
	answerLimit = 20 * time.Second
)

// spot is where the answer to one deed is shown. What it shows first is posted;
// what it shows next takes its place.
type spot struct {
	a      *Adapter
	d      *delivery
	in     bot.Conversation // where it is written
	shown  shown
	id     string // of the message that stands there; "": none yet
	aside  bool   // in a channel: the answer goes to the personal chat, not found yet
	notice bool   // say in the channel that it does
	turn   int    // of the deed, where id is a message that somebody pressed
}

// spotFor is where something new is answered: in the personal chat itself, in a
// channel to that person only, or else in their personal chat.
func (a *Adapter) spotFor(d *delivery) *spot {
	s := &spot{a: a, d: d, in: d.here(), shown: inChat}
	switch {
	case d.personal():
	case d.targeted:
		s.shown = asTargeted
	default:
		s.aside = true
	}
	return s
}

// spotOf is where a press or a form is answered: in the place of the card, unless
// the card is on record. Then it is bot's to replace, and the answer stands
// beside it.
func (a *Adapter) spotOf(d *delivery, p press) *spot {
	s := a.spotFor(d)
	if p.shown != onRecord && safeID(d.ReplyToID) {
		s.id, s.shown, s.aside = d.ReplyToID, p.shown, false
		s.turn = a.places.take(s.id)
	}
	return s
}

// here is the conversation with its thread.
func (d *delivery) here() bot.Conversation {
	c := d.at()
	c.ID = d.Conversation.ID
	return c
}

// answer shows the first reply, then the later one in its place.
func (s *spot) answer(ctx context.Context, first bot.Reply, later bot.Later) {
	s.try(ctx, first)
	if later != nil {
		s.try(ctx, later(ctx))
	}
}

// try shows a reply and logs when that was not possible: there is nobody to tell.
func (s *spot) try(ctx context.Context, r bot.Reply) {
	if empty(r) {
		return
	}
	for n := 1; ; n++ {
		if s.turn > 0 && s.a.places.overtaken(s.id, s.turn) {
			return // the person has gone on: what was put off would undo that
		}
		err := s.show(ctx, r)
		if err == nil {
			return
		}
		var e *bot.ChatError
		again := errors.As(err, &e) && (e.Code == bot.ChatThrottled || e.Code == bot.ChatUnavailable && !e.Ambiguous)
		if !again || n == answerTries || s.a.wait(ctx, min(max(e.After, answerWait), answerLimit)) != nil {
			s.a.opts.Log.WarnContext(ctx, "teams: an answer could not be shown", "error", err, "tries", n)
			return
		}
	}
}

func (s *spot) show(ctx context.Context, r bot.Reply) error {
	if s.shown != asTargeted && !s.in.Private { // an answer is never for everybody
		s.aside, s.id = true, ""
	}
	if s.aside {
		chat, err := s.a.reach(ctx, "whisper", s.d.user.ID)
		if unreachable(err) {
			return s.say(ctx, s.a.wordInstall())
		}
		if err != nil {
			return err
		}
		s.in, s.aside = chat, false
	}
	c := &call{a: s.a, ctx: ctx, op: "whisper", targeted: s.shown == asTargeted}
	shows, title := renderReply(r, s.shown, s.d.zone)
	act, err := c.message(s.in, shows, title)
	if err != nil {
		return err
	}
	if s.id != "" {
		act.ID = s.id
		err := c.update(act)
		var e *bot.ChatError
		if !errors.As(err, &e) || e.Code != bot.ChatGone {
			return err
		}
		s.id, act.ID = "", ""
	}
	if c.targeted {
		act.Recipient = schema.ChannelAccount{ID: s.d.From.ID}
	}
	s.id, err = c.post(act)
	var e *bot.ChatError
	switch {
	case err == nil:
	case c.targeted && errors.As(err, &e) && (e.Code == bot.ChatRefused || e.Code == bot.ChatUnreachable):
		// Targeted messages are a preview that not every tenant has.
		s.shown, s.aside = inChat, true
		return s.show(ctx, r)
	case unreachable(err) && !s.d.personal():
		s.a.places.forget(s.in.ID)
		return s.say(ctx, s.a.wordInstall())
	default:
		return err
	}
	if s.notice && s.shown == inChat {
		s.notice = false
		if err := s.say(ctx, wordInChat); err != nil {
			s.a.opts.Log.InfoContext(ctx, "teams: a notice could not be shown", "error", err)
		}
	}
	return nil
}

// say writes a sentence that concerns nobody in particular where the deed was done.
func (s *spot) say(ctx context.Context, sentence string) error {
	c := &call{a: s.a, ctx: ctx, op: "post"}
	act, err := c.addressed(s.d.here())
	if err != nil {
		return err
	}
	act.Text, act.TextFormat = sentence, schema.PLAIN
	_, err = c.post(act)
	return err
}

func unreachable(err error) bool {
	var e *bot.ChatError
	return errors.As(err, &e) && e.Code == bot.ChatUnreachable
}

// pause waits, or gives the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
