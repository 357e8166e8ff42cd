package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/pim/pimtest"
	audit "github.com/belaybot/belay/store/trail"
)

// Slack says that an approver is deactivated, or a guest from now on: their link and their
// sign-in end, a decision that is not sent is not sent, and the trail says why.
func TestApproverLeavesSlack(t *testing.T) {
	for name, c := range map[string]struct {
		change slacktest.User
		why    string
	}{
		"deactivated":  {slacktest.User{Deleted: true}, "deactivated"},
		"made a guest": {slacktest.User{Guest: true}, "made a guest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			alice, carol := w.who("alice"), w.who("carol")
			alice.linksSlack()
			carol.linksSlack()
			alice.asks("user admin 1h figures")
			carol.reads("Alice Adams asks for " + userAdmin)
			w.fails(1, isApprovalRead, busyFault)
			carol.presses("approve", "Alice Adams asks for "+userAdmin)
			carol.reads("On its way")
			c.change.ID, c.change.Name, c.change.RealName, c.change.Email = carol.Slack, carol.Key, carol.Name, carol.upn()
			out, err := w.slack.ChangeUser(w.ctx(), c.change)
			if err != nil || out.Status != 200 {
				t.Fatalf("user_change is answered %d, %v", out.Status, err)
			}
			if c.change.Guest {
				carol.reads("You are not linked any more", "full members of the workspace only")
			}
			w.pass("10m")
			alice.types("status")
			alice.reads(userAdmin + " waits for approval")
			w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
			w.end()
			if got := w.recorded(audit.Unlinked); !slices.Equal(got, []string{carol.OID + " " + c.why}) {
				t.Errorf("the trail has unlinked: %q", got)
			}
			if got := w.recorded(audit.Ended); !slices.Equal(got, []string{carol.OID + " " + c.why}) {
				t.Errorf("the trail has ended: %q", got)
			}
			if got := w.recorded(audit.Withdrawn); len(got) != 1 || !strings.Contains(got[0], "unlinked") {
				t.Errorf("the trail has withdrawn: %q", got)
			}
		})
	}
}

// An operator ends a person's links while Belay serves: the person is told, in both chats where they have
// both, a decision is not sent, and everybody else goes on.
func TestOperatorRevokes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	belay := program(t)
	links := func(args ...string) string {
		t.Helper()
		var out, said bytes.Buffer
		c := exec.CommandContext(w.ctx(), belay, append(append([]string{"links"}, args...), "--config", filepath.Join(w.dir, "belay.yaml"))...)
		c.Stdout, c.Stderr = &out, &said
		if err := c.Run(); err != nil {
			t.Fatalf("links %v: %v: %s", args, err, said.String())
		}
		return out.String()
	}
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksTeams()
	alice.linksSlack()
	carol.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 1h figures")
	carol.reads("Alice Adams asks for " + userAdmin)
	busy := w.befallen(1, isApprovalRead, busyFault)
	carol.presses("approve", "Alice Adams asks for "+userAdmin)
	carol.reads("On its way")
	for ctx := w.ctx(); busy.Load() == 0; { // or the fault would meet Bob's answer
		if ctx.Err() != nil {
			t.Fatal("Carol's answer is not on its way")
		}
		runtime.Gosched()
	}

	out := links("revoke", "--json", carol.upn())
	for line := range strings.Lines(out) {
		var l struct {
			Link struct{ Platform, Principal string }
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Link.Principal != carol.OID {
			t.Errorf("%v: %s", err, line)
		}
	}
	carol.reads("You are not linked any more", "The people who run Belay ended it", "Link again")
	carol.reads("Your answer was not sent")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})

	if out := links("revoke-all", "--yes"); !strings.Contains(out, "3 links ended") {
		t.Errorf("everybody's: %s", out)
	}
	alice.reads("You are not linked any more")
	alice.sees("You are not linked any more")
	bob.sees("You are not linked any more")
	alice.types("status")
	alice.reads("Sign in with Microsoft")
}

// busyFault lets what is owed stay owed for an hour.
var busyFault = pimtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}
