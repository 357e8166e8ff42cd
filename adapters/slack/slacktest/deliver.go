package slacktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
)

// Outcome is what a person's action led to, as far as the acknowledgement
// tells. What the bot does afterwards through the Web API is seen with Wait.
type Outcome struct {
	Delivered bool              `json:"delivered"`         // false: Slack's client stopped it (Errors says why) or had nothing to send
	Status    int               `json:"status"`            // of the bot's acknowledgement; 0 when there was none
	Notice    string            `json:"notice,omitempty"`  // Slack's own words to the person when the app failed
	Errors    map[string]string `json:"errors,omitempty"`  // by block id: what stands under the inputs
	Message   *Message          `json:"message,omitempty"` // what the acknowledgement of a slash command said
	View      *View             `json:"view,omitempty"`    // what the person sees in front after it
	Repeats   []int             `json:"repeats,omitempty"` // statuses of repeated deliveries
}

// Where the bot takes deliveries.
const (
	pathCommands     = "/slack/commands"
	pathInteractions = "/slack/interactions"
	pathOptions      = "/slack/options"
	pathEvents       = "/slack/events"
)

// errLate is the bot not answering within Options.AckWithin.
var errLate = errors.New("slacktest: the bot did not answer in time")

// attempt is one delivery and what became of it.
type attempt struct {
	Answer
	err     error // errLate, or no connection
	repeats []int
}

func (a attempt) ok() bool { return a.err == nil && a.Status >= 200 && a.Status < 300 }

// failure is Slack's word for an attempt that failed.
func (a attempt) failure() string {
	switch {
	case errors.Is(a.err, errLate):
		return "operation_timeout"
	case a.err != nil:
		return "dispatch_failed"
	case a.Status >= 500:
		return "http_service_error"
	}
	return "http_client_error"
}

// send signs and sends a delivery, once more when it is this one's turn to be
// repeated. It returns an error only when ctx ended.
func (w *Workspace) send(ctx context.Context, path, contentType string, body []byte) (attempt, error) {
	header := w.header(contentType, body)
	a, err := w.once(ctx, path, header, body)
	if err != nil || !w.repeats() {
		return a, err
	}
	if path == pathEvents {
		header = w.header(contentType, body)
		header.Set("X-Slack-Retry-Num", "1")
		header.Set("X-Slack-Retry-Reason", "http_timeout")
	}
	again, err := w.once(ctx, path, header, body)
	if err != nil {
		return a, err
	}
	a.repeats = append(a.repeats, again.Status)
	if a.ok() && !again.ok() {
		w.read(func() {
			w.shout("a repeated delivery to %s was refused with %d (%v) after the first was accepted", path, again.Status, again.err)
		})
	}
	return a, nil
}

func (w *Workspace) header(contentType string, body []byte) http.Header {
	h := Sign(w.opts.SigningSecret, w.opts.Now(), body)
	h.Set("Content-Type", contentType)
	h.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	h.Set("Accept", "application/json,*/*")
	return h
}

// repeats tells whether the delivery just sent is one to be repeated.
func (w *Workspace) repeats() (yes bool) {
	w.read(func() {
		w.sent++
		every := w.opts.Unkind.RepeatEvery
		yes = !w.kind && every > 0 && w.sent%every == 0
	})
	return yes
}

// once sends a delivery and waits for the acknowledgement.
func (w *Workspace) once(ctx context.Context, path string, header http.Header, body []byte) (attempt, error) {
	timed, stop := context.WithTimeoutCause(ctx, w.opts.AckWithin, errLate)
	defer stop()
	answer, err := w.Deliver(timed, path, header, body)
	if ctx.Err() != nil {
		return attempt{}, ctx.Err()
	}
	if err != nil && timed.Err() != nil {
		err = errLate
	}
	w.read(func() {
		if len(w.deliveries) == 256 {
			w.deliveries = w.deliveries[1:]
		}
		w.deliveries = append(w.deliveries, Delivery{Path: path, Header: header, Body: body, Status: answer.Status})
	})
	return attempt{Answer: answer, err: err}, nil
}

// interact sends an interaction payload.
func (w *Workspace) interact(ctx context.Context, path string, payload any) (attempt, error) {
	b, err := slackJSON(payload)
	if err != nil {
		return attempt{}, err
	}
	return w.send(ctx, path, "application/x-www-form-urlencoded", form(field{"payload", string(b)}))
}

// notice tells a person something in Slack's name. Under the lock.
func (w *Workspace) notice(user, format string, args ...any) string {
	s := fmt.Sprintf(format, args...)
	w.kept.Notices[user] = Notice{Text: s, At: w.opts.Now()}
	return s
}

// ackJSON decodes an acknowledgement that must be JSON, with a content type
// that says so. Members that it does not name are reported. Under the lock.
func (w *Workspace) ackJSON(a Answer, what string, into any) error {
	if t, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err != nil || t != "application/json" {
		w.shout("the acknowledgement of %s is not application/json but %q", what, a.Header.Get("Content-Type"))
		return fmt.Errorf("not JSON")
	}
	if err := strict(a.Body, into); err != nil {
		w.shout("the acknowledgement of %s is not understood: %v", what, err)
		return err
	}
	return nil
}

// front is the modal that a user sees. Under the lock.
func (w *Workspace) front(user string) *View {
	for i := len(w.kept.Views) - 1; i >= 0; i-- {
		if v := w.kept.Views[i]; v.User == user {
			c := v.copy()
			return &c
		}
	}
	return nil
}

// Event sends an event of the Events API: event is its inner object, such as
// {"type":"tokens_revoked",…}. A failed delivery is tried three times more, as
// Slack does after no time, one minute and five minutes; here at once. An
// answer with X-Slack-No-Retry: 1 ends it.
func (w *Workspace) Event(ctx context.Context, event json.RawMessage) (Outcome, error) {
	var envelope eventEnvelope
	w.read(func() { envelope = w.envelope(event) })
	body, err := slackJSON(envelope)
	if err != nil {
		return Outcome{}, err
	}
	a, err := w.send(ctx, pathEvents, "application/json", body)
	out := Outcome{Delivered: true, Status: a.Status, Repeats: a.repeats}
	for n := 1; err == nil && !a.ok() && a.Header.Get("X-Slack-No-Retry") != "1" && n <= 3; n++ {
		header := w.header("application/json", body)
		header.Set("X-Slack-Retry-Num", strconv.Itoa(n))
		header.Set("X-Slack-Retry-Reason", a.retryReason())
		a, err = w.once(ctx, pathEvents, header, body)
		out.Status = a.Status
		out.Repeats = append(out.Repeats, a.Status)
	}
	return out, err
}

func (a attempt) retryReason() string {
	switch {
	case errors.Is(a.err, errLate):
		return "http_timeout"
	case a.err != nil:
		return "connection_failed"
	}
	return "http_error"
}

// OpenHome is a person opening the app's Home tab: app_home_opened.
func (w *Workspace) OpenHome(ctx context.Context, user string) (Outcome, error) {
	return w.openTab(ctx, user, "home")
}

// OpenMessages is a person opening the tab with the bot's direct messages, of
// which Slack tells by the same event.
func (w *Workspace) OpenMessages(ctx context.Context, user string) (Outcome, error) {
	return w.openTab(ctx, user, "messages")
}

func (w *Workspace) openTab(ctx context.Context, user, tab string) (Outcome, error) {
	if w.opts.NoHome && tab == "home" {
		return Outcome{}, fmt.Errorf("slacktest: the app has no Home tab: %w", ErrNotPossible)
	}
	var (
		event homeOpened
		err   error
	)
	w.change(func() {
		if _, err = w.person(user); err != nil {
			return
		}
		event = homeOpened{Type: "app_home_opened", User: user, Channel: w.openDM(user).ID, Tab: tab, EventTS: w.timestamp()}
		if v := w.kept.Homes[user]; v != nil && tab == "home" {
			wire := w.wireView(v)
			event.View = &wire
		}
	})
	if err != nil {
		return Outcome{}, err
	}
	raw, err := marshal(event)
	if err != nil {
		return Outcome{}, err
	}
	return w.Event(ctx, raw)
}

// Uninstall takes the app out of the workspace: from now on the token answers
// account_inactive, and the bot is told with tokens_revoked and app_uninstalled.
func (w *Workspace) Uninstall(ctx context.Context) (Outcome, error) {
	w.change(func() { w.kept.Revoked = true })
	revoked := fmt.Sprintf(`{"type":"tokens_revoked","tokens":{"oauth":[],"bot":[%q]}}`, w.opts.BotUserID)
	if out, err := w.Event(ctx, json.RawMessage(revoked)); err != nil {
		return out, err
	}
	return w.Event(ctx, json.RawMessage(`{"type":"app_uninstalled"}`))
}

// VerifyURL sends url_verification and returns an error when the bot does not
// answer with the challenge.
func (w *Workspace) VerifyURL(ctx context.Context) error {
	challenge := secret(26)
	body, err := slackJSON(urlVerification{Token: w.verificationToken(), Challenge: challenge, Type: "url_verification"})
	if err != nil {
		return err
	}
	a, err := w.once(ctx, pathEvents, w.header("application/json", body), body)
	if err != nil {
		return err
	}
	if a.err != nil {
		return a.err
	}
	var reply struct {
		Challenge string `json:"challenge"`
	}
	got := string(a.Body)
	if json.Unmarshal(a.Body, &reply) == nil {
		got = reply.Challenge
	}
	if !a.ok() || got != challenge {
		return fmt.Errorf("slacktest: url_verification was answered with %d and not with the challenge", a.Status)
	}
	return nil
}
