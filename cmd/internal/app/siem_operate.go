package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail/feed"
)

// SIEMLine is one line of the output of /siem/list: a target and where it stands.
type SIEMLine struct {
	Target  string        `json:"target"`
	Waiting uint64        `json:"waiting"`         // events that it does not have yet
	Oldest  time.Time     `json:"oldest,omitzero"` // when the first of them happened
	Taken   time.Time     `json:"taken,omitzero"`  // when it took something last
	Lost    uint64        `json:"lost,omitempty"`  // events that were dropped from the trail before it took them
	LostAt  time.Time     `json:"lostAt,omitzero"`
	Since   time.Time     `json:"since,omitzero"` // since when it takes nothing
	Tries   int           `json:"tries,omitempty"`
	Why     string        `json:"why,omitempty"`
	Parked  []feed.Parked `json:"parked,omitempty"` // what it refused
	Begun   bool          `json:"begun"`            // false: nobody has delivered to it yet
}

func listSIEM(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	for _, d := range a.targets {
		s, err := feed.Stand(ctx, a.sealed, a.trail, d.Name, true)
		if err != nil {
			return err
		}
		if err := emit(SIEMLine{Target: s.Name, Waiting: s.Waiting, Oldest: s.Oldest, Taken: s.Taken, Lost: s.Lost, LostAt: s.LostAt, Since: s.Since,
			Tries: s.Tries, Why: s.Why, Parked: s.Parked, Begun: s.Begun}); err != nil {
			return err
		}
	}
	return nil
}

// SIEMParked is the input of /siem/retry and /siem/discard: which parked events.
type SIEMParked struct {
	Target string `json:"target"`
	Event  string `json:"event,omitempty"` // its id; empty: all of the target
}

// SIEMDone is the output of both.
type SIEMDone struct {
	Events int `json:"events"`
}

func retrySIEM(ctx context.Context, a *App, by operator, in json.RawMessage, emit func(any) error) error {
	return a.parked(ctx, by, "siem retry", in, feed.Retry, emit)
}

func discardSIEM(ctx context.Context, a *App, by operator, in json.RawMessage, emit func(any) error) error {
	return a.parked(ctx, by, "siem discard", in, feed.Discard, emit)
}

// parked does something with parked events, and records it with what it did.
func (a *App) parked(ctx context.Context, by operator, verb string, in json.RawMessage, do func(tx store.Tx, name, id string) (int, error), emit func(any) error) error {
	which, err := input[SIEMParked](in)
	if err != nil {
		return err
	}
	var names []string
	for _, d := range a.targets {
		names = append(names, d.Name)
	}
	switch {
	case len(names) == 0:
		return refused("no target is configured: siem in the configuration has none")
	case !slices.Contains(names, which.Target):
		return refused("%.40q is no target that is configured; there is %s", which.Target, strings.Join(names, ", "))
	}
	e := by.event(verb, a.now())
	n := 0
	err = a.sealed.Update(ctx, func(tx store.Tx) error {
		var err error
		if n, err = do(tx, which.Target, which.Event); err != nil || n == 0 {
			return err
		}
		e.More = map[string]string{"target": which.Target, "events": strconv.Itoa(n)}
		return a.trail.Append(tx, e)
	})
	switch {
	case err != nil:
		return err
	case n == 0 && which.Event != "":
		return refused("no event with this id is parked for %s", which.Target)
	}
	return emit(SIEMDone{n})
}

// Ask has the Belay that serves do an operation; served is false if none does, and then nothing was done.
func Ask(ctx context.Context, cfg Config, path string, in any, each func(json.RawMessage) error) (served bool, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return false, err
	}
	resp, err := cfg.control(ctx, path, body)
	if resp == nil || err != nil {
		return resp != nil, err
	}
	defer resp.Body.Close()
	if err := lines(resp, path, each); err != nil {
		return true, fmt.Errorf("the Belay that serves: %w", err)
	}
	return true, nil
}
