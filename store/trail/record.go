package trail

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/store"
)

// Recording is s with what Append needs in every transaction that writes: a time and
// some randomness that are drawn before it begins, so that its function stays pure
// and may run again.
func Recording(s store.Store) store.Store {
	return &recording{Store: s, now: time.Now, random: rand.Reader}
}

type recording struct {
	store.Store
	now    func() time.Time // wall clock
	random io.Reader
	last   atomic.Int64 // milliseconds of the last update
	begun  sync.Mutex
	going  atomic.Bool // last is later than what another process left loose
}

// begin reads, once, what an earlier process left loose: what comes now comes after it, even if
// the clock was set back meanwhile.
func (r *recording) begin(ctx context.Context) error {
	if r.going.Load() {
		return nil
	}
	r.begun.Lock()
	defer r.begun.Unlock()
	if r.going.Load() {
		return nil
	}
	err := r.View(ctx, func(tx store.Tx) error {
		_, err := scanLoose(tx, func(key, _ []byte) error {
			if id, err := uuid.ParseBytes(key); err == nil && id.Version() == 7 {
				r.last.Store(max(r.last.Load(), int64(binary.BigEndian.Uint64(id[:8])>>16)))
			}
			return nil
		})
		return err
	})
	r.going.Store(err == nil)
	return err
}

// moment is later than every one before it, so that the ids of one process have the
// order of its updates. A busy process runs a little ahead of the clock.
func (r *recording) moment() int64 {
	for {
		last := r.last.Load()
		at := max(r.now().UnixMilli(), last+1)
		if r.last.CompareAndSwap(last, at) {
			return at
		}
	}
}

// Update runs fn with a Tx that Append takes.
func (r *recording) Update(ctx context.Context, fn func(store.Tx) error) error {
	var seed [32]byte
	if _, err := io.ReadFull(r.random, seed[:]); err != nil {
		return fmt.Errorf("trail: no randomness: %w", err)
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	at := r.moment()
	return r.Store.Update(ctx, func(tx store.Tx) error { return fn(&recorder{Tx: tx, at: at, seed: seed}) })
}

// recorder is the Tx of one run of an update.
type recorder struct {
	store.Tx
	at   int64 // milliseconds
	seed [32]byte
	n    uint16 // events so far
}

// Buckets passes on to the driver.
func (r *recorder) Buckets() ([]string, error) {
	l, ok := r.Tx.(store.BucketLister)
	if !ok {
		return nil, fmt.Errorf("trail: %T does not list its buckets", r.Tx)
	}
	return l.Buckets()
}

// maxEvents is how many events one transaction may append: what the counter in an id holds.
const maxEvents = 1 << 12

// errNotRecording is a fault of the wiring.
var errNotRecording = errors.New("trail: this store is not Recording")

// next makes the id of the next event: a UUIDv7 whose random part begins with a
// counter, so that events of one transaction keep their order.
func (r *recorder) next() (string, error) {
	if r.n >= maxEvents {
		return "", fmt.Errorf("trail: more than %d events in one transaction", maxEvents)
	}
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(r.at)<<16|7<<12|uint64(r.n)) // the version, and the counter
	copy(id[8:], r.draw("id"))
	id[8] = id[8]&0x3f | 0x80 // the variant
	r.n++
	return id.String(), nil
}

// draw gives 16 bytes that nobody can foretell, and that are others for each event and name.
func (r *recorder) draw(name string) []byte {
	b := append(make([]byte, 0, 64), r.seed[:]...)
	b = strconv.AppendUint(b, uint64(r.n), 10)
	b = append(append(b, ' '), name...)
	sum := sha256.Sum256(b)
	return sum[:16]
}

func (r *recorder) salted(name, text string) salted {
	return salted{Salt: base64.RawStdEncoding.EncodeToString(r.draw("salt of " + name)), Text: text}
}
