package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
)

// tells has the audit log tell that somebody changed the settings of User Administrator.
func (w *drifted) tells(who string, at time.Time) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	w.log.lines = append(w.log.lines, pim.Trace{At: at, What: pim.TraceSettings, Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-users"}, By: people[who]})
}

func (w *drifted) fails(code pim.Code) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if w.log.err = nil; code != "" {
		w.log.err = &pim.Error{Op: "traces", Code: code}
	}
}

// Whoever made a change does not get to accept it by having it changed once more, be it by
// somebody else and long after it was found.
func TestWhoMadeAChangeCannotAcceptItWhenItChangedAgain(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Settings[0].MFA = false
	w.tells("carol", w.now().UTC())
	w.reads()
	w.sees(w.slack, "C-ops", "became weaker", "Changed by: Carol Clark")
	w.advance(5 * time.Hour)
	w.reads()
	w.tenant.Settings[0].MaxDuration = 9 * time.Hour
	w.tells("bob", w.now().UTC())
	w.reads()
	m := w.sees(w.slack, "C-ops", "became weaker", "9 hours", "Carol Clark", "Bob Brown", "[Accept]")
	for _, who := range []string{"carol", "bob"} {
		if got := words(*w.inChannel(who, m, "Accept").Card); !strings.Contains(got, "you made it") {
			t.Errorf("%s is told %q", who, got)
		}
	}
}

// Who is named first is not taken for everybody: the log is asked about a change until it
// must have told all.
func TestASecondWhoMadeAChangeIsNamedToo(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Settings[0].MFA = false
	first := w.now().UTC()
	w.tells("carol", first)
	w.reads()
	w.tenant.Settings[0].Approval = false
	second := w.now().UTC()
	w.reads() // the log tells of Carol again, and not of Bob yet
	w.advance(30 * time.Minute)
	w.tells("bob", second)
	w.reads()
	w.sees(w.slack, "C-ops", "became weaker", "Carol Clark", "Bob Brown")
}

// A log that cannot be read for hours is not asked for ever, and is not asked about days.
func TestALogThatCannotBeReadIsGivenUpOn(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.advance(10 * 24 * time.Hour)
	w.tenant.Settings[0].MFA = false
	w.fails(pim.CodeThrottled)
	w.takes()
	_ = w.bot.NameDrift(t.Context())
	if since := w.log.asked; w.now().Sub(since) > 25*time.Hour {
		t.Errorf("the log is asked since %v", since)
	}
	w.advance(3 * time.Hour)
	if err := w.bot.NameDrift(t.Context()); err == nil {
		t.Error("that it cannot be read is not said")
	}
	w.rests()
	w.sees(w.slack, "C-ops", "became weaker", "the directory's audit log could not be read")
	if err := w.bot.NameDrift(t.Context()); err != nil {
		t.Errorf("it is still asked: %v", err)
	}
}
