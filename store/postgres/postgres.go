// Package postgres keeps a store in one PostgreSQL database, for any number of
// replicas of Belay.
//
// Every bucket is a table, in a schema of its own. What the port promises is
// PostgreSQL's work where it can be: updates are SERIALIZABLE, views are
// SERIALIZABLE READ ONLY DEFERRABLE, so that a view waits a moment for a snapshot on
// which nothing can go wrong, and then never has to be run again. Three things are
// added (ADR 15).
//
// Losing races (update.go). PostgreSQL refuses one of two updates that cannot have run
// one after the other. It is run again, a bounded number of times; one that lost
// thrice runs alone in this process.
//
// Knowing how a commit ended (commit.go). When the connection is lost inside COMMIT
// nobody has said what became of it. Each update therefore leaves a witness, a row
// with a random id, and the question is put to the database: putting the
// same id there waits for the lost transaction to end, and after that either finds its row or
// keeps it from ever being kept.
//
// Honesty about the server (connect.go). A standby, a server that does not sync its
// disk, a schema of a newer Belay and a connection that others can read are refused, each
// with a sentence.
package postgres

import (
	"context"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/belaybot/belay/store"
)

// Options says which database, and adjusts Open.
type Options struct {
	// URL is postgres://user:password@host:port/database, with the parameters of libpq.
	URL string
	// Password, when set, is asked for a password at each new connection. It
	// takes the place of the one in URL.
	Password func(ctx context.Context) (string, error)
	// RootCAs are the authorities that may have signed the server's certificate where URL names
	// none (sslrootcert); nil: the system's.
	RootCAs *x509.CertPool
	// Schema holds the tables: "belay" when empty.
	Schema string
	// Connections bounds how many there are at once: 12 when 0, at least 3. One
	// more listens for hints, if there are any.
	Connections int
	// MaxWaiting bounds how many updates may wait for their turn, beyond which
	// Update returns store.ErrBusy: 4096 when 0.
	MaxWaiting int
	// Hint names buckets: when another process wrote to one of them, Hints gets a
	// token soon after.
	Hint []string
	// OnCommit, when set, is told of every commit that reached the disk: always one
	// update, and how long its last round trip took. It must return quickly.
	OnCommit func(updates int, d time.Duration)

	limits limits // shorter in tests
}

// limits are how long things may take. The server's are below this side's, so that its
// word is heard first.
type limits struct {
	statement time.Duration // the server's, for what is sent at once; a commit that waits for a standby included
	lock      time.Duration // the server's, for another transaction to let go of a record
	idle      time.Duration // the server's, for an update whose process has stopped: it holds up views
	viewIdle  time.Duration // the same for a view, which holds up nobody
	call      time.Duration // of one round trip, seen from here
	connect   time.Duration // to one server, until it may be used
	dial      time.Duration // for a server to answer at all, where the address names others
	silence   time.Duration // for a server's machine to confirm what was sent to it
	settle    time.Duration // for finding out what became of a commit
}

var usual = limits{statement: 5 * time.Second, lock: 3 * time.Second, idle: 5 * time.Second, viewIdle: 5 * time.Minute,
	call: 8 * time.Second, connect: 3 * time.Second, dial: time.Second, silence: 1500 * time.Millisecond, settle: 8 * time.Second}

// Store is a store.Store in a PostgreSQL database. Close it.
type Store struct {
	opt     Options
	pool    *pgxpool.Pool
	place   string              // the database, as errors name it
	updates *semaphore.Weighted // the connections that updates may use
	views   *semaphore.Weighted // those of views: a view that waits for an update starves none
	writers int64
	waiting atomic.Int64
	closed  atomic.Bool
	tables  sync.Map // buckets whose table is known to be there
	making  sync.Mutex
	hints   *hints
	life    context.Context // ends with Close
	end     context.CancelFunc
	work    sync.WaitGroup
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := s.views.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.views.Release(1)
	var conn *pgxpool.Conn
	err := s.again(ctx, func() (err error) {
		conn, err = s.acquire(ctx)
		if err == nil {
			err = s.snapshot(ctx, conn)
		}
		return err
	})
	if err != nil {
		return err
	}
	t := &txn{ctx: ctx, s: s, conn: conn.Conn(), begun: true}
	defer func() {
		t.done = true
		s.undo(conn)
	}()
	if err := fn(t); err != nil {
		return err
	}
	return t.fault
}

// snapshot begins a view. It is all of it that can be refused by the server, and so may
// be tried again before the function has run.
func (s *Store) snapshot(ctx context.Context, conn *pgxpool.Conn) error {
	b := &pgx.Batch{}
	b.Queue("begin isolation level serializable, read only, deferrable")
	b.Queue("set local idle_in_transaction_session_timeout = " + milliseconds(s.opt.limits.viewIdle))
	b.Queue("select 1") // takes the snapshot
	call, cancel := context.WithTimeout(ctx, s.opt.limits.call)
	defer cancel()
	if err := conn.Conn().SendBatch(call, b).Close(); err != nil {
		s.undo(conn)
		return s.suspect(ctx, err)
	}
	return nil
}

// ready refuses what is not to begin.
func (s *Store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}

// acquire takes a connection out of the pool.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.limits.call)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	return conn, nil
}

// undo ends whatever transaction the connection is in, and gives it back.
func (s *Store) undo(conn *pgxpool.Conn) {
	if c := conn.Conn(); !c.IsClosed() && c.PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.Background(), s.opt.limits.call)
		_, _ = c.Exec(ctx, "rollback") // if it fails the pool drops the connection, and the server the transaction
		cancel()
	}
	conn.Release()
}

// Ping commits a small record, and so tells whether the database takes updates now.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	_, err := s.pool.Exec(ctx, "update "+s.own("format")+" set pinged = now()")
	return s.suspect(ctx, err)
}

// Close refuses new transactions, waits for those that run, and lets go of the
// connections. Closing again does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.end()
	s.work.Wait()
	s.pool.Close()
	return nil
}

// own is one of the driver's own tables, quoted.
func (s *Store) own(table string) string { return pgx.Identifier{s.opt.Schema, table}.Sanitize() }

// table is the table of a bucket, quoted. No bucket's is one of the driver's own.
func (s *Store) table(bucket string) string { return s.own(bucketPrefix + bucket) }

const bucketPrefix = "b:"
