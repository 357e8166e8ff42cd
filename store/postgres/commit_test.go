package postgres_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// way is the network between a store and its database. Each connection that is open when
// it is cut, and sends or gets something afterwards, is lost in the way that cut says.
type way struct {
	t    *testing.T
	to   string
	l    net.Listener
	cut  atomic.Int32
	then func()      // is done when an answer was lost; nil: nothing
	late chan func() // what a held message does when it is let go
	all  sync.WaitGroup
}

// How a connection is lost, from the next message on.
const (
	asIs      int32 = iota
	noRequest       // what the store sends does not arrive
	noAnswer        // it arrives, and the answer does not
	held            // it arrives later, when the store has long given up
)

func newWay(t *testing.T, srv *postgrestest.Server) *way {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{t: t, to: fmt.Sprintf("127.0.0.1:%d", srv.Port), l: l, late: make(chan func(), 1)}
	w.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.all.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.all.Wait()
	})
	return w
}

func (w *way) url() string { return "postgres://postgres@" + w.l.Addr().String() + "/postgres" }

// once takes what was set, if it is one of those.
func (w *way) once(how ...int32) int32 {
	for _, h := range how {
		if w.cut.CompareAndSwap(h, asIs) {
			return h
		}
	}
	return asIs
}

func (w *way) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	detached := false
	both.Go(func() { // requests
		buf := make([]byte, 1<<16)
		for {
			n, err := client.Read(buf)
			if n > 0 {
				switch w.once(noRequest, held) {
				case noRequest:
					client.Close()
					server.Close()
					return
				case held:
					message := append([]byte{}, buf[:n]...)
					detached = true
					client.Close()
					w.late <- func() {
						if _, err := server.Write(message); err != nil {
							w.t.Error(err)
						}
						server.(*net.TCPConn).CloseWrite()
						io.Copy(io.Discard, server) // until the server is done with it
						server.Close()
					}
					return
				}
				if _, err := server.Write(buf[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		client.Close()
		server.Close()
	})
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if n > 0 {
			if w.once(noAnswer) == noAnswer {
				if w.then != nil {
					w.then()
				}
				break
			}
			if _, err := client.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	client.Close()
	both.Wait()
	if !detached {
		server.Close()
	}
}

// TestALostCommitIsSettled loses the connection in the round trip that commits.
func TestALostCommitIsSettled(t *testing.T) {
	srv := server(t)
	for _, c := range []struct {
		name string
		cut  int32
		runs int
	}{
		{"the COMMIT did not arrive", noRequest, 2},
		{"its answer did not arrive", noAnswer, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWay(t, srv)
			s := open(t, postgres.Options{URL: w.url(), Schema: schema(), Connections: 3})
			update := func(cut int32) (runs int) {
				err := s.Update(t.Context(), func(tx store.Tx) error {
					err := add(tx, "n")
					if runs++; runs == 1 {
						w.cut.Store(cut)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				return runs
			}
			update(asIs) // the connection knows its statements afterwards
			if runs := update(c.cut); runs != c.runs {
				t.Errorf("the function ran %d times, want %d", runs, c.runs)
			}
			if got := get(t, s, "n"); got != "2" {
				t.Errorf("two updates counted to %s", got)
			}
		})
	}
}

// TestALateCommitIsRefused lets a whole transaction, its COMMIT included, arrive after the
// store has asked what became of it, and has run the function again.
func TestALateCommitIsRefused(t *testing.T) {
	srv := server(t)
	w := newWay(t, srv)
	s := open(t, postgres.Options{URL: w.url(), Schema: schema(), Connections: 3})
	update := func(cut int32) (runs int) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if runs++; runs == 1 {
				w.cut.Store(cut)
			}
			return put(tx, "k", fmt.Sprint("run ", runs)) // reads nothing: all is in one message
		})
		if err != nil {
			t.Error(err)
		}
		return runs
	}
	update(asIs)
	if runs := update(held); runs != 2 {
		t.Errorf("the function ran %d times", runs)
	}
	(<-w.late)()
	if got := get(t, s, "k"); got != "run 2" {
		t.Errorf("the late commit was taken: %q", got)
	}
}

// TestALostCommitOfADatabaseThatIsGone cannot be settled, and is told so.
func TestALostCommitOfADatabaseThatIsGone(t *testing.T) {
	srv := postgrestest.Start(t)
	w := newWay(t, srv)
	w.then = srv.Kill
	s := open(t, postgres.Hasty(postgres.Options{URL: w.url(), Connections: 3}))
	err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") })
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		err := put(tx, "k", "w")
		w.cut.Store(noAnswer)
		return err
	})
	if !errors.Is(err, store.ErrUncertain) {
		t.Errorf("want ErrUncertain: %v", err)
	}
}
