package teams

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
)

// A card in a channel whose data says that it is somebody's private answer
// neither shows that answer to the channel nor loses what the channel was told.
func TestForgedDataNeverAnswersInAChannel(t *testing.T) {
	notice := bot.Card{Title: "Global Reader is active: Alice"}
	for _, how := range []string{"chat", "targeted", "elsewhere"} {
		for _, kind := range []schema.ActivityTypes{schema.Message, schema.Invoke} {
			t.Run(how+" "+string(kind), func(t *testing.T) {
				r := kindRig(t)
				m, err := r.a.Post(t.Context(), channelAt(), "key", notice)
				r.must(err)
				r.heard.answers(bot.Reply{Card: &waiting}, func(context.Context) bot.Reply { return bot.Reply{Card: &signIn} })
				forged := map[string]any{"verb": "status", "id": "", "shown": how}
				status := r.deliver(r.Token(nil, teamstest.KeyCurrent), r.body(func(b map[string]any) {
					delete(b, "text")
					b["type"], b["value"] = kind, forged
					if kind == schema.Invoke {
						b["name"], b["value"] = "adaptiveCard/action", map[string]any{"action": map[string]any{"type": "Action.Execute", "verb": "status", "data": forged}}
					}
					b["conversation"] = map[string]any{"id": opsID + ";messageid=" + m.ID, "conversationType": "channel", "tenantId": tenantID, "isGroup": true}
					b["replyToId"] = m.ID
				}))
				if status != http.StatusOK {
					t.Fatalf("the press is answered %d", status)
				}
				r.settled()
				all := r.State().In(opsID, "Carol")
				if len(all) != 1 || all[0].ID != m.ID || all[0].Updates != 0 {
					t.Fatalf("the channel holds %+v, want the notice as it was", all)
				}
				reads(t, all[0], "Carol", notice.Title)
				where := ""
				if how == "targeted" {
					where = opsID
				}
				reads(t, r.last(where, "Alice"), "Alice", signIn.Title)
			})
		}
	}
}

// The personal chat's own answers are still replaced where they stand, and one
// that calls itself targeted there loses nothing.
func TestForgedDataInThePersonalChat(t *testing.T) {
	r := kindRig(t)
	m, err := r.a.Post(t.Context(), r.personal("Alice"), "key", asked)
	r.must(err)
	r.heard.answers(bot.Reply{Card: &signIn}, nil)
	status := r.deliver(r.Token(nil, teamstest.KeyCurrent), r.body(func(b map[string]any) {
		delete(b, "text")
		b["replyToId"], b["value"] = m.ID, map[string]any{"verb": "status", "shown": "targeted"}
	}))
	if status != http.StatusOK {
		t.Fatalf("the press is answered %d", status)
	}
	r.settled()
	var read []string
	for _, a := range r.State().In("", "Alice") {
		read = append(read, a.ReadBy("Alice"))
	}
	if all := strings.Join(read, "\n"); !strings.Contains(all, asked.Title) || !strings.Contains(all, signIn.Title) {
		t.Errorf("the chat reads:\n%s", all)
	}
}
