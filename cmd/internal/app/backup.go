package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/backup"
)

// BackupStore is the input of /store/backup.
type BackupStore struct {
	Recipients []string `json:"recipients"` // of age: age1…
}

// BackupLine is one line of the output of /store/backup: a piece of the file, or, last,
// what the file is.
type BackupLine struct {
	Data   []byte      `json:"data,omitempty"`
	Backup *BackupDone `json:"backup,omitempty"`
}

// BackupDone is what a backup holds.
type BackupDone struct {
	Made    time.Time `json:"made"`
	Records int       `json:"records"`
	Bytes   int64     `json:"bytes"`  // of the file
	SHA256  string    `json:"sha256"` // of the file
}

const (
	backupPiece = 96 << 10        // bytes of the file in one line
	spoolName   = "backup-*.part" // in the data directory; encrypted already
)

// backupStore makes a backup. The file is made whole beside the database before a byte
// of it goes out: whoever reads it slowly holds up no snapshot, and so no commit.
func backupStore(ctx context.Context, a *App, by operator, in json.RawMessage, emit func(any) error) (err error) {
	want, err := input[BackupStore](in)
	if err != nil {
		return err
	}
	recipients, err := parseRecipients(want.Recipients)
	if err != nil {
		return err
	}
	e := by.event("store backup", a.now())
	if err := a.sealed.Update(ctx, func(tx store.Tx) error { return a.trail.Append(tx, e) }); err != nil {
		return fmt.Errorf("no backup is made, because it cannot be recorded: %w", err)
	}
	spool, err := a.spool()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
	digest := sha256.New()
	sum, err := backup.Write(ctx, io.MultiWriter(spool, digest), backup.Source{Store: a.store, Now: time.Now,
		Keys: func() ([]byte, error) { return os.ReadFile(a.cfg.KeyFile()) }}, recipients...)
	if err != nil {
		return err
	}
	size, err := spool.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = spool.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("the backup cannot be read again: %w", err)
	}
	piece := make([]byte, backupPiece)
	for {
		n, err := spool.Read(piece)
		if n > 0 {
			if err := emit(BackupLine{Data: piece[:n]}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the backup cannot be read again: %w", err)
		}
	}
	return emit(BackupLine{Backup: &BackupDone{Made: sum.Made, Records: sum.Records, Bytes: size, SHA256: hex.EncodeToString(digest.Sum(nil))}})
}

// spool is a file for a backup.
func (a *App) spool() (*os.File, error) {
	if err := sweepOld(filepath.Join(a.cfg.Data, spoolName)); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(a.cfg.Data, spoolName)
	if err != nil {
		return nil, fmt.Errorf("there is no room for the backup in the data directory: %w", err)
	}
	return f, nil
}

// sweepOld removes what killed processes left under names of a pattern.
func sweepOld(pattern string) error {
	old, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, name := range old {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > time.Hour { // none that is at work
			if err := os.RemoveAll(name); err != nil {
				return fmt.Errorf("what an earlier command left cannot be removed: %w", err)
			}
		}
	}
	return nil
}

func parseRecipients(texts []string) ([]age.Recipient, error) {
	if len(texts) == 0 || len(texts) > 20 {
		return nil, refused("say whom the backup is encrypted for: 1 to 20 times --recipient age1…; belay store backup-key makes a key")
	}
	var all []age.Recipient
	for _, text := range texts {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, refused("--recipient must be a public key of age, which begins with age1; the identity, which begins with AGE-SECRET-KEY-, belongs to nobody but you")
		}
		all = append(all, r)
	}
	return all, nil
}

// StoreReport is the output of /store/verify.
type StoreReport struct {
	Records int         `json:"records"`
	Faults  []string    `json:"faults,omitempty"` // at most 1000
	More    int         `json:"more,omitempty"`   // beyond those
	Trail   AuditReport `json:"trail"`
}

// verifyStore reads everything and says what is wrong.
func verifyStore(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	report, err := a.verifyAll(ctx)
	if err != nil {
		return err
	}
	return emit(report)
}

func (a *App) verifyAll(ctx context.Context) (StoreReport, error) {
	var report StoreReport
	count := func(tx store.Tx, _ func(error)) error {
		report.Records = 0
		names, err := tx.(store.BucketLister).Buckets()
		for _, name := range names {
			err = errors.Join(err, tx.Scan(name, nil, nil, func(_, _ []byte) error { report.Records++; return nil }))
		}
		var bad *store.CorruptError
		if errors.As(err, &bad) { // the walk reports it
			return nil
		}
		return err
	}
	indexes := func(tx store.Tx, report func(error)) error {
		for _, fault := range bot.Check(tx) {
			report(fault)
		}
		return nil
	}
	err := store.Verify(ctx, a.sealed, count, indexes)
	var found *store.VerifyError
	switch {
	case errors.As(err, &found):
		for _, f := range found.Faults {
			report.Faults = append(report.Faults, f.Error())
		}
		report.More = found.More
		return report, nil // the trail of a damaged store is not looked at
	case err != nil:
		return report, err
	}
	t, err := a.trail.Verify(ctx)
	report.Trail = newAuditReport(t)
	return report, err
}
