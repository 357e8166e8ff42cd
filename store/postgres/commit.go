package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/belaybot/belay/store"
)

// witness is the id of a row that an update leaves.
type witness [16]byte

// errLostInCommit says that the server did not tell how a commit ended.
var errLostInCommit = errors.New("the connection was lost inside a commit")

// warned is where a connection keeps that the server warned of something. It does so
// instead of failing when a commit is on its own disk and stops to wait for the standby's.
const warned = "warned"

// commit sends what is held back, the witness and the COMMIT in one round trip.
func (t *txn) commit() (w witness, err error) {
	if t.writes == 0 {
		if !t.begun {
			return w, nil
		}
		return w, t.end()
	}
	id, err := uuid.NewV7()
	if err != nil {
		return w, fmt.Errorf("store: no randomness: %w", err)
	}
	w = witness(id)
	b := &pgx.Batch{}
	t.fill(b)
	b.Queue("insert into "+t.s.own("witnesses")+" (id, kept) values ($1, true)", id[:])
	committed := false
	b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String() == "COMMIT"
		return nil
	})
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.ctx, t.s.opt.limits.call)
	defer cancel()
	delete(t.conn.PgConn().CustomData(), warned)
	err = t.conn.SendBatch(ctx, b).Close()
	_, doubt := t.conn.PgConn().CustomData()[warned]
	switch {
	case err == nil && committed && !doubt:
		if t.s.opt.OnCommit != nil {
			t.s.opt.OnCommit(1, time.Since(began))
		}
		if t.hint {
			t.s.hints.say()
		}
		return w, nil
	case err == nil && !committed:
		return w, t.lost(errors.New("the server undid the transaction instead of committing it"))
	case err != nil && refused(err):
		return w, t.lost(err)
	}
	return w, fmt.Errorf("%w: %w", errLostInCommit, errors.Join(err, t.s.suspect(t.ctx, err)))
}

// end commits a transaction that wrote nothing, by which the server confirms what was read.
func (t *txn) end() error {
	b := &pgx.Batch{}
	b.Queue("commit")
	return t.send(b)
}

// refused tells that nothing of the transaction was or will be kept: the server has said
// so, or never heard of the commit.
func refused(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return pgconn.SafeToRetry(err)
	}
	return e.SeverityUnlocalized == "ERROR" && e.Code != "40003" && e.Code != "08007"
}

// settle finds out what became of a commit. nil: it was kept, and is on disk. A
// database that gives no answer leaves store.ErrUncertain.
func (s *Store) settle(ctx context.Context, w witness, why error) error {
	ctx, cancel := context.WithTimeout(ctx, s.opt.limits.settle)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestWait) {
		kept, err := s.kept(ctx, w)
		switch {
		case err == nil && kept:
			return nil
		case err == nil:
			return &Error{Place: s.place, Reason: Unreachable, Err: why} // to be run again
		case !isAway(err) && !contended(err):
			return fmt.Errorf("%w (%w)", store.ErrUncertain, err)
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%w (%w)", store.ErrUncertain, err)
		case <-t.C:
		}
	}
}

// kept asks for a witness by putting one with its id there. If the transaction that
// left it still runs, the database waits for its end. If there is none, ours keeps that
// transaction from being kept even when its COMMIT is still on its way. Either way a record
// is written, so that the answer waits for the same disks as the commit it is about.
func (s *Store) kept(ctx context.Context, w witness) (kept bool, err error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer s.undo(conn)
	delete(conn.Conn().PgConn().CustomData(), warned)
	err = conn.QueryRow(ctx, "insert into "+s.own("witnesses")+" as w (id, kept) values ($1, false)"+
		" on conflict (id) do update set asked = w.asked + 1 returning kept", w[:]).Scan(&kept)
	if _, doubt := conn.Conn().PgConn().CustomData()[warned]; doubt && err == nil {
		return false, &Error{Place: s.place, Reason: Contended, Err: errors.New("the standby does not confirm")}
	}
	return kept, s.suspect(ctx, err)
}

// witnessTime is how long a witness is kept: far longer than a packet may live.
const witnessTime = time.Hour

// sweep drops old witnesses until the store is closed.
func (s *Store) sweep() {
	t := time.NewTicker(witnessTime / 6)
	defer t.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-t.C:
			// It is only room: what fails now is done the next time.
			_, _ = s.pool.Exec(s.life, "delete from "+s.own("witnesses")+" where at < now() - interval '1 hour'")
		}
	}
}
