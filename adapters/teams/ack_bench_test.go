package teams

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
)

// accepting answers every press with a sentence.
type accepting struct{}

func (accepting) Handle(context.Context, bot.Inbound) (bot.Reply, bot.Later) {
	return bot.Reply{Card: &bot.Card{Title: "Approved", Text: "It is on its way to Microsoft."}}, nil
}

// BenchmarkAcknowledge is what this adapter takes for a press, from its token to its answer.
// What the handler takes is in bot's benchmark of the same name.
//
//	go test ./adapters/teams -run xxx -bench Acknowledge
func BenchmarkAcknowledge(b *testing.B) {
	r := newRig(b, accepting{}, teamstest.Unkind{})
	token := "Bearer " + r.Token(nil, teamstest.KeyCurrent)
	mux := http.NewServeMux()
	r.a.Register(mux)
	body := `{"type":"invoke","name":"adaptiveCard/action","id":"f:%d","timestamp":"2026-11-26T12:00:00.000Z","localTimestamp":"2026-11-26T12:00:00.000+00:00","localTimezone":"Europe/London",` +
		`"serviceUrl":"` + r.a.opts.ServiceURL + `","channelId":"msteams","from":{"id":"29:1-alice","name":"Alice","aadObjectId":"a0000000-0000-4000-8000-000000000001"},` +
		`"conversation":{"conversationType":"personal","tenantId":"` + tenantID + `","id":"a:1-alice"},"recipient":{"id":"28:` + appID + `","name":"Belay"},` +
		`"entities":[{"type":"clientInfo","locale":"en-GB","country":"GB","platform":"Windows","timezone":"Europe/London"}],` +
		`"channelData":{"tenant":{"id":"` + tenantID + `"},"source":{"name":"message"}},"replyToId":"1790000000001","locale":"en-GB",` +
		`"value":{"action":{"type":"Action.Execute","id":"approve","verb":"approve","title":"Approve","data":{"id":"01890000-0000-7000-8000-000000000000","verb":"approve"}},"trigger":"manual"}}`
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		q := httptest.NewRequest(http.MethodPost, "/api/messages", strings.NewReader(fmt.Sprintf(body, n)))
		q.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, q)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "on its way") {
			b.Fatal(w.Code, w.Body)
		}
	}
}
