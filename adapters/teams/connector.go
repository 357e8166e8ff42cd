package teams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/infracloudio/msbotbuilder-go/connector/client"
	"github.com/infracloudio/msbotbuilder-go/core/activity"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/bot"
)

const answerMaxBytes = 1 << 20

// call is one call of the connector. It is the library's client.Client for as
// long as that call lasts: so it can carry a context, and keep the id that the
// connector answers, for both of which the library's interface has no place.
type call struct {
	a        *Adapter
	ctx      context.Context
	op       string // of bot.ChatError
	targeted bool   // the message is, or is to be, seen by one person only
	id       string // of what was posted; set by Post
}

var _ client.Client = (*call)(nil)

// Post says something new.
func (c *call) Post(u url.URL, act schema.Activity) error {
	var made schema.ResourceResponse
	if err := c.send(http.MethodPost, u, act, &made); err != nil {
		return err
	}
	if !safeID(made.ID) {
		return c.fail(bot.ChatUnavailable, true, errors.New("posted, but the connector gave no id"))
	}
	c.id = made.ID
	return nil
}

// Put replaces a message.
func (c *call) Put(u url.URL, act schema.Activity) error { return c.send(http.MethodPut, u, act, nil) }

// Delete takes a message away.
func (c *call) Delete(u url.URL, _ schema.Activity) error {
	return c.send(http.MethodDelete, u, nil, nil)
}

// post sends act to its conversation and gives the id of the message.
func (c *call) post(act schema.Activity) (string, error) {
	lib, err := activity.NewActivityResponse(c)
	if err == nil {
		err = lib.SendActivity(act)
	}
	return c.id, c.typed(err)
}

// update puts act in the place of the message of the same id.
func (c *call) update(act schema.Activity) error {
	lib, err := activity.NewActivityResponse(c)
	if err == nil {
		err = lib.UpdateActivity(act)
	}
	return c.typed(err)
}

// create makes the conversation with one person, or finds it: Teams has only one.
func (c *call) create(serviceURL string, p schema.ConversationParameters) (schema.ConversationResourceResponse, error) {
	var made schema.ConversationResourceResponse
	u, err := url.Parse(serviceURL)
	if err != nil {
		return made, c.fail(bot.ChatRefused, false, errors.New("a malformed service URL"))
	}
	u.Path = path.Join(u.Path, "v3/conversations")
	err = c.send(http.MethodPost, *u, p, &made)
	if err == nil && !safeID(made.ID) {
		err = c.fail(bot.ChatUnavailable, false, errors.New("the connector gave no conversation"))
	}
	return made, err
}

// send is the one place where the bot's token leaves: after the host was checked,
// and never along a redirect.
func (c *call) send(method string, u url.URL, body, into any) error {
	if err := c.a.hosts.allowed(&u); err != nil {
		return c.fail(bot.ChatRefused, false, err)
	}
	if c.targeted {
		u.RawQuery = "isTargetedActivity=true"
	}
	var payload []byte
	if body != nil {
		var err error
		if payload, err = wire(body); err != nil {
			return c.fail(bot.ChatRefused, false, err)
		}
	}
	token, err := c.a.opts.Credential.GetToken(c.ctx, policy.TokenRequestOptions{Scopes: []string{c.a.opts.Scope}})
	if err != nil {
		return c.fail(bot.ChatUnavailable, false, fmt.Errorf("the bot's own sign-in: %w", err))
	}
	reached := false // a connection was there, so the request may have arrived
	ctx := httptrace.WithClientTrace(c.ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached = true }})
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(payload))
	if err != nil {
		return c.fail(bot.ChatRefused, false, errors.New("a malformed connector URL"))
	}
	if payload != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	req.Header.Set("Authorization", "Bearer "+token.Token)
	posting := method == http.MethodPost
	resp, err := c.a.http.Do(req)
	if err != nil {
		return c.fail(bot.ChatUnavailable, posting && reached, err)
	}
	defer resp.Body.Close()
	raw, readErr := io.ReadAll(io.LimitReader(resp.Body, answerMaxBytes))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.refused(resp, raw)
	}
	if into != nil && (readErr != nil || json.Unmarshal(raw, into) != nil) {
		return c.fail(bot.ChatUnavailable, posting, errors.New("the connector's answer was cut off"))
	}
	return nil
}

// refused makes the error of an answer that is none. The codes are those of
// Microsoft's table of bot connector errors.
func (c *call) refused(resp *http.Response, raw []byte) error {
	var body struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	detail := ""
	if json.Unmarshal(raw, &body) == nil && safeID(body.Error.Code) && len(body.Error.Code) < 80 {
		detail = " " + body.Error.Code
	}
	code, ambiguous := bot.ChatRefused, false
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests:
		code = bot.ChatThrottled
	case status == http.StatusPreconditionFailed:
		code = bot.ChatUnavailable // Teams' word for "try again"
	case status == http.StatusRequestTimeout || status >= 500:
		code, ambiguous = bot.ChatUnavailable, resp.Request.Method == http.MethodPost
	case status == http.StatusForbidden && body.Error.Code != "InvalidBotApiHost":
		code = bot.ChatUnreachable
	case status == http.StatusNotFound:
		code = bot.ChatUnreachable
		if body.Error.Code == "ActivityNotFoundInConversation" || body.Error.Code != "ConversationNotFound" && resp.Request.Method == http.MethodPut {
			code = bot.ChatGone
		}
	}
	err := c.fail(code, ambiguous, fmt.Errorf("the connector answered %d%s", resp.StatusCode, detail))
	err.After = retryAfter(resp.Header.Get("Retry-After"), c.a.opts.Now())
	return err
}

func (c *call) fail(code bot.ChatCode, ambiguous bool, err error) *bot.ChatError {
	return &bot.ChatError{Platform: bot.Teams, Op: c.op, Code: code, Ambiguous: ambiguous, Err: err}
}

// typed takes the error that this call made out of the library's wrapping.
func (c *call) typed(err error) error {
	var ours *bot.ChatError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return ours
	}
	return c.fail(bot.ChatRefused, false, err)
}

// retryAfter reads seconds or an HTTP date; a day at the most.
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		wait = time.Duration(min(max(seconds, 0), 24*60*60)) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), 24*time.Hour)
}

// wire is what goes over the wire for one of the library's types. Those always
// write their zero structs and times, of which Teams refuses some
// ("conversation":{}) and nobody knows what it makes of others (the year 1).
func wire(v any) ([]byte, error) {
	raw, err := marshal(v)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	for name, value := range members {
		if nothing(value) {
			delete(members, name)
		}
	}
	if inner, ok := members["activity"]; ok { // of ConversationParameters
		if members["activity"], err = wire(inner); err != nil {
			return nil, err
		}
		if nothing(members["activity"]) {
			delete(members, "activity")
		}
	}
	return marshal(members)
}

// nothing reports whether a value says nothing: null, the zero time, or an object
// of which every member says nothing.
func nothing(value json.RawMessage) bool {
	if s := string(value); s == "null" || s == `"0001-01-01T00:00:00Z"` {
		return true
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(value, &members) != nil {
		return false
	}
	for _, inner := range members {
		if !nothing(inner) {
			return false
		}
	}
	return true
}
