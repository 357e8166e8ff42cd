// Package doctor looks at what a Belay needs and says what is wrong with it, and how
// it is mended: the permissions of its application, its credentials, the clocks, the
// apps in Slack and Teams, its directory. It reads only, reaches the hosts of the
// configuration only, and writes nothing to the store, so that it can be asked while
// Belay serves.
//
// Everything is looked at at once and within one time limit: a service that hangs
// delays nothing and is named. What could not be looked at is unknown, which is not
// the same as sound.
package doctor

import (
	"context"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
)

// Verdict is what a check comes to.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Unknown Verdict = "unknown" // it could not be looked at
	Warning Verdict = "warning" // Belay works, but should be mended
	Fault   Verdict = "fault"   // something does not work, or is not safe
)

// Finding is what one check found.
type Finding struct {
	Check   string  `json:"check"` // stays the same from version to version
	Group   string  `json:"group"`
	Looked  string  `json:"looked_at"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`
	Mend    string  `json:"mend,omitempty"` // what to do; empty when nothing is to be done
}

// Options are what the command line adds.
type Options struct {
	// Operator is a token for Microsoft Graph of the person who asks, by which the
	// registration is read: Belay itself may not. Empty: it is tried without.
	Operator string
	// SlackManifest is an app configuration token of Slack of the person who asks, by which
	// the app's manifest is read. Empty: it is not.
	SlackManifest string
	Files         map[string]string // that hold secrets one by one: key → path
	File          string            // the configuration, to look at who may read it; empty: it is not
	Offline       bool              // reach nothing outside
	Limit         time.Duration     // for everything together; 0: ten seconds
	Now           func() time.Time  // wall clock; nil: time.Now
}

// grace is what a check may take to put into words that its time is up.
const grace = 2 * time.Second

// check is one thing to look at.
type check struct {
	id, group, looked string
	local             bool                  // nothing outside is reached
	applies           func(app.Config) bool // nil: always
	do                func(*visit) says
}

// says is a finding without what its check knows.
type says struct {
	verdict     Verdict
	found, mend string
}

func ok(found string) says           { return says{OK, found, ""} }
func fault(found, mend string) says  { return says{Fault, found, mend} }
func warn(found, mend string) says   { return says{Warning, found, mend} }
func unsure(found, mend string) says { return says{Unknown, found, mend} }

// notAsked is the verdict of what is outside, where nothing outside is to be reached.
var notAsked = unsure("not looked at, because --offline was given", "")

// Examine makes every check that applies to cfg, which must be valid.
func Examine(ctx context.Context, cfg app.Config, o Options) ([]Finding, error) {
	if o.Limit <= 0 {
		o.Limit = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	inTime, stop := context.WithTimeout(ctx, o.Limit)
	defer stop()
	late, stopLate := context.WithTimeout(ctx, o.Limit+grace)
	defer stopLate()
	v, err := newVisit(inTime, cfg, o)
	if err != nil {
		return nil, err
	}
	var asked []check
	var answers []chan says
	for _, c := range checks() {
		if c.applies != nil && !c.applies(cfg) {
			continue
		}
		answer := make(chan says, 1) // a check that comes too late finds nobody, and ends
		asked, answers = append(asked, c), append(answers, answer)
		if o.Offline && !c.local {
			answer <- notAsked
			continue
		}
		go func() { answer <- c.do(v) }()
	}
	said := make([]says, len(asked))
	dark := false
	for n, c := range asked {
		var s says
		select {
		case s = <-answers[n]:
		case <-late.Done():
			s = unsure("it took too long", "Try again; what it waits for is among the faults.")
		}
		said[n], dark = s, dark || c.id == network && s.verdict == Fault
	}
	var all []Finding
	for n, c := range asked {
		s := said[n]
		if dark && !c.local && s.verdict == Unknown { // one thing hides many: it is said once
			s = unlit
		}
		all = append(all, Finding{Check: c.id, Group: c.group, Looked: c.looked, Verdict: s.verdict, Found: printable(s.found), Mend: printable(s.mend)})
	}
	return all, nil
}

// Refused is the finding about a configuration that cannot be used: nothing else is
// looked at then.
func Refused(err *app.ConfigError) []Finding {
	var all []Finding
	for _, f := range err.Faults {
		all = append(all, Finding{Check: configuration, Group: "Configuration", Looked: lookedAtConfiguration, Verdict: Fault, Found: printable(f),
			Mend: "Change that key, or its variable in the environment."})
	}
	return all
}
