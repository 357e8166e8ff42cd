package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// The formats of a key file.
const (
	plainFormat   = 1 // keysetJSON
	wrappedFormat = 2 // wrappedJSON
)

// digest is a SHA-256.
type digest [sha256.Size]byte

// keysetJSON is a keyset at rest. Sum is the SHA-256 of the members before it, so that
// a damaged key file is told apart from damaged records.
type keysetJSON struct {
	Format    int                 `json:"format"`
	Sealing   json.RawMessage     `json:"sealing"`   // a Tink keyset in Tink's JSON
	Pseudonym string              `json:"pseudonym"` // base64, 32 bytes
	Made      map[KeyID]time.Time `json:"made,omitempty"`
	Sum       string              `json:"sum"`
}

func (f keysetJSON) sum() (string, error) {
	var keys bytes.Buffer
	if err := json.Compact(&keys, f.Sealing); err != nil {
		return "", err
	}
	text := fmt.Appendf(nil, "%d\n%s\n%s", f.Format, keys.Bytes(), f.Pseudonym)
	if len(f.Made) > 0 {
		made, err := json.Marshal(f.Made)
		if err != nil {
			return "", err
		}
		text = fmt.Appendf(text, "\n%s", made)
	}
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:]), nil
}

func marshalKeys(keys *sealing, names []byte) ([]byte, error) {
	text, err := keys.text()
	if err != nil {
		return nil, err
	}
	f := keysetJSON{Format: plainFormat, Sealing: text, Pseudonym: base64.StdEncoding.EncodeToString(names), Made: keys.made}
	if f.Sum, err = f.sum(); err != nil {
		return nil, fmt.Errorf("store: writing the sealing keys: %w", err)
	}
	return indented(f)
}

func indented(v any) ([]byte, error) {
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("store: writing the keys: %w", err)
	}
	return append(out, '\n'), nil
}

// What can be wrong with a keyset at rest.
var (
	errKeysTruncated = errors.New("it ends in the middle")
	errKeysGarbage   = errors.New("it does not hold Belay's keys")
	errKeysDamaged   = errors.New("its content was changed")
	errKeysFormat    = errors.New("it was written by another version of Belay")
)

// decodeKeys reads one JSON object of some format into v, which gets that format's members.
func decodeKeys(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	switch err := dec.Decode(v); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errKeysTruncated
	case err != nil:
		return errKeysGarbage
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errKeysGarbage
	}
	return nil
}

// keysFormat says in which format a keyset is.
func keysFormat(raw []byte) (int, error) {
	var f struct {
		Format int `json:"format"`
	}
	switch err := decodeKeys(raw, &f); {
	case err != nil:
		return 0, err
	case f.Format == 0:
		return 0, errKeysGarbage
	case f.Format != plainFormat && f.Format != wrappedFormat:
		return 0, fmt.Errorf("%w (format %d; this one reads %d and %d)", errKeysFormat, f.Format, plainFormat, wrappedFormat)
	}
	return f.Format, nil
}

func parseKeyset(raw []byte) (*Keyset, error) {
	var f keysetJSON
	if err := decodeKeys(raw, &f); err != nil {
		return nil, err
	}
	if f.Format != plainFormat || len(f.Sealing) == 0 {
		return nil, errKeysGarbage
	}
	if want, err := f.sum(); err != nil || want != f.Sum {
		return nil, errKeysDamaged
	}
	// From here on the content is as it was written; nothing below quotes it.
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.Sealing)))
	if err != nil {
		return nil, errKeysGarbage
	}
	names, err := base64.StdEncoding.DecodeString(f.Pseudonym)
	if err != nil || len(names) != nameKeySize {
		return nil, errKeysGarbage
	}
	keys, err := sealingOf(handle, f.Made)
	if err != nil {
		return nil, err
	}
	return newKeyset(keys, names), nil
}

// wrappedJSON is a keyset at rest whose key lies in a vault. Nothing in it is secret
// without the vault.
type wrappedJSON struct {
	Format  int    `json:"format"`
	Key     string `json:"vault_key"` // id of the vault's key that wrapped the data key
	DataKey []byte `json:"data_key"`  // wrapped
	Sealed  []byte `json:"sealed"`    // a keysetJSON, sealed with the data key: nonce, AES-256-GCM
	Sum     string `json:"sum"`       // SHA-256 of the members before it
}

func (f wrappedJSON) sum() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%d\n%s\n%x\n%x", f.Format, f.Key, f.DataKey, f.Sealed))
	return hex.EncodeToString(h[:])
}

const dataKeySize = 32

// dataSeal seals a keyset with a data key, for that key of a vault only.
func dataSeal(dataKey []byte) (cipher.AEAD, error) {
	if len(dataKey) != dataKeySize {
		return nil, errKeysDamaged
	}
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func forVaultKey(id string) []byte { return []byte("belay keyset " + id) }

// newDataKey makes the key for one version of a key file: each gets its own.
func newDataKey() ([]byte, error) {
	key := make([]byte, dataKeySize)
	_, err := rand.Read(key)
	return key, err
}

func parseWrapped(raw []byte) (wrappedJSON, error) {
	var f wrappedJSON
	if err := decodeKeys(raw, &f); err != nil {
		return f, err
	}
	if f.Format != wrappedFormat || f.Key == "" {
		return f, errKeysGarbage
	}
	if f.sum() != f.Sum {
		return f, errKeysDamaged
	}
	return f, nil
}

// open opens the keyset with its data key.
func (f wrappedJSON) open(dataKey []byte) ([]byte, error) {
	seal, err := dataSeal(dataKey)
	if err != nil {
		return nil, err
	}
	plain, err := seal.Open(nil, nil, f.Sealed, forVaultKey(f.Key))
	if err != nil {
		return nil, errKeysDamaged
	}
	return plain, nil
}
