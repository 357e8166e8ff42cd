package bot_test

import (
	"context"
	"strings"
	"testing"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
)

// cutOff is a store of which every reading lasts until the stop.
type cutOff struct{ store.Store }

func (cutOff) View(ctx context.Context, _ func(store.Tx) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// What a stop cuts off is begun again at the next start: that is nothing to tell the
// operator of.
func TestStopIsNoFault(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.change = func(o *bot.Options) { o.Store = cutOff{o.Store} }
	w.start()
	w.stop()
	if logs := w.logs.String(); strings.Contains(logs, "level=ERROR") || strings.Contains(logs, "level=WARN") {
		t.Errorf("the operator is told of a stop:\n%s", logs)
	}
}
