//go:build killpoints && unix

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// killAt names the variable that says at which point of its life this process kills itself,
// counted from 1; without it, it lives on. It is there under the build tag killpoints alone.
const killAt = "TEST_KILL_AT"

var (
	dies = func() int64 {
		text := os.Getenv(killAt)
		if text == "" {
			return 0
		}
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			panic(killAt + " must be a number")
		}
		return at
	}()
	seen atomic.Int64 // points so far
)

// point is one at which this process may die. Nothing is run after it: no deferred call, no
// flush.
func point(where, what string) {
	if seen.Add(1) != dies {
		return
	}
	fmt.Fprintf(os.Stderr, "killed %s %s\n", where, what)
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // until the signal is here
}

// mortalStore has a point before each update, and one when it is on disk.
type mortalStore struct{ store.Store }

func mortal(s store.Store) store.Store { return mortalStore{s} }

// Update implements store.Store.
func (s mortalStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	point("before", "a commit")
	err := s.Store.Update(ctx, fn)
	point("after", "a commit")
	return err
}

// mortalCalls has a point before each call to the outside, and one when it had its effect
// there.
type mortalCalls struct{ next http.RoundTripper }

func mortalTransport(next http.RoundTripper) http.RoundTripper { return mortalCalls{next} }

// RoundTrip implements http.RoundTripper.
func (c mortalCalls) RoundTrip(r *http.Request) (*http.Response, error) {
	what := r.Method + " " + r.URL.Host
	if method, of := strings.CutPrefix(r.URL.Path, "/api/"); of { // Slack's; other paths may hold secrets
		what += " " + method
	}
	point("before", what)
	resp, err := c.next.RoundTrip(r)
	point("after", what)
	return resp, err
}

// What a test asks a process that it will kill.
func init() {
	operations["/killpoints/requests"] = everyRequest
	operations["/killpoints/seen"] = func(_ context.Context, _ *App, _ operator, _ json.RawMessage, emit func(any) error) error {
		return emit(seen.Load())
	}
}

// everyRequest gives every request on record, to be held against what the chats show.
func everyRequest(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	given := map[string]bool{}
	return a.trail.Read(ctx, 0, func(r trail.Record) error {
		if r.Request == "" || given[r.Request] {
			return nil
		}
		given[r.Request] = true
		q, err := a.bot.Request(ctx, r.Request)
		if err != nil {
			return err
		}
		return emit(q)
	})
}
