package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
	"go.opentelemetry.io/otel/trace"
)

// refuse answers a delivery that nothing was done for; the same bytes may come
// again.
func (a *Adapter) refuse(w http.ResponseWriter, d delivery, status int, why string) {
	a.replays.forget(d.sig)
	a.opts.Log.Warn("refused a delivery of Slack", "status", status, "why", why)
	http.Error(w, why, status)
}

func (a *Adapter) serveCommand(w http.ResponseWriter, r *http.Request, d delivery) {
	c, err := parseCommand(r.Header.Get("Content-Type"), d.body)
	switch {
	case err != nil:
		a.refuse(w, d, http.StatusBadRequest, err.Error())
	case c.sslCheck:
		w.WriteHeader(http.StatusOK)
	case c.app != "" && c.app != a.opts.AppID: // older deliveries do not name the app
		a.refuse(w, d, http.StatusForbidden, "for another app")
	default:
		s := a.scene(c.origin, d)
		s.delivery = d.sig.String()
		s.trigger, s.responseURL = c.trigger, c.responseURL
		a.answer(w, d, c.origin, s, bot.Command{Text: c.text}, ackCommand)
	}
}

func (a *Adapter) serveInteraction(w http.ResponseWriter, r *http.Request, d delivery) {
	in, err := parseInteraction(r.Header.Get("Content-Type"), d.body)
	if err != nil {
		a.refuse(w, d, http.StatusBadRequest, err.Error())
		return
	}
	if in.AppID != a.opts.AppID {
		a.refuse(w, d, http.StatusForbidden, "for another app")
		return
	}
	o := in.origin()
	if in.View.ID != "" {
		o.channel = in.memo().Channel
	}
	s := a.scene(o, d)
	s.delivery = d.sig.String()
	s.trigger, s.responseURL, s.ephemeral = in.TriggerID, in.ResponseURL, in.Container.Ephemeral
	switch {
	case in.home():
		s.home, s.memo.Home = true, true
	case in.View.ID != "":
		s.view, s.hash, s.now, s.memo = in.View.ID, in.View.Hash, in.standing(), in.memo()
	}
	switch in.Type {
	case "view_submission":
		s.hash = "" // the answer changes it
		a.answer(w, d, o, s, bot.Submit{Verb: bot.Verb(in.View.CallbackID), ID: s.memo.ID, Values: s.now.values()}, ackSubmit)
	case "block_actions":
		said := a.used(in, s)
		if said == nil {
			w.WriteHeader(http.StatusOK)
			return
		}
		a.answer(w, d, o, s, said, ackEmpty)
	case "view_closed":
		w.WriteHeader(http.StatusOK)
	default:
		a.refuse(w, d, http.StatusBadRequest, "this kind of interaction does not belong here")
	}
}

// used is what a person did with an element of a card or a modal; nil for a
// button that only opens a page, which Slack reports too.
func (a *Adapter) used(in interaction, s *scene) bot.Said {
	act := in.Actions[0]
	switch {
	case act.Type == "button" && verbOf(act.ActionID) == "":
		return nil
	case act.Type == "button":
		press := bot.Press{Verb: verbOf(act.ActionID), ID: act.Value}
		if s.view == "" && !s.ephemeral && !s.home {
			press.Copy = bot.Message{Conversation: s.at, ID: in.Container.MessageTS}
		}
		return press
	case s.view != "":
		return bot.Change{Verb: bot.Verb(in.View.CallbackID), ID: s.memo.ID, Values: s.now.values()}
	}
	return nil
}

func (a *Adapter) serveOptions(w http.ResponseWriter, r *http.Request, d delivery) {
	in, err := parseInteraction(r.Header.Get("Content-Type"), d.body)
	switch {
	case err != nil:
		a.refuse(w, d, http.StatusBadRequest, err.Error())
		return
	case in.AppID != a.opts.AppID:
		a.refuse(w, d, http.StatusForbidden, "for another app")
		return
	case in.Type != "block_suggestion":
		a.refuse(w, d, http.StatusBadRequest, "this kind of interaction does not belong here")
		return
	}
	o := in.origin()
	o.channel = in.memo().Channel
	reply, _ := a.hear(o, a.scene(o, d), bot.Search{
		Verb: bot.Verb(in.View.CallbackID), ID: in.memo().ID, Field: in.ActionID, Text: in.Value})
	found := struct {
		Options []*slackgo.OptionBlockObject `json:"options"`
	}{Options: []*slackgo.OptionBlockObject{}}
	for _, o := range reply.Options[:min(len(reply.Options), maxOptions)] {
		found.Options = append(found.Options, option(o))
	}
	a.acknowledge(w, found)
}

func (a *Adapter) serveEvent(w http.ResponseWriter, _ *http.Request, d delivery) {
	e, err := parseEvent(d.body)
	if err != nil {
		a.refuse(w, d, http.StatusBadRequest, err.Error())
		return
	}
	if e.Type == "url_verification" {
		a.acknowledge(w, map[string]string{"challenge": e.Challenge})
		return
	}
	if e.AppID != a.opts.AppID {
		a.refuse(w, d, http.StatusForbidden, "for another app")
		return
	}
	log := a.opts.Log.With("team", e.TeamID, "enterprise", e.EnterpriseID, "event", e.ID)
	switch {
	case e.opensHome():
		a.openHome(w, d, a.scene(e.origin(), d))
		return
	case e.Event.Type == "user_change":
		a.userChanged(w, d, e)
		return
	case e.Type == "app_rate_limited":
		log.Warn("Slack holds events back: too many in an hour")
	case e.Event.Type == "app_uninstalled":
		log.Error("Belay was uninstalled from a Slack workspace: nobody can be reached there until it is installed again")
	case e.Event.Type == "tokens_revoked":
		log.Error("Slack revoked tokens of Belay: install the app again and configure the new bot token")
	}
	w.WriteHeader(http.StatusOK)
}

// userChanged tells the handler of who is no full member any more. It is no act of that
// person, who may well be refused otherwise. What could not be recorded is asked for again.
func (a *Adapter) userChanged(w http.ResponseWriter, d delivery, e event) {
	u := e.changed()
	why, left := u.left()
	if left && a.serves(e.TeamID, e.EnterpriseID) {
		ctx, cancel := context.WithTimeout(a.ctx, handTime)
		defer cancel()
		in := bot.Inbound{User: bot.User{Platform: bot.Slack, Tenant: e.TeamID, ID: u.ID}, Said: bot.Left{Why: why}}
		if reply, _ := a.opts.Handler.Handle(ctx, in); reply.Card != nil {
			a.refuse(w, d, http.StatusServiceUnavailable, "not recorded")
			return
		}
	}
	w.WriteHeader(http.StatusOK)
}

// answer hears what was said, acknowledges it, and shows the rest of the answer
// in the background. ack says what of the reply goes into the acknowledgement
// (nil: an empty one) and what is left to show.
func (a *Adapter) answer(w http.ResponseWriter, d delivery, o origin, s *scene, said bot.Said,
	ack func(*scene, bot.Reply, bot.Later) (body any, rest bot.Reply)) {
	release, ok := a.admit()
	if !ok {
		a.refuse(w, d, http.StatusServiceUnavailable, "too much to do")
		return
	}
	heard := false
	defer func() {
		if !heard { // the handler panicked, and net/http reports it
			a.replays.forget(d.sig)
			release()
		}
	}()
	reply, later := a.hear(o, s, said)
	body, rest := ack(s, reply, later)
	heard = true
	a.acknowledge(w, body)
	if empty(rest) && later == nil && !s.memo.Home {
		release()
		return
	}
	go func() {
		defer release()
		a.inBackground(s.act, func(ctx context.Context) { a.present(ctx, s, rest, later) })
	}()
}

// inBackground does what is left to do after an acknowledgement, as a part of that act.
func (a *Adapter) inBackground(act trace.SpanContext, do func(context.Context)) {
	defer func() {
		if p := recover(); p != nil {
			a.opts.Log.Error("a panic after an acknowledgement", "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(a.ctx, laterTime)
	defer cancel()
	do(trace.ContextWithSpanContext(ctx, act))
}

// hear asks the handler, or refuses in its place who may not talk to it.
func (a *Adapter) hear(o origin, s *scene, said bot.Said) (bot.Reply, bot.Later) {
	if card := a.denies(o); card != nil {
		a.opts.Log.Warn("refused a person of Slack", "team", o.team, "user_team", o.userTeam, "user", o.user, "why", card.Title)
		if a.opts.Stranger != nil && !a.own(o) {
			a.opts.Stranger(a.ctx, s.user, "another-organisation")
		}
		return bot.Reply{Card: card}, nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, handTime)
	defer cancel()
	return a.opts.Handler.Handle(trace.ContextWithSpanContext(ctx, s.act), bot.Inbound{User: s.user, At: s.at, Said: said, Delivery: s.delivery})
}

// denies is the sentence for who may not talk to the handler. Guests are full
// users to a delivery; bot.Profiles tells them apart.
func (a *Adapter) denies(o origin) *bot.Card {
	switch {
	case !a.serves(o.team, o.enterprise):
		return &bot.Card{Title: "Belay does not serve this workspace", Tone: bot.Bad,
			Text: "Use it from your own organisation's workspace, or ask the people who run Belay to add this one."}
	case !a.own(o):
		return &bot.Card{Title: "Belay answers members of this workspace only", Tone: bot.Bad,
			Text: "You are here through a shared channel. Ask a member of this workspace."}
	case o.shared && !a.opts.AllowSharedChannels:
		return &bot.Card{Title: "Belay is not used in shared channels", Tone: bot.Bad,
			Text: "Other organisations read this channel. Write to Belay directly instead."}
	}
	return nil
}

// own says that somebody is of a workspace that is served.
func (a *Adapter) own(o origin) bool {
	return a.serves(o.team, o.enterprise) && (o.userTeam == "" || o.userTeam == o.team || a.serves(o.userTeam, o.enterprise))
}

// acknowledge answers Slack, so that what follows starts after Slack has it. The answer says
// how long it is: otherwise it would be sent in chunks, the last of which is one more packet.
func (a *Adapter) acknowledge(w http.ResponseWriter, body any) {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil { // only our own types are written
			a.opts.Log.Error("an acknowledgement could not be written", "error", err)
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	if len(b) > 0 {
		if _, err := w.Write(b); err != nil {
			a.opts.Log.Warn("Slack hung up before it was acknowledged", "error", err)
		}
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		a.opts.Log.Debug("an acknowledgement could not be flushed", "error", err)
	}
}

// scene is where the answer to what o did can be shown.
func (a *Adapter) scene(o origin, d delivery) *scene {
	return &scene{
		act:  d.act,
		from: o,
		at:   place(o.team, o.channel, o.user),
		user: bot.User{Platform: bot.Slack, Tenant: o.team, ID: o.user, Name: o.name},
		memo: memo{Channel: o.channel},
		by:   a.opts.Now().Add(3 * time.Second),
	}
}
