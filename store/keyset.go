package store

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash"
	"log/slog"
	"sync"
	"sync/atomic"
)

// Keyset holds the two secrets of a store: the sealing keys, a Tink keyset of
// AES-256-GCM keys, and the key of the pseudonyms.
//
// The sealing keys can be rotated while the store is in use, because every sealed value names
// the key that sealed it and a keyset holds several (rotate.go). The pseudonym key cannot:
// pseudonyms are keys of records. It prints as "Keyset(REDACTED)", whatever the verb.
// Its methods may be called from many goroutines at once.
type Keyset struct {
	names   []byte
	macs    sync.Pool // of HMACs with names: to begin one costs as much as what it is for
	sealing atomic.Pointer[sealing]

	turn sync.Mutex // held by whoever reads or writes the key file
	file KeyFile    // where the keys are kept; without a path: nowhere
	read digest     // of the file, when it was last read or written
}

const (
	nameKeySize = 32
	nameSize    = 20 // 160 bits of the HMAC: 32 characters, no collisions to fear
)

var nameLetters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewKeyset makes new keys. Nothing keeps them: KeyFile.LoadOrCreate does.
func NewKeyset() (*Keyset, error) {
	keys, err := newSealing()
	if err != nil {
		return nil, err
	}
	names := make([]byte, nameKeySize)
	if _, err := rand.Read(names); err != nil {
		return nil, fmt.Errorf("store: making the pseudonym key: %w", err)
	}
	return newKeyset(keys, names), nil
}

func newKeyset(keys *sealing, names []byte) *Keyset {
	k := &Keyset{names: names}
	k.sealing.Store(keys)
	return k
}

// Pseudonym stands in a key where a personal identifier would: a stable
// HMAC-SHA256 of parts as 32 characters of a-z and 2-7. The parts keep their
// borders: ("a", "bc") and ("ab", "c") have different pseudonyms.
func (k *Keyset) Pseudonym(parts ...string) string {
	mac, ok := k.macs.Get().(hash.Hash)
	if !ok {
		mac = hmac.New(sha256.New, k.names)
	}
	defer k.macs.Put(mac)
	mac.Reset()
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		mac.Write(size[:])
		mac.Write([]byte(p))
	}
	var sum [sha256.Size]byte
	return nameLetters.EncodeToString(mac.Sum(sum[:0])[:nameSize])
}

// Signer is an Ed25519 key for one purpose. It comes of the key that is never rotated,
// so that what it signed can be verified for as long as the keyset is kept.
func (k *Keyset) Signer(purpose string) ed25519.PrivateKey {
	seed, err := hkdf.Key(sha256.New, k.names, nil, "belay signer: "+purpose, ed25519.SeedSize)
	if err != nil {
		panic("store: deriving a key: " + err.Error()) // 32 bytes of SHA-256 are never too many
	}
	return ed25519.NewKeyFromSeed(seed)
}

// Proof answers a challenge, for one purpose, as nobody does who has not this keyset: an
// HMAC-SHA256 with a key that is made of the one that is never rotated, and is for nothing
// else.
func (k *Keyset) Proof(purpose, challenge string) string {
	key, err := hkdf.Key(sha256.New, k.names, nil, "belay proof: "+purpose, sha256.Size)
	if err != nil {
		panic("store: deriving a key: " + err.Error()) // 32 bytes of SHA-256 are never too many
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(challenge))
	return nameLetters.EncodeToString(mac.Sum(nil))
}

// String hides the keys.
func (k *Keyset) String() string { return "Keyset(REDACTED)" }

// GoString hides the keys.
func (k *Keyset) GoString() string { return k.String() }

// LogValue hides the keys.
func (k *Keyset) LogValue() slog.Value { return slog.StringValue(k.String()) }
