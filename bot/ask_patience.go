package bot

import (
	"context"
	"time"

	"github.com/belaybot/belay/pim"
)

// aMoment is how long Microsoft may, in all, ask a reading to wait that is made
// patiently.
const aMoment = 3 * time.Second

// patiently reads what somebody waits for who sits before a form, or what is read only
// once: where Microsoft asks to be left alone for a moment, it is asked again after that. Only what reads is made like this;
// what changes something is made again by settle alone.
func patiently(ctx context.Context, read func() error) error {
	for left := aMoment; ; {
		err := read()
		after, told := retryAfter(err)
		if left -= after; pim.CodeOf(err) != pim.CodeThrottled || !told || left < 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(after):
		}
	}
}
