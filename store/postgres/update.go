package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/belaybot/belay/store"
)

const (
	// attempts bounds how often an update is run that loses its races.
	attempts = 40
	// alone is after how many of them it runs with no other update of this process.
	alone = 3
	// patience is how long a database that is away is tried again: one that
	// changes its primary is often back within that, and the platforms wait three seconds.
	patience = 2 * time.Second
	// persistence is how long races are run again.
	persistence = 10 * time.Second
	firstPause  = 2 * time.Millisecond
	longestWait = 100 * time.Millisecond
)

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if s.waiting.Add(1) > int64(s.opt.MaxWaiting) {
		s.waiting.Add(-1)
		return store.ErrBusy
	}
	defer s.waiting.Add(-1)
	races := 0
	return s.again(ctx, func() error {
		weight := int64(1)
		if races >= alone {
			weight = s.writers
		}
		if err := s.updates.Acquire(ctx, weight); err != nil {
			return err
		}
		defer s.updates.Release(weight)
		err := s.attempt(ctx, fn)
		if contended(err) {
			races++
		}
		return err
	})
}

// again does something until it does not fail for a reason that passes. Nothing of what
// failed so was kept. A cancelled caller is let go between two attempts.
func (s *Store) again(ctx context.Context, do func() error) error {
	began, pause := time.Now(), firstPause
	for n := 1; ; n++ {
		err := do()
		away := isAway(err)
		switch {
		case !away && !contended(err):
			return err
		case away && time.Since(began) > patience, time.Since(began) > persistence, n == attempts:
			return err
		}
		t := time.NewTimer(rand.N(pause)) //nolint:gosec // no secret
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-s.life.Done():
			t.Stop()
			return store.ErrClosed
		case <-t.C:
		}
		pause = min(2*pause, longestWait)
	}
}

// attempt runs the function once and commits. From here on the caller's context no longer
// counts: every round trip has its own limit.
func (s *Store) attempt(ctx context.Context, fn func(store.Tx) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	t := &txn{ctx: context.WithoutCancel(ctx), s: s, conn: conn.Conn(), writable: true}
	w, err := s.run(conn, t, fn)
	if !errors.Is(err, errLostInCommit) {
		return err
	}
	return s.settle(t.ctx, w, err)
}

// run is attempt without the question of what became of a commit; the connection is given back.
func (s *Store) run(conn *pgxpool.Conn, t *txn, fn func(store.Tx) error) (witness, error) {
	defer func() { // also when the function panics, or ends the goroutine
		t.done = true
		s.undo(conn)
	}()
	err := fn(t)
	if t.fault != nil {
		return witness{}, t.fault // what the function made of it was made of nothing
	}
	if err != nil {
		return witness{}, err
	}
	return t.commit()
}
