package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"filippo.io/age"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/backup"
	"github.com/belaybot/belay/store/bolt"
)

// Restored is what a restore did.
type Restored struct {
	Made     time.Time `json:"made"` // of the backup
	Records  int       `json:"records"`
	Requests int       `json:"requests"` // that were open; Microsoft is asked about each
	SignIns  int       `json:"signIns"`  // that were dropped
}

// Restore makes the store of cfg from a backup. It is complete, verified and prepared
// (bot.Restored) under another name before it gets its own, and replaces nothing.
// It is refused while a Belay runs. Everybody has to sign in again: a sign-in that was ended after the backup must not
// come back, and what a backup owed is done only for somebody who is there.
// Errors: *OperationError, *backup.Error, and those of Open.
func Restore(ctx context.Context, cfg Config, log *slog.Logger, from io.Reader, identities ...age.Identity) (done Restored, err error) {
	if cfg.Replicated() {
		return done, refused("a backup is restored into the file first: take store.postgres_url out of the configuration, restore, put it back, and say `belay store copy --from bolt --to postgres`")
	}
	if at := cfg.answering(ctx); at != "" {
		return done, refused("something answers at %s: stop Belay first, or it goes on with the data that you moved away; if it is another one, give this configuration a private_listen of its own", at)
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return done, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	if err := absent(cfg.Database()); err != nil {
		return done, err
	}
	b, err := backup.Open(from, identities...)
	if err != nil {
		return done, err
	}
	switch keys, err := os.ReadFile(cfg.KeyFile()); {
	case err == nil && !bytes.Equal(keys, b.Keys):
		return done, refused("%s holds other keys than the backup; move it away first, and keep it", cfg.KeyFile())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return done, fmt.Errorf("whether there are keys already cannot be seen: %w", err)
	}
	if err := sweepOld(filepath.Join(cfg.Data, aside)); err != nil {
		return done, err
	}
	dir, err := os.MkdirTemp(cfg.Data, aside) // mode 0700, on the same file system
	if err != nil {
		return done, fmt.Errorf("there is no room to restore in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	there := cfg
	there.Data, there.Keys.File = dir, ""
	if err := writeSynced(there.KeyFile(), b.Keys); err != nil {
		return done, fmt.Errorf("the key file cannot be written: %w", err)
	}
	sum, err := refill(ctx, there.Database(), b)
	if err != nil {
		return done, err
	}
	done.Made, done.Records = sum.Made, sum.Records
	if err := prepare(ctx, there, log, &done); err != nil {
		return done, err
	}
	// The keys first: a database is never without them.
	if err := placeKeys(cfg.KeyFile(), b.Keys); err != nil {
		return done, fmt.Errorf("the key file cannot be put in its place: %w", err)
	}
	if err := Appear(there.Database(), cfg.Database()); err != nil {
		return done, fmt.Errorf("the database cannot be put in its place: %w", err)
	}
	return done, nil
}

// answering is where a Belay of this configuration takes connections; empty: none does. Its data
// may have been moved away while it ran, so that the directory does not show it.
func (c Config) answering(ctx context.Context) string {
	host, port, err := net.SplitHostPort(c.PrivateListen)
	if err != nil || port == "0" {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	for _, at := range [][2]string{{"unix", c.socket()}, {"tcp", net.JoinHostPort(host, port)}} {
		d := net.Dialer{Timeout: 2 * time.Second} // it is this machine
		if conn, err := d.DialContext(ctx, at[0], at[1]); err == nil {
			_ = conn.Close() // nothing was said
			return at[1]
		}
	}
	return ""
}

// aside is where a store is restored before it gets its place.
const aside = "restoring-*"

func absent(database string) error {
	switch _, err := os.Lstat(database); {
	case err == nil:
		return refused("there is a database already: %s; stop Belay and move it away first, it is not replaced", database)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("whether there is a database already cannot be seen: %w", err)
	}
	return nil
}

func refill(ctx context.Context, file string, b *backup.Backup) (sum backup.Summary, err error) {
	db, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return b.Restore(ctx, db)
}

// prepare proves that the records open and belong together, and makes them ready to
// go on from.
func prepare(ctx context.Context, cfg Config, log *slog.Logger, done *Restored) (err error) {
	a, err := openStore(ctx, cfg, Options{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	report, err := a.verifyAll(ctx)
	switch {
	case err != nil:
		return err
	case len(report.Faults) > 0:
		return refused("the backup is not sound, %d faults; the first: %s", len(report.Faults)+report.More, report.Faults[0])
	case report.Trail.Bad != nil:
		return refused("the audit trail of the backup is not what it was, from index %d on: %s", report.Trail.Bad.Index, report.Trail.Bad.What)
	}
	return a.doubt(ctx, operator{account: account()}, "store restore", done)
}

// doubt makes a store ready to go on from that holds an earlier state: nobody is signed
// in, and nothing that was owed is sent before Microsoft was asked. The event comes first:
// nothing is done that is not on record.
func (a *App) doubt(ctx context.Context, by operator, command string, done *Restored) (err error) {
	e := by.event(command, a.now())
	e.More = map[string]string{"backup": done.Made.UTC().Format(time.RFC3339)}
	if err := a.sealed.Update(ctx, func(tx store.Tx) error { return a.trail.Append(tx, e) }); err != nil {
		return err
	}
	if done.SignIns, err = a.people.ForgetAll(ctx, "restored from a backup"); err != nil {
		return err
	}
	done.Requests, err = a.bot.Restore(ctx, done.Made)
	return err
}

// restoredStore is for a database that was restored by its own means.
func restoredStore(ctx context.Context, a *App, by operator, _ json.RawMessage, emit func(any) error) error {
	done := Restored{Made: a.now().UTC()}
	if err := a.doubt(ctx, by, "store restored", &done); err != nil {
		return err
	}
	return emit(done)
}

// placeKeys gives the key file its name, in whatever directory. One that is there already
// is the same: see Restore.
func placeKeys(path string, keys []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(keys)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		if err = Appear(f.Name(), path); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// writeSynced writes a file that only its owner may read.
func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Appear gives a complete and synced file its name, for good. A link, unlike a rename,
// replaces nothing: fs.ErrExist.
func Appear(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // which cannot sync a directory, and need not
		return nil
	}
	d, err := os.Open(dir) //nolint:gosec // the operator's data directory
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
