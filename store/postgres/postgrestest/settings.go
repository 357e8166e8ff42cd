//go:build unix

package postgrestest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Alter changes settings of the running server that need no restart: "fsync=off".
func (s *Server) Alter(settings ...string) error {
	var all []string
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		all = append(all, "alter system set "+name+" = '"+strings.ReplaceAll(value, "'", "''")+"'")
	}
	return s.reload(all...)
}

// AsBefore undoes every Alter.
func (s *Server) AsBefore() error { return s.reload("alter system reset all") }

// Allow puts lines before the others of pg_hba.conf, and makes the server read it.
func (s *Server) Allow(lines ...string) error {
	path := filepath.Join(s.data(), "pg_hba.conf")
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"+string(old)), 0o600); err != nil {
		return err
	}
	return s.reload()
}

// reload runs statements, and waits until the server has read its configuration again:
// every later connection sees that.
func (s *Server) reload(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.Admin())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }() // it is gone either way
	var before, now string
	const read = "select pg_conf_load_time()::text"
	if err := c.QueryRow(ctx, read).Scan(&before); err != nil {
		return err
	}
	for _, sql := range append(statements, "select pg_reload_conf()") {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	for now = before; now == before; time.Sleep(5 * time.Millisecond) {
		if err := c.QueryRow(ctx, read).Scan(&now); err != nil {
			return err
		}
	}
	return nil
}

// Certificate gives the server a certificate and its key, in PEM, from the next Up on.
func (s *Server) Certificate(certificate, key []byte) error {
	for name, content := range map[string][]byte{"server.crt": certificate, "server.key": key} {
		path := filepath.Join(s.data(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
		if who := account(); who != nil {
			if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
				return err
			}
		}
	}
	s.Set("ssl=on")
	return nil
}
