package app

import (
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// A probe reads the file, and sees that the keys are another's or that a newer Belay changed it.
func TestProbeDatabaseReadsTheFile(t *testing.T) {
	t.Parallel()
	cfg := Config{Data: t.TempDir()}
	probed(t, cfg, func() (driver, error) { return bolt.Open(cfg.Database(), bolt.Options{}) })
}

// It sees the same of PostgreSQL.
func TestProbeDatabaseReadsPostgres(t *testing.T) {
	t.Parallel()
	srv := postgrestest.Start(t)
	if err := srv.Exec("create user belay", "create database belay owner belay"); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Store: Store{PostgresURL: Secret(srv.URL("belay", "belay"))}}
	if err := cfg.ProbeDatabase(t.Context(), http.DefaultClient, keysFor(t)); err != nil {
		t.Errorf("nothing is there yet: %v", err)
	}
	probed(t, cfg, func() (driver, error) {
		return postgres.Open(t.Context(), postgres.Options{URL: string(cfg.Store.PostgresURL)})
	})
}

func probed(t *testing.T, cfg Config, open func() (driver, error)) {
	t.Helper()
	mine, theirs := keysFor(t), keysFor(t)
	started := func(known []store.Migration) {
		t.Helper()
		d, err := open()
		if err != nil {
			t.Fatal(err)
		}
		sealed := store.Seal(d, mine)
		if err = store.CheckKeys(t.Context(), sealed); err == nil {
			_, err = store.Migrate(t.Context(), sealed, known...)
		}
		if err := errors.Join(err, d.Close()); err != nil {
			t.Fatal(err)
		}
	}
	probe := func(k *store.Keyset) error { return cfg.ProbeDatabase(t.Context(), http.DefaultClient, k) }
	started(bot.Migrations())
	if err := probe(mine); err != nil {
		t.Errorf("its own keys: %v", err)
	}
	if err := probe(theirs); !errors.Is(err, store.ErrWrongKeys) {
		t.Errorf("another's keys: %v", err)
	}
	started(append(slices.Clip(bot.Migrations()), func(store.Tx) error { return nil }))
	if err := probe(mine); !errors.As(err, new(*store.SchemaError)) {
		t.Errorf("a newer Belay: %v", err)
	}
	if err := probe(nil); err != nil {
		t.Errorf("without keys: %v", err)
	}
}

func keysFor(t *testing.T) *store.Keyset {
	t.Helper()
	keys, err := store.LoadOrCreateKeyFile(filepath.Join(t.TempDir(), "belay.keys"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
