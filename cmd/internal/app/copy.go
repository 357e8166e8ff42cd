package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/trail"
)

// CopyLine is the output of belay store copy.
type CopyLine struct {
	Records int    `json:"records"`
	Digest  string `json:"digest"` // of all of them, read back from the target
	From    string `json:"from"`   // where the source lies now
	To      string `json:"to"`
}

// CopyStore copies the bbolt file of the data directory into the configured PostgreSQL
// database. The file is locked meanwhile, so that no Belay serves from it, and has another name
// afterwards, so that none does by mistake. The audit event of it is copied with the rest.
func CopyStore(ctx context.Context, cfg Config) (line CopyLine, err error) {
	path := cfg.Database()
	if !cfg.Replicated() {
		return line, &OperationError{Refused: true, Message: "store.postgres_url is not set: there is no database to copy to"}
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return line, &OperationError{Refused: true, Message: fmt.Sprintf("there is no database %s to copy", path)}
	}
	client, err := httpClient(cfg.Endpoints.CAFile)
	if err != nil {
		return line, err
	}
	file, err := cfg.keyFile(client)
	if err != nil {
		return line, err
	}
	keys, err := file.Load(ctx)
	if err != nil {
		return line, err
	}
	from, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return line, err
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, from.Close())
		}
	}()
	to, err := cfg.postgres(ctx, client, nil)
	if err != nil {
		return line, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	line.To = postgres.Place(string(cfg.Store.PostgresURL))
	if used, err := store.Sealed(ctx, to); err != nil || used {
		return line, errors.Join(err, refusedCopy(line.To, used))
	}
	if err := noteCopy(ctx, store.Seal(from, keys), keys, line.To); err != nil {
		return line, err
	}
	c, err := store.Copy(ctx, from, to)
	if err != nil {
		if errors.Is(err, store.ErrNotEmpty) {
			err = refusedCopy(line.To, true)
		}
		return line, err
	}
	open = false
	line.Records, line.Digest, line.From = c.Records, c.Digest, path+".copied"
	if err := errors.Join(from.Close(), os.Rename(path, line.From)); err != nil {
		return line, fmt.Errorf("everything was copied; now move %s away, no Belay may serve from it any more: %w", path, err)
	}
	return line, nil
}

func refusedCopy(to string, used bool) error {
	if !used {
		return nil
	}
	return &OperationError{Refused: true, Message: fmt.Sprintf("the database %s holds a store already and was left as it is; if it is not wanted, let an administrator run DROP SCHEMA belay CASCADE", to)}
}

// noteCopy records the copy in the audit trail of the source, before it is copied.
func noteCopy(ctx context.Context, sealed store.Store, keys *store.Keyset, to string) error {
	recording := trail.Recording(sealed)
	if err := store.CheckKeys(ctx, recording); err != nil {
		return err
	}
	t, err := trail.New(trail.Options{Store: recording, Signer: keys.Signer("audit checkpoints")})
	if err != nil {
		return err
	}
	e := operator{account: account()}.event("store copy", time.Now())
	e.More = map[string]string{"to": to}
	return recording.Update(ctx, func(tx store.Tx) error { return t.Append(tx, e) })
}
