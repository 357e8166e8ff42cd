package teams

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/bot"
)

// handleTime is how long the Handler may take. Teams waits ten seconds, by older
// reports five.
const handleTime = 4 * time.Second

// ServeHTTP takes one delivery. Whoever is not Teams, or not from this tenant,
// gets 403 and no reason; 503 asks Teams to deliver again.
func (a *Adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := a.receive(w, r)
	if answer.body != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(answer.status)
	if _, err := w.Write(answer.body); err != nil && answer.body != nil {
		a.opts.Log.Debug("teams: nobody waits for an answer any more", "status", answer.status)
	}
}

func (a *Adapter) receive(w http.ResponseWriter, r *http.Request) response {
	ctx := r.Context()
	t, err := a.verify(ctx, r.Header)
	if err != nil {
		return a.refuse(err, delivery{})
	}
	body, status := read(ctx, w, r)
	if status != 0 {
		a.opts.Log.Warn("teams: a body was not taken", "status", status)
		return response{status: status}
	}
	d, err := a.parse(r, t, body)
	if err == nil {
		err = a.admit(&d)
	}
	if err != nil {
		return a.refuse(err, d)
	}
	a.places.heard(d)
	answer, again := a.seen.once(ctx, body, func() response { return a.dispatch(ctx, &d) })
	if again {
		a.opts.Log.Info("teams: delivered again", "activity", d.Type, "status", answer.status)
	}
	return answer
}

// refuse logs why and answers without saying it.
func (a *Adapter) refuse(err error, d delivery) response {
	status := http.StatusForbidden
	var no refusal
	switch {
	case errors.Is(err, errNoKeys):
		status = http.StatusServiceUnavailable
	case errors.Is(err, errShape):
		status = http.StatusBadRequest
	case !errors.As(err, &no):
		err = refusal("not let in")
	}
	a.opts.Log.Warn("teams: a delivery was refused", "status", status, "reason", err.Error(), "activity", d.Type)
	return response{status: status}
}

// dispatch acts on a delivery that was let in, and has not been acted on before.
func (a *Adapter) dispatch(ctx context.Context, d *delivery) (answer response) {
	defer func() {
		if thrown := recover(); thrown != nil {
			a.opts.Log.Error("teams: a delivery broke off", "type", fmt.Sprintf("%T", thrown), "stack", string(debug.Stack()))
			answer = response{status: http.StatusInternalServerError}
		}
	}()
	switch d.Type {
	case schema.Message:
		if d.value != nil {
			return a.submitted(ctx, d)
		}
		return a.message(ctx, d)
	case schema.Invoke:
		return a.invoke(ctx, d)
	case schema.InstallationUpdate, schema.ConversationUpdate:
		return a.installation(ctx, d)
	}
	return response{status: http.StatusOK} // reactions, edits, typing: nothing to do
}

// message is something that a person wrote.
func (a *Adapter) message(ctx context.Context, d *delivery) response {
	text, ok := command(d)
	if !ok {
		return response{status: http.StatusOK}
	}
	s := a.spotFor(d)
	s.notice = !d.personal()
	return a.answerLater(ctx, d, press{said: bot.Command{Text: text}}, s)
}

// submitted is a press or a form from a client that knows no Action.Execute; it
// arrives as a message.
func (a *Adapter) submitted(ctx context.Context, d *delivery) response {
	p := pressed(d, d.value, "")
	return a.answerLater(ctx, d, p, a.spotOf(d, p))
}

// installation records that a conversation can be reached, or no longer.
func (a *Adapter) installation(ctx context.Context, d *delivery) response {
	var said bot.Said
	switch {
	case d.Type == schema.InstallationUpdate && d.Action == "add":
		return a.answerLater(ctx, d, press{said: bot.Installed{}}, a.spotFor(d))
	case d.Type == schema.InstallationUpdate && d.Action == "add-upgrade", a.among(d.MembersAdded):
		said = bot.Installed{} // Teams tells of it twice, and of every new version: nobody is greeted again
	case d.Type == schema.InstallationUpdate && (d.Action == "remove" || d.Action == "remove-upgrade"), a.among(d.MembersRemoved):
		said = bot.Uninstalled{}
		a.places.forget(d.Conversation.ID)
	default:
		return response{status: http.StatusOK}
	}
	a.handle(ctx, d, said)
	return response{status: http.StatusOK}
}

// among reports whether the bot is one of the members.
func (a *Adapter) among(members []schema.ChannelAccount) bool {
	for _, m := range members {
		if m.ID == a.botID() {
			return true
		}
	}
	return false
}

// answerLater lets the Handler act, acknowledges, and shows the answer at s
// afterwards. What the act changed is on disk before the acknowledgement.
func (a *Adapter) answerLater(ctx context.Context, d *delivery, p press, s *spot) response {
	if !a.jobs.take() {
		a.opts.Log.WarnContext(ctx, "teams: busy, a delivery was put off", "activity", d.Type)
		return response{status: http.StatusServiceUnavailable}
	}
	running := false
	defer func() {
		if !running {
			a.jobs.free()
		}
	}()
	reply, later := p.corrected(a.handle(ctx, d, p.said))
	if !empty(reply) || later != nil {
		running = true
		a.jobs.run(ctx, func(ctx context.Context) { s.answer(ctx, reply, later) })
	}
	return response{status: http.StatusOK}
}

// handle tells the Handler what was done.
func (a *Adapter) handle(ctx context.Context, d *delivery, said bot.Said) (bot.Reply, bot.Later) {
	ctx, cancel := context.WithTimeout(ctx, handleTime)
	defer cancel()
	return a.opts.Handler.Handle(ctx, bot.Inbound{User: d.user, Principal: d.user.ID, At: d.at(), Zone: d.told, Said: said})
}

func empty(r bot.Reply) bool { return r.Card == nil && r.Form == nil }
