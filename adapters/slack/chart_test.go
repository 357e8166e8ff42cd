package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

// trend is a card with a chart of so many days and lines.
func trend(days, lines int) bot.Card {
	c := bot.Chart{Title: strings.Repeat("Numbers ", 20), Text: "They went up."}
	for range lines {
		c.Series = append(c.Series, strings.Repeat("the same long name ", 5))
	}
	for n := range days {
		c.Points = append(c.Points, bot.Point{Day: time.Date(2025, 1, 1+n, 0, 0, 0, 0, time.UTC), Values: slices.Repeat([]int{n}, lines)})
	}
	return bot.Card{Title: "T", Chart: &c}
}

// charts are the charts among blocks, and how often the words of one are there.
func charts(blocks []slackgo.Block) (all []*slackgo.DataVisualizationBlock, words int) {
	for _, b := range blocks {
		switch b := b.(type) {
		case *slackgo.DataVisualizationBlock:
			all = append(all, b)
		case *slackgo.ContextBlock:
			raw, err := json.Marshal(b)
			if err == nil && strings.Contains(string(raw), "They went up.") {
				words++
			}
		}
	}
	return all, words
}

// A chart obeys Slack's limits, whatever it holds, and its words are always there: also
// where Slack draws none, which is in a view, beyond the second, and where room is scarce.
func TestChartsObeySlacksLimits(t *testing.T) {
	crowded := trend(20, 2)
	for range 4 {
		crowded.Actions = append(crowded.Actions, bot.Action{Label: "x", URL: "https://example.com/" + strings.Repeat("x", 2900)})
	}
	short := trend(3, 2)
	short.Chart.Points[1].Values = []int{1} // a value is missing
	for name, tc := range map[string]struct {
		cards  []bot.Card
		in     room
		charts int
		words  int
	}{
		"two days":             {[]bot.Card{trend(2, 2)}, inMessage, 1, 1},
		"twenty days":          {[]bot.Card{trend(20, 6)}, inMessage, 1, 1},
		"more days and lines":  {[]bot.Card{trend(400, 9)}, inMessage, 1, 1},
		"no days":              {[]bot.Card{trend(0, 2)}, inMessage, 0, 1},
		"no lines":             {[]bot.Card{trend(2, 0)}, inMessage, 0, 1},
		"a value that is none": {[]bot.Card{short}, inMessage, 0, 1},
		"three cards":          {[]bot.Card{trend(2, 1), trend(2, 1), trend(2, 1)}, inMessage, 2, 3},
		"a view":               {[]bot.Card{trend(2, 1)}, inView, 0, 1},
		"no room":              {[]bot.Card{crowded}, inMessage, 0, 1},
	} {
		b := tc.in.fit(tc.cards)
		got, words := charts(b)
		if len(got) != tc.charts || words != tc.words || sizeOf(b) > tc.in.size {
			t.Errorf("%s: %d charts and the words %d times, want %d and %d; %d characters", name, len(got), words, tc.charts, tc.words, sizeOf(b))
		}
		for _, c := range got {
			if err := c.Validate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if c := trend(400, 9); len(blocks(c)) == 0 || len(c.Chart.Points) != 400 || len(c.Chart.Series[0]) < maxChartLabel {
		t.Error("rendering changed the card")
	}
}

// A workspace that has no charts yet gets the words, in every way in which a card is sent, and what is refused
// for another reason is not sent twice.
func TestAWorkspaceWithoutChartsGetsWords(t *testing.T) {
	var sent []string
	refuse := "invalid_blocks"
	a := against(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		text := r.PostForm.Get("blocks")
		if sent = append(sent, text); strings.Contains(text, "data_visualization") {
			fmt.Fprintf(w, `{"ok":false,"error":%q}`, refuse)
			return
		}
		fmt.Fprint(w, `{"ok":true,"channel":"C1","ts":"1.2","message_ts":"1.2"}`)
	})
	at := place("T111", "C1", "")
	ways := map[string]func() error{
		"post":    func() error { _, err := a.Post(t.Context(), at, "key", trend(3, 2)); return err },
		"update":  func() error { return a.Update(t.Context(), bot.Message{Conversation: at, ID: "1.2"}, trend(3, 2)) },
		"whisper": func() error { return a.Whisper(t.Context(), at, bot.User{ID: "U1"}, trend(3, 2)) },
		"write":   func() error { return a.write(t.Context(), bot.User{ID: "U1"}, trend(3, 2)) },
	}
	for name, way := range ways {
		sent = nil
		if err := way(); err != nil || len(sent) != 2 || !strings.Contains(sent[1], "They went up.") {
			t.Errorf("%s: %v, %q", name, err, sent)
		}
	}
	refuse = "channel_not_found"
	for name, way := range ways {
		sent = nil
		if err := way(); err == nil || name != "whisper" && len(sent) != 1 { // a whisper goes on to the direct message
			t.Errorf("%s: %v after %d calls", name, err, len(sent))
		}
	}
}
