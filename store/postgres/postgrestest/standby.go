//go:build unix

package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Standby starts a copy of s that follows it, under a name that s can wait for with
// synchronous_standby_names.
func (s *Server) Standby(name string, settings ...string) (*Server, error) {
	copied, err := prepare(settings)
	if err != nil {
		return nil, err
	}
	err = copied.run("pg_basebackup", "-h", s.Dir, "-p", strconv.Itoa(s.Port), "-U", "postgres", "-D", copied.data(), "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if err == nil {
		conf := fmt.Sprintf("\nprimary_conninfo = 'host=%s port=%d user=postgres application_name=%s'\n", s.Dir, s.Port, name)
		err = appendTo(filepath.Join(copied.data(), "postgresql.auto.conf"), conf)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(copied.Dir))
	}
	if err := copied.Up(); err != nil {
		copied.Close()
		return nil, err
	}
	return copied, nil
}

// Promote makes a standby a primary.
func (s *Server) Promote() error {
	return s.run("pg_ctl", "promote", "-D", s.data(), "-w", "-s")
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
