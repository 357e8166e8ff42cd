package teamstest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMessageInPersonalChat(t *testing.T) {
	r := newRig(t, nil)
	id, err := r.Message(ctx(t), "Alice", "", `/elevate "a" <b>`, false)
	if err != nil {
		t.Fatal(err)
	}
	got := r.took(1)[0]
	alice := r.alice()
	want := map[string]any{
		"type": "message", "id": id, "timestamp": "2026-11-23T09:00:00.0000000Z", "localTimestamp": "2026-11-23T09:00:00.0000000Z",
		"localTimezone": "Europe/London", "serviceUrl": r.urls.Service, "channelId": "msteams", "locale": "en-GB",
		"from":         map[string]any{"id": alice.ID, "name": "Alice", "aadObjectId": aliceOID},
		"recipient":    map[string]any{"id": "28:" + appID, "name": "Belay"},
		"conversation": map[string]any{"conversationType": "personal", "tenantId": tenantID, "id": alice.Personal},
		"textFormat":   "plain", "text": `/elevate "a" <b>`,
		"attachments": []any{map[string]any{"contentType": "text/html", "content": "<p>/elevate &#34;a&#34; &lt;b&gt;</p>"}},
		"entities":    []any{map[string]any{"type": "clientInfo", "locale": "en-GB", "country": "GB", "platform": "Web", "timezone": "Europe/London"}},
		"channelData": map[string]any{"tenant": map[string]any{"id": tenantID}},
	}
	if diff := cmp.Diff(want, got.activity); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(alice.ID, "29:1") || !strings.HasPrefix(alice.Personal, "a:1") || alice.ID == r.State().Person("Bob").ID {
		t.Errorf("ids: %q %q", alice.ID, alice.Personal)
	}
	if got.header.Get("X-Ms-Conversation-Id") != alice.Personal || got.header.Get("X-Ms-Tenant-Id") != tenantID {
		t.Errorf("headers: %v", got.header)
	}
	if seen := r.only("", "Alice"); seen.From != "Alice" || seen.ID != id || len(r.State().In("", "Bob")) != 0 {
		t.Errorf("seen: %+v", seen)
	}
}

func TestMessageInChannel(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.Message(ctx(t), "Bob", channelID, "good morning", false); err != nil {
		t.Fatal(err)
	}
	r.took(0) // without a mention the bot does not hear it
	id, err := r.Message(ctx(t), "Alice", channelID, "/elevate", true)
	if err != nil {
		t.Fatal(err)
	}
	got := r.took(1)[0]
	if want := channelID + ";messageid=" + id; got.text("conversation", "id") != want || got.activity["replyToId"] != nil {
		t.Errorf("conversation = %v, want %s", got.activity["conversation"], want)
	}
	if got.text("text") != "<at>Belay</at> /elevate" || got.text("channelData", "team", "id") != teamID || got.text("channelData", "channel", "id") != channelID {
		t.Errorf("activity: %s", got.raw)
	}
	mention := map[string]any{"type": "mention", "text": "<at>Belay</at>", "mentioned": map[string]any{"id": r.BotID(), "name": "Belay"}}
	if diff := cmp.Diff(mention, got.activity["entities"].([]any)[1]); diff != "" {
		t.Error(diff)
	}
	// The bot answers in the thread; a later message there stays in it.
	r.must(r.call("POST", activities(got.text("conversation", "id")), `{"type":"message","text":"hello"}`), 201, "")
	if _, err := r.Message(ctx(t), "Bob", channelID+";messageid="+id, "thanks", true); err != nil {
		t.Fatal(err)
	}
	if got := r.took(1)[0]; got.text("conversation", "id") != channelID+";messageid="+id {
		t.Errorf("the thread is left: %s", got.raw)
	}
	if n := len(r.State().In(channelID+";messageid="+id, "Bob")); n != 3 {
		t.Errorf("the thread has %d messages, want 3", n)
	}
}

func TestUnkindMentionAndSlash(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Unkind = Unkind{Redeliver: 1000} })
	if _, err := r.Message(ctx(t), "Alice", channelID, "help", true); err != nil {
		t.Fatal(err)
	}
	if got := r.took(1)[0].text("text"); got != "<at>Belay</at>\u00a0help" {
		t.Errorf("text = %q", got)
	}
	id, err := r.Slash(ctx(t), "Alice", channelID, "/elevate")
	if err != nil {
		t.Fatal(err)
	}
	got := r.took(1)[0]
	if got.activity["recipient"].(map[string]any)["isTargeted"] != true || got.text("text") != "/elevate" {
		t.Errorf("recipient = %v", got.activity["recipient"])
	}
	for _, a := range r.State().In(channelID, "Bob") {
		if a.ID == id {
			t.Error("Bob sees what Alice wrote to the bot alone")
		}
	}
}

func TestInstall(t *testing.T) {
	r := newRig(t, nil)
	dave := r.State().Person("Dave")
	if _, err := r.Message(ctx(t), "Dave", "", "hello", false); err == nil {
		t.Error("a message to an app that is not installed goes out")
	}
	if err := r.Install(ctx(t), "Dave", ""); err != nil {
		t.Fatal(err)
	}
	got := r.took(2)
	added := []any{map[string]any{"id": r.BotID()}, map[string]any{"id": dave.ID, "aadObjectId": daveOID}}
	if diff := cmp.Diff(added, got[0].activity["membersAdded"]); diff != "" || got[0].text("type") != "conversationUpdate" {
		t.Errorf("%s: %s", diff, got[0].raw)
	}
	if got[1].text("type") != "installationUpdate" || got[1].text("action") != "add" || got[1].text("conversation", "id") != dave.Personal {
		t.Errorf("installation: %s", got[1].raw)
	}
	if _, err := r.Message(ctx(t), "Dave", "", "hello", false); err != nil {
		t.Error(err)
	}
	r.took(1)
	if err := r.Uninstall(ctx(t), "Alice", channelID); err != nil {
		t.Fatal(err)
	}
	got = r.took(2)
	if got[0].text("channelData", "eventType") != "teamMemberRemoved" || got[0].text("conversation", "id") != channelID ||
		got[1].text("action") != "remove" || got[1].text("channelData", "settings", "selectedChannel", "id") != channelID {
		t.Errorf("removal: %s %s", got[0].raw, got[1].raw)
	}
	r.must(r.call("POST", activities(channelID), `{"type":"message","text":"x"}`), 403, "BotNotInConversationRoster")
	if err := r.Uninstall(ctx(t), "Dave", ""); err != nil {
		t.Fatal(err)
	}
	if gone := r.took(1)[0]; gone.text("type") != "installationUpdate" || gone.text("action") != "remove" {
		t.Errorf("removal: %s", gone.raw)
	}
	if err := r.Install(ctx(t), "Alice", channelID+";messageid=1"); err == nil {
		t.Error("an app is installed in a thread")
	}
}

func TestFailureIsShownAndDeliveredAgain(t *testing.T) {
	r := newRig(t, nil)
	id := r.post(r.alice().Personal, approval)
	r.answers(func(heard) (int, string) { return http.StatusInternalServerError, "oops" })
	var failure *Failure
	if _, err := r.Press(ctx(t), "Alice", "", id, "Approve", nil); !errors.As(err, &failure) || failure.Status != 500 {
		t.Fatalf("err = %v", err)
	}
	got := r.took(3)
	if got[1].text("id") != got[0].text("id") || got[1].text("timestamp") != got[0].text("timestamp") {
		t.Errorf("the second delivery is another one: %s", got[1].raw)
	}
	if got[2].text("id") == got[0].text("id") || !cmp.Equal(got[2].activity["value"], got[0].activity["value"]) {
		t.Errorf("the third delivery: %s", got[2].raw)
	}
	if toasts := r.alice().Toasts; len(toasts) != 1 || toasts[0].Kind != ToastError {
		t.Errorf("toasts = %+v", toasts)
	}
	// A refusal stands: nothing is delivered again.
	r.answers(func(heard) (int, string) { return http.StatusForbidden, "" })
	if _, err := r.Message(ctx(t), "Alice", "", "hi", false); !errors.As(err, &failure) || failure.Status != 403 {
		t.Errorf("err = %v", err)
	}
	r.took(1)
}

func TestUnkindRedelivery(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Unkind = Unkind{Redeliver: 2} })
	for range 2 {
		if _, err := r.Message(ctx(t), "Alice", "", "hi", false); err != nil {
			t.Fatal(err)
		}
		r.advance(1)
	}
	got := r.took(4)
	first, again, fresh := got[1], got[2], got[3]
	if string(first.raw) != string(again.raw) || first.header.Get("Authorization") == "" {
		t.Errorf("not the same bytes: %s %s", first.raw, again.raw)
	}
	if fresh.text("id") == first.text("id") || fresh.text("text") != "hi" {
		t.Errorf("fresh: %s", fresh.raw)
	}
	// A bot that minds being told twice is reported.
	if _, err := r.Message(ctx(t), "Alice", "", "hi", false); err != nil {
		t.Fatal(err)
	}
	r.took(1)
	n := 0
	r.answers(func(heard) (int, string) {
		if n++; n == 2 {
			return 500, ""
		}
		return 200, ""
	})
	if _, err := r.Message(ctx(t), "Alice", "", "hi", false); err != nil {
		t.Fatal(err)
	}
	r.complained("HTTP 500 to a delivery")
	// By hand, at any time.
	if status, err := r.Redeliver(ctx(t), true); err != nil || status != 200 {
		t.Errorf("Redeliver: %d, %v", status, err)
	}
}

func TestSlowBot(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Budget = 1 })
	var failure *Failure
	if _, err := r.Message(ctx(t), "Alice", "", "hi", false); !errors.As(err, &failure) || !strings.Contains(failure.Reason, "in time") {
		t.Errorf("err = %v", err)
	}
}

func TestForging(t *testing.T) {
	r := newRig(t, nil)
	body, err := r.MessageBody("Alice", channelID, "/elevate")
	if err != nil {
		t.Fatal(err)
	}
	before := r.State().Revision
	r.answers(func(h heard) (int, string) { return 403, "no" })
	status, answer, err := r.Deliver(ctx(t), "", body)
	if err != nil || status != 403 || string(answer) != "no" {
		t.Errorf("%d %q %v", status, answer, err)
	}
	got := r.took(1)[0]
	if got.header.Get("Authorization") != "" || got.text("text") != "<at>Belay</at> /elevate" || r.State().Revision != before {
		t.Errorf("delivered %s; revision %d", got.raw, r.State().Revision)
	}
	if !json.Valid(body) {
		t.Error("no JSON")
	}
}

func TestForeigner(t *testing.T) {
	r := newRig(t, nil)
	other := "33333333-3333-4333-8333-333333333333"
	if _, err := r.AddUser(User{Name: "Mallory", AADObjectID: "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee", InstalledPersonal: true, Tenant: other}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Message(ctx(t), "Mallory", "", "hi", false); err != nil {
		t.Fatal(err)
	}
	got := r.took(1)[0]
	if got.text("conversation", "tenantId") != other || got.text("channelData", "tenant", "id") != other {
		t.Errorf("tenant: %s", got.raw)
	}
}
