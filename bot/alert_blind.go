package bot

import (
	"errors"

	"github.com/belaybot/belay/pim"
)

// sees notes whether what a detector reads can be read. What cannot be seen is told to
// whoever lists alerts: silence must not look like all clear.
func (b *Bot) sees(d Detector, err error) {
	code := pim.Code("")
	if err != nil {
		if code = pim.CodeOf(err); code == pim.CodeThrottled {
			return // it is read a little later
		}
	}
	b.mu.Lock()
	before := b.unseen[d]
	if err == nil {
		delete(b.unseen, d)
	} else {
		b.unseen[d] = code
	}
	b.mu.Unlock()
	blind := b.o.Metrics.blind.WithLabelValues(string(d))
	if blind.Set(0); err != nil {
		blind.Set(1)
	}
	if err != nil && before != code && (code == pim.CodeForbidden || code == pim.CodeLicense) {
		b.o.Log.Warn("a detector of alerts cannot see what it looks for", "what", string(d), "code", code, "error", err)
	}
}

// unseenNotes are the sentences about what alerts cannot see now.
func (b *Bot) unseenNotes() (notes []string) {
	if b.o.Alerts == nil {
		return nil
	}
	if b.o.Alerts.on(AlertGlass) && len(b.o.Alerts.BreakGlass) == 0 {
		notes = append(notes, sayNoGlass)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range Detectors {
		if code, blind := b.unseen[d]; blind && b.o.Alerts.on(d) {
			notes = append(notes, sayUnseen(d, code))
		}
	}
	return notes
}

// throttlesLast joins errors so that one by which nothing can be seen is not hidden by one
// that passes.
func throttlesLast(all ...error) error {
	var pass, stay []error
	for _, err := range all {
		if pim.CodeOf(err) == pim.CodeThrottled {
			pass = append(pass, err)
		} else {
			stay = append(stay, err)
		}
	}
	return errors.Join(append(stay, pass...)...)
}
