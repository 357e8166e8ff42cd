package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// cable is what lies between a replica and its database.
type cable struct {
	l    net.Listener
	to   string
	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

func newCable(t *testing.T, srv *postgrestest.Server) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{l: l, to: fmt.Sprintf("127.0.0.1:%d", srv.Port), open: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.carry(from) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.is(true)
		all.Wait()
	})
	return c
}

func (c *cable) url() string { return "postgres://postgres@" + c.l.Addr().String() + "/postgres" }

// is cuts it, with whatever is under way, or mends it.
func (c *cable) is(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	for conn := range c.open {
		if cut {
			conn.Close()
		}
	}
}

func (c *cable) carry(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer to.Close()
	c.mu.Lock()
	if c.cut {
		c.mu.Unlock()
		return
	}
	c.open[from] = true
	c.mu.Unlock()
	go func() {
		_, _ = io.Copy(to, from) // until one side ends
		to.Close()
	}()
	_, _ = io.Copy(from, to)
	c.mu.Lock()
	delete(c.open, from)
	c.mu.Unlock()
}

// newReplica is one of several Belays on a database. People of one are not those of another.
func newReplica(t *testing.T, database, keys string, people int) *worn {
	t.Helper()
	w := &worn{installed: install(t, ""), public: free(t), people: people}
	text := fmt.Sprintf(config, w.public, w.private, filepath.Join(w.dir, "data")) + "store:\n  postgres_url: " + database + "\nkeys:\n  file: " + keys + "\n"
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.serve()
	return w
}

// A replica that is cut off from the database says of each act that nothing was done, and is
// not ready; the others work, and do what it could not. When it is back it knows what they
// did, and nothing is done twice. (fault 56)
func TestAReplicaIsCutOff(t *testing.T) {
	srv := postgrestest.Start(t)
	keys, c := filepath.Join(t.TempDir(), "belay.keys"), newCable(t, srv)
	one := newReplica(t, c.url(), keys, 0)
	two := newReplica(t, srv.Admin(), keys, 1000)
	if !one.acts() || !two.acts() {
		t.Error("they do not work")
	}
	c.is(true)
	one.await(http.StatusServiceUnavailable)
	for range 2 {
		if one.acts() {
			t.Error("a replica without a database acknowledges")
		}
	}
	two.await(http.StatusOK)
	if !two.acts() {
		t.Error("the other one does not work")
	}
	for _, d := range one.lost { // delivered again, and to another replica
		if text := two.deliver(d); !strings.Contains(text, acknowledged) {
			t.Errorf("what was refused is known: %q", text)
		}
	}
	c.is(false)
	one.await(http.StatusOK)
	if !one.acts() {
		t.Error("it does not go on")
	}
	for from, to := range map[*worn]*worn{one: two, two: one} {
		for _, d := range from.kept {
			if text := to.deliver(d); text != "" {
				t.Errorf("what another replica did is done again: %s", text)
			}
		}
	}
	for _, w := range []*worn{one, two} {
		if code := w.stop(); code != exitOK {
			t.Errorf("the stop exits %d; log:\n%.4000s", code, w.log.String())
		}
	}
}
