package trail

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/store"
)

// The buckets. What the chain covers is stored as bytes, exactly as it was written.
const (
	looseBucket = "trail-loose" // id of an event → its body, until it is chained
	chainBucket = "trail"       // index, 16 hexadecimal digits → hash and body
)

var (
	loose       = store.NewBucket[body](looseBucket)                // written as a body, and taken as bytes
	texts       = store.NewBucket[map[string]salted]("trail-texts") // id of an event → its personal texts
	state       = store.NewBucket[head]("trail-state")              // "head"
	checkpoints = store.NewBucket[string]("trail-checkpoints")      // size of the chain, 16 hexadecimal digits → signed note
)

// Options are what a Trail is made of. Store and Signer are needed.
type Options struct {
	Store  store.Store        // Recording
	Signer ed25519.PrivateKey // of checkpoints; kept apart from the store
	Owner  string             // names this process in leases; empty: a new name
	Now    func() time.Time   // business clock; nil: time.Now
	// Keep is how long an event is kept, KeepTexts how long what is personal in it;
	// 0: for ever.
	Keep, KeepTexts time.Duration
	Log             *slog.Logger // gets every checkpoint, as an anchor outside of the store
}

// Trail is the audit trail of one store. Its methods may be called from many
// goroutines at once.
type Trail struct {
	o      Options
	sign   signer
	logged atomic.Uint64 // size at the newest checkpoint that was logged
}

// New fills in what is optional.
func New(o Options) (*Trail, error) {
	if o.Store == nil || len(o.Signer) != ed25519.PrivateKeySize {
		return nil, errors.New("trail: Store and Signer are needed")
	}
	if o.Owner == "" {
		o.Owner = uuid.NewString()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Trail{o: o, sign: signer{o.Signer}}, nil
}

// salted is a personal text and what hides it in its commitment.
type salted struct {
	Salt string `json:"salt"` // base64, 128 bits
	Text string `json:"text"`
}

func (s salted) commitment() string {
	sum := sha256.Sum256([]byte(s.Salt + "\n" + s.Text))
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

// body is what the chain covers of an event.
type body struct {
	Event
	Committed map[string]string `json:"texts,omitempty"` // name of a text → its commitment
}

// textsMark is in a body that has commitments, and in no other: within a string
// JSON would escape the quotation marks.
var textsMark = []byte(`,"texts":{`)

// Append adds an event within the transaction of what it tells of, which has to be one
// of a Recording store. It reads nothing.
func (t *Trail) Append(tx store.Tx, e Event) error {
	r, ok := tx.(*recorder)
	if !ok {
		return errNotRecording
	}
	e.At = e.At.UTC()
	b := body{Event: e}
	kept := map[string]salted{}
	for name, text := range e.Texts {
		if text == "" {
			continue
		}
		if b.Committed == nil {
			b.Committed = map[string]string{}
		}
		s := r.salted(name, text)
		kept[name], b.Committed[name] = s, s.commitment()
	}
	var err error
	if b.ID, err = r.next(); err != nil {
		return err
	}
	if len(kept) > 0 {
		if err := texts.Put(tx, b.ID, kept); err != nil {
			return err
		}
	}
	return loose.Put(tx, b.ID, b)
}

// hash is a point of the chain.
type hash [sha256.Size]byte

// follow is the hash after an event: of the one before it and of the event.
func (h hash) follow(raw []byte) hash {
	all := sha256.New()
	all.Write(binary.BigEndian.AppendUint64(h[:], uint64(len(raw))))
	all.Write(raw)
	all.Sum(h[:0])
	return h
}

// MarshalText is base64.
func (h hash) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, h[:]), nil
}

// UnmarshalText reads base64.
func (h *hash) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(b) != len(h) {
		return errors.New("trail: not a hash")
	}
	copy(h[:], b)
	return nil
}

// head is the end of the chain, and its beginning after old events were dropped.
type head struct {
	Size  uint64 `json:"size"` // events ever chained: the index of the next one
	Hash  hash   `json:"hash"`
	Begin uint64 `json:"begin,omitempty"` // index of the first event that is kept
	// BeginNote is the signed word of what was before Begin; empty at 0.
	BeginNote string `json:"beginNote,omitempty"`
	Wordless  uint64 `json:"wordless,omitempty"` // up to here personal texts were dropped for their age

	Signed   uint64    `json:"signed,omitempty"` // size at the last checkpoint
	SignedAt time.Time `json:"signedAt,omitzero"`

	Owner string    `json:"owner,omitempty"` // whose step it is
	Until time.Time `json:"until,omitzero"`
}

const headKey = "head"

func readHead(tx store.Tx) (head, error) {
	h, err := state.Get(tx, headKey)
	if errors.Is(err, store.ErrNotFound) {
		return head{}, nil
	}
	return h, err
}

func indexKey(i uint64) []byte { return fmt.Appendf(nil, "%016x", i) }

// link appends one event in the chain as it is stored: the hash after it, and its body.
func link(to []byte, h hash, raw []byte) []byte { return append(append(to, h[:]...), raw...) }

func unlink(value []byte) (h hash, raw []byte, ok bool) {
	if len(value) < len(h) {
		return h, nil, false
	}
	copy(h[:], value)
	return h, value[len(h):], true
}
