package slacktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
)

var errTrailing = errors.New("data after the JSON value")

// Command is a person typing a slash command, such as "/elevate", in a channel
// they are a member of; an empty channel is their direct message with the bot.
func (w *Workspace) Command(ctx context.Context, user, channel, command, text string) (Outcome, error) {
	if !strings.HasPrefix(command, "/") {
		return Outcome{}, fmt.Errorf("slacktest: the command %q does not begin with a slash: %w", command, ErrNotPossible)
	}
	var (
		c    Channel
		body []byte
		err  error
	)
	w.change(func() {
		var u User
		if u, c, err = w.place(user, channel); err != nil {
			return
		}
		delete(w.kept.Notices, user)
		body = form(
			field{"token", w.verificationToken()},
			field{"team_id", w.opts.TeamID},
			field{"team_domain", w.opts.TeamDomain},
			field{"channel_id", c.ID},
			field{"channel_name", c.shownName()},
			field{"user_id", u.ID},
			field{"user_name", u.Name},
			field{"command", command},
			field{"text", text},
			field{"api_app_id", w.opts.AppID},
			field{"is_enterprise_install", "false"},
			field{"response_url", w.responseURL("/commands/", &response{User: user, Channel: c.ID})},
			field{"trigger_id", w.newTrigger(user, "")},
		)
	})
	if err != nil {
		return Outcome{}, err
	}
	a, err := w.send(ctx, pathCommands, "application/x-www-form-urlencoded", body)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Delivered: true, Status: a.Status, Repeats: a.repeats}
	w.change(func() {
		if !a.ok() {
			out.Notice = w.notice(user, "%s failed with the error %q", command, a.failure())
		} else if len(a.Body) > 0 {
			out.Message = w.ackCommand(user, c, command, a.Answer)
			if out.Message == nil {
				out.Notice = w.notice(user, "%s failed with the error %q", command, "invalid_response")
			}
		}
		out.View = w.front(user)
	})
	return out, nil
}

// ackCommand shows the body of a command's acknowledgement: JSON when the
// content type says so, plain text otherwise. nil when Slack would not show it.
// Under the lock.
func (w *Workspace) ackCommand(user string, c Channel, command string, a Answer) *Message {
	r := reply{Text: string(a.Body)}
	if t, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err == nil && t == "application/json" {
		r = reply{}
		if err := w.ackJSON(a, command, &r); err != nil {
			return nil
		}
		if r.empty() {
			return &Message{}
		}
	}
	if r.ReplaceOriginal || r.DeleteOriginal {
		w.shout("the acknowledgement of %s wants to replace or delete a message, and there is none", command)
	}
	m, p := w.replyMessage(user, c.ID, r)
	if p != nil {
		w.shout("the acknowledgement of %s cannot be shown: %s %v", command, p.code, p.messages)
		return nil
	}
	m.Command = true
	shown := *m
	return &shown
}

// reply is a message in an acknowledgement or to a response URL.
type reply struct {
	ResponseType    string          `json:"response_type"`
	Text            string          `json:"text"`
	Blocks          json.RawMessage `json:"blocks"`
	ReplaceOriginal bool            `json:"replace_original"`
	DeleteOriginal  bool            `json:"delete_original"`
	ThreadTS        string          `json:"thread_ts"`
	UnfurlLinks     *bool           `json:"unfurl_links"`
	UnfurlMedia     *bool           `json:"unfurl_media"`
	Mrkdwn          *bool           `json:"mrkdwn"`
}

func (r reply) empty() bool {
	return r.ResponseType == "" && r.Text == "" && len(r.Blocks) == 0 && !r.ReplaceOriginal && !r.DeleteOriginal
}

// replyMessage posts a reply: to the person alone unless response_type is
// in_channel. Under the lock.
func (w *Workspace) replyMessage(user, channel string, r reply) (*Message, *problem) {
	txt, blocks, p := w.content(args{"text": r.Text, "blocks": string(r.Blocks)}, maxPost)
	if p != nil {
		return nil, p
	}
	m := &Message{
		TS: w.timestamp(), User: w.opts.BotUserID, BotID: w.botID(), Text: txt, Blocks: blocks,
		ThreadTS: r.ThreadTS, EphemeralTo: user,
	}
	switch r.ResponseType {
	case "", "ephemeral":
	case "in_channel":
		m.EphemeralTo = ""
	default:
		w.shout("response_type %q is unknown", r.ResponseType)
	}
	w.kept.Messages[channel] = append(w.kept.Messages[channel], m)
	return m, nil
}
