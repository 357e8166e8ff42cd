package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/key"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// KeyID names a sealing key. It stands in front of everything that the key sealed.
type KeyID uint32

// String is eight hexadecimal digits.
func (id KeyID) String() string { return fmt.Sprintf("%08x", uint32(id)) }

// sealing are the sealing keys at one moment. A value of it never changes.
type sealing struct {
	handle  *keyset.Handle
	primary KeyID                 // the key that seals
	ids     []KeyID               // every key opens what it sealed
	aeads   map[KeyID]cipher.AEAD // AES-256-GCM, which draws its nonces itself
	made    map[KeyID]time.Time   // when, by the wall clock
}

func newSealing() (*sealing, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("store: making sealing keys: %w", err)
	}
	s, err := sealingOf(handle, nil)
	if err == nil {
		s.made[s.primary] = now()
	}
	return s, err
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func sealingOf(handle *keyset.Handle, made map[KeyID]time.Time) (*sealing, error) {
	s := &sealing{handle: handle, aeads: map[KeyID]cipher.AEAD{}, made: map[KeyID]time.Time{}}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("store: the sealing keys are not usable: %w", err)
		}
		id := KeyID(entry.KeyID())
		s.ids = append(s.ids, id)
		if s.aeads[id], err = aeadOf(entry.Key()); err != nil {
			return nil, fmt.Errorf("store: the sealing key %s is not usable: %w", id, err)
		}
		if at, ok := made[id]; ok {
			s.made[id] = at
		}
		if entry.IsPrimary() {
			s.primary = id
		}
	}
	return s, nil
}

// aeadOf is Go's AES-GCM with a key of Tink's keyset. It writes and reads what Tink's own does,
// into the caller's memory.
func aeadOf(k key.Key) (cipher.AEAD, error) {
	of, ok := k.(*aesgcm.Key)
	if !ok {
		return nil, fmt.Errorf("it is a %T, and not of AES-GCM", k)
	}
	if p, ok := of.Parameters().(*aesgcm.Parameters); !ok || p.Variant() != aesgcm.VariantTink {
		return nil, errors.New("what it seals does not name it")
	}
	block, err := aes.NewCipher(of.KeyBytes().Data(insecuresecretdataaccess.Token{}))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *sealing) has(id KeyID) bool { return slices.Contains(s.ids, id) }

// edited is s after change, which gets a manager of the same keys.
func (s *sealing) edited(change func(*keyset.Manager, map[KeyID]time.Time) error) (*sealing, error) {
	m, made := keyset.NewManagerFromHandle(s.handle), maps.Clone(s.made)
	if err := change(m, made); err != nil {
		return nil, fmt.Errorf("store: changing the sealing keys: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("store: changing the sealing keys: %w", err)
	}
	return sealingOf(handle, made)
}

// rotated has one key more, which seals.
func (s *sealing) rotated() (*sealing, error) {
	return s.edited(func(m *keyset.Manager, made map[KeyID]time.Time) error {
		id, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return err
		}
		made[KeyID(id)] = now()
		return m.SetPrimary(id)
	})
}

// pruned has only the key that seals.
func (s *sealing) pruned() (*sealing, error) {
	return s.edited(func(m *keyset.Manager, made map[KeyID]time.Time) error {
		for _, id := range s.ids {
			if id == s.primary {
				continue
			}
			if err := m.Delete(uint32(id)); err != nil {
				return err
			}
			delete(made, id)
		}
		return nil
	})
}

// joined are the keys of s and those of file: what a process has is never forgotten
// because its key file changed. A key that seals by the file and is new here seals from now on.
func (s *sealing) joined(file *sealing) (*sealing, error) {
	return file.edited(func(m *keyset.Manager, made map[KeyID]time.Time) error {
		for i, id := range s.ids {
			if file.has(id) {
				continue
			}
			entry, err := s.handle.Entry(i)
			if err != nil {
				return err
			}
			if _, err := m.AddKey(entry.Key()); err != nil {
				return err
			}
			if at, ok := s.made[id]; ok {
				made[id] = at
			}
		}
		if s.has(file.primary) {
			return m.SetPrimary(uint32(s.primary))
		}
		return nil
	})
}

// sealFormat is the first byte of every sealed value. What follows is a Tink
// ciphertext: five bytes that name the key, the nonce, the encrypted value, the
// tag. Bucket and key of the record are its associated data, so that a record opens only
// where it was put. Another layout gets another first byte.
const sealFormat = 1

// tinkPrefix is the first byte of a Tink ciphertext that names its key in the next four.
const tinkPrefix = 1

// sealHead is what stands before the nonce: the format, Tink's prefix and the key's name.
const sealHead = 6

// sealedBy reads which key sealed a value; false: it is no sealed value.
func sealedBy(raw []byte) (KeyID, bool) {
	if len(raw) < sealHead || raw[0] != sealFormat || raw[1] != tinkPrefix {
		return 0, false
	}
	return KeyID(binary.BigEndian.Uint32(raw[2:sealHead])), true
}

// seal appends the sealed value to to.
func (s *sealing) seal(to []byte, bucket string, key, value []byte) []byte {
	ad := places.Get().(*[]byte)
	defer places.Put(ad)
	*ad = place((*ad)[:0], sealFormat, bucket, key)
	to = append(to, sealFormat, tinkPrefix)
	to = binary.BigEndian.AppendUint32(to, uint32(s.primary))
	return s.aeads[s.primary].Seal(to, nil, value, *ad) //nolint:gosec // this AEAD draws its nonce itself, and takes none
}

// open opens a value that sealedBy says was sealed by a key that s has.
func (s *sealing) open(id KeyID, bucket string, key, raw []byte) ([]byte, error) {
	ad := places.Get().(*[]byte)
	defer places.Put(ad)
	*ad = place((*ad)[:0], raw[0], bucket, key)
	return s.aeads[id].Open([]byte{}, nil, raw[sealHead:], *ad)
}

// places are used again: no key is longer than MaxKey.
var places = sync.Pool{New: func() any { return new([]byte) }}

// place appends the associated data of a record to ad.
func place(ad []byte, format byte, bucket string, key []byte) []byte {
	ad = append(ad, "belay record "...)
	ad = append(ad, format)
	ad = binary.BigEndian.AppendUint16(ad, uint16(len(bucket)))
	ad = append(ad, bucket...)
	return append(ad, key...)
}

// text is the keys in Tink's JSON.
func (s *sealing) text() ([]byte, error) {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(s.handle, keyset.NewJSONWriter(&b)); err != nil {
		return nil, fmt.Errorf("store: writing the sealing keys: %w", err)
	}
	return b.Bytes(), nil
}

// MarshalText is for the JSON of a key file.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *KeyID) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 32)
	*id = KeyID(n)
	return err
}
