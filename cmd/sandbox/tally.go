package main

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// tally counts the calls that Belay makes to Microsoft, so that the story can say
// what an activation costs.
type tally struct {
	mu    sync.Mutex
	calls map[string]int // by method and route
	ever  map[string]bool
}

var guid = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// count passes on to next what it counts.
func (t *tally) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		if t.calls == nil {
			t.calls = map[string]int{}
		}
		if t.ever == nil {
			t.ever = map[string]bool{}
		}
		call := r.Method + " " + guid.ReplaceAllString(r.URL.Path, "*")
		t.calls[call]++
		t.ever[call] = true
		t.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// take gives what was counted since the last time.
func (t *tally) take() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.calls
	t.calls = nil
	return taken
}

// sum is the number of all calls.
func sum(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}

// told lists calls, most frequent first.
func told(calls map[string]int) string {
	names := slices.SortedFunc(maps.Keys(calls), func(a, b string) int {
		if calls[a] != calls[b] {
			return calls[b] - calls[a]
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%6d  %s\n", calls[name], name)
	}
	return b.String()
}
