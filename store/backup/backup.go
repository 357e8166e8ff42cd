// Package backup writes a store into one encrypted stream and reads it back.
//
// A backup is one age file (https://age-encryption.org/v1) for the operator's
// recipients. Inside stand a line of JSON (Header), the key file of the store as it
// is, every record as the driver holds it (sealed), and a SHA-256 over all of that.
// The records are one snapshot. So a backup is whole or it is refused, it can be
// read with the recipient's identity alone, and it fits every driver.
//
// Nobody who has the file alone learns anything, and nobody can make one that is
// taken for Belay's without the store's keys: whoever knows the recipient can encrypt
// something to it, but its records would not open.
package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"filippo.io/age"

	"github.com/belaybot/belay/store"
)

// Format is the version of the stream that this Belay writes and reads.
const Format = 1

// Header is the first line of a backup.
type Header struct {
	Belay   string    `json:"belay"` // "backup"
	Format  int       `json:"format"`
	Made    time.Time `json:"made"`    // wall clock, UTC
	KeyFile int       `json:"keyFile"` // bytes
}

// Summary is what was written or read.
type Summary struct {
	Made    time.Time
	Buckets int
	Records int
	Bytes   int64 // of records, before encryption
}

// Source is what is backed up.
type Source struct {
	// Store is the driver itself, below the seal.
	Store store.Store
	// Keys reads the key file as it lies there.
	Keys func() ([]byte, error)
	Now  func() time.Time
}

// ErrKeysChange says that the keys were being changed all the while. Try again later.
var ErrKeysChange = errors.New("backup: the keys are being rotated or pruned; try again in a minute")

// Write writes a backup of src for the recipients to w. What stands in w after an
// error is no backup.
func Write(ctx context.Context, w io.Writer, src Source, recipients ...age.Recipient) (Summary, error) {
	sealed, err := age.Encrypt(w, recipients...)
	if err != nil {
		return Summary{}, fmt.Errorf("backup: the recipients cannot be encrypted to: %w", err)
	}
	buffered := bufio.NewWriterSize(sealed, 1<<16)
	var sum Summary
	for try := 0; ; try++ {
		before, err := src.Keys()
		if err != nil {
			return Summary{}, fmt.Errorf("backup: %w", err)
		}
		changed := false
		err = src.Store.View(ctx, func(tx store.Tx) error {
			// The snapshot is taken. Keys that are the same before and after it are those
			// of its records: a prune in between could have removed one.
			now, err := src.Keys()
			if err != nil {
				return err
			}
			if changed = !bytes.Equal(before, now); changed {
				return nil
			}
			sum, err = write(ctx, buffered, tx, now, src.Now().UTC())
			return err
		})
		switch {
		case err != nil:
			return Summary{}, fmt.Errorf("backup: %w", err)
		case changed && try == 10:
			return Summary{}, ErrKeysChange
		case changed:
			continue
		}
		break
	}
	if err := errors.Join(buffered.Flush(), sealed.Close()); err != nil {
		return Summary{}, fmt.Errorf("backup: %w", err)
	}
	return sum, nil
}

func write(ctx context.Context, w io.Writer, tx store.Tx, keys []byte, now time.Time) (Summary, error) {
	sum := Summary{Made: now}
	digest := sha256.New()
	out := io.MultiWriter(w, digest)
	head, err := json.Marshal(Header{Belay: "backup", Format: Format, Made: now, KeyFile: len(keys)})
	if err != nil {
		return sum, err
	}
	if _, err := out.Write(append(append(head, '\n'), keys...)); err != nil {
		return sum, err
	}
	l, ok := tx.(store.BucketLister)
	if !ok {
		return sum, errors.New("the store's driver cannot list its buckets")
	}
	names, err := l.Buckets()
	if err != nil {
		return sum, err
	}
	for _, name := range names {
		sum.Buckets++
		err := tx.Scan(name, nil, nil, func(key, value []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			sum.Records++
			sum.Bytes += int64(len(key) + len(value))
			return writeRecord(out, []byte(name), key, value)
		})
		if err != nil {
			return sum, err
		}
	}
	if _, err := out.Write([]byte{0}); err != nil { // no bucket: the end
		return sum, err
	}
	_, err = w.Write(digest.Sum(nil))
	return sum, err
}

func writeRecord(w io.Writer, parts ...[]byte) error {
	var b []byte
	for _, p := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	_, err := w.Write(b)
	return err
}

// Reason says why a backup was refused.
type Reason string

// The reasons a backup is refused.
const (
	NotForYou Reason = "identity" // made for another recipient
	NotOne    Reason = "foreign"  // no backup of Belay's
	Version   Reason = "version"  // written by another version
	Damaged   Reason = "damaged"  // changed, or its end is missing
)

// Error is every failure of reading a backup.
type Error struct {
	Reason Reason
	Err    error
}

// Error is one sentence: what is wrong and what to do.
func (e *Error) Error() string {
	switch e.Reason {
	case NotForYou:
		return "the backup was made for another recipient; give the identity whose recipient it was encrypted to"
	case NotOne:
		return fmt.Sprintf("the file is no backup of Belay's (%v)", e.Err)
	case Version:
		return fmt.Sprintf("the backup was written by another version of Belay (%v); restore it with that version", e.Err)
	default:
		return fmt.Sprintf("the backup is damaged or its end is missing (%v); take another one, nothing of this one is used", e.Err)
	}
}

// Unwrap returns the detail.
func (e *Error) Unwrap() error { return e.Err }

// maxKeys bounds what is read as a key file, in bytes.
const maxKeys = 1 << 20

// Backup is one that is being read.
type Backup struct {
	Header Header
	Keys   []byte // the key file

	r      *bufio.Reader // the stream; what is taken from it goes into digest
	digest hash.Hash
}

// Open reads the beginning of a backup. Errors are *Error.
func Open(r io.Reader, identities ...age.Identity) (*Backup, error) {
	plain, err := age.Decrypt(r, identities...)
	if err != nil {
		var other *age.NoIdentityMatchError
		if errors.As(err, &other) {
			return nil, &Error{NotForYou, err}
		}
		return nil, &Error{NotOne, err}
	}
	b := &Backup{r: bufio.NewReaderSize(plain, 1<<16), digest: sha256.New()}
	line, err := b.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.EOF) {
		return nil, &Error{NotOne, errors.New("its first line is missing")}
	}
	if err != nil {
		return nil, &Error{Damaged, err}
	}
	b.digest.Write(line)
	if err := json.Unmarshal(line, &b.Header); err != nil || b.Header.Belay != "backup" {
		return nil, &Error{NotOne, errors.New("its first line is another program's")}
	}
	if b.Header.Format != Format {
		return nil, &Error{Version, fmt.Errorf("format %d; this one reads %d", b.Header.Format, Format)}
	}
	if b.Header.KeyFile < 0 || b.Header.KeyFile > maxKeys {
		return nil, &Error{Damaged, errors.New("the length of its key file")}
	}
	b.Keys, err = b.take(b.Header.KeyFile)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// take reads n bytes that the digest covers.
func (b *Backup) take(n int) ([]byte, error) {
	p := make([]byte, n)
	if _, err := io.ReadFull(b.r, p); err != nil {
		return nil, &Error{Damaged, err}
	}
	b.digest.Write(p)
	return p, nil
}

// length reads a length that the digest covers.
func (b *Backup) length(most int) (int, error) {
	n, err := binary.ReadUvarint(b.r)
	if err != nil {
		return 0, &Error{Damaged, err}
	}
	if n > uint64(most) { //nolint:gosec // most is a constant above zero
		return 0, &Error{Damaged, errors.New("a record is too long")}
	}
	b.digest.Write(binary.AppendUvarint(nil, n))
	return int(n), nil //nolint:gosec // at most most
}

func (b *Backup) part(most int) ([]byte, error) {
	n, err := b.length(most)
	if err != nil {
		return nil, err
	}
	return b.take(n)
}

// Batches of a restore: few syncs, and no transaction that is very large.
const (
	batchRecords = 1000
	batchBytes   = 4 << 20
)

type record struct {
	bucket     string
	key, value []byte
}

// Restore puts every record into dst, a driver that holds nothing, and then proves
// that nothing is missing. After an error dst is to be thrown away. Errors of the
// backup are *Error, others dst's.
func (b *Backup) Restore(ctx context.Context, dst store.Store) (Summary, error) {
	sum := Summary{Made: b.Header.Made}
	var batch []record
	size, bucket := 0, ""
	flush := func() error {
		err := dst.Update(ctx, func(tx store.Tx) error {
			for _, r := range batch {
				if err := tx.Put(r.bucket, r.key, r.value); err != nil {
					return err
				}
			}
			return nil
		})
		batch, size = batch[:0], 0
		return err
	}
	for {
		name, err := b.part(store.MaxBucket)
		if err != nil {
			return sum, err
		}
		if len(name) == 0 {
			break
		}
		r := record{bucket: string(name)}
		if r.key, err = b.part(store.MaxKey); err != nil {
			return sum, err
		}
		if r.value, err = b.part(store.MaxStored); err != nil {
			return sum, err
		}
		if r.bucket != bucket {
			bucket = r.bucket
			sum.Buckets++
		}
		sum.Records++
		sum.Bytes += int64(len(r.key) + len(r.value))
		batch, size = append(batch, r), size+len(r.value)
		if len(batch) >= batchRecords || size >= batchBytes {
			if err := flush(); err != nil {
				return sum, err
			}
		}
	}
	want := b.digest.Sum(nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(b.r, got); err != nil {
		return sum, &Error{Damaged, err}
	}
	if !bytes.Equal(got, want) {
		return sum, &Error{Damaged, errors.New("its digest is another one")}
	}
	if _, err := b.r.ReadByte(); !errors.Is(err, io.EOF) { // age proves the end only when it is read
		return sum, &Error{Damaged, errors.Join(errors.New("something stands behind its end"), err)}
	}
	return sum, flush()
}
