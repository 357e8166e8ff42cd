//go:build unix

// Package postgrestest starts real PostgreSQL servers for tests and for the sandbox, in
// a directory of their own, as a user without privileges.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNotInstalled says that this machine has no PostgreSQL.
var ErrNotInstalled = errors.New("postgrestest: no initdb was found: install the distribution's postgresql package")

// Server is a PostgreSQL server on this machine. Its superuser is postgres, without a
// password until a test gives it one.
type Server struct {
	Dir  string // holds the data and the socket
	Port int

	bin      string
	settings []string
	mu       sync.Mutex
	stdin    io.Closer // closed: the server ends
	ended    chan struct{}
}

// Start starts a server for a test. Where there is no PostgreSQL the test is skipped, or fails
// if TEST_POSTGRES=required. Settings are such as "fsync=off".
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := New(settings...)
	Demand(t, err)
	t.Cleanup(s.Close)
	return s
}

// Demand skips or fails a test for which New gave an error.
func Demand(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrNotInstalled) && os.Getenv("TEST_POSTGRES") != "required":
		t.Skipf("NOT TESTED with PostgreSQL: %v", err)
	case err != nil:
		t.Fatal(err)
	}
}

// New starts a server. Close it.
func New(settings ...string) (*Server, error) {
	s, err := prepare(settings)
	if err != nil {
		return nil, err
	}
	if err := s.run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D", s.data()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.Dir))
	}
	if err := s.Up(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// prepare makes the directory of a server and chooses its port.
func prepare(settings []string) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "belay-pg-")
	if err != nil {
		return nil, err
	}
	if who := account(); who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	port := l.Addr().(*net.TCPAddr).Port
	return &Server{Dir: dir, Port: port, bin: bin, settings: settings}, l.Close()
}

func find() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", ErrNotInstalled
	}
	slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

// account is whom a server runs as when this process is root: it refuses root.
func account() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

func (s *Server) run(program string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.SysProcAttr = s.Dir, &syscall.SysProcAttr{Credential: account()}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, said.Bytes())
	}
	return nil
}

// Set changes settings for the next Up.
func (s *Server) Set(settings ...string) { s.settings = append(s.settings, settings...) }

// guard runs a server, writes its process id down, and ends it when this process is gone,
// whatever the reason.
const guard = `exec 3<&0; "$@" & p=$!; echo $p >"$0/pid"; (cat <&3 >/dev/null; kill -QUIT $p) & wait $p`

// Up starts the server, also after Kill, and waits until it answers.
func (s *Server) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	args := []string{"-c", guard, s.Dir, filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.Dir, "-p", strconv.Itoa(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "max_wal_senders=4", "-c", "shared_buffers=32MB",
		"-c", "wal_retrieve_retry_interval=100ms"} // or a standby may look five seconds later whether it is promoted
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own
	for range 40 {                     // what a killed one left behind may not be gone yet
		cmd := exec.CommandContext(context.Background(), "/bin/sh", args...)
		cmd.Dir, cmd.SysProcAttr = s.Dir, &syscall.SysProcAttr{Credential: account()}
		cmd.Stdout, cmd.Stderr = log, log
		if s.stdin, err = cmd.StdinPipe(); err != nil {
			return err
		}
		if err = cmd.Start(); err != nil {
			return err
		}
		s.ended = make(chan struct{})
		go func() {
			_ = cmd.Wait() // however it ended
			close(s.ended)
		}()
		if err = s.await(); err == nil {
			return nil
		}
		s.down(syscall.SIGKILL)
	}
	said, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	return fmt.Errorf("the server does not start: %w\n%s", err, said)
}

// await waits until the server answers, or has ended.
func (s *Server) await() error {
	for end := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		c, err := pgx.Connect(ctx, s.Admin())
		if err == nil {
			err = c.Close(ctx)
		}
		cancel()
		if err == nil || time.Now().After(end) {
			return err
		}
		select {
		case <-s.ended:
			time.Sleep(50 * time.Millisecond)
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Admin is the address of the superuser's database, over the socket.
func (s *Server) Admin() string { return s.URL("postgres", "postgres") }

// URL is the address of a database over the socket.
func (s *Server) URL(user, database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%d", user, database, s.Dir, s.Port)
}

// TCP is the address of a database over loopback.
func (s *Server) TCP(user, database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s", user, s.Port, database)
}

// Exec runs statements as superuser.
func (s *Server) Exec(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.Admin())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }() // it is gone either way
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Kill ends the server and all its processes with SIGKILL.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down(syscall.SIGKILL)
}

// Freeze stops the server and all its processes where they are: their connections stay, and nothing
// is said on them. Kill ends it.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.processes() {
		_ = syscall.Kill(p, syscall.SIGSTOP) // it may have ended
	}
}

// processes are the server's, the first one before the others.
func (s *Server) processes() []int {
	raw, _ := os.ReadFile(filepath.Join(s.Dir, "pid"))
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return nil
	}
	return append([]int{pid}, children(pid)...)
}

// down ends the server and waits for it.
func (s *Server) down(how syscall.Signal) {
	if s.stdin == nil {
		return
	}
	if all := s.processes(); len(all) > 0 {
		if how != syscall.SIGKILL {
			all = all[:1]
		}
		for _, p := range all {
			_ = syscall.Kill(p, how) // it may have ended
		}
		<-s.ended
	}
	_ = s.stdin.Close()
	s.stdin = nil
}

// children are the processes that a process started.
func children(pid int) (all []int) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for _, f := range strings.Fields(string(raw)) {
		if p, err := strconv.Atoi(f); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// Close ends the server and removes its directory.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down(syscall.SIGQUIT)
	_ = os.RemoveAll(s.Dir)
}
