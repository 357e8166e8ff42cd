package target_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/siem/target"
	"github.com/belaybot/belay/store/trail"
)

// linesOf are the whole lines of JSON in text, and how many others there are.
func linesOf(text string) (events []json.RawMessage, others int) {
	for line := range strings.Lines(text) {
		switch {
		case line == "\n":
		case strings.HasSuffix(line, "\n") && json.Valid([]byte(line)):
			events = append(events, json.RawMessage(line))
		default:
			others++
		}
	}
	return events, others
}

// outlet is a standard output. A write of it does not come back before somebody takes it, and
// then does what is next in does: nil, it takes all.
type outlet struct {
	bytes.Buffer
	wrote chan struct{} // a write has begun
	reads chan func(line []byte) (int, error)
}

func (o *outlet) Write(line []byte) (int, error) {
	o.wrote <- struct{}{}
	do := <-o.reads
	if do == nil {
		return o.Buffer.Write(line)
	}
	n, err := do(line)
	o.Buffer.Write(line[:n])
	return n, err
}

// records are the events of a trail.
func (w *world) records() (all []trail.Record) {
	w.t.Helper()
	w.lives(1)
	w.must(w.trail.Read(w.t.Context(), 0, func(r trail.Record) error { all = append(all, r); return nil }))
	return all
}

// Every event has its line, and a start spoils nothing that a kill has left.
func TestStandardOutput(t *testing.T) {
	w := newWorld(t)
	var out bytes.Buffer
	out.WriteString(`{"half":"a li`)
	w.lives(1)
	w.runs(w.feed("one", &target.Stream{Format: format, To: &out}))
	events, others := linesOf(out.String())
	if w.arrived(events); others != 1 {
		t.Errorf("%d lines are none of an event, want the one that was half", others)
	}
}

// Nobody reads: a stop does not wait, and neither does a delivery for ever. The line that was being
// written counts when it was written to its end, and comes once.
func TestStandardOutputThatNobodyReads(t *testing.T) {
	w, out := newWorld(t), &outlet{wrote: make(chan struct{}), reads: make(chan func([]byte) (int, error))}
	s, all := &target.Stream{Format: format, To: out}, w.records()
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-out.wrote
		out.reads <- nil
		<-out.wrote // the second line hangs
		stop()
	}()
	taken, err := s.Send(ctx, all)
	if taken != 1 || !errors.Is(err, context.Canceled) {
		t.Fatalf("a stop: %d taken, %v", taken, err)
	}
	s.Patience = time.Millisecond
	if taken, err := s.Send(t.Context(), all[1:]); taken != 0 || err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Fatalf("still nobody reads: %d taken, %v", taken, err)
	}
	s.Patience = time.Minute
	go func() {
		out.reads <- nil // the line that hung
		for range all[2:] {
			<-out.wrote
			out.reads <- nil
		}
	}()
	if taken, err := s.Send(t.Context(), all[1:]); taken != len(all)-1 || err != nil {
		t.Fatalf("with a reader: %d of %d taken, %v", taken, len(all)-1, err)
	}
	events, others := linesOf(out.String())
	if again := w.arrived(events); again+others != 0 {
		t.Errorf("%d came twice, %d lines are of no event", again, others)
	}
}

// A line that was written in part is ended, and its event comes again as a whole.
func TestHalfALineOfTheStandardOutput(t *testing.T) {
	w, out := newWorld(t), &outlet{wrote: make(chan struct{}, 1000), reads: make(chan func([]byte) (int, error), 1000)}
	s, all := &target.Stream{Format: format, To: out}, w.records()
	full := errors.New("no space left")
	out.reads <- nil
	out.reads <- func(line []byte) (int, error) { return len(line) / 2, full }
	out.reads <- func([]byte) (int, error) { return 0, full }
	close(out.reads) // from then on it takes all
	for _, want := range []int{1, 0, len(all) - 1} {
		taken, err := s.Send(t.Context(), all)
		if taken != want || (err == nil) != (want == len(all)) {
			t.Fatalf("%d taken, want %d, %v", taken, want, err)
		}
		all = all[taken:]
	}
	events, others := linesOf(out.String())
	if again := w.arrived(events); again != 0 || others != 1 {
		t.Errorf("%d came twice, %d lines are of no event", again, others)
	}
}
