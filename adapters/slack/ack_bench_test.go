package slack

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

// silent answers nothing.
type silent struct{}

func (silent) Handle(context.Context, bot.Inbound) (bot.Reply, bot.Later) { return bot.Reply{}, nil }

// BenchmarkAcknowledge is what this adapter takes for a press: verified, decoded, handed
// over and acknowledged. What the handler takes is in bot's benchmark of the same name.
//
//	go test ./adapters/slack -run xxx -bench Acknowledge
func BenchmarkAcknowledge(b *testing.B) {
	a, err := New(Options{SigningSecrets: []string{testSecret}, BotToken: testToken, AppID: "A111", Teams: []string{"T111"}, APIBase: "http://127.0.0.1:1", Handler: silent{}})
	if err != nil {
		b.Fatal(err)
	}
	routes := a.Routes()
	message := `{"type":"message","ts":"1.2","user":"U0","bot_id":"B0","app_id":"A111","text":"Requester 0 asks for User Administrator","team":"T111","blocks":[` + strings.Repeat(`{"type":"section","block_id":"a2",`+
		`"text":{"type":"plain_text","text":"Reset the password of a locked-out colleague, ticket 4711","emoji":false}},`, 12) + `{"type":"divider"}]}`
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		body := []byte("payload=" + url.QueryEscape(fmt.Sprintf(`{"type":"block_actions","api_app_id":"A111","trigger_id":"%d","response_url":"https://hooks.slack.com/actions/1","user":{"id":"U1","team_id":"T111"},`+
			`"team":{"id":"T111"},"channel":{"id":"D1"},"container":{"type":"message","message_ts":"1.2","channel_id":"D1"},"message":%s,"actions":[{"type":"button","action_id":"approve","value":"01890000-0000-7000-8000-000000000000"}]}`, n, message)))
		r := httptest.NewRequest("POST", "/slack/interactions", bytes.NewReader(body))
		r.Header = signedAt(time.Now(), testSecret, body)
		r.Header.Set("Content-Type", formType)
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code, w.Body)
		}
	}
}
