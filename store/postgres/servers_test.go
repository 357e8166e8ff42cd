package postgres_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// mute takes connections and never says anything, as a server does whose machine hangs.
type mute struct {
	net.Listener
	asked atomic.Int32
}

func newMute(t *testing.T) *mute {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mute{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			m.asked.Add(1)
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return m
}

// each holds so many updates at once, and with them as many connections.
func each(t *testing.T, s *postgres.Store, left int) error {
	t.Helper()
	return s.Update(context.Background(), func(tx store.Tx) error {
		if err := put(tx, fmt.Sprint("held ", left), "v"); err != nil || left == 1 {
			return err
		}
		return each(t, s, left-1)
	})
}

// Of several servers one says nothing. Once the primary is known, it is asked first: the
// silent one is in nobody's way, by address and by name, until the primary is gone.
func TestASilentServerIsWaitedForOnce(t *testing.T) {
	srv := postgrestest.Start(t)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		m := newMute(t)
		s := open(t, postgres.Options{Schema: schema(),
			URL: fmt.Sprintf("postgres://postgres@%s,%s:%d/postgres?sslmode=disable", m.Addr(), host, srv.Port)})
		once := m.asked.Load()
		if once == 0 {
			t.Error("the first of the address was not asked")
		}
		if err := each(t, s, 5); err != nil {
			t.Error(err)
		}
		if got := m.asked.Load(); got != once {
			t.Errorf("at %s the silent server was asked %d times more", host, got-once)
		}
	}
}

// The primary falls silent after it was known, and another one of the address is promoted:
// that one is found, and asked first from then on.
func TestThePrimaryFallsSilent(t *testing.T) {
	first := postgrestest.Start(t, "synchronous_standby_names=second")
	second, err := first.Standby("second")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	s := open(t, postgres.Hasty(postgres.Options{URL: fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres", first.Port, second.Port)}))
	if err := each(t, s, 2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Kill)
	first.Freeze()
	if err := second.Promote(); err != nil {
		t.Fatal(err)
	}
	for err = fmt.Errorf("not tried"); err != nil && t.Context().Err() == nil; {
		err = s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") })
	}
	if got := get(t, s, "k"); got != "v" {
		t.Errorf("it holds %q", got)
	}
}
