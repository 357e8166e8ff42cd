package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/belaybot/belay/cmd/internal/app"
)

type storeCommand struct {
	Backup   storeBackup   `cmd:"" help:"Write the whole store and its keys into one encrypted file, while Belay serves."`
	Restore  storeRestore  `cmd:"" help:"Make the store from a backup, where there is none. Everybody signs in again."`
	Restored storeRestored `cmd:"" help:"After a database was restored by its own means: nothing that was owed is sent before Microsoft was asked, and everybody signs in again."`
	Verify   storeVerify   `cmd:"" help:"Read every record, every index and the audit trail. Exits 4 if something is damaged."`
	Copy     storeCopy     `cmd:"" help:"Move from the file in the data directory to PostgreSQL, while no Belay serves."`
	Key      backupKey     `cmd:"" name:"backup-key" help:"Make the key that backups are encrypted for."`
}

type storeBackup struct {
	configured
	To        string   `required:"" placeholder:"FILE" help:"Where to; it is not replaced if it is there. - is the standard output."`
	Recipient []string `required:"" sep:"none" placeholder:"age1…" help:"Whom for: a public key of age. May be given more than once."`
	JSON      bool     `help:"As one JSON object; not with --to -."`
}

// Run makes a backup.
func (c *storeBackup) Run(i *invocation) (err error) {
	if c.To == "-" {
		if c.JSON {
			return refusedInput("--json needs a file to write to: what is said would be in the middle of the backup")
		}
		_, err := c.write(i, i.stdout)
		return err
	}
	if _, err := os.Lstat(c.To); err == nil {
		return refusedInput("%s is there already, and is not replaced", c.To)
	}
	// Under another name until it is whole: no part of a backup is taken for one.
	f, err := os.CreateTemp(filepath.Dir(c.To), "."+filepath.Base(c.To)+".part-*") // mode 0600
	if err != nil {
		return refusedInput("the backup cannot be written there: %v", err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	done, err := c.write(i, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := app.Appear(f.Name(), c.To); err != nil {
		return fmt.Errorf("the backup is whole, and yet cannot be given its name: %w", err)
	}
	if c.JSON {
		return printJSON(i.stdout, done)
	}
	_, err = fmt.Fprintf(i.stdout, "%s holds %d records as of %s and the key file, encrypted: %d bytes, sha256 %s\n",
		c.To, done.Records, done.Made.Format(time.RFC3339), done.Bytes, done.SHA256)
	return err
}

// write has a backup made and writes it to w.
func (c *storeBackup) write(i *invocation, w io.Writer) (app.BackupDone, error) {
	var done *app.BackupDone
	digest := sha256.New()
	err := operate(i, c.configured, "/store/backup", app.BackupStore{Recipients: c.Recipient}, func(line app.BackupLine) error {
		if line.Backup != nil {
			done = line.Backup
			return nil
		}
		_, err := io.MultiWriter(w, digest).Write(line.Data)
		return err
	})
	switch {
	case err != nil:
		return app.BackupDone{}, err
	case done == nil || done.SHA256 != hex.EncodeToString(digest.Sum(nil)):
		return app.BackupDone{}, errors.New("the backup is not what the Belay that serves made; try again")
	}
	return *done, nil
}

type storeRestore struct {
	configured
	From     string `required:"" type:"path" placeholder:"FILE" help:"The backup."`
	Identity string `required:"" type:"path" placeholder:"FILE" help:"The key that it was encrypted for: what belay store backup-key wrote."`
	JSON     bool   `help:"As one JSON object."`
}

// Run restores a backup.
func (c *storeRestore) Run(i *invocation) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	identities, err := readIdentities(c.Identity)
	if err != nil {
		return err
	}
	from, err := os.Open(c.From)
	if err != nil {
		return refusedInput("the backup cannot be read: %v", err)
	}
	defer func() { _ = from.Close() }() // it was only read
	log := slog.New(slog.NewTextHandler(i.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	done, err := app.Restore(i.ctx, cfg, log, from, identities...)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(i.stdout, done)
	}
	_, err = fmt.Fprintf(i.stdout, `%d records as of %s are in their place, and everything is sound.
%d requests were open then: Microsoft is asked about each before anything is sent.
%d sign-ins were dropped: everybody signs in again. Start Belay with: belay serve --config %s
`, done.Records, done.Made.Format(time.RFC3339), done.Requests, done.SignIns, c.Config)
	return err
}

type storeRestored struct {
	configured
	JSON bool `help:"As one JSON object."`
}

// Run makes the store ready.
func (c *storeRestored) Run(i *invocation) error {
	return operate(i, c.configured, "/store/restored", struct{}{}, func(done app.Restored) error {
		if c.JSON {
			return printJSON(i.stdout, done)
		}
		_, err := fmt.Fprintf(i.stdout, "%d requests are open: Microsoft is asked about each before anything is sent.\n%d sign-ins were dropped: everybody signs in again.\n", done.Requests, done.SignIns)
		return err
	})
}

func readIdentities(file string) ([]age.Identity, error) {
	f, err := os.Open(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, refusedInput("the identity cannot be read: %v", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	all, err := age.ParseIdentities(io.LimitReader(f, 1<<20))
	if err != nil { // whose text may hold the line that cannot be read
		return nil, refusedInput("%s is no identity of age: it has a line that begins with AGE-SECRET-KEY-", file)
	}
	return all, nil
}

type storeVerify struct {
	configured
	JSON bool `help:"As one JSON object."`
}

// Run verifies the store.
func (c *storeVerify) Run(i *invocation) error {
	var r app.StoreReport
	if err := operate(i, c.configured, "/store/verify", struct{}{}, func(got app.StoreReport) error { r = got; return nil }); err != nil {
		return err
	}
	bad := r.Faults
	if t := r.Trail.Bad; t != nil {
		bad = append(bad, fmt.Sprintf("the audit trail is not what it was, from index %d on: %s", t.Index, t.What))
	}
	if c.JSON {
		if err := printJSON(i.stdout, r); err != nil {
			return err
		}
	} else if len(bad) == 0 {
		if _, err := fmt.Fprintf(i.stdout, "all %d records are sound, and the audit trail is whole\n", r.Records); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return &differs{printable(fmt.Sprintf("%d faults:\n%s", len(bad)+r.More, strings.Join(bad, "\n")))}
	}
	return nil
}

type backupKey struct {
	File string `arg:"" type:"path" help:"Where the key is written; keep it apart from Belay. It is not replaced."`
}

// Run makes a key.
func (c *backupKey) Run(i *invocation) error {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return refusedInput("%s is there already, and is not replaced", c.File)
	}
	if err != nil {
		return refusedInput("the key cannot be written there: %v", err)
	}
	_, err = fmt.Fprintf(f, "# Opens Belay's backups. Whoever has it and a backup has everything in it.\n# public key: %s\n%s\n", id.Recipient(), id)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(i.stdout, "%s\n", id.Recipient())
	return err
}

// refusedInput is an input that was refused; nothing was changed.
func refusedInput(format string, args ...any) error {
	return &app.OperationError{Refused: true, Message: fmt.Sprintf(format, args...)}
}
