package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Rotation has three steps, and every one may be cut off:
//
//  1. Rotate adds a key to the key file, and only when that lasts is anything sealed
//     with it. Fence, committed afterwards, makes sure that everything is.
//  2. Reseal walks the store and seals with the new key what an older one sealed. What
//     it still has to do shows in the records; it keeps no book.
//  3. Prune removes the older keys once it has seen that no record needs them.
//
// Before, between and after, the file holds every key that a record needs.

// Vault wraps the key of a key file with a key of its own, which it never gives away.
type Vault interface {
	// Wrap returns dataKey wrapped, and the id of the key that did it.
	Wrap(ctx context.Context, dataKey []byte) (wrapped []byte, key string, err error)
	// Unwrap undoes what the key of that id did.
	Unwrap(ctx context.Context, key string, wrapped []byte) ([]byte, error)
}

// KeyInfo tells of one sealing key.
type KeyInfo struct {
	ID      KeyID
	Primary bool      // it seals
	Made    time.Time // zero: not recorded
}

// Keys are the sealing keys, the oldest first.
func (k *Keyset) Keys() []KeyInfo {
	s := k.sealing.Load()
	var all []KeyInfo
	for _, id := range s.ids {
		all = append(all, KeyInfo{ID: id, Primary: id == s.primary, Made: s.made[id]})
	}
	slices.SortStableFunc(all, func(a, b KeyInfo) int { return a.Made.Compare(b.Made) })
	return all
}

// Primary is the key that seals.
func (k *Keyset) Primary() KeyID { return k.sealing.Load().primary }

// Rotate adds a key and seals with it from now on; the others open what they sealed. The
// key file holds it, durably, before it is used. Commit a Fence next. Errors: a
// *KeyFileError, or what the vault answers; the keys are then the ones from before.
func (k *Keyset) Rotate(ctx context.Context) (KeyID, error) {
	if err := k.change(ctx, (*sealing).rotated); err != nil {
		return 0, err
	}
	return k.Primary(), nil
}

// Prune removes every key but the one that seals, if no record of raw, the store
// without its seal, needs one. Otherwise the error is a *KeysInUseError. It says how many keys
// were removed.
func (k *Keyset) Prune(ctx context.Context, raw Store) (int, error) {
	before := k.sealing.Load()
	fence, fenced, err := fencedBy(ctx, raw)
	if err != nil {
		return 0, err
	}
	if fenced && fence != before.primary {
		return 0, &KeysInUseError{Records: map[KeyID]int{fence: 1}}
	}
	counts, err := CountKeys(ctx, raw)
	if err != nil {
		return 0, err
	}
	delete(counts, before.primary)
	if len(counts) > 0 {
		return 0, &KeysInUseError{Records: counts}
	}
	return len(before.ids) - 1, k.change(ctx, func(s *sealing) (*sealing, error) {
		if s.primary != before.primary {
			return nil, errors.New("store: the keys were rotated meanwhile; nothing was removed")
		}
		return s.pruned()
	})
}

// KeysInUseError refuses to remove keys that records are still sealed with.
type KeysInUseError struct{ Records map[KeyID]int }

// Error says how many.
func (e *KeysInUseError) Error() string {
	n := 0
	for _, of := range e.Records {
		n += of
	}
	return fmt.Sprintf("%d records are still sealed with older keys; wait until `belay keys list` shows none, then prune again; those that stay are damaged", n)
}

// change lets edit make other keys of what the key file holds, writes them and uses
// them. One change runs at a time, whatever process makes it.
func (k *Keyset) change(ctx context.Context, edit func(*sealing) (*sealing, error)) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	if k.file.Path == "" {
		next, err := edit(k.sealing.Load())
		if err == nil {
			k.sealing.Store(next)
		}
		return err
	}
	unlock, err := k.file.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := k.catchUp(ctx); err != nil {
		return err
	}
	next, err := edit(k.sealing.Load())
	if err != nil {
		return err
	}
	raw, err := k.file.replace(ctx, next, k.names)
	if err != nil {
		return err
	}
	k.sealing.Store(next)
	k.read = sha256.Sum256(raw)
	return nil
}

// catchUp takes in what another process wrote into the key file since it was read. The
// vault is asked only if there is something new. k.turn is held.
func (k *Keyset) catchUp(ctx context.Context) error {
	raw, err := k.file.content()
	if err != nil {
		return err
	}
	read := digest(sha256.Sum256(raw))
	if read == k.read {
		return nil
	}
	file, err := k.file.parse(ctx, raw)
	if err != nil {
		return err
	}
	if !bytes.Equal(file.names, k.names) {
		return &KeyFileError{Path: k.file.Path, Reason: KeyForeign}
	}
	next, err := k.sealing.Load().joined(file.sealing.Load())
	if err != nil {
		return err
	}
	k.sealing.Store(next)
	k.read = read
	return nil
}

// reloadTime bounds how long a record waits for the key file, and the vault.
const reloadTime = 20 * time.Second

// with are the keys, with the one of that id among them if there is such a key: it may
// be one that another process added to the key file.
func (k *Keyset) with(id KeyID) (*sealing, error) {
	if s := k.sealing.Load(); s.has(id) || k.file.Path == "" {
		return s, nil
	}
	k.turn.Lock()
	defer k.turn.Unlock()
	if s := k.sealing.Load(); s.has(id) {
		return s, nil // somebody was faster
	}
	ctx, cancel := context.WithTimeout(context.Background(), reloadTime)
	defer cancel()
	if err := k.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("its key %s is not known here, and the key file cannot be read again: %w", id, err)
	}
	return k.sealing.Load(), nil
}
