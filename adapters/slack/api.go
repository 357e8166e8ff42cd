package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/belaybot/belay/bot"
)

const (
	maxAnswer = 4 << 20
	maxAfter  = time.Hour // of a Retry-After; a longer one is somebody's mistake
)

// caller is the HTTP client below slack-go. It carries the token in the header
// instead of the body, sends it to the Web API only, never retries, and turns
// every failure into an *apiError, whatever shape it came in.
type caller struct {
	http  *http.Client
	base  *url.URL
	token string
}

// apiError is a call that Slack did not carry out, or did not say so.
type apiError struct {
	Method string        // chat.postMessage
	Status int           // of HTTP; 0: there was no answer
	Code   string        // Slack's own word, such as channel_not_found
	After  time.Duration // Retry-After
	Lost   bool          // it may have been carried out all the same
	Err    error         // below HTTP
}

// Error never holds an argument of the call.
func (e *apiError) Error() string {
	switch {
	case e.Code != "":
		return e.Method + ": " + e.Code
	case e.Err != nil:
		return e.Method + ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s: HTTP %d", e.Method, e.Status)
}

// Unwrap gives the error below HTTP.
func (e *apiError) Unwrap() error { return e.Err }

// answer is what is read of Slack's answers. Everything else in them, such as
// our own blocks sent back, is dropped: it cannot make a call fail that succeeded.
type answer struct {
	OK        bool            `json:"ok"`
	Error     string          `json:"error,omitempty"`
	Channel   json.RawMessage `json:"channel,omitempty"` // an id, or an object
	TS        string          `json:"ts,omitempty"`
	MessageTS string          `json:"message_ts,omitempty"`
	User      json.RawMessage `json:"user,omitempty"`
	View      *viewAnswer     `json:"view,omitempty"`
}

type viewAnswer struct {
	ID   string `json:"id"`
	Hash string `json:"hash"`
}

// posts are the methods of which a second call would show a second message.
var posts = map[string]bool{"chat.postMessage": true, "chat.postEphemeral": true}

// Do makes one call. Its error, when not nil, is an *apiError.
func (c *caller) Do(req *http.Request) (*http.Response, error) {
	fail := &apiError{Method: path.Base(req.URL.Path)}
	if req.URL.Scheme != c.base.Scheme || req.URL.Host != c.base.Host {
		fail.Err = errors.New("the token is not sent to that host")
		return nil, fail
	}
	if err := dropToken(req); err != nil {
		fail.Err = err
		return nil, fail
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if !posts[fail.Method] {
		// net/http then sends it again when a kept connection was closed under it
		// before the answer began. The empty value itself is not sent.
		req.Header["Idempotency-Key"] = nil
	}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	resp, err := c.http.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		fail.Err, fail.Lost = withoutURL(err), sent.Load()
		return nil, fail
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	fail.Status = resp.StatusCode
	var got answer
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		fail.Code, fail.After = "ratelimited", retryAfter(resp.Header)
		return nil, fail
	case resp.StatusCode != http.StatusOK:
		fail.Lost = resp.StatusCode >= 500
		return nil, fail
	case err != nil:
		fail.Err, fail.Lost = err, true
		return nil, fail
	case json.Unmarshal(body, &got) != nil:
		fail.Err, fail.Lost = errors.New("the answer is not JSON of the Web API"), true
		return nil, fail
	case !got.OK:
		fail.Code = or(got.Error, "unknown_error")
		fail.After = retryAfter(resp.Header)
		fail.Lost = undecided[fail.Code]
		return nil, fail
	}
	slim, err := json.Marshal(got)
	if err != nil {
		fail.Err, fail.Lost = err, true
		return nil, fail
	}
	resp.Body = io.NopCloser(bytes.NewReader(slim))
	resp.ContentLength = int64(len(slim))
	return resp, nil
}

// dropToken takes the token that slack-go writes into forms out again: bodies
// end up in logs more easily than Authorization headers.
func dropToken(req *http.Request) error {
	if !strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || req.Body == nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return err
	}
	values.Del("token")
	body = []byte(values.Encode())
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return nil
}

// withoutURL is what is wrong, without the address, which may be a secret.
func withoutURL(err error) error {
	if u := new(url.Error); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// retryAfter is the header in seconds, 0 when Slack did not say.
func retryAfter(h http.Header) time.Duration {
	s, err := strconv.ParseInt(h.Get("Retry-After"), 10, 64)
	if err != nil || s < 0 {
		return 0
	}
	return min(time.Duration(min(s, int64(maxAfter/time.Second)))*time.Second, maxAfter)
}

// codes are Slack's words for what a caller can do something about; every other
// one is bot.ChatRefused.
// Source: the errors of each method on https://docs.slack.dev/reference/methods
var codes = map[string]bot.ChatCode{
	"message_not_found": bot.ChatGone, "cant_update_message": bot.ChatGone, "edit_window_closed": bot.ChatGone,
	"is_inactive": bot.ChatGone, "block_mismatch": bot.ChatGone,

	"channel_not_found": bot.ChatUnreachable, "is_archived": bot.ChatUnreachable, "not_in_channel": bot.ChatUnreachable,
	"user_not_in_channel": bot.ChatUnreachable, "user_not_found": bot.ChatUnreachable, "users_not_found": bot.ChatUnreachable,
	"user_not_visible": bot.ChatUnreachable, "user_disabled": bot.ChatUnreachable, "cannot_dm_bot": bot.ChatUnreachable,
	"messages_tab_disabled": bot.ChatUnreachable, "restricted_action": bot.ChatUnreachable,
	"restricted_action_read_only_channel": bot.ChatUnreachable, "restricted_action_thread_only_channel": bot.ChatUnreachable,
	"posting_to_channel_denied": bot.ChatUnreachable, "team_not_found": bot.ChatUnreachable,

	"ratelimited": bot.ChatThrottled, "rate_limited": bot.ChatThrottled, "message_limit_exceeded": bot.ChatThrottled,

	"internal_error": bot.ChatUnavailable, "fatal_error": bot.ChatUnavailable, "request_timeout": bot.ChatUnavailable,
	// A token or scope that an operator has to mend: what is owed is kept until then.
	"invalid_auth": bot.ChatUnavailable, "not_authed": bot.ChatUnavailable, "account_inactive": bot.ChatUnavailable,
	"token_revoked": bot.ChatUnavailable, "token_expired": bot.ChatUnavailable, "missing_scope": bot.ChatUnavailable,
	"no_permission": bot.ChatUnavailable, "access_denied": bot.ChatUnavailable,

	"service_unavailable": bot.ChatUnavailable, "team_added_to_org": bot.ChatUnavailable, "update_failed": bot.ChatUnavailable,
}

// undecided are the refusals of which Slack says that the call may have
// succeeded in part.
var undecided = map[string]bool{"internal_error": true, "fatal_error": true, "request_timeout": true}

// failed is err as the *bot.ChatError of an operation; nil stays nil.
func failed(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &bot.ChatError{Platform: bot.Slack, Op: op, Code: bot.ChatRefused, Err: err}
	var api *apiError
	if !errors.As(err, &api) {
		return e
	}
	e.After, e.Ambiguous = api.After, api.Lost && op == "post"
	switch code, known := codes[api.Code]; {
	case known:
		e.Code = code
	case api.Code == "" && (api.Status == 0 || api.Status == http.StatusOK || api.Status >= 500):
		e.Code = bot.ChatUnavailable
	}
	return e
}

// refusedAs tells whether err is Slack's refusal with that word.
func refusedAs(err error, code string) bool {
	var api *apiError
	return errors.As(err, &api) && api.Code == code
}
