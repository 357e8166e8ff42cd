package postgres

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/belaybot/belay/store"
)

// txn is a transaction as one function sees it. What it writes is held back until it
// reads again or commits, and then goes out together with that: over a network
// an update costs as many round trips as it reads, and one.
type txn struct {
	ctx      context.Context
	s        *Store
	conn     *pgx.Conn
	writable bool
	begun    bool // the server knows of it
	done     bool
	held     []write
	bytes    int // held back
	writes   int // how many records it put or deleted
	hint     bool
	fault    error // the server or the way to it failed: the transaction is lost
}

type write struct {
	sql  string
	args []any
}

const (
	mostHeld  = 512
	mostBytes = 1 << 20
)

// begin refuses what every method refuses.
func (t *txn) begin(write bool, check error) error {
	switch {
	case t.done:
		return store.ErrTxDone
	case write && !t.writable:
		return store.ErrReadOnly
	case t.fault != nil:
		return t.fault
	}
	return check
}

// Get implements store.Tx.
func (t *txn) Get(bucket string, key []byte) ([]byte, error) {
	if err := t.begin(false, store.CheckKey(bucket, key)); err != nil {
		return nil, err
	}
	switch there, err := t.there(bucket); {
	case err != nil:
		return nil, err
	case !there:
		return nil, store.ErrNotFound
	}
	var value []byte
	err := t.ask("select value from "+t.s.table(bucket)+" where key = $1", func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(&value); err != nil {
				return err
			}
		}
		return rows.Err()
	}, key)
	if err == nil && value == nil {
		err = store.ErrNotFound
	}
	return value, err
}

// Put implements store.Tx.
func (t *txn) Put(bucket string, key, value []byte) error {
	if err := t.begin(true, store.CheckPut(bucket, key, value)); err != nil {
		return err
	}
	return t.write(bucket, "insert into "+t.s.table(bucket)+" (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value",
		bytes.Clone(key), append([]byte{}, value...))
}

// Delete implements store.Tx.
func (t *txn) Delete(bucket string, key []byte) error {
	if err := t.begin(true, store.CheckKey(bucket, key)); err != nil {
		return err
	}
	return t.write(bucket, "delete from "+t.s.table(bucket)+" where key = $1", bytes.Clone(key))
}

func (t *txn) write(bucket, sql string, args ...any) error {
	if _, err := t.there(bucket); err != nil {
		return err
	}
	t.held = append(t.held, write{sql, args})
	for _, a := range args {
		t.bytes += len(a.([]byte))
	}
	t.writes++
	t.hint = t.hint || t.s.hints.about(bucket)
	if len(t.held) >= mostHeld || t.bytes >= mostBytes {
		return t.send(&pgx.Batch{})
	}
	return nil
}

// A page of a scan begins small, since many scans look at the first key only, and grows
// while its records are short.
const (
	firstPage = 8
	mostPage  = 512
	pageBytes = 1 << 20
)

// Scan implements store.Tx. It reads a page at a time; after a write it reads anew from
// where it is.
func (t *txn) Scan(bucket string, from, to []byte, fn func(key, value []byte) error) error {
	if err := t.begin(false, store.CheckBucket(bucket)); err != nil {
		return err
	}
	if there, err := t.there(bucket); err != nil || !there {
		return err
	}
	next := append([]byte{}, from...)
	for size := firstPage; ; {
		page, err := t.page(bucket, next, to, size)
		if err != nil {
			return err
		}
		read, writes := 0, t.writes
		for _, r := range page {
			if err := fn(r.key, r.value); err != nil {
				if errors.Is(err, store.Stop) {
					return nil
				}
				return err
			}
			if err := t.begin(false, nil); err != nil {
				return err
			}
			read += len(r.value)
			next = append(bytes.Clone(r.key), 0)
			if t.writes != writes {
				break
			}
		}
		if len(page) < size && t.writes == writes {
			return nil
		}
		size = max(1, min(2*size, mostPage, size*pageBytes/max(read, 1)))
	}
}

type record struct{ key, value []byte }

func (t *txn) page(bucket string, from, to []byte, size int) (page []record, err error) {
	sql, args := "select key, value from "+t.s.table(bucket)+" where key >= $1 order by key limit $2", []any{from, size}
	if to != nil {
		sql, args = "select key, value from "+t.s.table(bucket)+" where key >= $1 and key < $3 order by key limit $2", append(args, to)
	}
	err = t.ask(sql, func(rows pgx.Rows) error {
		for rows.Next() {
			var r record
			if err := rows.Scan(&r.key, &r.value); err != nil {
				return err
			}
			page = append(page, r)
		}
		return rows.Err()
	}, args...)
	return page, err
}

// Buckets implements store.BucketLister.
func (t *txn) Buckets() (names []string, err error) {
	if err := t.begin(false, nil); err != nil {
		return nil, err
	}
	all := map[string]bool{}
	err = t.ask("select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"+
		" where n.nspname = $1 and c.relkind = 'r' and starts_with(c.relname, $2)",
		func(rows pgx.Rows) error {
			tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
			for _, table := range tables {
				all[strings.TrimPrefix(table, bucketPrefix)] = true
			}
			return err
		}, t.s.opt.Schema, bucketPrefix)
	t.s.tables.Range(func(name, _ any) bool { // one that was made for this transaction is not in its snapshot
		all[name.(string)] = true
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err != nil {
			return nil, err
		}
		any := false
		err = t.ask("select 1 from "+t.s.table(name)+" limit 1", func(rows pgx.Rows) error {
			for rows.Next() {
				any = true
			}
			return rows.Err()
		})
		if any {
			names = append(names, name)
		}
	}
	return names, err
}

// there tells whether a bucket has a table. In an update it has one afterwards, so that
// reading from an empty bucket leaves a trace that a conflict can be found by.
func (t *txn) there(bucket string) (there bool, err error) {
	if _, known := t.s.tables.Load(bucket); known {
		return true, nil
	}
	if t.writable {
		err = t.lost(t.s.makeTable(t.ctx, bucket))
	} else {
		err = t.ask("select to_regclass($1) is not null", func(rows pgx.Rows) error {
			there, err = pgx.CollectOneRow(rows, pgx.RowTo[bool])
			return err
		}, t.s.table(bucket))
	}
	if err == nil && (there || t.writable) {
		t.s.tables.Store(bucket, true)
		there = true
	}
	return there, err
}

// ask sends what is held back and then a question.
func (t *txn) ask(sql string, answer func(pgx.Rows) error, args ...any) error {
	b := &pgx.Batch{}
	t.fill(b)
	b.Queue(sql, args...).Query(answer)
	return t.send(b)
}

// fill puts what is held back before what b is to do.
func (t *txn) fill(b *pgx.Batch) {
	if !t.begun {
		b.Queue("begin isolation level serializable, read write")
		t.begun = true
	}
	for _, w := range t.held {
		b.Queue(w.sql, w.args...)
	}
	t.held, t.bytes = nil, 0
}

// send makes one round trip.
func (t *txn) send(b *pgx.Batch) error {
	if b.Len() == 0 {
		t.fill(b)
	}
	ctx, cancel := context.WithTimeout(t.ctx, t.s.opt.limits.call)
	defer cancel()
	return t.lost(t.conn.SendBatch(ctx, b).Close())
}

// lost notes that the server or the way to it failed.
func (t *txn) lost(err error) error {
	if err != nil {
		t.fault = t.s.suspect(t.ctx, err)
		return t.fault
	}
	return nil
}
