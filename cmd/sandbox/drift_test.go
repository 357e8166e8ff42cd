package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/belaybot/belay/cmd/internal/app"
)

// driftLines asks the Belay that serves, as belay drift does.
func (w *world) driftLines(path string) (lines []string) {
	w.t.Helper()
	w.must(app.Operate(w.ctx(), w.config(), w.log, path, struct{}{}, func(line json.RawMessage) error {
		lines = append(lines, string(line))
		return nil
	}))
	return lines
}

// An administrator weakens a role: both channels hear of it with who it was, across a
// restart; two people accept it, each in their own chat; and the commands say so.
func TestDriftIsToldAndAcceptedByTwo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := runWorld(t, dir, manners{compares: true})
	w.who("frank").linksSlack()
	const weaker = "The settings of Helpdesk Administrator became weaker"
	w.alarmed("The first baseline of the tenant", "Nobody has accepted this baseline yet")
	if state := w.driftLines("/drift/show")[0]; !holds(state, `"accepted":false`, `"unseen":null`) {
		t.Errorf("belay drift show says %s", state)
	}
	w.who("frank").useAlert("accept", "The first baseline")
	w.alarmed("The first baseline of the tenant", "Accepted by Frank Fox")
	accepted := w.driftLines("/drift/export")[0]
	w.must(w.weakens(roleHelpdesk))
	w.pass("1m")
	w.alarmed(weaker, "4 hours → 12 hours", "Justification", "required → not required")
	w.end()
	w = runWorld(t, dir, manners{compares: true})
	w.pass("3m")
	w.alarmed(weaker, "Changed by", "Break Glass (break-glass@contoso.example)")
	w.who("frank").useAlert("accept", weaker)
	w.alarmed(weaker, "Accepted by Frank Fox", "a second person has to confirm it", "Confirm")
	if now := w.driftLines("/drift/export")[0]; now != accepted {
		t.Error("one person moved the baseline")
	}
	if out, err := w.slack.Press(w.ctx(), w.who("frank").Slack, slackSecurity, w.alerts(weaker)[0].TS, "accept"); err != nil {
		t.Errorf("%+v %v", out, err)
	}
	w.who("bob").linksTeams()
	w.who("bob").tapAlert("Confirm", nil, weaker)
	w.alarmed(weaker, "Accepted by Frank Fox", "Confirmed by Bob Brown")
	if n := len(w.alerts(weaker)); n > 2 { // one that is shown to Frank alone stands beside it
		t.Errorf("Slack shows it %d times", n)
	}
	if now := w.driftLines("/drift/export")[0]; now == accepted || !strings.Contains(now, "PT12H") {
		t.Error("the baseline is not as it was accepted")
	}
	if lines := w.driftLines("/drift/history"); len(lines) != 2 || !holds(lines[1], "became weaker", w.who("bob").OID, w.who("frank").OID) {
		t.Errorf("the history is %q", lines)
	}
	if lines := w.driftLines("/drift/show"); len(lines) != 1 || !holds(lines[0], `"accepted":true`) {
		t.Errorf("belay drift show says %q", lines)
	}
}

// What comes and goes again is told, and closed by itself; who may see the posture reads
// it in chat.
func TestDriftThatGoesBack(t *testing.T) {
	t.Parallel()
	w := runWorld(t, t.TempDir(), manners{compares: true})
	carol := w.who("carol")
	carol.linksSlack()
	w.alarmed("The first baseline of the tenant")
	const told = "Dave Davis became eligible for User Administrator"
	w.must(w.tenant.PortalEligible(breakGlass, w.who("dave").OID, roleUsers, "/"))
	w.pass("1m")
	w.alarmed(told, "Before", "nothing", "eligible, without an end", "Accept")
	carol.types("drift")
	carol.reads("What is not as it was accepted", "2 changes wait")
	w.must(w.tenant.PortalNotEligible(breakGlass, w.who("dave").OID, roleUsers, "/"))
	w.pass("1m")
	w.alarmed(told, "It is as it was again")
}
