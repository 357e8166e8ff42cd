package bot_test

import (
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Microsoft lists an eligibility and does not take it yet: the call is made again for
// some minutes. What it does not list is refused at once.
func TestEligibleSinceAMoment(t *testing.T) {
	notYet := func() error { return &pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleEligibility}} }
	t.Run("listed", func(t *testing.T) {
		w := newWorld(t)
		w.link("alice")
		w.ms.Fail("activate", notYet(), notYet())
		w.ask("alice", "reports", "PT1H", "figures")
		w.sees(w.slack, "D-alice", "Asking Microsoft for Reports Reader", "first minutes of a new account or eligibility")
		w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader is active")
	})
	t.Run("listed for long", func(t *testing.T) {
		w := newWorld(t)
		w.link("alice")
		var all []error
		for range 12 {
			all = append(all, notYet())
		}
		w.ms.Fail("activate", all...)
		w.ask("alice", "reports", "PT1H", "figures")
		w.seesLater(10*time.Second, w.slack, "D-alice", "was not activated", "you are not eligible for it")
	})
	t.Run("not listed", func(t *testing.T) {
		w := newWorld(t)
		w.link("alice")
		form := w.says("alice", bot.Command{Text: "reports"})
		w.ms.DropRole("oid-alice", reports.Assignment)
		w.ms.Fail("activate", notYet())
		w.says("alice", bot.Submit{Verb: form.Form.Verb, ID: form.Form.ID, Values: map[string]string{"role": form.Form.Fields[0].Value, "duration": "PT1H", "reason": "figures"}})
		w.sees(w.slack, "D-alice", "was not activated", "you are not eligible for it")
	})
	t.Run("another rule too", func(t *testing.T) {
		w := newWorld(t)
		w.link("alice")
		w.ms.Fail("activate", &pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleEligibility, pim.RuleExpiration}})
		w.ask("alice", "reports", "PT1H", "figures")
		w.sees(w.slack, "D-alice", "was not activated", "you are not eligible for it")
	})
}
