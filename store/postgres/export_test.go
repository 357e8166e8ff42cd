package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Hasty is o with time limits of a fraction of a second.
func Hasty(o Options) Options {
	o.limits = limits{statement: 500 * time.Millisecond, lock: 300 * time.Millisecond, idle: time.Second, viewIdle: time.Second,
		call: 2 * time.Second, connect: 2 * time.Second, dial: time.Second, silence: time.Second, settle: 1500 * time.Millisecond}
	return o
}

// Attempts is how often an update that loses its races is run.
const Attempts = attempts

// Setting is a setting of the server as a session of s has it.
func (s *Store) Setting(ctx context.Context, name string) (value string) {
	if err := s.pool.QueryRow(ctx, "select current_setting($1)", name).Scan(&value); err != nil {
		return err.Error()
	}
	return value
}

// Explain is how the server runs a statement for a session of s.
func (s *Store) Explain(ctx context.Context, sql string) (string, error) {
	rows, err := s.pool.Query(ctx, "explain analyze "+sql)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}
