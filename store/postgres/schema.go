package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// version is the layout of the schema that this Belay reads and writes.
const version = 1

// schemaLock is the advisory lock under which tables are made: any number, the same in
// every Belay.
const schemaLock = 0x62656c6179

// prepare makes the schema where there is none, and refuses one that is not ours or newer.
func (s *Store) prepare(ctx context.Context) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.undo(conn)
	if err := s.checkVersion(ctx, conn.Conn()); err == nil || !errors.Is(err, errNoSchema) {
		return err
	}
	return s.alone(ctx, conn.Conn(), func() error {
		if err := s.checkVersion(ctx, conn.Conn()); err == nil || !errors.Is(err, errNoSchema) {
			return err // another one was first
		}
		return s.make(ctx, conn.Conn())
	})
}

// alone does something in one transaction while no other Belay makes tables.
func (s *Store) alone(ctx context.Context, conn *pgx.Conn, do func() error) error {
	if _, err := conn.Exec(ctx, "begin"); err != nil {
		return s.fail(err)
	}
	_, err := conn.Exec(ctx, "select pg_advisory_xact_lock($1)", schemaLock)
	if err == nil {
		err = do()
	}
	if err == nil {
		_, err = conn.Exec(ctx, "commit")
	}
	return s.fail(err) // undo ends the transaction
}

var errNoSchema = errors.New("there is no schema")

func (s *Store) checkVersion(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	if err := conn.QueryRow(ctx, "select to_regclass($1) is not null", s.own("format")).Scan(&there); err != nil {
		return s.fail(err)
	}
	if !there {
		return errNoSchema
	}
	var is int
	if err := conn.QueryRow(ctx, "select version from "+s.own("format")).Scan(&is); err != nil {
		return s.fail(err)
	}
	if is != version {
		return &Error{Place: s.place, Reason: TooNew, Err: fmt.Errorf("its schema has version %d, this one knows %d", is, version)}
	}
	return nil
}

func (s *Store) make(ctx context.Context, conn *pgx.Conn) error {
	var others int
	var there bool
	err := conn.QueryRow(ctx, "select count(c.oid), count(n.oid) > 0 from pg_catalog.pg_namespace n left join pg_catalog.pg_class c on c.relnamespace = n.oid where n.nspname = $1",
		s.opt.Schema).Scan(&others, &there)
	if err != nil {
		return s.fail(err)
	}
	if others > 0 {
		return &Error{Place: s.place, Reason: Foreign, Err: fmt.Errorf("schema %q", s.opt.Schema)}
	}
	var statements []string
	if !there {
		statements = append(statements, "create schema "+pgx.Identifier{s.opt.Schema}.Sanitize())
	}
	statements = append(statements,
		"create table "+s.own("format")+" (one bool primary key default true check (one), version int not null, pinged timestamptz)",
		"create table "+s.own("witnesses")+" (id bytea primary key, kept bool not null, asked int not null default 0, at timestamptz not null default now())",
		fmt.Sprintf("insert into %s (version) values (%d)", s.own("format"), version))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			if hasReason(s.fail(err), Denied) {
				return &Error{Place: s.place, Reason: NoSchema, Err: err}
			}
			return s.fail(err)
		}
	}
	return nil
}

// makeTable makes the table of a bucket, if it is not there, outside of the transaction
// that needs it and on a connection of its own: it happens once in a bucket's life.
func (s *Store) makeTable(ctx context.Context, bucket string) error {
	s.making.Lock()
	defer s.making.Unlock()
	if _, known := s.tables.Load(bucket); known {
		return nil // another update needed it too
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.limits.call)
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it is gone either way
	err = s.alone(ctx, conn, func() error {
		_, err := conn.Exec(ctx, "create table if not exists "+s.table(bucket)+" (key bytea primary key, value bytea not null)")
		return err
	})
	if err == nil {
		s.tables.Store(bucket, true)
	}
	return err
}
