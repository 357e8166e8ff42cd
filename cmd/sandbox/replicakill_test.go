//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// TestReplicaItself is a replica in a process of its own, for
// TestAReplicaIsKilledInTheMiddle. It ends when whoever started it is gone.
func TestReplicaItself(t *testing.T) {
	file := os.Getenv("TEST_REPLICA_CONFIG")
	if file == "" {
		t.Skip("only for TestAReplicaIsKilledInTheMiddle, which starts it")
	}
	cfg, err := app.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { // the clock of the world that this replica is in
		k, err := loadKept(os.Getenv("TEST_REPLICA_WORLD"))
		if err != nil {
			panic(err)
		}
		return (&clock{k}).Now()
	}
	a, err := app.Open(cfg, app.Options{Now: now, Log: logger(os.Stderr, 0)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is closed
		stop()
	}()
	if err := a.Run(ctx); err != nil {
		t.Error(err)
	}
}

// process is a replica that can be killed.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

func (p *process) stop() {
	_ = p.stdin.Close() // it may have ended
	<-p.ended
}

// spawn starts a replica as a process, waits until it is ready, and lets the balancer
// know it.
func (w *replicated) spawn(n int) *process {
	w.t.Helper()
	cfg := w.configs[n]
	cfg.Listen, cfg.PrivateListen = w.free(), w.free()
	file := filepath.Join(w.dir, fmt.Sprintf("replica%d.yaml", n))
	w.must(writeConfig(file, cfg))
	p := &process{cmd: exec.Command(os.Args[0], "-test.run=^TestReplicaItself$"), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "TEST_REPLICA_CONFIG="+file, "TEST_REPLICA_WORLD="+w.kept.path)
	p.cmd.Stderr = w.logs
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	w.must(err)
	w.must(p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // however it ended
		close(p.ended)
	}()
	for ctx := w.ctx(); !ready(ctx, cfg.PrivateListen); {
		select {
		case <-p.ended:
			w.t.Fatalf("replica %d does not start: %s", n, w.logs)
		case <-ctx.Done():
			p.kill()
			w.t.Fatalf("replica %d is never ready: %s", n, w.logs)
		case <-time.After(10 * time.Millisecond):
		}
	}
	w.front.lead(n, cfg.Listen)
	return p
}

func (w *replicated) free() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.must(l.Close())
	return l.Addr().String()
}

func ready(ctx context.Context, private string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+private+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// strikes has something befall the replica that sends the next decision to Microsoft,
// before or after it has its effect there, and says which replica that was.
func (w *replicated) strikes(before bool, do func(replica int)) <-chan int {
	struck := make(chan int, 1)
	var armed atomic.Bool
	armed.Store(true)
	w.tenant.FailNext(func(r *http.Request) bool {
		if !isDecision(r) || !armed.CompareAndSwap(true, false) {
			return false
		}
		n := w.sender(r)
		do(n)
		struck <- n
		return before
	}, pimtest.Fault{Drop: true})
	return struck
}

// Replicas are killed with SIGKILL while they send a decision to Microsoft, before it has
// its effect there and after it. Another one finds out which, and the decision stands once.
func TestAReplicaIsKilledInTheMiddle(t *testing.T) {
	takesTurn(t, false)
	srv := postgrestest.Start(t)
	name := database(t, srv)
	const rounds = 4
	replicas := make([]*process, replicaCount)
	w := runBehind(t, rounds, func(int) string { return srv.TCP("postgres", name) }, func(w *replicated) {
		w.logs.allow("level=ERROR") // whoever dies does not get everything done
		w.serve = func(ctx context.Context) error {
			<-ctx.Done()
			for _, p := range replicas {
				p.stop()
			}
			return nil
		}
		for n := range replicas {
			replicas[n] = w.spawn(n)
		}
	})
	for n := range rounds {
		id, _ := w.asksNext()
		struck := w.strikes(n%2 == 0, func(n int) { replicas[n].kill() })
		w.atOnce(w.clicks(id, n))
		victim := <-struck
		w.pass("61s") // a lease of the dead
		w.settles(n)
		replicas[victim] = w.spawn(victim)
	}
	w.once()
}

// A replica is cut off in the middle: from the balancer, so that what was sent to it is
// not answered, or from the database, so that it cannot record what it did.
func TestAReplicaIsCutOffInTheMiddle(t *testing.T) {
	takesTurn(t, false)
	srv := postgrestest.Start(t)
	name := database(t, srv)
	var cables []*balancer
	for range replicaCount {
		cables = append(cables, cable(t, fmt.Sprintf("127.0.0.1:%d", srv.Port)))
	}
	const rounds = 6
	w := runReplicas(t, rounds, func(n int) string { return fmt.Sprintf("postgres://postgres@%s/%s", cables[n].addr(), name) })
	w.logs.allow("level=ERROR") // whoever is cut off does not get everything done
	for n := range rounds {
		id, _ := w.asksNext()
		cut := func(n int) { cables[n].cut(0) }
		heal := func(n int) { cables[n].lead(0, fmt.Sprintf("127.0.0.1:%d", srv.Port)) }
		if n%3 == 0 {
			cut, heal = w.front.cut, func(n int) { w.front.lead(n, w.apps[n].Addr().String()) }
		}
		struck := w.strikes(n%2 == 0, cut)
		w.atOnce(w.clicks(id, n))
		victim := <-struck
		w.pass("61s") // a lease of who cannot give it back
		w.settles(n)
		heal(victim)
	}
	w.once()
}
