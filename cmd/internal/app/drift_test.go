package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

const someone = "ca701000-0000-4000-8000-000000000003"

// Settings of drift that cannot be are refused, each with its path; and it is off unless
// somebody wants it.
func TestDriftSettings(t *testing.T) {
	_, err := Load(write(t, good+"\ndrift: {enabled: true, every: 10s, pillars: [entra, clouds]}\n"), nil)
	got := faults(t, err)
	for _, path := range []string{"drift.every: ", "drift.pillars[1]: ", "security.viewers: "} {
		if !strings.Contains(got, path) {
			t.Errorf("%s is not among %s", path, got)
		}
	}
	cfg, err := Load(write(t, good), nil)
	if err != nil || cfg.Drift.Enabled || cfg.Drift.Every != 5*time.Minute || !cfg.Drift.watches(pim.AzureResource) || cfg.drifting(nil) != nil {
		t.Errorf("%v %+v", err, cfg.Drift)
	}
	cfg, err = Load(write(t, good+"\ndrift: {enabled: true, pillars: [groups]}\nsecurity: {viewers: [\""+someone+"\"]}\n"), nil)
	if err != nil || cfg.Drift.watches(pim.EntraRole) || !cfg.Drift.watches(pim.Group) {
		t.Errorf("%v %+v", err, cfg.Drift)
	}
}

// One replica reads, when it is time to, and until it has taken too long; a reading that
// failed is made again at the next time.
func TestOneReplicaComparesTheTenant(t *testing.T) {
	a := opened(t, "\ndrift: {enabled: true}\nsecurity: {viewers: [\""+someone+"\"]}\n")
	now := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	a.now = func() time.Time { return now }
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if did, err := a.drifted(stopped); did || err == nil {
		t.Errorf("with a store that is stopped: %v %v", did, err)
	}
	turnOf := func(turn driftTurn) {
		if err := a.sealed.Update(t.Context(), func(tx store.Tx) error { return driftTurns.Put(tx, "turn", turn) }); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		turn driftTurn
		mine bool
	}{
		"another reads":                 {driftTurn{Owner: "another", Until: now.Add(time.Minute), Next: now.Add(-time.Minute)}, false},
		"it is not time to":             {driftTurn{Next: now.Add(time.Second)}, false},
		"it is":                         {driftTurn{Next: now}, true},
		"another was killed":            {driftTurn{Owner: "another", Until: now, Next: now.Add(-time.Minute)}, true},
		"this one was killed and is up": {driftTurn{Owner: a.owner, Until: now.Add(time.Minute), Next: now.Add(time.Minute)}, true},
	} {
		turnOf(tc.turn)
		mine, err := a.driftTurn(t.Context())
		if err != nil || mine != tc.mine {
			t.Errorf("%s: %v %v", name, mine, err)
		}
		if mine {
			if err := a.endDriftTurn(t.Context(), 0); err != nil {
				t.Error(err)
			}
			if again, err := a.driftTurn(t.Context()); again || err != nil {
				t.Errorf("%s: it is read again at once: %v", name, err)
			}
		}
	}
}

// A reading that takes long is followed by a pause as long, so that it leaves half of what
// Microsoft allows to people.
func TestALongReadingIsFollowedByAPause(t *testing.T) {
	a := opened(t, "\ndrift: {enabled: true}\nsecurity: {viewers: [\""+someone+"\"]}\n")
	now := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	a.now = func() time.Time { return now }
	if mine, err := a.driftTurn(t.Context()); !mine || err != nil {
		t.Fatal(mine, err)
	}
	begun := now
	now = now.Add(20 * time.Minute)
	if err := a.endDriftTurn(t.Context(), now.Sub(begun)); err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{false, true} {
		now = begun.Add(time.Duration(39+n) * time.Minute)
		if mine, err := a.driftTurn(t.Context()); mine != want || err != nil {
			t.Errorf("%v after it began: %v %v", now.Sub(begun), mine, err)
		}
	}
}

// Viewers are who is named, and who is in a group that is; a group that cannot be read
// takes nothing from the others.
func TestWhoAcceptsIsKnownFromTheReading(t *testing.T) {
	a := opened(t, "")
	a.cfg.Security.Viewers = []string{"ALICE", "group", "broken"}
	a.members = func(_ context.Context, id string) ([]string, error) {
		switch id {
		case "group":
			return []string{"Bob"}, nil
		case "broken":
			return nil, errors.New("cannot be read")
		}
		return nil, &pim.Error{Op: "group members", Code: pim.CodeNotFound}
	}
	if got := a.viewers(t.Context()); !slices.Equal(got, []string{"alice", "group", "bob", "broken"}) {
		t.Errorf("%q", got)
	}
}
