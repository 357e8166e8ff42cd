package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// onStore runs belay store on a sandbox.
func (w operator) onStore(args ...string) string {
	w.t.Helper()
	args = append([]string{"store"}, args...)
	if args[1] != "backup-key" {
		args = append(args, "--config", filepath.Join(w.dir, "belay.yaml"))
	}
	cmd := exec.CommandContext(w.t.Context(), w.program, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("belay %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), said.String())
	}
	return out.String()
}

// A backup that is made while Belay serves, and restored after the machine was lost:
// what was decided since is not decided again, the card that waits becomes true without
// anybody's sign-in, and people sign in again. (fault 55)
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	w := operator{newWorld(t), program(t)}
	dir := t.TempDir()
	key, file := filepath.Join(dir, "key"), filepath.Join(dir, "belay.backup")
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	bob.linksTeams()
	carol.linksSlack()
	alice.asks("user admin 1h canary-restored")
	bob.sees("Alice Adams asks for " + userAdmin)
	carol.reads("Alice Adams asks for " + userAdmin)
	recipient := strings.TrimSpace(w.onStore("backup-key", key))
	w.onStore("backup", "--to", file, "--recipient", recipient)
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin + " is active")
	w.end()

	for _, lost := range []string{"belay.db", "belay.keys"} {
		w.must(os.Remove(filepath.Join(w.dir, "belay", lost)))
	}
	if out := w.onStore("restore", "--from", file, "--identity", key); !strings.Contains(out, "1 requests were open then") || !strings.Contains(out, "3 sign-ins were dropped") {
		t.Errorf("restore: %s", out)
	}
	raw, err := os.ReadFile(file)
	w.must(err)
	if bytes.Contains(raw, []byte("canary-restored")) {
		t.Error("the backup holds what Alice wrote in clear")
	}

	again := runWorld(t, w.dir, manners{})
	w.world = again
	alice = w.who("alice")
	alice.until("5s", userAdmin+" is active", "canary-restored")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
	// Nobody's sign-in came back.
	alice.types("status")
	alice.presses("stop", userAdmin+" is active")
	alice.reads("Sign in")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
	w.auditing(0, "verify")
	w.onStore("verify")
}
