package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/belaybot/belay/cmd/internal/app"
)

// Whoever is too fast reads it in both chats, and nobody else is held up.
func TestTooFast(t *testing.T) {
	t.Parallel()
	w := runConfigured(t, t.TempDir(), manners{}, func(c *app.Config) { c.Limits.ActsPerMinute, c.Limits.ActsBurst = 5, 5 })
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	for range 12 { // a slow machine lets one or two more through
		carol.types("help")
		bob.writes("/elevate help")
	}
	carol.reads("Too fast: nothing was done. Try again in")
	bob.sees("Too fast: nothing was done. Try again in")
	alice.types("help")
	alice.reads("choose a role and ask for it")

	resp, err := http.Get("http://" + w.app.PrivateAddr().String() + "/metrics")
	w.must(err)
	text, err := io.ReadAll(resp.Body)
	w.must(err)
	w.must(resp.Body.Close())
	for _, want := range []string{`belay_limited_total{by="person",platform="slack"}`, `belay_limited_total{by="person",platform="teams"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not counted", want)
		}
	}
}
