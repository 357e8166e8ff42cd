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

// The primary falls silent when several connections to it are open, and another one of the
// address is promoted. One caller finds out. Nobody waits on the other connections.
func TestThePrimaryFallsSilent(t *testing.T) {
	first := postgrestest.Start(t, "synchronous_standby_names=second")
	second, err := first.Standby("second")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	s := open(t, postgres.Options{URL: fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres", first.Port, second.Port)})
	if err := each(t, s, 4); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Kill)
	first.Freeze()
	if err := second.Promote(); err != nil {
		t.Fatal(err)
	}
	write := func() error {
		return s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") })
	}
	if err := write(); err != nil {
		t.Log(err)
		if err := write(); err != nil {
			t.Errorf("a second caller waited in vain: %v", err)
		}
	}
	if got := get(t, s, "k"); got != "v" {
		t.Errorf("it holds %q", got)
	}
}

// One connection is lost in the middle of an update. The update is run again, and not one of the
// connections that were open beside the lost one stays.
func TestALostConnectionTakesTheOthersAlong(t *testing.T) {
	srv := postgrestest.Start(t)
	s := open(t, postgres.Options{URL: srv.Admin()})
	if err := each(t, s, 4); err != nil {
		t.Fatal(err)
	}
	const ours = " from pg_stat_activity where application_name = 'belay'"
	runs := 0
	err := s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.Get("a", []byte("held 1"))
		if runs++; runs == 1 && err == nil {
			err = srv.Exec("create table before as select pid"+ours, "select pg_terminate_backend(pid)"+ours+" and state = 'idle in transaction'")
		}
		if err != nil {
			return err
		}
		return put(tx, "k", "v")
	})
	if err != nil || runs != 2 {
		t.Errorf("it ran %d times: %v", runs, err)
	}
	err = srv.Exec(`do $$ begin
		while exists (select from pg_stat_activity join before using (pid)) loop
			perform pg_sleep(0.01), pg_stat_clear_snapshot();
		end loop;
	end $$`)
	if err != nil {
		t.Errorf("connections of before the loss are still there: %v", err)
	}
}
