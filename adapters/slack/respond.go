package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

// ephemeral is a message to one person, as an acknowledgement of a command or a
// post to a response URL has it.
type ephemeral struct {
	ResponseType    string         `json:"response_type"`
	ReplaceOriginal bool           `json:"replace_original"`
	Text            string         `json:"text"`
	Blocks          slackgo.Blocks `json:"blocks"`
}

func ephemeralOf(r bot.Reply, replace bool) ephemeral {
	return ephemeral{
		ResponseType: "ephemeral", ReplaceOriginal: replace,
		Text: notice(*r.Card), Blocks: slackgo.Blocks{BlockSet: blocks(cardsOf(r)...)},
	}
}

// errElsewhere is a response URL that does not lead to Slack.
var errElsewhere = errors.New("the response URL does not lead to Slack")

// respond posts m to a response URL. It works for half an hour in every
// conversation, also where the bot is no member. The URL is a secret: it is in
// no error and no log.
func (a *Adapter) respond(ctx context.Context, to string, m ephemeral) error {
	u, err := url.Parse(to)
	if err != nil || !a.answersAt(u) {
		return errElsewhere
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return errElsewhere
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := a.plain.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // what is not read to its end costs the connection
	if resp.StatusCode == http.StatusTooManyRequests {
		return &apiError{Method: "response_url", Status: resp.StatusCode, Code: "ratelimited", After: retryAfter(resp.Header)}
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the response URL answered HTTP %d", resp.StatusCode)
	}
	return nil
}

// ResponseHosts are the hosts of Slack's response URLs.
func ResponseHosts() []string { return []string{"hooks.slack.com", "hooks.slack-gov.com"} }

// answersAt tells whether u is where Slack takes responses: its own hosts, or
// the base URL that the administrator configured.
func (a *Adapter) answersAt(u *url.URL) bool {
	if u.User != nil {
		return false
	}
	return u.Scheme == "https" && slices.Contains(ResponseHosts(), u.Host) ||
		u.Scheme == a.base.Scheme && u.Host == a.base.Host
}
