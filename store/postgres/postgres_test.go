package postgres_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
	"github.com/belaybot/belay/store/storetest"
)

// shared is a server that no test stops or changes.
var shared = sync.OnceValues(func() (*postgrestest.Server, error) { return postgrestest.New() })

func TestMain(m *testing.M) {
	code := m.Run()
	if started.Load() {
		if s, err := shared(); err == nil {
			s.Close()
		}
	}
	os.Exit(code)
}

var started atomic.Bool

func server(t testing.TB) *postgrestest.Server {
	t.Helper()
	started.Store(true)
	s, err := shared()
	postgrestest.Demand(t, err)
	return s
}

var schemas atomic.Int64

// schema is a name that no other test has.
func schema() string { return fmt.Sprint("belay_", os.Getpid(), "_", schemas.Add(1)) }

func open(t testing.TB, opt postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestPostgres(t *testing.T) {
	srv := server(t)
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, postgres.Options{URL: srv.Admin(), Schema: schema()})
	})
}

func TestSealedPostgres(t *testing.T) {
	srv := server(t)
	storetest.Run(t, func(t *testing.T) store.Store {
		keys, err := store.NewKeyset()
		if err != nil {
			t.Fatal(err)
		}
		return store.Seal(open(t, postgres.Options{URL: srv.Admin(), Schema: schema()}), keys)
	})
}

const durableURL = "BELAY_TEST_POSTGRES_URL"

func TestPostgresIsDurable(t *testing.T) {
	url := os.Getenv(durableURL) // of the process that started this one
	if url == "" {
		url = server(t).Admin()
		t.Setenv(durableURL, url)
	}
	storetest.RunDurable(t, func(t *testing.T, dir string) (store.Store, func()) {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: url, Schema: "durable" + dir[max(0, len(dir)-20):]})
		if err != nil {
			t.Fatal(err)
		}
		return s, func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
