package target

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/belaybot/belay/store/trail"
)

// Stream is the standard output: a line of JSON for each event, each in a write of its own, which
// counts as taken when it was written to its last byte. Whoever reads a pipe may stop
// reading, and then a write does not come back; so nobody waits for one longer than
// Patience, and a stop waits for none.
type Stream struct {
	Format
	To       io.Writer
	Patience time.Duration // with one line; zero: 10 s

	mu      sync.Mutex
	clean   bool   // what was written ends with a whole line; who was killed may have left half a one
	writing *write // one that did not come back yet
}

// streamPatience is how long a reader may take over one line.
const streamPatience = 10 * time.Second

const slowStream = "the standard output is read too slowly"

// write is the writing of one event's line.
type write struct {
	event string
	done  chan struct{}
	some  bool // something was written
	err   error
}

// Send implements feed.Target.
func (s *Stream) Send(ctx context.Context, events []trail.Record) (taken int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range events {
		if ctx.Err() != nil {
			return taken, &CallError{slowStream, ctx.Err()}
		}
		if taken, err = taken+1, s.line(ctx, r); err != nil {
			return taken - 1, err
		}
	}
	return taken, nil
}

// line has one event written, unless its line is the one that was still being written.
func (s *Stream) line(ctx context.Context, r trail.Record) error {
	if w := s.writing; w != nil {
		if err := s.await(ctx, w); w.event == r.ID || s.writing != nil {
			return err
		}
	}
	_, text := s.event(r)
	text = append(text, '\n')
	if !s.clean { // an empty line spoils nothing
		text = append([]byte("\n"), text...)
	}
	w := &write{event: r.ID, done: make(chan struct{})}
	s.writing = w
	go func() {
		defer close(w.done)
		n, err := s.To.Write(text)
		if err == nil && n < len(text) {
			err = io.ErrShortWrite
		}
		w.some, w.err = n > 0, err
	}()
	return s.await(ctx, w)
}

// await waits for a write; one that does not come back stays the one that is awaited.
func (s *Stream) await(ctx context.Context, w *write) error {
	patience := s.Patience
	if patience == 0 {
		patience = streamPatience
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-w.done:
	case <-ctx.Done():
		return &CallError{slowStream, ctx.Err()}
	case <-late.C:
		return &CallError{"nobody reads the standard output", errors.New("a write did not come back")}
	}
	if s.writing = nil; w.err != nil {
		s.clean = s.clean && !w.some
		return &CallError{"the standard output cannot be written", w.err}
	}
	s.clean = true
	return nil
}

// Check says where the events go: that it is read shows when they are written.
func (s *Stream) Check(context.Context) (Checked, error) {
	return Checked{Found: "the standard output of belay serve"}, nil
}
