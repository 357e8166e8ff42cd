package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

var errVault = errors.New("the vault refuses")

// vault is a Vault in memory: it remembers what it wrapped.
type vault struct {
	version          int
	kept             map[string][]byte
	wraps, unwraps   int
	noWrap, noUnwrap bool
}

func newVault() *vault { return &vault{kept: map[string][]byte{}} }

func (v *vault) Wrap(_ context.Context, dataKey []byte) ([]byte, string, error) {
	v.wraps++
	if v.noWrap {
		return nil, "", errVault
	}
	wrapped := fmt.Appendf(nil, "wrapped %d", len(v.kept))
	key := fmt.Sprintf("https://v.example/keys/belay/%d", v.version)
	v.kept[key+string(wrapped)] = bytes.Clone(dataKey)
	return wrapped, key, nil
}

func (v *vault) Unwrap(_ context.Context, key string, wrapped []byte) ([]byte, error) {
	v.unwraps++
	dataKey, ok := v.kept[key+string(wrapped)]
	if !ok || v.noUnwrap {
		return nil, errVault
	}
	return bytes.Clone(dataKey), nil
}

func wantReason(t *testing.T, err error, want store.KeyReason) {
	t.Helper()
	var e *store.KeyFileError
	if !errors.As(err, &e) || e.Reason != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// From the plain file to the vault, to a newer version of its key, and back: the same keys
// throughout, and nothing secret in the wrapped file.
func TestWrapAndUnwrap(t *testing.T) {
	plain := keyFile(t)
	v := newVault()
	wrapped := store.KeyFile{Path: plain.Path, Vault: v}
	was := load(t, plain)
	_, err := wrapped.Load(t.Context())
	wantReason(t, err, store.KeyPlain)
	raw, err := os.ReadFile(plain.Path)
	must(t, err)
	var secret struct {
		Sealing struct {
			Key []struct {
				KeyData struct{ Value string } `json:"keyData"`
			} `json:"key"`
		} `json:"sealing"`
		Pseudonym string `json:"pseudonym"`
	}
	must(t, json.Unmarshal(raw, &secret))

	must(t, wrapped.Wrap(t.Context()))
	_, err = plain.Load(t.Context())
	wantReason(t, err, store.KeyWrapped)
	if raw, err = os.ReadFile(plain.Path); err != nil || bytes.Contains(raw, []byte(secret.Pseudonym)) || bytes.Contains(raw, []byte(secret.Sealing.Key[0].KeyData.Value)) {
		t.Errorf("the wrapped file holds a key (%v)", err)
	}
	if info, err := os.Stat(plain.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	v.version++
	must(t, wrapped.Wrap(t.Context()))
	if raw, _ := os.ReadFile(plain.Path); !bytes.Contains(raw, []byte("/keys/belay/1")) {
		t.Error("the newer version was not used")
	}
	if now := load(t, wrapped); now.Pseudonym("a") != was.Pseudonym("a") || now.Primary() != was.Primary() {
		t.Error("other keys came back")
	}
	must(t, wrapped.Unwrap(t.Context()))
	must(t, wrapped.Unwrap(t.Context())) // again: nothing to do
	if now := load(t, plain); now.Pseudonym("a") != was.Pseudonym("a") || now.Primary() != was.Primary() {
		t.Error("other keys came back")
	}
	if left, _ := os.ReadDir(filepath.Dir(plain.Path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// The vault is asked once at the start, and by no record.
func TestVaultIsAskedOnce(t *testing.T) {
	v := newVault()
	f := store.KeyFile{Path: filepath.Join(t.TempDir(), "belay.keys"), Vault: v}
	load(t, f)
	v.wraps, v.unwraps = 0, 0
	k, mem := load(t, f), storetest.Memory()
	s := store.Seal(mem, k)
	must(t, store.CheckKeys(t.Context(), s))
	for i := range 100 {
		put(t, s, "b", fmt.Sprint(i), "v")
	}
	v.noWrap, v.noUnwrap = true, true // the vault is down, and Belay goes on
	for i := range 100 {
		wantValue(t, s, "b", fmt.Sprint(i), "v")
	}
	damaged, _ := get(mem, "b", "7")
	put(t, mem, "b", "7", damaged[:2]+"\xff\xff\xff\xff"+damaged[6:]) // names a key that nobody has
	_, err := get(s, "b", "7")
	wantCorrupt(t, err, "b", "7")
	if v.wraps != 0 || v.unwraps != 1 {
		t.Errorf("asked %d times to wrap and %d to unwrap", v.wraps, v.unwraps)
	}
	if _, err := k.Rotate(t.Context()); !errors.Is(err, errVault) {
		t.Errorf("rotated without the vault: %v", err)
	}
	put(t, s, "b", "after", "v")
	v.noWrap, v.noUnwrap = false, false
	wantValue(t, store.Seal(mem, load(t, f)), "b", "after", "v")
}

// A vault that wraps and does not unwrap, as Key Vault does with a disabled key, gets
// nothing to lose.
func TestWrapKeepsWhatDoesNotOpen(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(v *vault, f store.KeyFile) error
	}{
		{"wrap", func(_ *vault, f store.KeyFile) error { return f.Wrap(t.Context()) }},
		{"rotate", func(v *vault, f store.KeyFile) error {
			v.noUnwrap = false
			if err := f.Wrap(t.Context()); err != nil {
				return err
			}
			k, err := f.Load(t.Context())
			if err != nil {
				return err
			}
			v.noUnwrap = true
			_, err = k.Rotate(t.Context())
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVault()
			f := store.KeyFile{Path: filepath.Join(t.TempDir(), "belay.keys"), Vault: v}
			was := load(t, store.KeyFile{Path: f.Path})
			v.noUnwrap = true
			if err := c.do(v, f); !errors.Is(err, errVault) || !strings.Contains(err.Error(), "the old one is kept") {
				t.Fatalf("got %v", err)
			}
			v.noUnwrap = false
			now, err := f.Load(t.Context())
			if err != nil {
				now, err = (store.KeyFile{Path: f.Path}).Load(t.Context())
			}
			if err != nil || now.Primary() != was.Primary() {
				t.Errorf("lost: %v", err)
			}
		})
	}
}

// What was changed in a wrapped file is refused, and the vault's answer alone opens
// nothing that it was not made for.
func TestWrappedFileWasChanged(t *testing.T) {
	v := newVault()
	f := store.KeyFile{Path: filepath.Join(t.TempDir(), "belay.keys"), Vault: v}
	was, opened := load(t, f), 0
	raw, err := os.ReadFile(f.Path)
	must(t, err)
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		must(t, os.WriteFile(f.Path, changed, 0o600))
		if k, err := f.Load(t.Context()); err == nil && k.Primary() != was.Primary() {
			t.Errorf("byte %d was changed, and other keys came out", i)
		} else if err == nil {
			opened++
		}
	}
	if opened > 2 { // base64 has bits at an end that stand for nothing
		t.Errorf("%d of %d changes were not noticed", opened, len(raw))
	}
}

// A write that was killed leaves a temporary file; the next write removes it, because
// it may hold keys in the clear.
func TestLeftoversGo(t *testing.T) {
	f := keyFile(t)
	k := load(t, f)
	must(t, os.WriteFile(f.Path+".new-123", []byte("x"), 0o600))
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(f.Path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
