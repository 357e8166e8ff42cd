package store

import (
	"bytes"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"pgregory.net/rapid"
)

// What Tink sealed with a keyset opens here, and the other way round, whichever key of it did.
func TestSealsAsTinkDoes(t *testing.T) {
	s, err := newSealing()
	for range 2 {
		if err == nil {
			s, err = s.rotated()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	old, err := s.edited(func(m *keyset.Manager, _ map[KeyID]time.Time) error { return m.SetPrimary(uint32(s.ids[0])) })
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.SampledFrom([]*sealing{s, old}).Draw(t, "keys")
		tink, err := aead.New(by.handle)
		if err != nil {
			t.Fatal(err)
		}
		value, key := rapid.SliceOf(rapid.Byte()).Draw(t, "value"), rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "key")
		before := rapid.SliceOf(rapid.Byte()).Draw(t, "before")
		sealed := by.seal(bytes.Clone(before), "bucket", key, value)
		if !bytes.HasPrefix(sealed, before) {
			t.Fatal("it is not appended")
		}
		sealed = sealed[len(before):]
		if id, ok := sealedBy(sealed); !ok || id != by.primary {
			t.Fatalf("sealed by %s, %t", id, ok)
		}
		if got, err := tink.Decrypt(sealed[1:], place(nil, sealFormat, "bucket", key)); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("Tink opens %q, %v", got, err)
		}
		theirs, err := tink.Encrypt(value, place(nil, sealFormat, "bucket", key))
		if err != nil {
			t.Fatal(err)
		}
		theirs = append([]byte{sealFormat}, theirs...)
		id, ok := sealedBy(theirs)
		if got, err := s.open(id, "bucket", key, theirs); !ok || err != nil || got == nil || !bytes.Equal(got, value) {
			t.Fatalf("of Tink's %q opens, %v", got, err)
		}
		theirs[rapid.IntRange(sealHead, len(theirs)-1).Draw(t, "bit")] ^= 1
		if got, err := s.open(id, "bucket", key, theirs); err == nil {
			t.Fatalf("what was changed opens: %q", got)
		}
	})
}

// Keys of another kind seal otherwise than the store reads: they are refused.
func TestOnlyKeysThatNameThemselvesSeal(t *testing.T) {
	for name, template := range map[string]*tinkpb.KeyTemplate{"no prefix": aead.AES256GCMNoPrefixKeyTemplate(), "another cipher": aead.XChaCha20Poly1305KeyTemplate()} {
		handle, err := keyset.NewHandle(template)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sealingOf(handle, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
