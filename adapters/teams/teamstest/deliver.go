package teamstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Refused says what the Teams client does not let a person do, such as pressing
// a button that is not there. Nothing was sent to the bot.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return "teamstest: " + e.Reason }

// Failure says that the bot did not answer as Teams demands: in time, with HTTP
// 200 and, to an invoke, with a universal response. The person saw an error.
type Failure struct {
	Status int // HTTP status of the answer; 0 when there was none
	Reason string
}

func (e *Failure) Error() string {
	return fmt.Sprintf("teamstest: the bot failed (HTTP %d): %s", e.Status, e.Reason)
}

// maxAnswer is how much of a bot's answer is read.
const maxAnswer = 1 << 20

// Deliver sends body to the bot as it is, with token as its bearer unless that
// is empty. It is for forging: the world does not change, and nothing is
// delivered again. It gives the status and body of the answer.
func (t *Teams) Deliver(ctx context.Context, token string, body []byte) (int, []byte, error) {
	t.mu.Lock()
	app := t.app
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, t.options.Budget)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(app, "/")+"/api/messages", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", "Microsoft-SkypeBotApi (Microsoft-BotFramework/3.0)")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	var a delivered
	if json.Unmarshal(body, &a) == nil && a.Conversation.ID != "" {
		r.Header.Set("X-Ms-Conversation-Id", a.Conversation.ID)
		r.Header.Set("X-Ms-Tenant-Id", a.Conversation.TenantID)
	}
	response, err := t.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, answer, err
}

// send delivers one activity with a good token.
func (t *Teams) send(ctx context.Context, a delivered) (int, []byte, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return 0, nil, err
	}
	return t.Deliver(ctx, t.Token(nil, KeyCurrent), body)
}

// deliver sends an activity and lets apply use the bot's answer. Teams delivers
// again when the bot failed, was slow, or when the unkindness wants it: first
// the same id and time, then a new id. Those answers reach nobody.
func (t *Teams) deliver(ctx context.Context, user string, a delivered, apply func([]byte) error) error {
	t.mu.Lock()
	t.last = &a
	t.tally.deliveries++
	again := every(t.unkind.Redeliver, t.tally.deliveries)
	t.mu.Unlock()
	status, body, err := t.send(ctx, a)
	failure := failed(a.Type, status, err)
	if failure == nil {
		err = apply(body)
	} else {
		err = failure
		// A refusal stands; a failure may pass.
		again = status == 0 || status >= 500 && status != http.StatusNotImplemented
	}
	if errors.As(err, &failure) {
		if toastErr := t.toast(user, ToastError, "Something went wrong. Please try again."); toastErr != nil {
			err = errors.Join(err, toastErr)
		}
	}
	for _, fresh := range []bool{false, true} {
		if !again || ctx.Err() != nil {
			break
		}
		status, err := t.redeliver(ctx, a, fresh)
		if failure == nil && err == nil && status >= 300 {
			t.report("the bot answered HTTP %d to a delivery of what it had answered well before", status)
		}
	}
	return err
}

// failed tells whether an answer to an activity of that type counts as none.
func failed(kind string, status int, err error) *Failure {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &Failure{Reason: "it did not answer in time"}
	case err != nil:
		return &Failure{Reason: "it could not be reached: " + err.Error()}
	case status < 200 || status >= 300 || kind == "invoke" && status != http.StatusOK:
		return &Failure{Status: status, Reason: "that is not an answer to Teams"}
	}
	return nil
}

// Redeliver delivers the last activity again: with the same id and time, or, when
// fresh, with a new id and time and otherwise the same. It gives the HTTP status.
// Nobody sees the answer.
func (t *Teams) Redeliver(ctx context.Context, fresh bool) (int, error) {
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	if last == nil {
		return 0, &Refused{"nothing was delivered yet"}
	}
	return t.redeliver(ctx, *last, fresh)
}

func (t *Teams) redeliver(ctx context.Context, a delivered, fresh bool) (int, error) {
	if fresh {
		now := t.options.Now()
		if local, err := time.Parse(time.RFC3339, a.LocalTimestamp); err == nil {
			a.LocalTimestamp = localTimestamp(now.In(local.Location()))
		}
		a.Timestamp = timestamp(now)
		if strings.HasPrefix(a.ID, "f:") {
			a.ID = newEventID()
		} else if err := t.change(func(w *world) error { a.ID = w.nextID(now.UnixMilli()); return nil }); err != nil {
			return 0, err
		}
	}
	status, _, err := t.send(ctx, a)
	return status, err
}

// newEventID gives an id as Teams gives what is no message.
func newEventID() string { return "f:" + uuid.NewString() }

// toast tells one person something.
func (t *Teams) toast(user string, kind ToastKind, text string) error {
	now := t.options.Now().UTC()
	return t.change(func(w *world) error {
		p := w.State.person(user)
		p.Toasts = append(p.Toasts, Toast{kind, text, now})
		p.Toasts = p.Toasts[max(0, len(p.Toasts)-maxToasts):]
		return nil
	})
}

const maxToasts = 50

// activity begins an activity as Teams sends it on behalf of a person.
func (t *Teams) activity(kind string, p Person, c Conversation, root string, now time.Time) delivered {
	t.mu.Lock()
	service := t.urls.Service
	t.mu.Unlock()
	tenant := t.tenantOf(p)
	zone := p.location()
	a := delivered{
		Type: kind, ID: newEventID(), Timestamp: timestamp(now), LocalTimestamp: localTimestamp(now.In(zone)),
		ServiceURL: service, ChannelID: "msteams", Locale: "en-GB", LocalTimezone: zone.String(),
		From:         account{ID: p.ID, Name: p.Name, AADObjectID: p.AADObjectID},
		Recipient:    account{ID: t.BotID(), Name: t.options.BotName},
		Conversation: conversationAccount{ConversationType: c.Kind, TenantID: tenant, ID: c.ID},
		Entities:     []entity{{Type: "clientInfo", Locale: "en-GB", Country: "GB", Platform: "Web", Timezone: zone.String()}},
		ChannelData:  channelData{Tenant: &named{ID: tenant}},
	}
	if c.Kind == ChannelKind {
		a.Conversation.IsGroup = true
		if root != "" {
			a.Conversation.ID += threadMark + root
		}
		a.ChannelData.TeamsChannelID, a.ChannelData.TeamsTeamID = c.ID, c.TeamID
		a.ChannelData.Channel, a.ChannelData.Team = &named{ID: c.ID}, &named{ID: c.TeamID}
	}
	return a
}
