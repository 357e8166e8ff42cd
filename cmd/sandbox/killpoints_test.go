//go:build killpoints && unix

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
)

// killVariable has a process kill itself where it was built with the tag killpoints.
const killVariable = "TEST_KILL_AT"

var (
	killStride = flag.Int("kill-stride", 80, "points of a life: before and after every update of the store and every call to the outside")
	killRuns   = flag.Int("kill-runs", 1, "how often the story is lived, each time killed at other points; as many as -kill-stride: at all")
)

// forever is more points than a life has.
const forever = 1 << 30

// mortals are the lives of one Belay, each a process of its own that kills itself. What is
// outside of Belay, and the people, live in the test's process and are not killed.
type mortals struct {
	*world
	config string
	cfg    app.Config
	at     string // private address
	first  int    // points of the first life
	stride int    // and of later ones, at the least

	mu     sync.Mutex
	life   context.Context // of the process that is ready
	born   chan struct{}   // closed when there is another life
	deaths []string
	ready  []time.Duration // from the start of a process until it was ready
	stuck  int             // deaths in this step
	broken error
}

// serve starts one Belay after the other until ctx ends.
func (m *mortals) serve(ctx context.Context) error {
	for {
		m.mu.Lock()
		left := m.first
		if len(m.deaths) > 0 {
			left = m.stride + m.stuck*m.stride/4 // a step that needs more points than a life has ends in the end
		}
		m.mu.Unlock()
		why, err := m.live(ctx, left)
		if ctx.Err() != nil {
			return err
		}
		if err == nil && why == "" {
			err = errors.New("Belay ended by itself")
		}
		m.mu.Lock()
		m.deaths = append(m.deaths, why)
		m.stuck++
		m.broken = errors.Join(m.broken, err)
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// live is one life of so many points. It says where it died.
func (m *mortals) live(ctx context.Context, left int) (why string, err error) {
	said, end := &bytes.Buffer{}, make(chan struct{})
	cmd := exec.Command(os.Args[0], "-test.run=^TestReplicaItself$")
	cmd.Env = append(os.Environ(), "TEST_REPLICA_CONFIG="+m.config, "TEST_REPLICA_WORLD="+m.kept.path, fmt.Sprintf("%s=%d", killVariable, left))
	cmd.Stderr = io.MultiWriter(said, m.logs)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return "", err
	}
	life, over := context.WithCancel(context.Background())
	go func() {
		_ = cmd.Wait() // however it ended
		over()
		close(end)
	}()
	for !ready(life, m.at) {
		select {
		case <-life.Done():
			<-end
			return m.killed(said.String())
		case <-time.After(time.Millisecond):
		}
	}
	m.mu.Lock()
	m.ready = append(m.ready, time.Since(begin))
	m.life = life
	close(m.born)
	m.born = make(chan struct{})
	m.mu.Unlock()
	select {
	case <-end:
	case <-ctx.Done():
		_ = stdin.Close() // it may have died
		<-end
	}
	return m.killed(said.String())
}

// killed is where a process says that it killed itself.
func (m *mortals) killed(said string) (string, error) {
	for line := range strings.Lines(said) {
		if where, of := strings.CutPrefix(line, "killed "); of {
			for name, url := range m.urls {
				_, host, _ := strings.Cut(url, "://")
				where = strings.Replace(where, host, name, 1)
			}
			return strings.TrimSpace(where), nil
		}
	}
	return "", nil
}

// alive waits for a life.
func (m *mortals) alive() context.Context {
	m.t.Helper()
	for end := time.After(4 * patience); ; {
		m.mu.Lock()
		life, born, broken := m.life, m.born, m.broken
		m.mu.Unlock()
		if life != nil && life.Err() == nil {
			return life
		}
		select {
		case <-born:
		case <-end:
			m.t.Fatalf("Belay is not ready again: %v\n%s", broken, m.logs.tail(60))
		}
	}
}

// steps lives one step across deaths. Who was not answered does the same again, and who was
// answered does not.
func (m *mortals) steps(n int, step step) {
	m.t.Helper()
	m.done = answered{}
	m.mu.Lock()
	m.stuck = 0
	m.mu.Unlock()
	for tries, inVain := 1, 0; ; tries++ {
		life := m.alive()
		ctx, cancel := context.WithTimeout(life, patience)
		var err error
		if step.done == nil || !step.done() {
			err = step.do(ctx)
		}
		cancel()
		if err == nil {
			return
		}
		if ready(context.Background(), m.at) && life.Err() == nil {
			inVain++ // a form that stays empty is opened again
			if inVain < 3 {
				continue
			}
		}
		if inVain == 3 || tries > 100 {
			m.t.Fatalf("step %d, %s, try %d: %.300s\nanswered: %v\nkilled: %q\nAlice reads in Slack:\n%s\n\nBob reads in Teams:\n%s", n, step.name, tries, err.Error(), m.done, m.deaths,
				strings.Join(m.who("alice").slackTexts(), "\n---\n"), strings.Join(m.who("bob").teamsTexts(), "\n---\n"))
		}
		<-life.Done()
	}
}

// lived lives the story with a Belay whose nth life has so many points.
func lived(t *testing.T, first, stride int) (*mortals, aftermath) {
	t.Helper()
	m := &mortals{first: first, stride: stride, born: make(chan struct{})}
	runPrepared(t, t.TempDir(), manners{}, func(w *world) {
		m.world = w
		w.must(w.app.Close())
		w.app = nil
		cfg := w.config()
		cfg.Listen, cfg.PrivateListen = fmt.Sprintf("127.0.0.1:%d", w.kept.Ports[atBot]), fmt.Sprintf("127.0.0.1:%d", w.kept.Ports[atPrivate])
		if faults := cfg.Validate(); len(faults) > 0 {
			t.Fatal(faults)
		}
		m.cfg, m.at, m.config = cfg, cfg.PrivateListen, filepath.Join(w.dir, "mortal.yaml")
		w.must(writeConfig(m.config, cfg))
		w.sandbox.serve = m.serve
		w.logs.allow("level=ERROR") // whoever dies does not get everything done
	})
	for n, step := range m.story(true) {
		m.steps(n+1, step)
	}
	m.mu.Lock()
	m.stride = forever // what is left is done in one more life
	m.mu.Unlock()
	return m, m.ends()
}
