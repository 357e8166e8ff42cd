package bot

import (
	"errors"
	"slices"
	"time"

	"github.com/belaybot/belay/pim"
)

// throttledFor is how long a log may be read too late before that is said.
const throttledFor = 30 * time.Minute

// sees notes whether what a detector reads can be read. What cannot be seen is told to
// whoever lists alerts: silence must not look like all clear. A throttle passes, unless it
// was all that there was for half an hour.
func (b *Bot) sees(d Detector, err error) {
	now := b.o.Now()
	b.mu.Lock()
	since, known := b.throttled[d]
	switch {
	case pim.CodeOf(err) != pim.CodeThrottled:
		delete(b.throttled, d)
	case !known:
		b.throttled[d], since = now, now
	}
	b.mu.Unlock()
	if pim.CodeOf(err) == pim.CodeThrottled && now.Sub(since) < throttledFor {
		return
	}
	b.cannotSee(d, err)
}

// probed notes what came of reading nothing. That this can be done does not end a throttle
// of what is really read.
func (b *Bot) probed(d Detector, err error) {
	b.mu.Lock()
	_, throttled := b.throttled[d]
	throttled = throttled || b.unseen[d] == pim.CodeThrottled
	b.mu.Unlock()
	if pim.CodeOf(err) != pim.CodeThrottled && (err != nil || !throttled) {
		b.cannotSee(d, err)
	}
}

// cannotSee keeps that a detector cannot see, or that it can.
func (b *Bot) cannotSee(d Detector, err error) {
	code := pim.CodeOf(err)
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
	if err != nil && before != code && slices.Contains([]pim.Code{pim.CodeForbidden, pim.CodeLicense, pim.CodeThrottled}, code) {
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
