package slacktest

import (
	"strings"
	"testing"
	"time"
)

func TestPostUpdateDelete(t *testing.T) {
	w := start(t)
	m := w.ok(w.form("chat.postMessage", "channel", room, "text", "hi", "blocks", approveCard, "client_msg_id", "c1",
		"metadata", `{"event_type":"belay_card","event_payload":{"id":"r1"}}`))
	ts := m["ts"].(string)
	if m["channel"] != room || m["message"].(map[string]any)["bot_id"] != "B0SIMULATEDBOT" {
		t.Errorf("answer %v", m)
	}
	next := w.ok(w.form("chat.postMessage", "channel", "#room", "text", "same second"))
	if next["ts"] == ts || next["channel"] != room {
		t.Errorf("second message %v after %s", next, ts)
	}
	w.ok(w.form("chat.update", "channel", room, "ts", ts, "text", "done", "blocks", section("done")))
	c, _ := w.State().Conversation(room)
	if got := c.Messages[0]; got.Edited || got.Updates != 1 || got.Text != "done" || got.Metadata == nil || got.ClientMsgID != "c1" {
		t.Errorf("after an update by blocks: %+v", got)
	}
	w.ok(w.form("chat.update", "channel", room, "ts", ts, "text", "plain", "metadata", "{}"))
	c, _ = w.State().Conversation(room)
	if got := c.Messages[0]; !got.Edited || got.Blocks != nil || got.Metadata != nil {
		t.Errorf("text alone takes the blocks away and marks it edited: %+v", got)
	}
	link := w.ok(w.form("chat.getPermalink", "channel", room, "message_ts", ts))["permalink"]
	if link != "https://simulated.slack.com/archives/C0ROOM/p"+strings.Replace(ts, ".", "", 1) {
		t.Errorf("permalink %v", link)
	}
	w.ok(w.form("chat.delete", "channel", room, "ts", ts))
	w.refused(w.form("chat.update", "channel", room, "ts", ts, "text", "x"), "message_not_found")
	w.refused(w.form("chat.getPermalink", "channel", room, "message_ts", ts), "message_not_found")
}

func TestDirectMessages(t *testing.T) {
	w := start(t)
	m := w.ok(w.form("chat.postMessage", "channel", alice, "text", "hi"))
	if m["channel"] != w.DM(alice) || !strings.HasPrefix(w.DM(alice), "D0") || w.DM(alice) == w.DM(bob) {
		t.Errorf("posted to %v, the DM is %s", m["channel"], w.DM(alice))
	}
	w.refused(w.form("chat.update", "channel", alice, "ts", m["ts"].(string), "text", "x"), "channel_not_found")
	w.ok(w.form("chat.update", "channel", w.DM(alice), "ts", m["ts"].(string), "text", "x"))

	w.refused(w.form("conversations.open", "channel", w.DM(bob)), "channel_not_found")
	w.refused(w.form("conversations.open", "users", bob, "prevent_creation", "true"), "channel_not_found")
	open := w.ok(w.form("conversations.open", "users", bob, "return_im", "true"))["channel"].(map[string]any)
	if open["id"] != w.DM(bob) || open["user"] != bob || open["is_im"] != true {
		t.Errorf("opened %v", open)
	}
	w.ok(w.form("conversations.open", "channel", w.DM(bob)))
	w.refused(w.form("conversations.open"), "users_list_not_supplied")
	w.refused(w.form("conversations.open", "users", "U0NOBODY"), "user_not_found")
	w.refused(w.form("conversations.open", "users", w.Options().BotUserID), "cannot_dm_bot")
	w.refused(w.form("conversations.open", "channel", room), "method_not_supported_for_channel_type")
	w.AddUser(User{ID: bob, Name: "bob", Deleted: true})
	w.refused(w.form("conversations.open", "users", bob), "user_disabled")
	w.refused(w.form("chat.postMessage", "channel", bob, "text", "x"), "channel_not_found")
	w.refused(w.form("chat.postMessage", "channel", w.Options().BotUserID, "text", "x"), "cannot_dm_bot")
}

func TestMessageErrors(t *testing.T) {
	w := start(t)
	w.AddChannel(Channel{ID: "C0OLD", Name: "old", Archived: true, BotIsMember: true})
	said, err := w.Say(alice, room, "I said so")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, want string
		pairs        []string
	}{
		{"chat.postMessage", "invalid_arguments", []string{"text", "x"}},
		{"chat.postMessage", "channel_not_found", []string{"channel", "C0NONE", "text", "x"}},
		{"chat.postMessage", "not_in_channel", []string{"channel", quiet, "text", "x"}},
		{"chat.postMessage", "channel_not_found", []string{"channel", secretRoom, "text", "x"}},
		{"chat.postMessage", "is_archived", []string{"channel", "C0OLD", "text", "x"}},
		{"chat.postMessage", "no_text", []string{"channel", room}},
		{"chat.postMessage", "no_text", []string{"channel", room, "blocks", "[]"}},
		{"chat.postMessage", "invalid_blocks_format", []string{"channel", room, "blocks", `{"blocks":[]}`}},
		{"chat.postMessage", "invalid_blocks_format", []string{"channel", room, "blocks", `[`}},
		{"chat.postMessage", "msg_blocks_too_long", []string{"channel", room, "blocks", manySections(6, 2500)}},
		{"chat.postMessage", "invalid_metadata_format", []string{"channel", room, "text", "x", "metadata", "["}},
		{"chat.postMessage", "invalid_metadata_schema", []string{"channel", room, "text", "x", "metadata", `{"event_type":"a.b","event_payload":{}}`}},
		{"chat.update", "message_not_found", []string{"channel", room, "ts", "1.000001", "text", "x"}},
		{"chat.update", "invalid_arguments", []string{"channel", room, "text", "x"}},
		{"chat.update", "cant_update_message", []string{"channel", room, "ts", said, "text", "x"}},
		{"chat.update", "is_inactive", []string{"channel", "C0OLD", "ts", said, "text", "x"}},
		{"chat.delete", "cant_delete_message", []string{"channel", room, "ts", said}},
		{"chat.delete", "message_not_found", []string{"channel", room, "ts", "1.000001"}},
		{"chat.postEphemeral", "user_not_in_channel", []string{"channel", room, "user", bob, "text", "x"}},
		{"chat.postEphemeral", "no_text", []string{"channel", room, "user", alice}},
		{"chat.postEphemeral", "msg_too_long", []string{"channel", room, "user", alice, "text", strings.Repeat("ü", 4001)}},
		{"chat.getPermalink", "channel_not_found", []string{"channel", secretRoom, "message_ts", said}},
		{"chat.getPermalink", "invalid_arguments", []string{"channel", room}},
	} {
		if got := w.form(c.method, c.pairs...); got["error"] != c.want {
			t.Errorf("%s %.80q: %v, want %s", c.method, c.pairs, got, c.want)
		}
	}
	w.refused(w.form("chat.postMessage", "channel", room, "text", "x", "thread_ts", "1.000001"), "thread_not_found")
	reply := w.ok(w.form("chat.postMessage", "channel", room, "text", "x", "thread_ts", said))["ts"].(string)
	w.ok(w.form("chat.postMessage", "channel", room, "text", "x", "thread_ts", reply))
	w.complained(reply, "begins no thread")
}

func manySections(n, length int) string {
	one := strings.TrimSuffix(strings.TrimPrefix(section(strings.Repeat("x", length)), "["), "]")
	return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]"
}

func TestTextLimits(t *testing.T) {
	w := start(t)
	m := w.ok(w.form("chat.postMessage", "channel", room, "text", strings.Repeat("é", 40001)))
	c, _ := w.State().Conversation(room)
	if n := len([]rune(c.Messages[0].Text)); n != 40000 {
		t.Errorf("a long text is cut to %d characters", n)
	}
	ts := m["ts"].(string)
	w.ok(w.form("chat.update", "channel", room, "ts", ts, "text", strings.Repeat("é", 4000)))
	w.refused(w.form("chat.update", "channel", room, "ts", ts, "text", strings.Repeat("é", 4001)), "msg_too_long")
}

func TestEditWindow(t *testing.T) {
	w := start(t)
	ts := w.ok(w.form("chat.postMessage", "channel", room, "text", "x"))["ts"].(string)
	w.SetEditWindow(time.Minute)
	w.clock.advance(time.Minute)
	w.ok(w.form("chat.update", "channel", room, "ts", ts, "text", "y"))
	w.clock.advance(time.Second)
	w.refused(w.form("chat.update", "channel", room, "ts", ts, "text", "z"), "edit_window_closed")
}

func TestEphemeral(t *testing.T) {
	w := start(t)
	ts := w.ok(w.form("chat.postEphemeral", "channel", room, "user", alice, "text", "only you"))["message_ts"].(string)
	c, _ := w.State().Conversation(room)
	if c.Messages[0].EphemeralTo != alice {
		t.Errorf("%+v", c.Messages[0])
	}
	w.refused(w.form("chat.update", "channel", room, "ts", ts, "text", "x"), "message_not_found")
	w.refused(w.form("chat.delete", "channel", room, "ts", ts), "message_not_found")
}

func TestPeople(t *testing.T) {
	w := start(t)
	w.AddUser(User{ID: "U0ERIN", Name: "erin", Email: "erin@example.com", UltraRestricted: true})
	w.AddUser(User{ID: "U0GONE", Name: "gone", Email: "gone@example.com", Deleted: true})
	w.AddUser(User{ID: "U0FAR", Name: "far", TeamID: "T0OTHER"})
	info := func(id string) map[string]any {
		return w.ok(w.form("users.info", "user", id, "include_locale", "true"))["user"].(map[string]any)
	}
	if u := info("U0ERIN"); u["is_restricted"] != true || u["is_ultra_restricted"] != true || u["is_bot"] != false {
		t.Errorf("guest: %v", u)
	}
	if u := info("U0GONE"); u["deleted"] != true {
		t.Errorf("deactivated: %v", u)
	}
	if u := info("U0FAR"); u["is_stranger"] != true || u["team_id"] != "T0OTHER" {
		t.Errorf("stranger: %v", u)
	}
	if u := info(w.Options().BotUserID); u["is_bot"] != true {
		t.Errorf("bot: %v", u)
	}
	w.refused(w.form("users.info", "user", "U0NONE"), "user_not_found")
	w.refused(w.form("users.info"), "invalid_arguments")
	u := w.ok(w.form("users.lookupByEmail", "email", "ALICE@example.com"))["user"].(map[string]any)
	if u["id"] != alice || u["profile"].(map[string]any)["email"] != "alice@example.com" {
		t.Errorf("found %v", u)
	}
	w.refused(w.form("users.lookupByEmail", "email", "gone@example.com"), "users_not_found")
	w.refused(w.form("users.lookupByEmail"), "invalid_arguments")

	ch := w.ok(w.form("conversations.info", "channel", room, "include_num_members", "true"))["channel"].(map[string]any)
	if ch["name"] != "room" || ch["is_member"] != true || ch["num_members"] != 2.0 {
		t.Errorf("channel %v", ch)
	}
	w.refused(w.form("conversations.info", "channel", secretRoom), "channel_not_found")
	w.refused(w.form("conversations.info"), "invalid_arguments")
}
