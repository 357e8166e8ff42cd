package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// program builds the product's own program.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "belay")
	if out, err := exec.Command("go", "build", "-o", file, "github.com/belaybot/belay/cmd/belay").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// operator runs belay audit on a sandbox.
type operator struct {
	*world
	program string
}

func (w operator) auditing(want int, args ...string) (out, said string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.program, append(append([]string{"audit"}, args...), "--config", filepath.Join(w.dir, "belay.yaml"))...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	code := 0
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		w.must(err)
	}
	if code != want {
		w.t.Fatalf("belay audit %s exits %d, want %d:\n%s%s", strings.Join(args, " "), code, want, o.String(), e.String())
	}
	return o.String(), e.String()
}

// outside serves the simulated services of a sandbox whose Belay does not run.
func outside(t *testing.T, dir string) {
	t.Helper()
	s, err := openWith(dir, "127.0.0.1:0", &logbook{}, manners{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.app.Close(); err != nil {
		t.Fatal(err)
	}
	for _, v := range s.servers {
		if v.pages == nil {
			continue
		}
		server := &http.Server{Handler: v.pages} //nolint:gosec // in a test
		serve := server.Serve
		if v.tls {
			server.TLSConfig = s.ca.config()
			serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := serve(v.listen); !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}()
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			<-done
		})
	}
}

// below opens the store of a Belay that does not run, as somebody with its keys can.
func (w *world) below(do func(tx store.Tx) error) {
	w.t.Helper()
	keys, err := store.LoadKeyFile(filepath.Join(w.dir, "belay", "belay.keys"))
	w.must(err)
	db, err := bolt.Open(filepath.Join(w.dir, "belay", "belay.db"), bolt.Options{})
	w.must(err)
	w.must(store.Seal(db, keys).Update(context.Background(), do))
	w.must(db.Close())
}

// storeHolds counts a text in all records of the store, opened.
func (w *world) storeHolds(text string) (n int) {
	w.t.Helper()
	w.below(func(tx store.Tx) error {
		n = 0
		buckets, err := tx.(store.BucketLister).Buckets()
		if err != nil {
			return err
		}
		for _, b := range buckets {
			if err := tx.Scan(b, nil, nil, func(_, v []byte) error { n += bytes.Count(v, []byte(text)); return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	return n
}

// What people did is verified, exported and compared with what Entra says they did;
// what they did elsewhere is told apart; what they wrote can be erased; and whoever
// changes the trail is found.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := operator{newWorld(t), program(t)}
	alice, bob, carol, dave, frank := w.who("alice"), w.who("bob"), w.who("carol"), w.who("dave"), w.who("frank")
	alice.linksSlack()
	bob.linksTeams()
	carol.linksSlack()
	dave.linksSlack()
	alice.asks("user admin 1h canary-one")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin + " is active")
	dave.types("vault 1h canary-vault")
	dave.sendsTicked(dave.sits(vault + " needs approval by Carol Clark."))
	carol.presses("deny", "Dave Davis asks for "+vault)
	carol.sends(carol.form("Reason"), map[string]string{"reason": "canary-no"})
	dave.until("5s", vault+" was denied")
	alice.asks("contributor 1h canary-azure")
	const production = contributor + " (subscription Production)"
	bob.taps("Approve", "Alice Adams asks for "+production)
	alice.reads(production + " is active")
	w.pass("6m")
	alice.presses("stop", userAdmin+" is active")
	alice.reads(userAdmin + " has ended")
	w.pass("30m")

	if out, _ := w.auditing(0, "verify"); !strings.Contains(out, "the audit trail is whole") {
		t.Errorf("verify: %s", out)
	}
	out, _ := w.auditing(0, "reconcile")
	if !strings.Contains(out, " 0 were made elsewhere") || !strings.Contains(out, " 0 are missing") || !strings.Contains(out, "acts on Azure resource roles were not compared") {
		t.Errorf("reconcile: %s", out)
	}
	var sum struct{ Sum struct{ Compared, Azure int } }
	out, _ = w.auditing(0, "reconcile", "--json")
	if err := json.Unmarshal([]byte(out), &sum); err != nil || sum.Sum.Compared < 6 || sum.Sum.Azure < 2 {
		t.Errorf("reconcile --json: %v, %s", err, out)
	}

	// Decided in the portal: both logs have it, and the decision is told apart.
	alice.asks("user admin 1h canary-two")
	bob.sees("Alice Adams asks for "+userAdmin, "canary-two")
	frank.portals(deed{Do: "approve", Request: w.pendingRequest(), Reason: "canary-portal"})
	alice.until("5s", userAdmin+" is active", "Approved by Frank Fox, in Entra.")
	w.pass("20m")
	out, _ = w.auditing(0, "reconcile")
	if !strings.Contains(out, " 1 were made elsewhere") || !strings.Contains(out, "approved: User Administrator of "+alice.OID+", by Frank Fox ("+frank.OID+")") ||
		!strings.Contains(out, "Made elsewhere") {
		t.Errorf("reconcile after a decision in the portal: %s", out)
	}
	// Activated in the portal and over before anybody looked: Belay has nothing of it.
	w.seenOverOnly(alice)
	out, said := w.auditing(4, "reconcile")
	if !strings.Contains(out, "not in Belay") || !strings.Contains(out, "Belay knows no such request") || strings.Contains(out, "  not in Entra  ") || !strings.Contains(said, "the two logs differ") {
		t.Errorf("reconcile after what Belay could not see: %s%s", out, said)
	}

	// Until a moment that was skipped, so that nothing is added while three exports run.
	until := w.clock.Now().Add(-5 * time.Minute).UTC().Format(time.RFC3339)
	lines, _ := w.auditing(0, "export", "--until", until)
	table, _ := w.auditing(0, "export", "--until", until, "--format", "csv")
	events, _ := w.auditing(0, "export", "--until", until, "--format", "ocsf")
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	w.must(err)
	if n := strings.Count(lines, "\n"); n < 30 || len(rows) != n+1 || strings.Count(events, "\n") != n {
		t.Errorf("%d lines, %d rows, %d events", n, len(rows), strings.Count(events, "\n"))
	}
	for _, text := range []string{"canary-one", "canary-vault", "canary-no", "canary-azure", "canary-two", "canary-portal", "Alice Adams"} {
		if !strings.Contains(lines, text) || !strings.Contains(table, text) || !strings.Contains(events, text) {
			t.Errorf("%s is not in every export", text)
		}
	}
	for _, class := range []string{`"type_uid":300401`, `"type_uid":300403`, `"type_uid":300501`, `"type_uid":300502`, `"type_uid":300101`, `"type_uid":300201`} {
		if !strings.Contains(events, class) {
			t.Errorf("no event has %s", class)
		}
	}
	if out, _ = w.auditing(0, "export", "--format", "ocsf", "--kind", "operator"); strings.Count(out, `"type_uid":600302`) < 3 {
		t.Errorf("the exports are on record as %s", out)
	}
	if strings.Contains(events, `"class_uid":0`) {
		t.Error("an event has no class")
	}

	// All that Alice asked for is over now.
	alice.until("5s", production+" has ended")
	alice.until("5s", userAdmin+" has ended", "canary-two")

	// Erased while it serves; what Dave wrote and Carol told him stays.
	if out, _ = w.auditing(0, "erase", "--person", alice.OID, "--yes"); !strings.Contains(out, "of 3 finished requests") {
		t.Errorf("erase: %s", out)
	}
	lines, _ = w.auditing(0, "export")
	for text, want := range map[string]bool{"canary-one": false, "canary-two": false, "canary-azure": false, "canary-portal": false, "Alice Adams": false, "canary-vault": true, "canary-no": true} {
		if strings.Contains(lines, text) != want {
			t.Errorf("the export after the erasure has %s: %v", text, !want)
		}
	}
	w.auditing(0, "verify", "--checkpoint", w.checkpointFile())

	w.end()
	for text, want := range map[string]bool{"canary-one": false, "canary-two": false, "canary-azure": false, "canary-portal": false, "canary-vault": true, "canary-no": true} {
		if n := w.storeHolds(text); n > 0 != want {
			t.Errorf("the store holds %s %d times", text, n)
		}
	}
	// The same on the store itself, while no Belay serves.
	outside(t, w.dir)
	w.auditing(0, "verify", "--checkpoint", w.checkpointFile())
	if out, _ := w.auditing(0, "reconcile", "--since", "24h", "--json"); !strings.Contains(out, `"sum"`) {
		t.Errorf("reconcile where none serves: %s", out)
	}
	w.below(func(tx store.Tx) error {
		v, err := tx.Get("trail", []byte("000000000000000c"))
		if err != nil {
			return err
		}
		forged := bytes.Replace(v, []byte(`"outcome":"`), []byte(`"outcome":"not `), 1)
		if bytes.Equal(forged, v) {
			return fmt.Errorf("event 12 is %s", v)
		}
		return tx.Put("trail", []byte("000000000000000c"), forged)
	})
	if _, said := w.auditing(4, "verify"); !strings.Contains(said, "from index 12 on") {
		t.Errorf("verify after event 12 was changed: %s", said)
	}
}

// pendingRequest is Microsoft's id of the one request that waits.
func (w *world) pendingRequest() (id string) {
	w.t.Helper()
	for _, r := range w.tenant.State().Requests {
		if r.Status == "PendingApproval" {
			if id != "" {
				w.t.Fatal("two requests wait")
			}
			id = r.ID
		}
	}
	if id == "" {
		w.t.Fatal("nothing waits")
	}
	return id
}

// seenOverOnly activates a role in the portal that nobody has to approve, and lets it
// be over at once.
func (w *world) seenOverOnly(h human) {
	w.t.Helper()
	h.portals(deed{Do: "activate", Kind: "role", Role: roleMessages, Scope: "/", Duration: "30m"})
	w.pass("50m")
}

// checkpointFile is a file with the newest checkpoint that Belay logged.
func (w *world) checkpointFile() string {
	w.t.Helper()
	log := w.logs.String()
	from := strings.LastIndex(log, `checkpoint="`)
	if from < 0 {
		w.t.Fatal("no checkpoint was logged")
	}
	line, _, _ := strings.Cut(log[from+len("checkpoint="):], "\n")
	var text string
	w.must(json.Unmarshal([]byte(line), &text))
	file := filepath.Join(w.t.TempDir(), "checkpoint")
	w.must(os.WriteFile(file, []byte(text), 0o600))
	return file
}
