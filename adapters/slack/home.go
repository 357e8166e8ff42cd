package slack

import (
	"context"
	"net/http"
	"time"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

// openHome acknowledges that a person opened the Home tab and shows it to them.
// Nothing is changed by it, so a delivery that is repeated shows it once more.
func (a *Adapter) openHome(w http.ResponseWriter, d delivery, s *scene) {
	release, ok := a.admit()
	if !ok {
		a.refuse(w, d, http.StatusServiceUnavailable, "too much to do")
		return
	}
	a.acknowledge(w, nil)
	go func() {
		defer release()
		a.inBackground(s.act, func(ctx context.Context) { a.showHome(ctx, s) })
	}()
}

// showHome asks for a person's own page and publishes it, then what Later makes of
// it. It is asked for at each opening and after each press there. The first page
// replaces whatever stands there; what Later says must not replace anything newer. It
// returns which version stands there now.
func (a *Adapter) showHome(ctx context.Context, s *scene) (hash string) {
	if card := a.turnsAway(ctx, s); card != nil {
		return a.publish(ctx, s, bot.Reply{Card: card}, "")
	}
	r, later := a.hear(s.from, s, bot.Opened{})
	hash = a.publish(ctx, s, r, "")
	if later != nil {
		hash = a.publish(ctx, s, later(ctx), hash)
	}
	return hash
}

// settled is how long what a press began usually takes at Microsoft.
const settled = 3 * time.Second

// pressedHome shows the page after a press there, and once more when Microsoft has
// probably answered: a page cannot be told of it. Anything newer stays.
func (a *Adapter) pressedHome(ctx context.Context, s *scene) {
	hash := a.showHome(ctx, s)
	if a.pause(ctx, settled) != nil {
		return
	}
	r, later := a.hear(s.from, s, bot.Opened{})
	if later != nil {
		r = later(ctx)
	}
	a.publish(ctx, s, r, hash)
}

// turnsAway is the page of who has none. A workspace that is not served is told so
// by hear; here guests are told, of whom Slack's event does not say that they are.
func (a *Adapter) turnsAway(ctx context.Context, s *scene) *bot.Card {
	if a.denies(s.from) != nil {
		return nil
	}
	known, ok := a.members.get(s.user.ID, a.opts.Now())
	if !ok {
		known = a.member(ctx, s.user.ID)
		a.members.put(s.user.ID, known, a.opts.Now())
	}
	switch {
	case known.err == nil:
		return nil
	case known.lasting():
		return &bot.Card{Title: "Belay is for members of this workspace", Tone: bot.Bad,
			Text: "Guests and people of other organisations cannot activate roles here. Ask a member of this workspace."}
	}
	a.opts.Log.Error("Slack did not say whether a person is a member", "user", s.user.ID, "error", known.err)
	return &bot.Card{Title: "This page could not be shown", Tone: bot.Bad, Text: "Slack did not answer. Open it again in a minute."}
}

// member finds out whether a user is a full member.
func (a *Adapter) member(ctx context.Context, user string) (found finding) {
	var u *slackgo.User
	err := a.patiently(ctx, time.Time{}, func() (err error) {
		u, err = a.api.GetUserInfoContext(ctx, user)
		return err
	})
	if err == nil && !a.full(u) {
		return finding{err: &bot.ChatError{Platform: bot.Slack, Op: "profile", Code: bot.ChatUnreachable, Err: errNotFull}}
	}
	return finding{err: failed("profile", err)}
}

// publish puts a reply's cards on a person's Home tab, where it is still the version
// that hash names, or in any case when that is empty. It returns the new hash.
func (a *Adapter) publish(ctx context.Context, s *scene, r bot.Reply, hash string) string {
	if r.Card == nil {
		return hash
	}
	page := slackgo.PublishViewContextRequest{UserID: s.user.ID, View: slackgo.HomeTabViewRequest{
		Type: slackgo.VTHomeTab, Blocks: slackgo.Blocks{BlockSet: inView.fit(cardsOf(r))}}}
	if hash != "" {
		page.Hash = &hash
	}
	var shown *slackgo.ViewResponse
	err := a.patiently(ctx, time.Time{}, func() (err error) {
		shown, err = a.api.PublishViewContext(ctx, page)
		return err
	})
	switch {
	case err == nil:
		return shown.Hash
	case refusedAs(err, "hash_conflict"): // the page was asked for again meanwhile
	case refusedAs(err, "not_enabled"):
		a.opts.Log.WarnContext(ctx, "the Home tab of the Slack app is switched off: update the app with the manifest of this version")
	default:
		a.opts.Log.ErrorContext(ctx, "the Home tab could not be shown", "user", s.user.ID, "error", err)
	}
	return hash
}
