package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/belaybot/belay/store"
)

// update is one caller of Update while it waits. The caller lends its goroutine:
// it receives the shared transaction on turn, runs its function, and says on ran how
// that went. The last word comes on done.
type update struct {
	ctx  context.Context
	fn   func(store.Tx) error
	turn chan *bbolt.Tx
	ran  chan verdict
	done chan error // holds one

	values *values // the committer's
	gone   bool    // the committer's own: see verdict
}

// verdict is how one run of a function went.
type verdict struct {
	err   error
	gone  bool // it panicked or ended its goroutine: nobody waits for the outcome
	wrote bool
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	u := &update{ctx: ctx, fn: fn, turn: make(chan *bbolt.Tx), ran: make(chan verdict), done: make(chan error, 1), values: &s.values}
	if err := s.enqueue(u); err != nil {
		return err
	}
	givenUp := ctx.Done()
	for {
		select {
		case tx := <-u.turn:
			u.run(tx)
		case err := <-u.done:
			return err
		case <-givenUp:
			if s.withdraw(u) {
				return ctx.Err()
			}
			givenUp = nil // it was taken: what comes is the truth
		}
	}
}

func (s *Store) enqueue(u *update) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case u.ctx.Err() != nil:
		return u.ctx.Err()
	case s.closed:
		return store.ErrClosed
	case len(s.waiting) >= s.opt.MaxWaiting:
		return store.ErrBusy
	}
	s.waiting = append(s.waiting, u)
	s.nudge()
	return nil
}

// withdraw takes u out of the queue, unless the committer has taken it.
func (s *Store) withdraw(u *update) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.waiting {
		if w == u {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // there is a token already
	}
}

// run calls the function in its caller's goroutine and tells the committer how it
// went, also when it panics or ends the goroutine.
func (u *update) run(tx *bbolt.Tx) {
	if err := u.ctx.Err(); err != nil {
		u.ran <- verdict{err: err}
		return
	}
	t := &txn{tx: tx, writable: true, values: u.values}
	v := verdict{gone: true}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		t.end()
		v.wrote = t.writes > 0 || t.fault != nil
		u.ran <- v
	}()
	err := u.fn(t)
	if err == nil {
		err = t.fault
	}
	v = verdict{err: err}
}

// committer settles updates until the store is closed and none waits.
func (s *Store) committer() {
	defer close(s.drained)
	debug.SetPanicOnFault(true)
	for range s.wake {
		for {
			s.mu.Lock()
			batch, closed := s.waiting, s.closed
			s.waiting = nil
			s.mu.Unlock()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			s.settle(batch)
		}
	}
}

// settle answers every update of the batch, with as few commits as it can.
func (s *Store) settle(batch []*update) {
	for len(batch) > 0 {
		batch = batch[s.together(batch):]
	}
}

// together runs the batch in one transaction, commits it, and returns how many of
// its first updates are answered. One that fails after it wrote would spoil the others: the
// transaction is undone, those before it are settled without it, and it is left as
// the first of what remains; there it fails alone, on what is on disk, and its
// caller gets its own error. One that fails before it wrote does no harm.
func (s *Store) together(batch []*update) int {
	began := time.Now()
	tx, err := s.begin()
	if err != nil {
		finish(batch, nil, err)
		return len(batch)
	}
	verdicts := make([]verdict, len(batch))
	wrote := false
	for i, u := range batch {
		if u.gone {
			continue
		}
		u.turn <- tx
		v := <-u.ran
		u.gone = v.gone
		if v.wrote && (v.err != nil || v.gone) {
			s.undo(tx)
			s.settle(batch[:i])
			switch {
			case v.gone:
				return i + 1
			case i == 0:
				u.done <- v.err
				return 1
			}
			return i
		}
		verdicts[i] = v
		wrote = wrote || v.wrote
	}
	if !wrote {
		s.undo(tx)
		finish(batch, verdicts, nil)
		return len(batch)
	}
	err = s.flush(tx)
	if err == nil && s.opt.OnCommit != nil {
		s.opt.OnCommit(len(batch), time.Since(began))
	}
	finish(batch, verdicts, err)
	return len(batch)
}

// finish gives every update its own verdict, or err when the commit failed.
func finish(batch []*update, verdicts []verdict, err error) {
	for i, u := range batch {
		if err != nil {
			u.done <- err
		} else {
			u.done <- verdicts[i].err
		}
	}
}

func (s *Store) begin() (tx *bbolt.Tx, err error) {
	if s.suspect {
		if err := s.heal(); err != nil {
			return nil, fmt.Errorf("store: the disk still fails, nothing was written: %w", err)
		}
	}
	s.values.reset() // the transaction before has ended
	err = guard(func() (err error) { tx, err = s.db.Begin(true); return err })
	if err != nil {
		return nil, fmt.Errorf("store: a transaction could not begin: %w", err)
	}
	return tx, nil
}

// undo lets go of a transaction whose writes are not wanted.
func (s *Store) undo(tx *bbolt.Tx) {
	_ = guard(tx.Rollback) // fails only when the transaction has ended already
}

// flush commits and tells three outcomes apart: it is on disk; nothing of it
// was kept; it is not known (store.ErrUncertain).
func (s *Store) flush(tx *bbolt.Tx) error {
	head := tx.ID()
	err := guard(func() error { return s.commit(tx) })
	if err == nil {
		return nil
	}
	if p := (*panicError)(nil); errors.As(err, &p) {
		s.undo(tx)
		err = &store.CorruptError{Err: p}
	}
	if !s.headIs(head) {
		return fmt.Errorf("store: the disk did not take the update, nothing of it was kept: %w", err)
	}
	s.suspect = true
	if herr := s.heal(); herr != nil {
		return fmt.Errorf("%w: %w; %w", store.ErrUncertain, err, herr)
	}
	return nil
}

// headIs tells whether the transaction of that number is the one that readers see.
func (s *Store) headIs(id int) (is bool) {
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error { is = tx.ID() == id; return nil })
	})
	return err != nil || is
}

// heal makes the head of the file durable after its sync failed. The kernel may
// take a page for clean after such a failure, so the head is written again before the
// sync is. All other pages of that transaction were synced before its head was
// written. The views that run are waited for, because bbolt no longer spares the pages they read.
func (s *Store) heal() error {
	s.views.Lock()
	defer s.views.Unlock()
	size := int64(s.db.Info().PageSize)
	heads := make([]byte, 2*size)
	if _, err := s.file.ReadAt(heads, 0); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(heads, 0); err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return err
	}
	s.suspect = false
	return nil
}
