package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// KeyID names a sealing key. It stands in front of everything that the key sealed.
type KeyID uint32

// String is eight hexadecimal digits.
func (id KeyID) String() string { return fmt.Sprintf("%08x", uint32(id)) }

// sealing are the sealing keys at one moment. A value of it never changes.
type sealing struct {
	handle  *keyset.Handle
	aead    tink.AEAD
	primary KeyID               // the key that seals
	ids     []KeyID             // every key opens what it sealed
	made    map[KeyID]time.Time // when, by the wall clock
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
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("store: the sealing keys are not usable: %w", err)
	}
	s := &sealing{handle: handle, aead: primitive, made: map[KeyID]time.Time{}}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("store: the sealing keys are not usable: %w", err)
		}
		id := KeyID(entry.KeyID())
		s.ids = append(s.ids, id)
		if at, ok := made[id]; ok {
			s.made[id] = at
		}
		if entry.IsPrimary() {
			s.primary = id
		}
	}
	return s, nil
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

// sealedBy reads which key sealed a value; false: it is no sealed value.
func sealedBy(raw []byte) (KeyID, bool) {
	if len(raw) < 6 || raw[0] != sealFormat || raw[1] != tinkPrefix {
		return 0, false
	}
	return KeyID(binary.BigEndian.Uint32(raw[2:6])), true
}

func (s *sealing) seal(bucket string, key, value []byte) ([]byte, error) {
	c, err := s.aead.Encrypt(value, place(sealFormat, bucket, key))
	if err != nil {
		return nil, fmt.Errorf("store: sealing a record in bucket %s: %w", bucket, err)
	}
	return append([]byte{sealFormat}, c...), nil
}

func (s *sealing) open(bucket string, key, raw []byte) ([]byte, error) {
	return s.aead.Decrypt(raw[1:], place(raw[0], bucket, key))
}

// place is the associated data of a record.
func place(format byte, bucket string, key []byte) []byte {
	const head = "belay record "
	ad := append(make([]byte, 0, len(head)+3+len(bucket)+len(key)), head...)
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
