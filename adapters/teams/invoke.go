package teams

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/belaybot/belay/bot"
)

// The content types of the universal action model.
const (
	cardType    = "application/vnd.microsoft.card.adaptive"
	messageType = "application/vnd.microsoft.activity.message"
	searchType  = "application/vnd.microsoft.search.searchResponse"
)

// universal is the answer to an invoke. Its HTTP status is 200 whenever code of
// ours ran; trouble is a message.
type universal struct {
	StatusCode int    `json:"statusCode"`
	Type       string `json:"type"`
	Value      any    `json:"value"`
}

func (u universal) response() response {
	if u.StatusCode == 0 {
		u.StatusCode = http.StatusOK
	}
	body, err := marshal(u)
	if err != nil {
		return response{status: http.StatusInternalServerError}
	}
	return response{status: http.StatusOK, body: body}
}

// invoke answers what Teams waits for. A name that is not known is answered 501,
// as Teams' documentation asks.
func (a *Adapter) invoke(ctx context.Context, d *delivery) response {
	switch d.Name {
	case "adaptiveCard/action":
		return a.action(ctx, d)
	case "application/search":
		return a.search(ctx, d)
	}
	a.opts.Log.Info("teams: an invoke of an unknown name")
	return response{status: http.StatusNotImplemented}
}

// action is a press on an Action.Execute.
func (a *Adapter) action(ctx context.Context, d *delivery) response {
	var v struct {
		Action struct {
			Verb string          `json:"verb"`
			Data json.RawMessage `json:"data"`
		} `json:"action"`
		Authentication json.RawMessage `json:"authentication"`
	}
	if json.Unmarshal(d.value, &v) != nil {
		v.Action.Data = nil // an outdated card, as far as bot can tell
	}
	p := pressed(d, v.Action.Data, v.Action.Verb)
	if len(v.Authentication) > 0 && string(v.Authentication) != "null" {
		return a.exchange(ctx, d, v.Authentication, p)
	}
	if !a.jobs.take() {
		return universal{Type: messageType, Value: wordBusy}.response()
	}
	running := false
	defer func() {
		if !running {
			a.jobs.free()
		}
	}()
	reply, later := p.corrected(a.handle(ctx, d, p.said))
	if a.opts.SingleSignOn != "" && later == nil && reply.Card != nil && reply.Card.SignIn != nil {
		return a.login(*reply.Card.SignIn)
	}
	answer, message := immediate(p, reply, later != nil, d.zone)
	if !message {
		reply = bot.Reply{} // it is all said
	}
	if message || later != nil {
		running = true
		s := a.spotOf(d, p)
		a.jobs.run(ctx, func(ctx context.Context) { s.answer(ctx, reply, later) })
	}
	return answer.response()
}

// immediate is how the first reply to a press is shown at once, and whether it is
// (also) to be shown as a message.
//
//   - A form or card with Replace takes the place of the pressed card, for the
//     presser only.
//   - A form without it stands in a message of its own.
//   - A card that says little and has no buttons is a toast; so is every card
//     that Later will follow, since what takes the pressed card's place now
//     could not be taken back.
//   - Any other card takes the pressed card's place too, with a way back to the
//     request where it was about one. It never goes by a message of its own: a
//     sign-in link then needs no further call to reach the person.
//
// What takes a card's place this way is gone with the client's memory. Where the
// pressed card is itself an answer, and on nobody's record, its message is
// updated as well; there a form always takes its place.
func immediate(p press, r bot.Reply, later bool, zone string) (answer universal, message bool) {
	toast := func(text string) universal {
		return universal{Type: messageType, Value: or(line(text, maxToast), wordDone)}
	}
	replace := func(r bot.Reply) (universal, bool) {
		c, _ := renderReply(r, p.shown, zone)
		return universal{Type: cardType, Value: c}, p.shown != onRecord
	}
	switch {
	case r.Form != nil && !r.Replace && p.shown == onRecord:
		return toast(wordWait), true
	case r.Form != nil:
		return replace(r)
	case r.Card == nil && later:
		return toast(wordWait), false
	case r.Card == nil:
		return toast(wordDone), false
	case later:
		return toast(sentence(*r.Card)), false
	case r.Replace:
		return replace(r)
	case short(*r.Card) && len(r.More) == 0:
		return toast(sentence(*r.Card)), false
	}
	c := *r.Card
	if p.id != "" && p.shown == onRecord && slices.Contains(ofRequest, p.verb) {
		c.Actions = append(slices.Clip(c.Actions), bot.Action{Label: wordBack, Verb: bot.VerbShow, ID: p.id})
	}
	r.Card = &c
	return replace(r)
}

// ofRequest are the verbs whose id is a request's.
var ofRequest = []bot.Verb{bot.VerbApprove, bot.VerbDeny, bot.VerbReason, bot.VerbCancel, bot.VerbStop, bot.VerbKeep, bot.VerbExtend, bot.VerbAgain, bot.VerbFollow}

// short reports whether a toast can say all that a card says.
func short(c bot.Card) bool {
	return len(c.Actions) == 0 && len(c.Facts) == 0 && c.Note == "" && len([]rune(sentence(c))) <= maxToast
}

// sentence is a card's title and text in one line.
func sentence(c bot.Card) string {
	switch {
	case c.Title == "":
		return c.Text
	case c.Text == "":
		return c.Title
	}
	return c.Title + ". " + c.Text
}

// search answers what a person typed into a Choice.
func (a *Adapter) search(ctx context.Context, d *delivery) response {
	found := []choice{}
	if s, top, ok := searched(d.value); ok {
		reply, _ := a.handle(ctx, d, s)
		for _, o := range reply.Options[:min(len(reply.Options), top)] {
			found = append(found, choiceOf(o, line))
		}
	}
	return universal{Type: searchType, Value: map[string]any{"results": found}}.response()
}
