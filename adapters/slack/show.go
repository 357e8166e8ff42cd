package slack

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
	"go.opentelemetry.io/otel/trace"
)

// scene is where a person did something, and so where the answer is shown.
type scene struct {
	from        origin
	at          bot.Conversation
	user        bot.User
	act         trace.SpanContext // as of the delivery
	delivery    string            // identifies the bytes that said it; empty: it only reads
	trigger     string            // opens one modal
	by          time.Time         // until then
	responseURL string
	ephemeral   bool // what was pressed is an ephemeral message, which can be replaced
	replaced    bool // and was
	home        bool // it was in the Home tab

	view     string // the modal that is open; empty: none
	hash     string // of its last version that we know; empty: do not compare
	external string // the name that the acknowledgement gives the modal
	memo     memo
	now      standing
}

// opens tells whether a modal has to be opened at once, because a form may come
// and Slack allows three seconds. It is the rule agreed with the handler: the
// first reply is a Waiting card with Replace, and there is a Later. The card is
// shown in the modal until then. Every other card is an ephemeral message, so
// "/elevate status" opens nothing.
func opens(r bot.Reply, later bot.Later) bool {
	return r.Card != nil && r.Card.Tone == bot.Waiting && r.Replace && later != nil
}

// waits tells whether r is kept back until Later has spoken, and shown only when
// that says nothing. Otherwise a person would have both, one below the other: a
// page twice, and two messages for one press in the Home tab.
func (s *scene) waits(r bot.Reply, later bot.Later) bool {
	return later != nil && r.Form == nil && !opens(r, later) && (s.home || r.Replace && len(r.More) > 0 && s.view == "" && !s.ephemeral)
}

func empty(r bot.Reply) bool { return r.Card == nil && r.Form == nil }

// ackEmpty leaves everything for after the acknowledgement.
func ackEmpty(s *scene, r bot.Reply, later bot.Later) (any, bot.Reply) { return nil, r }

// ackCommand shows a card in the acknowledgement itself, without any call.
func ackCommand(s *scene, r bot.Reply, later bot.Later) (any, bot.Reply) {
	if r.Card == nil || opens(r, later) || s.waits(r, later) {
		return nil, r
	}
	return ephemeralOf(r, false), bot.Reply{}
}

// submitted is the acknowledgement of a view_submission.
type submitted struct {
	Action string                    `json:"response_action"`
	Errors map[string]string         `json:"errors,omitempty"`
	View   *slackgo.ModalViewRequest `json:"view,omitempty"`
}

// ackSubmit shows the whole reply in the acknowledgement, which is the only way
// to keep the modal open.
func ackSubmit(s *scene, r bot.Reply, later bot.Later) (any, bot.Reply) {
	var view slackgo.ModalViewRequest
	switch {
	case r.Form != nil:
		if errs := s.errors(*r.Form); errs != nil {
			return submitted{Action: "errors", Errors: errs}, bot.Reply{}
		}
		view = s.form(*r.Form)
	case r.Card != nil:
		view = cardView(s.memo, cardsOf(r)...)
	case later != nil:
		view = cardView(s.memo, bot.Card{Title: "One moment", Tone: bot.Waiting})
	default:
		return submitted{Action: "clear"}, bot.Reply{}
	}
	if later != nil {
		s.external = rand.Text()
		view.ExternalID = s.external
	}
	return submitted{Action: "update", View: &view}, bot.Reply{}
}

// errors are the errors of f by block id, when f is the form that stands in the
// modal with nothing but errors added; nil otherwise. What the person typed
// stays as it is.
func (s *scene) errors(f bot.Form) map[string]string {
	errs := make(map[string]string)
	if f.ID != s.memo.ID || len(f.Fields) != len(s.now) {
		return nil
	}
	for _, field := range f.Fields {
		in, ok := s.now[field.Name]
		if !ok {
			return nil
		}
		if wrong := bot.Clean(field.Error); wrong != "" {
			errs[in.block] = cut(wrong, maxText)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// form renders f as the next version of the modal.
func (s *scene) form(f bot.Form) slackgo.ModalViewRequest {
	s.memo.Revision++
	view := formView(f, s.memo, s.now)
	s.memo.ID, s.now = f.ID, nil
	return view
}

// present shows what is left of a reply, then what Later says in its place, and
// last the Home tab anew where it began there.
func (a *Adapter) present(ctx context.Context, s *scene, r bot.Reply, later bot.Later) {
	waits := s.waits(r, later)
	if !empty(r) && !waits {
		a.show(ctx, s, r, opens(r, later))
	}
	if later != nil {
		then := later(ctx)
		if empty(then) && waits {
			then = r
		}
		if !empty(then) {
			a.show(ctx, s, then, false)
		}
	}
	if s.memo.Home {
		a.pressedHome(ctx, s)
	}
}

// show shows r. What fails is logged, and told to the person where it can be.
func (a *Adapter) show(ctx context.Context, s *scene, r bot.Reply, inModal bool) {
	var err error
	switch {
	case r.Form != nil && s.view != "":
		err = a.updateView(ctx, s, s.form(*r.Form))
	case r.Form != nil:
		err = a.openView(ctx, s, s.form(*r.Form))
	case s.view != "":
		if err = a.updateView(ctx, s, cardView(s.memo, cardsOf(r)...)); errors.Is(err, errClosed) {
			err = a.tell(ctx, s, r)
		}
	case inModal:
		err = a.openView(ctx, s, cardView(s.memo, cardsOf(r)...))
	default:
		err = a.tell(ctx, s, r)
	}
	if err != nil && !errors.Is(err, errClosed) {
		a.opts.Log.ErrorContext(ctx, "an answer could not be shown in Slack", "user", s.user.ID, "error", err)
	}
}

// errClosed is a modal that the person closed in the meantime.
var errClosed = errors.New("the modal is closed")

// openView opens a modal. When Slack is too slow for it, the person is told.
func (a *Adapter) openView(ctx context.Context, s *scene, view slackgo.ModalViewRequest) error {
	var opened *slackgo.ViewResponse
	err := a.patiently(ctx, s.by, func() (err error) {
		opened, err = a.api.OpenViewContext(ctx, s.trigger, view)
		return err
	})
	if err == nil {
		s.view, s.hash = opened.ID, opened.Hash
		return nil
	}
	sorry := bot.Card{Title: "Slack did not open the window in time", Tone: bot.Bad, Text: "Nothing was changed. Please try again."}
	return errors.Join(err, a.tell(ctx, s, bot.Reply{Card: &sorry}))
}

// updateView replaces what the modal shows. A version that is newer than the one
// we know stays: the act that made it is being answered too.
func (a *Adapter) updateView(ctx context.Context, s *scene, view slackgo.ModalViewRequest) error {
	var updated *slackgo.ViewResponse
	update := func(external, hash, id string) error {
		return a.patiently(ctx, time.Time{}, func() (err error) {
			updated, err = a.api.UpdateViewContext(ctx, view, external, hash, id)
			return err
		})
	}
	err := a.afterAck(ctx, s, func() error { return update(s.external, "", "") })
	if s.external == "" || refusedAs(err, "not_found") {
		err = update("", s.hash, s.view)
	}
	s.external = ""
	switch {
	case err == nil:
		s.hash = updated.Hash
		return nil
	case refusedAs(err, "hash_conflict"):
		return nil
	case refusedAs(err, "not_found"):
		return errClosed
	}
	return err
}

const (
	ackPoll = 100 * time.Millisecond
	ackTime = 2 * time.Second
)

// afterAck calls update, which names a modal by the external id that only our
// acknowledgement gives it, until Slack has taken that acknowledgement in.
// Otherwise a quick Later could be overwritten by what came before it.
func (a *Adapter) afterAck(ctx context.Context, s *scene, update func() error) error {
	if s.external == "" {
		return nil
	}
	for waited := time.Duration(0); ; waited += ackPoll {
		err := update()
		if !refusedAs(err, "not_found") || waited >= ackTime {
			return err
		}
		if err := a.pause(ctx, ackPoll); err != nil {
			return err
		}
	}
}

// tell shows r's card to the person alone, beside or, where it is allowed,
// instead of the ephemeral message that was pressed. Slack does not let a bot
// change an ephemeral message otherwise: a later card stands below the first.
func (a *Adapter) tell(ctx context.Context, s *scene, r bot.Reply) error {
	s.replaced = s.replaced || s.ephemeral && r.Replace
	if s.responseURL != "" {
		err := a.patiently(ctx, time.Time{}, func() error {
			return a.respond(ctx, s.responseURL, ephemeralOf(r, s.replaced))
		})
		if err == nil {
			return nil
		}
		a.opts.Log.WarnContext(ctx, "a response URL did not take an answer", "user", s.user.ID, "error", err)
	}
	return a.patiently(ctx, time.Time{}, func() error {
		if s.home { // who looks at the Home tab does not see what is ephemeral elsewhere
			return a.write(ctx, s.user, cardsOf(r)...)
		}
		return a.whisper(ctx, s.at, s.user, cardsOf(r)...)
	})
}

const (
	maxTries   = 4
	maxPatient = 20 * time.Second
)

// patiently makes a call that only shows something, and repeats it when Slack
// throttled it, as long as Slack asked for: nobody else would. It gives up when
// the wait would end after by.
func (a *Adapter) patiently(ctx context.Context, by time.Time, call func() error) error {
	for try := 1; ; try++ {
		err := call()
		var e *bot.ChatError
		if !errors.As(failed("show", err), &e) || e.Code != bot.ChatThrottled || try == maxTries {
			return err
		}
		after := max(e.After, time.Second)
		if after > maxPatient || !by.IsZero() && a.opts.Now().Add(after).After(by) {
			return err
		}
		if a.pause(ctx, after) != nil {
			return err
		}
	}
}

// wait returns ctx's error when it ends first.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
