package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// moving is an installation on a file, with a configuration for it and one for PostgreSQL.
func moving(t *testing.T, url string) (dir, onFile, onPostgres string) {
	t.Helper()
	dir = t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	onFile, onPostgres = filepath.Join(dir, "file.yaml"), filepath.Join(dir, "postgres.yaml")
	text := fmt.Sprintf(config, free(t), free(t), data)
	for file, content := range map[string]string{onFile: text, onPostgres: text + "store:\n  postgres_url: " + url + "\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := store.LoadOrCreateKeyFile(filepath.Join(data, "belay.keys"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := bolt.Open(filepath.Join(data, "belay.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sealed := store.Seal(raw, keys)
	if err := store.CheckKeys(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
	err = sealed.Update(t.Context(), func(tx store.Tx) error {
		for n := range 1000 {
			if err := tx.Put("things", fmt.Appendf(nil, "%04d", n), bytes.Repeat([]byte{byte(n)}, n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, onFile, onPostgres
}

func TestAStoreMovesToPostgreSQL(t *testing.T) {
	srv := postgrestest.Start(t)
	dir, onFile, onPostgres := moving(t, srv.Admin())
	copyIt := func(file string) (int, string) {
		var out, said bytes.Buffer
		code := run(t.Context(), []string{"store", "copy", "--from", "bolt", "--to", "postgres", "--json", "--config", file}, nil, &out, &said)
		return code, out.String() + said.String()
	}
	if code, said := copyIt(onFile); code != exitRefused || !strings.Contains(said, "store.postgres_url") {
		t.Errorf("without a target it exits %d and says %s", code, said)
	}
	held, err := bolt.Open(filepath.Join(dir, "data", "belay.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if code, said := copyIt(onPostgres); code != exitRefused || !strings.Contains(said, "another Belay holds this file") {
		t.Errorf("while the source is served it exits %d and says %s", code, said)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	code, said := copyIt(onPostgres)
	var line app.CopyLine
	if err := json.Unmarshal([]byte(said), &line); code != exitOK || err != nil || line.Records < 1002 || len(line.Digest) != 64 {
		t.Fatalf("it exits %d and says %s", code, said)
	}
	if code, said := copyIt(onPostgres); code != exitRefused || !strings.Contains(said, "no database") {
		t.Errorf("a second time it exits %d and says %s", code, said)
	}
	if err := os.Rename(line.From, filepath.Join(dir, "data", "belay.db")); err != nil {
		t.Fatal(err)
	}
	if code, said := copyIt(onPostgres); code != exitRefused || !strings.Contains(said, "holds a store already") {
		t.Errorf("onto a full target it exits %d and says %s", code, said)
	}

	// It serves from there, and is ready only while the database is.
	ctx, stop := context.WithCancel(t.Context())
	log := &lockedBuffer{}
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"serve", "--config", onPostgres}, nil, io.Discard, log) }()
	cfg, err := app.Load(onPostgres, nil)
	if err != nil {
		t.Fatal(err)
	}
	ready := func() bool {
		resp, err := http.Get("http://" + cfg.PrivateListen + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	await := func(want bool) {
		t.Helper()
		for t.Context().Err() == nil && ready() != want {
			select {
			case code := <-done:
				t.Fatalf("it exits %d:\n%s", code, log.String())
			default:
			}
		}
	}
	await(true)
	srv.Kill()
	await(false)
	if err := srv.Up(); err != nil {
		t.Fatal(err)
	}
	await(true)
	var events bytes.Buffer
	if code := run(t.Context(), []string{"audit", "export", "--config", onPostgres}, nil, &events, io.Discard); code != exitOK || !strings.Contains(events.String(), "store copy") {
		t.Errorf("audit export exits %d with %s", code, events.String())
	}
	stop()
	if code := <-done; code != exitOK {
		t.Errorf("the stop exits %d; log:\n%s", code, log.String())
	}

	// Another replica without the keys is refused, and makes none.
	if err := os.Remove(filepath.Join(dir, "data", "belay.keys")); err != nil {
		t.Fatal(err)
	}
	var refusal bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--config", onPostgres}, nil, io.Discard, &refusal); code != exitRefused || !strings.Contains(refusal.String(), "every replica needs") {
		t.Errorf("without keys it exits %d and says %s", code, refusal.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "belay.keys")); err == nil {
		t.Error("it made new keys")
	}
}
