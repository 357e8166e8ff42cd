package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// KeyReason says why a key file was refused.
type KeyReason string

// The reasons a key file is refused.
const (
	KeyMissing   KeyReason = "missing"   // it is not there, and must not be made anew
	KeyExposed   KeyReason = "exposed"   // others on the machine can read or write it
	KeyTruncated KeyReason = "truncated" // empty, or it ends in the middle
	KeyGarbage   KeyReason = "garbage"   // not a key file
	KeyDamaged   KeyReason = "damaged"   // a key file whose content changed
	KeyVersion   KeyReason = "version"   // written by another version of Belay
	KeyDirectory KeyReason = "directory" // a directory or something else that is not a file
	KeyNoParent  KeyReason = "no-parent" // its directory does not exist
	KeyDenied    KeyReason = "denied"    // the operating system refuses access
	KeyReadOnly  KeyReason = "read-only" // the platform handed it over, and keeps it as it is
	KeyIO        KeyReason = "io"        // reading or writing failed
	KeyWrapped   KeyReason = "wrapped"   // wrapped by a vault, and none is configured
	KeyPlain     KeyReason = "plain"     // not wrapped, and a vault is configured
	KeyForeign   KeyReason = "foreign"   // the keys of another store, while Belay runs
)

// KeyFileError is every failure of a KeyFile that is not its vault's. Its text is one plain
// sentence with the file and the way out; it never holds anything secret of the content.
type KeyFileError struct {
	Path   string
	Reason KeyReason
	Err    error // detail for the operator; may be nil
}

// Error is one sentence: what is wrong with which file and what to do.
func (e *KeyFileError) Error() string {
	const restore = "; put back the copy of the key file that belongs to this store, Belay never replaces it"
	switch e.Reason {
	case KeyMissing:
		return fmt.Sprintf("the key file %s is missing", e.Path) + restore
	case KeyExposed:
		return fmt.Sprintf("the key file %s can be read by others on this machine; run `chmod 600 %s` and consider the keys known to whoever could read it", e.Path, e.Path)
	case KeyTruncated:
		return fmt.Sprintf("the key file %s is cut short", e.Path) + restore
	case KeyGarbage:
		return fmt.Sprintf("the file %s does not hold Belay's keys", e.Path) + restore
	case KeyDamaged:
		return fmt.Sprintf("the key file %s is damaged: its content was changed", e.Path) + restore
	case KeyVersion:
		return fmt.Sprintf("the key file %s was written by another version of Belay; start the version that wrote it (%v)", e.Path, e.Err)
	case KeyDirectory:
		return fmt.Sprintf("%s is not a file; give the path of a key file", e.Path)
	case KeyNoParent:
		return fmt.Sprintf("the directory %s does not exist; create it, readable by Belay only", filepath.Dir(e.Path))
	case KeyDenied:
		return fmt.Sprintf("Belay may not open the key file %s; let the user that runs Belay own it", e.Path)
	case KeyReadOnly:
		return fmt.Sprintf("the key file %s is read-only here: rotate, prune or wrap it where a writable copy is (docs/operations.md)", e.Path)
	case KeyWrapped:
		return fmt.Sprintf("the key file %s is wrapped (%v); set keys.vault_key to that key, or take the file out of the vault with `belay keys unwrap`", e.Path, e.Err)
	case KeyPlain:
		return fmt.Sprintf("the key file %s is not wrapped, although keys.vault_key is set; run `belay keys wrap`, or leave keys.vault_key out", e.Path)
	case KeyForeign:
		return fmt.Sprintf("the key file %s now holds the keys of another store; put back the one that Belay started with", e.Path)
	default:
		return fmt.Sprintf("the key file %s could not be read or written: %v", e.Path, e.Err)
	}
}

// Unwrap returns the detail.
func (e *KeyFileError) Unwrap() error { return e.Err }

// maxKeyFile bounds what is read: a keyset with a hundred keys has 30 kB.
const maxKeyFile = 1 << 20

// KeyFile is where a keyset is kept: readable by its owner only, and wrapped if there is
// a vault. What is written is complete and synced before it gets the name, and was opened
// again before that: a file is never replaced by one that does not open.
type KeyFile struct {
	Path  string
	Vault Vault // nil: the keys lie in the file as they are

	step func(string) error // called before each step of writing; tests stop there
}

// LoadOrCreateKeyFile is KeyFile.LoadOrCreate without a vault.
func LoadOrCreateKeyFile(path string) (*Keyset, error) {
	return KeyFile{Path: path}.LoadOrCreate(context.Background())
}

// LoadKeyFile is KeyFile.Load without a vault.
func LoadKeyFile(path string) (*Keyset, error) {
	return KeyFile{Path: path}.Load(context.Background())
}

// LoadOrCreate reads the keys; where there is no file it makes new ones. A file that is
// there is never changed. Errors: a *KeyFileError, or what the vault answers.
func (f KeyFile) LoadOrCreate(ctx context.Context) (*Keyset, error) {
	k, err := f.load(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		if err := f.create(ctx); err != nil {
			return nil, err
		}
		k, err = f.load(ctx) // what another process may have made meanwhile counts
	}
	return k, err
}

// Load reads the keys and makes none: for a store that is there, which new keys could not
// open. Errors as LoadOrCreate.
func (f KeyFile) Load(ctx context.Context) (*Keyset, error) {
	k, err := f.load(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &KeyFileError{Path: f.Path, Reason: KeyMissing, Err: err}
	}
	return k, err
}

// Wrap lets the vault wrap the file, with the newest version of its key if it was wrapped
// before. Belay need not run, nor stop.
func (f KeyFile) Wrap(ctx context.Context) error {
	return f.rewrite(ctx, f)
}

// Unwrap takes the vault off the file.
func (f KeyFile) Unwrap(ctx context.Context) error {
	return f.rewrite(ctx, KeyFile{Path: f.Path, step: f.step})
}

// rewrite puts the keys into the file as to does it.
func (f KeyFile) rewrite(ctx context.Context, to KeyFile) error {
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	raw, err := f.content()
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return &KeyFileError{Path: f.Path, Reason: KeyMissing, Err: err}
		}
		return err
	}
	if format, err := keysFormat(raw); err == nil && format == plainFormat {
		f.Vault = nil
	}
	k, err := f.parse(ctx, raw)
	if err != nil {
		return err
	}
	_, err = to.replace(ctx, k.sealing.Load(), k.names)
	return err
}

func (f KeyFile) load(ctx context.Context) (*Keyset, error) {
	raw, err := f.content()
	if err != nil {
		return nil, err
	}
	k, err := f.parse(ctx, raw)
	if err != nil {
		return nil, err
	}
	k.file, k.read = f, sha256.Sum256(raw)
	return k, nil
}

// content reads the file, if nobody else can.
func (f KeyFile) content() ([]byte, error) {
	info, err := os.Stat(f.Path)
	if err != nil {
		return nil, f.fault(err)
	}
	if !info.Mode().IsRegular() {
		return nil, &KeyFileError{Path: f.Path, Reason: KeyDirectory}
	}
	if Exposed(info) {
		return nil, &KeyFileError{Path: f.Path, Reason: KeyExposed}
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, f.fault(err)
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, f.fault(err)
	}
	return raw, nil
}

// Exposed tells whether others than Belay may read or write a key file with that info.
func Exposed(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 && !Handed(info)
}

// parse reads what the file holds. The vault is asked once, if there is one.
func (f KeyFile) parse(ctx context.Context, raw []byte) (*Keyset, error) {
	format, err := keysFormat(raw)
	switch {
	case err != nil:
		return nil, f.refusal(err)
	case format == plainFormat && f.Vault != nil:
		return nil, &KeyFileError{Path: f.Path, Reason: KeyPlain}
	case format == wrappedFormat:
		if raw, err = f.unwrapped(ctx, raw); err != nil {
			return nil, err
		}
	}
	k, err := parseKeyset(raw)
	if err != nil {
		return nil, f.refusal(err)
	}
	return k, nil
}

func (f KeyFile) unwrapped(ctx context.Context, raw []byte) ([]byte, error) {
	w, err := parseWrapped(raw)
	switch {
	case err != nil:
		return nil, f.refusal(err)
	case f.Vault == nil:
		return nil, &KeyFileError{Path: f.Path, Reason: KeyWrapped, Err: errors.New(w.Key)}
	}
	dataKey, err := f.Vault.Unwrap(ctx, w.Key, w.DataKey)
	if err != nil {
		return nil, err
	}
	plain, err := w.open(dataKey)
	if err != nil {
		return nil, f.refusal(err)
	}
	return plain, nil
}

// render is what the file holds for these keys. It has been opened again.
func (f KeyFile) render(ctx context.Context, keys *sealing, names []byte) ([]byte, error) {
	raw, err := marshalKeys(keys, names)
	if err == nil && f.Vault != nil {
		raw, err = f.wrapped(ctx, raw)
	}
	if err != nil {
		return nil, err
	}
	// A vault wraps with a key that is disabled, and does not unwrap with it.
	back, err := f.parse(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("the new key file would not open, the old one is kept: %w", err)
	}
	if got := back.sealing.Load(); !bytes.Equal(back.names, names) || got.primary != keys.primary || !slices.Equal(got.ids, keys.ids) {
		return nil, &KeyFileError{Path: f.Path, Reason: KeyDamaged}
	}
	return raw, nil
}

func (f KeyFile) wrapped(ctx context.Context, plain []byte) ([]byte, error) {
	dataKey, err := newDataKey()
	if err != nil {
		return nil, err
	}
	seal, err := dataSeal(dataKey)
	if err != nil {
		return nil, err
	}
	w := wrappedJSON{Format: wrappedFormat}
	if w.DataKey, w.Key, err = f.Vault.Wrap(ctx, dataKey); err != nil {
		return nil, err
	}
	w.Sealed = seal.Seal(nil, nil, plain, forVaultKey(w.Key)) //nolint:gosec // it draws its own nonce
	w.Sum = w.sum()
	return indented(w)
}

// create gives new keys the name, unless it is taken: a link, unlike a rename, cannot
// replace a file that is already there.
func (f KeyFile) create(ctx context.Context) error {
	if _, err := os.Stat(filepath.Dir(f.Path)); errors.Is(err, fs.ErrNotExist) {
		return &KeyFileError{Path: f.Path, Reason: KeyNoParent, Err: err}
	}
	k, err := NewKeyset()
	if err != nil {
		return &KeyFileError{Path: f.Path, Reason: KeyIO, Err: err}
	}
	raw, err := f.render(ctx, k.sealing.Load(), k.names)
	if err != nil {
		return err
	}
	return f.write(raw, func(temporary string) error {
		if err := os.Link(temporary, f.Path); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return os.Remove(temporary)
	})
}

// replace puts other keys under the name and returns what was written. The caller holds
// the lock. After an error the file holds the old keys or the new ones, and is whole.
func (f KeyFile) replace(ctx context.Context, keys *sealing, names []byte) ([]byte, error) {
	raw, err := f.render(ctx, keys, names)
	if err != nil {
		return nil, err
	}
	f.tidy()
	return raw, f.write(raw, func(temporary string) error { return os.Rename(temporary, f.Path) })
}

// write makes raw last under another name, lets name give it the right one, and makes that last.
func (f KeyFile) write(raw []byte, name func(temporary string) error) error {
	if err := f.at("create"); err != nil {
		return f.fault(err)
	}
	file, err := os.CreateTemp(filepath.Dir(f.Path), filepath.Base(f.Path)+temporary+"*") // mode 0600
	if err != nil {
		return f.fault(err)
	}
	err = errors.Join(f.at("write"), writeSynced(file, raw), f.at("name"))
	if err == nil {
		err = name(file.Name())
	}
	if err != nil {
		return f.fault(errors.Join(err, os.Remove(file.Name())))
	}
	if err := errors.Join(f.at("sync"), syncDir(filepath.Dir(f.Path)), f.at("done")); err != nil {
		return f.fault(err)
	}
	return nil
}

const temporary = ".new-"

func writeSynced(file *os.File, raw []byte) error {
	_, err := file.Write(raw)
	return errors.Join(err, file.Sync(), file.Close())
}

// tidy removes what a killed writer left. The caller holds the lock.
func (f KeyFile) tidy() {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(f.Path), "*")) // fails for a bad pattern only
	for _, path := range left {
		if strings.HasPrefix(filepath.Base(path), filepath.Base(f.Path)+temporary) {
			_ = os.Remove(path) // it is in nobody's way
		}
	}
}

func (f KeyFile) at(step string) error {
	if f.step == nil {
		return nil
	}
	return f.step(step)
}

// refusal says what is wrong with the content.
func (f KeyFile) refusal(err error) *KeyFileError {
	reason := KeyGarbage
	switch {
	case errors.Is(err, errKeysTruncated):
		reason = KeyTruncated
	case errors.Is(err, errKeysDamaged):
		reason = KeyDamaged
	case errors.Is(err, errKeysFormat):
		reason = KeyVersion
	}
	return &KeyFileError{Path: f.Path, Reason: reason, Err: err}
}

// fault says what is wrong with the file.
func (f KeyFile) fault(err error) *KeyFileError {
	info, gone := os.Stat(f.Path)
	return &KeyFileError{Path: f.Path, Reason: reasonOf(err, gone == nil && Handed(info)), Err: err}
}

// reasonOf is what an error of the system's means for a file.
func reasonOf(err error, handed bool) KeyReason {
	switch {
	case handed && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)):
		return KeyReadOnly
	case errors.Is(err, fs.ErrPermission):
		return KeyDenied
	case errors.Is(err, syscall.ENOTDIR):
		return KeyNoParent
	}
	return KeyIO
}

// syncDir makes a new name in dir last. Windows has no such call and needs none.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
