package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// checkRights tells what the user may not do in the schema that Belay must. It changes nothing.
func (s *Store) checkRights(ctx context.Context, conn *pgx.Conn) error {
	var missing *string
	err := conn.QueryRow(ctx, `select string_agg(what, ', ') from (
		select 'make tables' as what where not has_schema_privilege($1, 'CREATE')
		union all
		select 'read and write ' || c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relkind = 'r' and not (has_table_privilege(c.oid, 'SELECT') and has_table_privilege(c.oid, 'INSERT')
			and has_table_privilege(c.oid, 'UPDATE') and has_table_privilege(c.oid, 'DELETE'))) as rights`, s.opt.Schema).Scan(&missing)
	switch {
	case err != nil:
		return s.fail(err)
	case missing != nil:
		return &Error{Place: s.place, Reason: Denied, Err: fmt.Errorf("it may not: %s", *missing)}
	}
	return nil
}

// checkRoom tells whether a start could make the schema. It changes nothing.
func (s *Store) checkRoom(ctx context.Context, conn *pgx.Conn) error {
	var others int
	var may bool
	err := conn.QueryRow(ctx, `select (select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1),
		coalesce((select has_schema_privilege(oid, 'CREATE') from pg_catalog.pg_namespace where nspname = $1), has_database_privilege(current_database(), 'CREATE'))`,
		s.opt.Schema).Scan(&others, &may)
	switch {
	case err != nil:
		return s.fail(err)
	case others > 0:
		return &Error{Place: s.place, Reason: Foreign, Err: fmt.Errorf("schema %q", s.opt.Schema)}
	case !may:
		return &Error{Place: s.place, Reason: NoSchema, Err: errors.New("it may not be made")}
	}
	return nil
}
