package slacktest

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxUpdate = 4000  // chat.update and chat.postEphemeral: msg_too_long
	maxPost   = 40000 // chat.postMessage: cut off
	// maxBlocks is where msg_blocks_too_long begins. Slack does not say what it
	// counts (bolt-js issues 2509 and 2867: near 12,000 characters of text plus
	// something per block); the length of the whole JSON is the careful reading.
	maxBlocks = 13200
)

func (w *Workspace) authTest(args) (map[string]any, *problem) {
	return map[string]any{
		"url": "https://" + w.opts.TeamDomain + ".slack.com/", "team": w.opts.TeamName, "user": w.opts.BotName,
		"team_id": w.opts.TeamID, "user_id": w.opts.BotUserID, "bot_id": w.botID(), "is_enterprise_install": false,
	}, nil
}

// botInfo answers for the bot itself; the simulated workspace has no other.
func (w *Workspace) botInfo(a args) (map[string]any, *problem) {
	if a["bot"] != w.botID() {
		return nil, fail("bot_not_found")
	}
	return map[string]any{"bot": map[string]any{"id": w.botID(), "deleted": false, "name": w.opts.BotName, "updated": 1700000000,
		"app_id": w.opts.AppID, "user_id": w.opts.BotUserID, "icons": map[string]string{}}}, nil
}

func (w *Workspace) botID() string { return "B" + strings.TrimPrefix(w.opts.BotUserID, "U") }

// content checks text and blocks, which every message has in common.
func (w *Workspace) content(a args, most int) (string, json.RawMessage, *problem) {
	txt := a["text"]
	if txt == "" && a["blocks"] == "" {
		return "", nil, fail("no_text")
	}
	if n := utf8.RuneCountInString(txt); n > most {
		return "", nil, fail("msg_too_long")
	}
	blocks, p := w.messageBlocks(a["blocks"])
	if p == nil && txt == "" && blocks == nil {
		p = fail("no_text")
	}
	return txt, blocks, p
}

// messageBlocks checks the blocks of a message and fills their ids in. Under the lock.
func (w *Workspace) messageBlocks(raw string) (json.RawMessage, *problem) {
	if raw == "" {
		return nil, nil
	}
	v, err := decodeAny([]byte(raw))
	if err != nil {
		return nil, fail("invalid_blocks_format")
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fail("invalid_blocks_format")
	}
	if len(list) == 0 {
		return nil, nil
	}
	c := newChecker()
	c.blocks("", v, 50)
	if p := w.verdict(c, "invalid_blocks"); p != nil {
		return nil, p
	}
	if utf8.RuneCountInString(raw) > maxBlocks {
		return nil, fail("msg_blocks_too_long")
	}
	blocks, err := w.complete(json.RawMessage(raw))
	if err != nil {
		w.shout("blocks passed the check and cannot be decoded: %v", err)
		return nil, fail("invalid_blocks")
	}
	return blocks, nil
}

// verdict turns faults into a refusal, and reports what is not simulated. Under the lock.
func (w *Workspace) verdict(c *checker, code string) *problem {
	for _, u := range c.unknown {
		w.shout("not simulated: %s", u)
	}
	if len(c.faults) == 0 {
		return nil
	}
	return &problem{code: code, messages: c.messages()}
}

// target finds the channel that a message goes to. Under the lock.
func (w *Workspace) target(channel string) (Channel, *problem) {
	if channel == "" {
		return Channel{}, missing("channel")
	}
	if u, ok := w.kept.Users[channel]; ok {
		switch {
		case u.Bot:
			return Channel{}, fail("cannot_dm_bot")
		case u.Deleted:
			return Channel{}, fail("channel_not_found")
		}
		return w.openDM(u.ID), nil
	}
	c, ok := w.kept.Channels[channel]
	for _, other := range w.kept.Channels {
		if !ok && other.Name != "" && other.Name == strings.TrimPrefix(channel, "#") {
			c, ok = other, true
		}
	}
	return w.writable(c, ok)
}

// exactly finds a channel by its id alone, as chat.update wants it. Under the lock.
func (w *Workspace) exactly(id string) (Channel, *problem) {
	if id == "" {
		return Channel{}, missing("channel")
	}
	c, ok := w.kept.Channels[id]
	return w.writable(c, ok)
}

func (w *Workspace) writable(c Channel, ok bool) (Channel, *problem) {
	switch {
	case !ok || c.Private && !c.BotIsMember:
		return Channel{}, fail("channel_not_found")
	case c.Archived:
		return Channel{}, fail("is_archived")
	case !c.BotIsMember:
		return Channel{}, fail("not_in_channel")
	}
	return c, nil
}

func (w *Workspace) postMessage(a args) (map[string]any, *problem) {
	c, p := w.target(a["channel"])
	if p != nil {
		return nil, p
	}
	if r := []rune(a["text"]); len(r) > maxPost {
		a["text"] = string(r[:maxPost])
	}
	txt, blocks, p := w.content(a, maxPost)
	if p != nil {
		return nil, p
	}
	if t := a["thread_ts"]; t != "" {
		switch root := w.message(c.ID, t); {
		case root == nil: // a person may have deleted it
			return nil, fail("thread_not_found")
		case root.EphemeralTo != "" || root.ThreadTS != "" && root.ThreadTS != t:
			w.shout("chat.postMessage answers %s, which begins no thread: Slack asks for the parent's ts", t)
		}
	}
	meta, p := metadata(a)
	if p != nil {
		return nil, p
	}
	m := &Message{
		TS: w.timestamp(), User: w.opts.BotUserID, BotID: w.botID(), Text: txt, Blocks: blocks,
		ThreadTS: a["thread_ts"], Metadata: meta, ClientMsgID: a["client_msg_id"],
	}
	w.kept.Messages[c.ID] = append(w.kept.Messages[c.ID], m)
	return map[string]any{"channel": c.ID, "ts": m.TS, "message": w.wireMessage(m)}, nil
}

func (w *Workspace) updateMessage(a args) (map[string]any, *problem) {
	c, p := w.exactly(a["channel"])
	if p != nil {
		if p.code == "is_archived" {
			p = fail("is_inactive")
		}
		return nil, p
	}
	if a["ts"] == "" {
		return nil, missing("ts")
	}
	m := w.message(c.ID, a["ts"])
	switch {
	case m == nil || m.EphemeralTo != "":
		return nil, fail("message_not_found")
	case m.BotID == "":
		return nil, fail("cant_update_message")
	case w.editWindow > 0 && w.opts.Now().Sub(tsTime(m.TS)) > w.editWindow:
		return nil, fail("edit_window_closed")
	}
	meta, p := metadata(a)
	if p != nil {
		return nil, p
	}
	txt, blocks, p := w.content(a, maxUpdate)
	if p != nil {
		return nil, p
	}
	if a.has("metadata") {
		m.Metadata = meta
	}
	m.apply(txt, blocks, a.has("text"), a.has("blocks"))
	return map[string]any{"channel": c.ID, "ts": m.TS, "text": m.Text, "message": w.wireMessage(m)}, nil
}

// apply changes a message as chat.update documents it: blocks stay only when
// neither text nor blocks came; text alone removes them and marks the message edited.
func (m *Message) apply(txt string, blocks json.RawMessage, hasText, hasBlocks bool) {
	if hasText {
		m.Text = txt
	}
	if hasText || hasBlocks {
		m.Blocks = blocks
	}
	m.Edited = m.Edited || !hasBlocks
	m.Updates++
}

func metadata(a args) (json.RawMessage, *problem) {
	if a["metadata"] == "" || a["metadata"] == "{}" {
		return nil, nil
	}
	v, err := decodeAny([]byte(a["metadata"]))
	if err != nil {
		return nil, fail("invalid_metadata_format")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fail("invalid_metadata_format")
	}
	kind, _ := m["event_type"].(string)
	_, ok = m["event_payload"].(map[string]any)
	odd := func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if kind == "" || !ok || strings.ContainsFunc(kind, odd) {
		return nil, fail("invalid_metadata_schema")
	}
	return json.RawMessage(a["metadata"]), nil
}

func (w *Workspace) postEphemeral(a args) (map[string]any, *problem) {
	c, p := w.exactly(a["channel"])
	if p != nil {
		return nil, p
	}
	u, ok := w.kept.Users[a["user"]]
	if !ok || u.Deleted || !slices.Contains(c.Members, u.ID) {
		return nil, fail("user_not_in_channel")
	}
	txt, blocks, p := w.content(a, maxUpdate)
	if p != nil {
		return nil, p
	}
	m := &Message{
		TS: w.timestamp(), User: w.opts.BotUserID, BotID: w.botID(), Text: txt, Blocks: blocks,
		ThreadTS: a["thread_ts"], EphemeralTo: u.ID,
	}
	w.kept.Messages[c.ID] = append(w.kept.Messages[c.ID], m)
	return map[string]any{"message_ts": m.TS}, nil
}

func (w *Workspace) deleteMessage(a args) (map[string]any, *problem) {
	c, p := w.exactly(a["channel"])
	if p != nil {
		return nil, p
	}
	m := w.message(c.ID, a["ts"])
	switch {
	case m == nil || m.EphemeralTo != "":
		return nil, fail("message_not_found")
	case m.BotID == "":
		return nil, fail("cant_delete_message")
	}
	w.remove(c.ID, m)
	return map[string]any{"channel": c.ID, "ts": m.TS}, nil
}

// remove takes a message away. Under the lock.
func (w *Workspace) remove(channel string, m *Message) {
	w.kept.Messages[channel] = slices.DeleteFunc(w.kept.Messages[channel], func(o *Message) bool { return o == m })
}

func (w *Workspace) permalink(a args) (map[string]any, *problem) {
	if a["channel"] == "" || a["message_ts"] == "" {
		return nil, missing("channel and message_ts")
	}
	c, ok := w.kept.Channels[a["channel"]]
	if !ok || c.Private && !c.BotIsMember {
		return nil, fail("channel_not_found")
	}
	m := w.message(c.ID, a["message_ts"])
	if m == nil || m.EphemeralTo != "" {
		return nil, fail("message_not_found")
	}
	link := "https://" + w.opts.TeamDomain + ".slack.com/archives/" + c.ID + "/p" + strings.Replace(m.TS, ".", "", 1)
	return map[string]any{"channel": c.ID, "permalink": link}, nil
}

// RemoveMessage deletes a message as a person with the right to do so would,
// so that the bot's next update finds message_not_found.
func (w *Workspace) RemoveMessage(channel, ts string) error {
	err := ErrNoSuch
	w.change(func() {
		if m := w.message(channel, ts); m != nil {
			w.remove(channel, m)
			err = nil
		}
	})
	return err
}
