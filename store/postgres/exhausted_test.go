package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// All connections that updates may use are in use: who comes waits, so many and no more, who
// gives up has no effect, and views go on. The same of those for views. (fault 58)
func TestAllConnectionsAreInUse(t *testing.T) {
	srv, name := server(t), schema()
	s := open(t, postgres.Options{URL: srv.Admin(), Schema: name, Connections: 3, MaxWaiting: 2}) // one for updates, one for views
	inside, release, held := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		held <- s.Update(context.Background(), func(tx store.Tx) error {
			if err := put(tx, "held", "v"); err != nil {
				return err
			}
			close(inside)
			<-release
			return nil
		})
	}()
	<-inside
	ctx, giveUp := context.WithCancel(t.Context())
	told := make(chan error, 2)
	for range cap(told) { // one of them waits, and for the other there is no room
		go func() { told <- s.Update(ctx, func(tx store.Tx) error { return put(tx, "second", "v") }) }()
	}
	if err := <-told; !errors.Is(err, store.ErrBusy) {
		t.Errorf("for whom there is no room: %v", err)
	}
	if got := get(t, s, "held"); got != "" {
		t.Errorf("a view shows %q of an update under way", got)
	}
	giveUp()
	if err := <-told; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up is told %v", err)
	}
	close(release)
	if err := <-held; err != nil {
		t.Error(err)
	}
	for key, want := range map[string]string{"held": "v", "second": ""} {
		if got := get(t, s, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	err := s.View(t.Context(), func(store.Tx) error { // holds the only connection for views
		return s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "beside", "v") })
	})
	if err != nil || get(t, s, "beside") != "v" {
		t.Errorf("an update beside a view: %v", err)
	}
}

// The server takes no more connections. What needs one is refused and has no effect, and when
// there is one again nobody has to start anew. (fault 58)
func TestTheServerTakesNoMoreConnections(t *testing.T) {
	srv := postgrestest.Start(t, "max_connections=8", "superuser_reserved_connections=0")
	s := open(t, postgres.Hasty(postgres.Options{URL: srv.Admin()}))
	if err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "before", "v") }); err != nil {
		t.Fatal(err)
	}
	if err := srv.Exec("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'belay'"); err != nil {
		t.Fatal(err)
	}
	var others []*pgx.Conn
	for {
		c, err := pgx.Connect(t.Context(), srv.Admin())
		if err != nil {
			break
		}
		others = append(others, c)
	}
	if len(others) == 0 {
		t.Fatal("the server takes no connection at all")
	}
	err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "refused", "v") })
	var e *postgres.Error
	if !errors.As(err, &e) || errors.Is(err, store.ErrUncertain) {
		t.Errorf("without a connection: %v", err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("it is ready")
	}
	for _, c := range others {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "after", "v") }); err != nil {
		t.Error(err)
	}
	for key, want := range map[string]string{"before": "v", "refused": "", "after": "v"} {
		if got := get(t, s, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}
