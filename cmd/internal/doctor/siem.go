package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/adapters/siem/target"
	"github.com/belaybot/belay/cmd/internal/app"
)

func hasTargets(c app.Config) bool {
	s := c.SIEM
	return s.File.Path != "" || s.Syslog.Address != "" || s.Splunk.URL != "" || s.Azure.Endpoint != "" || s.Webhook.URL != "" || s.OTLP.URL != ""
}

// destination is what a look at a target found.
type destination struct {
	name  string
	host  string
	found target.Checked
	err   error
}

// siem prepares the looks at the targets of the audit trail.
func (v *visit) siem(ctx context.Context) {
	v.targets = sync.OnceValues(func() ([]destination, error) {
		all, err := v.cfg.Destinations(v.http, io.Discard)
		if err != nil {
			return nil, err
		}
		looks := make([]destination, len(all))
		var done sync.WaitGroup
		for n, d := range all {
			done.Go(func() {
				looks[n].name, looks[n].host = d.Name, d.Host
				looks[n].found, looks[n].err = d.Check(ctx)
			})
		}
		done.Wait()
		return looks, nil
	})
	v.spool = func() (lines []app.SIEMLine, served bool, err error) {
		served, err = app.Ask(ctx, v.cfg, "/siem/list", struct{}{}, func(raw json.RawMessage) error {
			var l app.SIEMLine
			err := json.Unmarshal(raw, &l)
			lines = append(lines, l)
			return err
		})
		return lines, served, err
	}
}

func (v *visit) siemTargets() says {
	all, err := v.targets()
	if err != nil {
		return fault("they cannot be used: "+err.Error(), "Change what siem in the configuration names.")
	}
	var bad, late, good []string
	mend := ""
	for _, d := range all {
		switch ends := d.found.Until; {
		case d.err != nil:
			said := words(d.err)
			if errors.As(d.err, new(*target.CallError)) {
				said = "at " + d.host + ", " + said
				mend = "Check that address, DNS, and that the firewall or a proxy lets this machine out to it; "
			}
			bad = append(bad, d.name+": "+said)
		case !ends.IsZero() && ends.Sub(v.now()) < renewed:
			late = append(late, fmt.Sprintf("%s: its certificate ends on %s", d.name, ends.UTC().Format(time.DateOnly)))
		default:
			good = append(good, d.name+": "+d.found.Found)
		}
	}
	switch {
	case len(bad) > 0:
		return fault(strings.Join(append(bad, late...), "; "), mend+"docs/siem.md says how each is set up. Nothing is lost meanwhile: it waits in the audit trail.")
	case len(late) > 0:
		return warn(strings.Join(late, "; "), "Renew the certificate of that receiver.")
	}
	return ok(strings.Join(good, "; "))
}

// words are an error in words that repeat no address.
func words(err error) string {
	var status *target.StatusError
	var call *target.CallError
	switch {
	case errors.As(err, &call):
		return call.Words
	case errors.As(err, &status) && err.Error() == status.Error():
		return "it answers " + status.Error()
	}
	return err.Error()
}

// downFor is how long a target may take nothing until that is a fault.
const downFor = 15 * time.Minute

func (v *visit) siemSpool() says {
	lines, served, err := v.spool()
	switch {
	case err != nil:
		return unsure("the Belay that serves does not say", "belay siem list says it.")
	case !served:
		return unsure("no Belay serves from this data directory", "Ask where one serves, or say belay siem list.")
	}
	var all []says
	waiting := 0
	for _, l := range lines {
		if l.Waiting > 0 {
			waiting++
		}
		if l.Lost > 0 {
			all = append(all, fault(fmt.Sprintf("%s: %d events were dropped from the audit trail before it took them, the last on %s", l.Target, l.Lost, l.LostAt.UTC().Format(time.DateOnly)),
				"Make audit.keep longer than the target may be down. belay siem discard "+l.Target+" --yes says that it is known."))
		}
		if len(l.Parked) > 0 {
			all = append(all, warn(fmt.Sprintf("%s refused %d events, which are parked: %s", l.Target, len(l.Parked), l.Parked[len(l.Parked)-1].Why),
				"belay siem list names them; mend the target, and say belay siem retry "+l.Target+"."))
		}
		if !l.Since.IsZero() {
			down := v.now().Sub(l.Since).Round(time.Second)
			text := fmt.Sprintf("%s has taken nothing for %s, and %d events wait: %s", l.Target, down, l.Waiting, l.Why)
			const mend = "Mend what siem.targets finds; everything is delivered then."
			if down >= downFor {
				all = append(all, fault(text, mend))
			} else {
				all = append(all, warn(text, mend))
			}
		}
	}
	if len(all) == 0 {
		return ok(fmt.Sprintf("nothing was refused or lost; %d of %d targets have events to come", waiting, len(lines)))
	}
	return worst(all)
}
