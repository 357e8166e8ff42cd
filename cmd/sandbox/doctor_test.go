package main

import (
	"path/filepath"
	"testing"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/cmd/internal/doctor"
)

// The sandbox is a sound installation, which doctor finds while Belay serves.
func TestDoctorFindsTheSandboxSound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg, err := app.Load(filepath.Join(w.dir, "belay.yaml"), nil)
	w.must(err)
	token, err := w.tenant.CLIToken(w.who("frank").OID)
	w.must(err)
	found, err := doctor.Examine(w.ctx(), cfg, doctor.Options{Operator: token, Limit: patience})
	w.must(err)
	w.calls.mu.Lock()
	w.calls.ever = nil // the registration was read by the operator, and not by Belay
	w.calls.mu.Unlock()
	for _, f := range found {
		if f.Verdict == doctor.Fault {
			t.Errorf("%s: %s", f.Check, f.Found)
		}
	}
	if len(found) < 30 {
		t.Errorf("only %d checks", len(found))
	}
}
