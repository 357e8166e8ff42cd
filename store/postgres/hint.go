package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// hints tell other processes that something was written. They are sent after the commit
// and outside of it, at most ten times a second: a NOTIFY inside would make
// all commits wait for each other. One that is lost costs nothing but the time until
// whoever hoped for it looks by itself.
type hints struct {
	buckets []string
	channel string
	own     string        // says which notifications are this process's
	heard   chan struct{} // holds one token
	due     chan struct{} // likewise
}

const hintPause = 100 * time.Millisecond

func newHints(schema string, buckets []string) *hints {
	return &hints{buckets: buckets, channel: "belay " + schema, own: uuid.NewString(), heard: make(chan struct{}, 1), due: make(chan struct{}, 1)}
}

func (h *hints) about(bucket string) bool { return slices.Contains(h.buckets, bucket) }

func (h *hints) say() { nudge(h.due) }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Hints gets a token when another process wrote to a bucket of Options.Hint. It may
// miss any: what it hints at must be looked for all the same.
func (s *Store) Hints() <-chan struct{} { return s.hints.heard }

// tell sends hints until the store is closed.
func (s *Store) tell() {
	for {
		select {
		case <-s.life.Done():
			return
		case <-s.hints.due:
		}
		if !s.pause(hintPause) { // by then this process has most often taken it up itself
			return
		}
		ctx, cancel := context.WithTimeout(s.life, s.opt.limits.call)
		_, _ = s.pool.Exec(ctx, "select pg_notify($1, $2)", s.hints.channel, s.hints.own) // only a hint
		cancel()
	}
}

// listen hears hints until the store is closed. A connection that is lost is made again.
func (s *Store) listen() {
	for {
		s.hear()
		if !s.pause(time.Second) {
			return
		}
	}
}

func (s *Store) hear() {
	ctx, cancel := context.WithTimeout(s.life, s.opt.limits.call)
	conn, err := s.connect(ctx)
	cancel()
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = conn.Close(ctx) // it is gone either way
		cancel()
	}()
	if _, err := conn.Exec(s.life, "listen "+pgx.Identifier{s.hints.channel}.Sanitize()); err != nil {
		return
	}
	nudge(s.hints.heard) // for what was missed meanwhile
	for {
		n, err := conn.WaitForNotification(s.life)
		if err != nil {
			return
		}
		if n.Payload != s.hints.own {
			nudge(s.hints.heard)
		}
	}
}

// pause tells whether the store is still open afterwards.
func (s *Store) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.life.Done():
		return false
	case <-t.C:
		return true
	}
}
