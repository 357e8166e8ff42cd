package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/pim/pimtest"
)

// Where nothing was read yet nothing is said to be as it was accepted, and there is nothing
// to export.
func TestDriftBeforeTheFirstReading(t *testing.T) {
	r := newRead(t, "drift: {enabled: true}\nsecurity: {viewers: [\""+person(1)+"\"]}\n")
	r.opens()
	out, errs, code := r.drift("show")
	if code != exitUnseen || !strings.Contains(out, "the tenant was not read yet") {
		t.Errorf("show exits %d: %s%s", code, out, errs)
	}
	if out, errs, code := r.drift("export"); code != exitRefused || out != "" || !strings.Contains(errs, "there is no baseline yet") {
		t.Errorf("export exits %d: %s%s", code, out, errs)
	}
	if out, _, code := r.drift("history"); code != exitOK || strings.Count(out, "\n") != 1 {
		t.Errorf("history exits %d: %s", code, out)
	}
	r = newRead(t, "")
	r.opens()
	if out, _, _ := r.drift("show"); !strings.Contains(out, "drift.enabled is not set") {
		t.Errorf("where it is off, show says %s", out)
	}
}

func (r *read) drift(args ...string) (out, errs string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(r.t.Context(), append([]string{"drift", args[0], "--config", r.file}, args[1:]...), nil, &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// A table has a line for each change, with what it was and is, and nothing that a terminal
// would take for an order.
func TestDriftIsPrinted(t *testing.T) {
	var b bytes.Buffer
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	err := printDrift(&b, app.DriftState{Enabled: true, Read: at, Unseen: []string{"Cannot see the licences."}}, []app.DriftLine{
		{What: "The settings of \x1b[31mX became weaker", Found: at, Weaker: true, Fields: []drift.Different{{Name: drift.MFA, Before: drift.Yes, After: drift.No}},
			By: []pim.Principal{{ID: "m", UPN: "mallory@contoso.example"}}, First: pim.Principal{ID: "oid-only"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"read 2026-11-26T09:00:00Z; baseline as it was read first, accepted by nobody", "Cannot see the licences.", "mfa: yes -> no", "mallory@contoso.example", "oid-only", "2026-11-26T09:00:00Z  yes"} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("%q is not in\n%s", text, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("%q", b.String())
	}
}

// What was read too long ago, or is not read any more, is not as it was accepted.
func TestDriftThatIsLateIsNotAsItWas(t *testing.T) {
	for text, state := range map[string]app.DriftState{
		"nothing was compared for too long": {Enabled: true, Read: time.Unix(1, 0), Late: true, Accepted: true},
		"drift.enabled is not set":          {Read: time.Unix(1, 0), Late: true, Accepted: true},
	} {
		var b bytes.Buffer
		if err := printDrift(&b, state, nil); err != nil || !strings.Contains(b.String(), text) {
			t.Errorf("%v: %s", err, b.String())
		}
		var v *verdict
		if err := driftVerdict(state, nil); !errors.As(err, &v) || v.code != exitUnseen {
			t.Errorf("%v", err)
		}
		if state.Late = false; driftVerdict(state, nil) != nil {
			t.Error("and it exits with 5 when it is not")
		}
	}
}

// A Belay that serves reads the tenant; the commands ask it. The export is the same twice,
// and says what the tenant's settings are.
func TestDriftOfATenant(t *testing.T) {
	r := newRead(t, "drift: {enabled: true}\nsecurity: {viewers: [\""+person(1)+"\"]}\nposture: {azure_scopes: [\""+posRoot+"\"]}\n")
	r.seed()
	stop := r.serves()
	defer stop()
	file := filepath.Join(filepath.Dir(r.file), "baseline.json")
	deadline := time.Now().Add(60 * time.Second)
	for {
		_, errs, code := r.drift("export", "-o", file)
		if code == exitOK {
			if !strings.Contains(errs, "nobody has accepted this baseline yet") {
				t.Errorf("export says %s", errs)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is no baseline: %d %s", code, errs)
		}
	}
	first, err := os.ReadFile(file)
	r.must(err)
	var baseline struct {
		Tenant  string `json:"tenant"`
		Entries []struct {
			What   string            `json:"what"`
			Role   string            `json:"role"`
			Values map[string]string `json:"values"`
		} `json:"entries"`
	}
	r.must(json.Unmarshal(first, &baseline))
	settings := map[string]string{}
	for _, e := range baseline.Entries {
		if e.What == string(drift.Setting) && e.Role == posGA {
			settings = e.Values
		}
	}
	if baseline.Tenant != posTenant || settings["max-duration"] != "PT2H" || settings["approvers"] != person(1)+","+person(2) {
		t.Errorf("%s", first)
	}
	again, _, code := r.drift("export")
	if code != exitOK || again != string(first) {
		t.Errorf("the same baseline is exported otherwise, %d", code)
	}
	out, errs, code := r.drift("show", "--format", "json")
	if code != exitDiffers || !strings.Contains(out, "The first baseline of the tenant") {
		t.Errorf("show exits %d: %s%s", code, out, errs)
	}
}

// opens makes a store in which nothing is.
func (r *read) opens() {
	r.t.Helper()
	cfg, err := app.Load(r.file, nil)
	r.must(err)
	a, err := app.Open(cfg, app.Options{})
	r.must(err)
	r.must(a.Close())
}

// seed makes a role whose settings are strong.
func (r *read) seed() {
	r.t.Helper()
	for n := range 2 {
		r.must(r.AddUser(pimtest.User{ID: person(n + 1), Name: "Somebody", UPN: fmt.Sprintf("p%d@contoso.com", n)}))
	}
	r.must(r.AddRole(pimtest.Role{ID: posGA, Name: "Global Administrator", Policy: strong()}))
}

// serves runs belay serve until stop.
func (r *read) serves() (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	code, log := make(chan int, 1), &lockedBuffer{}
	go func() { code <- run(ctx, []string{"serve", "--config", r.file}, nil, io.Discard, log) }()
	for deadline := time.Now().Add(60 * time.Second); !strings.Contains(log.String(), "Belay serves"); {
		if time.Now().After(deadline) {
			r.t.Fatalf("it does not serve:\n%s", log.String())
		}
		runtime.Gosched()
	}
	return func() {
		cancel()
		if c := <-code; c != exitOK {
			r.t.Errorf("serve exits %d:\n%s", c, log.String())
		}
	}
}
