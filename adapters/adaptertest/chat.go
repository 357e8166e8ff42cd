package adaptertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/google/go-cmp/cmp"
)

// specimen is a fresh copy of the card or form with that name.
func specimen(t *testing.T, name string) bottest.Specimen {
	t.Helper()
	for _, s := range bottest.Specimens() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no specimen %q", name)
	return bottest.Specimen{}
}

// post posts c in to under a key of its own.
func post(t *testing.T, h Harness, to bot.Conversation, key string, c bot.Card) bot.Message {
	t.Helper()
	m, err := h.Chat().Post(context.Background(), to, key, c)
	if err != nil {
		t.Fatalf("post: %v", err)
	}
	if m.ID == "" || m.Conversation.ID == "" {
		t.Fatalf("post returned %+v, which nobody could find again", m)
	}
	if m.Conversation.Platform != to.Platform || m.Conversation.Tenant != to.Tenant || m.Conversation.Private != to.Private {
		t.Errorf("posted to %+v, but the message is in %+v", to, m.Conversation)
	}
	return m
}

// chatError is err as the error of that operation with that code.
func chatError(t *testing.T, h Harness, err error, op string, code bot.ChatCode) *bot.ChatError {
	t.Helper()
	var e *bot.ChatError
	if !errors.As(err, &e) {
		t.Fatalf("%s returned %v, want a *bot.ChatError", op, err)
	}
	if e.Op != op || e.Code != code || e.Platform != h.Alice().Platform {
		t.Errorf("got %s %s %s, want %s %s %s", e.Platform, e.Op, e.Code, h.Alice().Platform, op, code)
	}
	return e
}

func postIsVisible(t *testing.T, h Harness, s *script) {
	card := *specimen(t, "approval").Card
	for _, to := range []bot.Conversation{h.Channel(), h.Private(h.Alice())} {
		got := shown(t, h, post(t, h, to, "key-"+to.ID, card))
		reads(t, got, card.Title, card.Text, card.Note, "Scope", "Directory", "Reset the password of a locked-out colleague", "Decide before")
		inert(t, got)
		for _, a := range card.Actions {
			if b := action(t, got, a.Label); b.URL != a.URL {
				t.Errorf("button %q leads to %q, want %q", a.Label, b.URL, a.URL)
			}
		}
	}
	none(t, s)
}

func updateReplaces(t *testing.T, h Harness, _ *script) {
	m := post(t, h, h.Channel(), "key", *specimen(t, "approval").Card)
	card := *specimen(t, "approved").Card
	if err := h.Chat().Update(context.Background(), m, card); err != nil {
		t.Fatalf("update: %v", err)
	}
	got := shown(t, h, m)
	reads(t, got, card.Title, card.Text, "Active until")
	lacks(t, got, "asks for")
	lacks(t, got, "Decide before")
	if len(got.Actions) != 0 {
		t.Errorf("the buttons of the old card are still there: %+v", got.Actions)
	}
}

func specimensArePosted(t *testing.T, h Harness, _ *script) {
	for _, sp := range bottest.Specimens() {
		if sp.Card == nil {
			continue
		}
		t.Run(sp.Name, func(t *testing.T) {
			m := post(t, h, h.Channel(), "specimen-"+sp.Name, *sp.Card)
			got := shown(t, h, m)
			reads(t, got, sp.Card.Title)
			inert(t, got)
			if err := h.Chat().Update(context.Background(), m, *sp.Card); err != nil {
				t.Errorf("update with the same card: %v", err)
			}
		})
	}
}

func whisperIsPrivate(t *testing.T, h Harness, _ *script) {
	card := *specimen(t, "sign-in").Card
	if err := h.Chat().Whisper(context.Background(), h.Channel(), h.Alice(), card); err != nil {
		t.Fatalf("whisper: %v", err)
	}
	got := shownTo(t, h, h.Alice())
	reads(t, got, card.Title, card.Text, card.Note)
	if a := action(t, got, "Sign in"); a.URL != card.Actions[0].URL {
		t.Errorf("the button leads to %q, want %q", a.URL, card.Actions[0].URL)
	}
	if s, ok := h.ShownTo(h.Bob()); ok {
		t.Errorf("Bob sees it too: %+v", s)
	}
}

func reachFinds(t *testing.T, h Harness, _ *script) {
	for range 2 { // the second time it may come from a cache
		to, err := h.Chat().Reach(context.Background(), h.Principal(h.Bob()))
		if err != nil {
			t.Fatalf("reach: %v", err)
		}
		if !to.Private {
			t.Errorf("reached %+v, which is not private", to)
		}
		m := post(t, h, to, "reach", *specimen(t, "approval").Card)
		reads(t, shown(t, h, m), "Alice Adams asks for User Administrator")
	}
	_, err := h.Chat().Reach(context.Background(), h.Stranger())
	chatError(t, h, err, "reach", bot.ChatUnreachable)
}

func deletedIsGone(t *testing.T, h Harness, _ *script) {
	card := *specimen(t, "approval").Card
	m := post(t, h, h.Channel(), "key", card)
	h.Delete(m)
	chatError(t, h, h.Chat().Update(context.Background(), m, card), "update", bot.ChatGone)
	// The caller posts anew then, under another key, and sees it.
	reads(t, shown(t, h, post(t, h, h.Channel(), "key-2", card)), card.Title)
}

func nowhereIsUnreachable(t *testing.T, h Harness, _ *script) {
	_, err := h.Chat().Post(context.Background(), h.Nowhere(), "key", *specimen(t, "approval").Card)
	e := chatError(t, h, err, "post", bot.ChatUnreachable)
	if e.Ambiguous {
		t.Error("a refused post is called ambiguous")
	}
}

func throttlingIsTyped(t *testing.T, h Harness, _ *script) {
	card := *specimen(t, "approval").Card
	h.Throttle(7 * time.Second)
	_, err := h.Chat().Post(context.Background(), h.Channel(), "key", card)
	e := chatError(t, h, err, "post", bot.ChatThrottled)
	if after, ok := e.RetryAfter(); !ok || after != 7*time.Second {
		t.Errorf("Retry-After is %v, %v, want 7 s", after, ok)
	}
	if e.Ambiguous {
		t.Error("a throttled post is called ambiguous")
	}
	m := post(t, h, h.Channel(), "key", card)

	h.Throttle(3 * time.Second)
	e = chatError(t, h, h.Chat().Update(context.Background(), m, card), "update", bot.ChatThrottled)
	if e.After != 3*time.Second {
		t.Errorf("Retry-After is %v, want 3 s", e.After)
	}
	if err := h.Chat().Update(context.Background(), m, card); err != nil {
		t.Errorf("update after the throttling: %v", err)
	}
}

// invisible are the characters that a reader cannot see and that change what
// they read: zero-width ones and marks of direction.
var invisible = strings.NewReplacer("\u200b", "", "\u200c", "", "\u200d", "", "\u202a", "", "\u202b", "", "\u202c", "", "\u202d", "", "\u202e", "",
	"\u2060", "", "\u2066", "", "\u2067", "", "\u2068", "", "\u2069", "", "\ufeff", "")

func hostileIsInert(t *testing.T, h Harness, _ *script) {
	got := shown(t, h, post(t, h, h.Channel(), "key", *specimen(t, "approval-hostile").Card))
	reads(t, got, invisible.Replace(bottest.Hostile))
	inert(t, got)
	for _, r := range "\u200b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" {
		if strings.ContainsRune(got.Text, r) {
			t.Errorf("%U reached the reader", r)
		}
	}

	// The same in every other place where a string can stand.
	everywhere := bot.Card{Title: bottest.Hostile, Text: bottest.Hostile, Note: bottest.Hostile, Tone: bot.Bad,
		Facts:   []bot.Fact{{Name: bottest.Hostile, Value: "v"}},
		Actions: []bot.Action{{Label: "Show", Verb: bot.VerbShow, ID: "01JREQUEST"}}}
	got = shown(t, h, post(t, h, h.Channel(), "key-2", everywhere))
	inert(t, got)
	if n := strings.Count(got.Text, "<!channel>"); n < 4 {
		t.Errorf("the hostile text can be read in %d of 4 places:\n%s", n, got.Text)
	}
}

func longIsCut(t *testing.T, h Harness, _ *script) {
	got := shown(t, h, post(t, h, h.Channel(), "key", *specimen(t, "approval-long").Card))
	if !utf8.ValidString(got.Text) || strings.ContainsRune(got.Text, utf8.RuneError) {
		t.Error("the text was cut within a rune")
	}
	long := invisible.Replace(bottest.Long)
	for line := range strings.Lines(got.Text) {
		line = invisible.Replace(strings.TrimSuffix(line, "\n"))
		cut, ok := strings.CutSuffix(line, "…")
		if at := strings.Index(cut, "ä€"); ok && at >= 0 {
			if cut = cut[at:]; !strings.HasPrefix(long, cut) {
				t.Error("what is shown is not how the justification begins")
			}
			if n := utf8.RuneCountInString(cut); n < 400 {
				t.Errorf("only %d runes of it are shown", n)
			}
			if diff := cmp.Diff([]string{"Approve", "Deny"}, []string{action(t, got, "Approve").Label, action(t, got, "Deny").Label}); diff != "" {
				t.Error(diff)
			}
			return
		}
	}
	t.Errorf("no line of the card is the justification, cut with an ellipsis:\n%.600s", got.Text)
}
