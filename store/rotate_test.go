package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

func keyFile(t *testing.T) store.KeyFile {
	t.Helper()
	return store.KeyFile{Path: filepath.Join(t.TempDir(), "belay.keys")}
}

func load(t *testing.T, f store.KeyFile) *store.Keyset {
	t.Helper()
	k, err := f.LoadOrCreate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func rotate(t *testing.T, k *store.Keyset, raw store.Store) store.KeyID {
	t.Helper()
	id, err := k.Rotate(context.Background())
	must(t, err)
	must(t, store.Seal(raw, k).Update(context.Background(), store.Fence))
	return id
}

func reseal(t *testing.T, raw store.Store, k *store.Keyset) (n int) {
	t.Helper()
	must(t, store.Reseal(context.Background(), raw, k, func(records int) { n += records }))
	return n
}

func sealer(t *testing.T, raw store.Store, bucket, key string) store.KeyID {
	t.Helper()
	value, err := get(raw, bucket, key)
	must(t, err)
	id, ok := store.SealedBy([]byte(value))
	if !ok {
		t.Fatalf("%s/%s is not sealed", bucket, key)
	}
	return id
}

func wantValue(t *testing.T, s store.Store, bucket, key, want string) {
	t.Helper()
	if got, err := get(s, bucket, key); err != nil || got != want {
		t.Errorf("%s/%s = %q, %v, want %q", bucket, key, got, err, want)
	}
}

// The whole of a rotation: the old key opens until nothing needs it, and what is not
// sealing stays as it was.
func TestRotation(t *testing.T) {
	f, raw := keyFile(t), storetest.Memory()
	k := load(t, f)
	s := store.Seal(raw, k)
	must(t, store.CheckKeys(t.Context(), s))
	first, name, signer := k.Primary(), k.Pseudonym("a"), k.Signer("x")
	for i := range 1000 {
		put(t, s, "b", fmt.Sprintf("%04d", i), fmt.Sprint("value ", i))
	}
	second := rotate(t, k, raw)
	put(t, s, "b", "new", "later")
	if second == first || sealer(t, raw, "b", "0007") != first || sealer(t, raw, "b", "new") != second {
		t.Errorf("old %s, new %s", sealer(t, raw, "b", "0007"), sealer(t, raw, "b", "new"))
	}
	var used *store.KeysInUseError
	if _, err := k.Prune(t.Context(), raw); !errors.As(err, &used) || used.Records[first] != 1000 {
		t.Fatalf("pruned while 1000 records need the old key: %v", err)
	}
	wantValue(t, store.Seal(raw, load(t, f)), "b", "0007", "value 7") // the old key is still in the file
	if n := reseal(t, raw, k); n != 1000 {
		t.Errorf("%d records were sealed anew", n)
	}
	if n := reseal(t, raw, k); n != 0 {
		t.Errorf("%d records again", n)
	}
	if n, err := k.Prune(t.Context(), raw); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	again := load(t, f)
	if keys := again.Keys(); len(keys) != 1 || keys[0].ID != second || !keys[0].Primary || keys[0].Made.IsZero() {
		t.Errorf("in the file: %+v", keys)
	}
	if again.Pseudonym("a") != name || !again.Signer("x").Equal(signer) {
		t.Error("pseudonyms or signing keys changed")
	}
	for i := range 1000 {
		wantValue(t, store.Seal(raw, again), "b", fmt.Sprintf("%04d", i), fmt.Sprint("value ", i))
	}
	must(t, store.Verify(t.Context(), store.Seal(raw, again)))
}

// Whatever step of writing the key file fails, no record is ever sealed with a key
// that the file does not hold, and the next try succeeds.
func TestKeyFileFailsAtEveryStep(t *testing.T) {
	boom := errors.New("boom")
	for _, step := range []string{"create", "write", "name", "sync", "done"} {
		t.Run(step, func(t *testing.T) {
			fail := false
			f := store.Stepping(keyFile(t), func(at string) error {
				if fail && at == step {
					return boom
				}
				return nil
			})
			k, raw := load(t, f), storetest.Memory()
			s := store.Seal(raw, k)
			must(t, store.CheckKeys(t.Context(), s))
			put(t, s, "b", "one", "1")
			for _, change := range []func() error{
				func() error { _, err := k.Rotate(t.Context()); return err },
				func() error { _, err := k.Prune(t.Context(), raw); return err },
			} {
				fail = true
				var e *store.KeyFileError
				if err := change(); !errors.As(err, &e) || !errors.Is(err, boom) {
					t.Fatalf("got %v", err)
				}
				fail = false
				put(t, s, "b", "two", "2")
				fresh := store.Seal(raw, load(t, f))
				wantValue(t, fresh, "b", "one", "1")
				wantValue(t, fresh, "b", "two", "2")
				rotate(t, k, raw)
				reseal(t, raw, k)
			}
			if _, err := k.Prune(t.Context(), raw); err != nil {
				t.Fatal(err)
			}
			must(t, store.Verify(t.Context(), store.Seal(raw, load(t, f))))
			if left, _ := os.ReadDir(filepath.Dir(f.Path)); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Another process on the same store meets a key that it does not know: it reads the
// key file again, and seals with that key too before the old one can be removed.
func TestAnotherProcessLearnsTheKey(t *testing.T) {
	f, raw := keyFile(t), storetest.Memory()
	one, two := load(t, f), load(t, f)
	s1, s2 := store.Seal(raw, one), store.Seal(raw, two)
	must(t, store.CheckKeys(t.Context(), s1))
	put(t, s2, "b", "old", "o")
	id := rotate(t, one, raw)
	put(t, s2, "b", "x", "1") // nothing new was read: the fence tells
	if got := sealer(t, raw, "b", "x"); got != id {
		t.Fatalf("the other process still seals with %s, and %s is to be pruned", got, got)
	}
	reseal(t, raw, one)
	if _, err := one.Prune(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	third := rotate(t, one, raw)
	put(t, s1, "b", "y", "2")
	wantValue(t, s2, "b", "y", "2")
	wantValue(t, s2, "b", "old", "o")
	if two.Primary() != third {
		t.Errorf("the other process seals with %s", two.Primary())
	}
}

// between calls do before the nth View from now.
type between struct {
	store.Store
	views int
	at    int
	do    func()
}

func (b *between) View(ctx context.Context, fn func(store.Tx) error) error {
	if b.views++; b.views == b.at {
		b.do()
	}
	return b.Store.View(ctx, fn)
}

// Without the fence another process could seal with a key in a part that was counted
// already, and the key would be removed.
func TestPruneNeedsTheFence(t *testing.T) {
	f, raw := keyFile(t), storetest.Memory()
	k, other := load(t, f), load(t, f)
	must(t, store.CheckKeys(t.Context(), store.Seal(raw, k)))
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, raw.Update(t.Context(), func(tx store.Tx) error { // more than one part
		for i := range 5000 {
			if err := tx.Put("a", fmt.Appendf(nil, "%05d", i), []byte("not sealed")); err != nil {
				return err
			}
		}
		return nil
	}))
	b := &between{Store: raw, at: 3, do: func() { // the first looks at the fence, the second counts
		put(t, store.Seal(raw, other), "a", "00007", "v")
		must(t, store.Seal(raw, k).Update(t.Context(), store.Fence))
	}}
	var used *store.KeysInUseError
	if _, err := k.Prune(t.Context(), b); !errors.As(err, &used) {
		t.Errorf("got %v", err)
	}
	if b.views < b.at {
		b.do()
	}
	wantValue(t, store.Seal(raw, load(t, f)), "a", "00007", "v")
}

// A key file that cannot be read is not a damaged record, and one of another store is
// not taken in.
func TestUnknownKeyWithoutItsFile(t *testing.T) {
	f, raw := keyFile(t), storetest.Memory()
	one, two := load(t, f), load(t, f)
	must(t, store.CheckKeys(t.Context(), store.Seal(raw, one)))
	rotate(t, one, raw)
	put(t, store.Seal(raw, one), "b", "k", "v")
	good, err := os.ReadFile(f.Path)
	must(t, err)
	for name, content := range map[string]func(t *testing.T) []byte{
		"cut short": func(*testing.T) []byte { return good[:len(good)/2] },
		"of another store": func(t *testing.T) []byte {
			other := keyFile(t)
			load(t, other)
			b, err := os.ReadFile(other.Path)
			must(t, err)
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(f.Path, content(t), 0o600))
			_, err := get(store.Seal(raw, two), "b", "k")
			var corrupt *store.CorruptError
			var e *store.KeyFileError
			if errors.As(err, &corrupt) || !errors.As(err, &e) {
				t.Errorf("got %v", err)
			}
			if err := store.Seal(raw, two).Update(t.Context(), func(tx store.Tx) error { return tx.Put("b", []byte("w"), nil) }); !errors.As(err, &e) {
				t.Errorf("it writes with an old key: %v", err)
			}
		})
	}
	must(t, os.WriteFile(f.Path, good, 0o600))
	wantValue(t, store.Seal(raw, two), "b", "k", "v")
}

// An older copy of the key file, put in the place of the newer one while Belay runs, takes
// nothing away.
func TestOlderKeyFileTakesNothingAway(t *testing.T) {
	f, raw := keyFile(t), storetest.Memory()
	k := load(t, f)
	s := store.Seal(raw, k)
	must(t, store.CheckKeys(t.Context(), s))
	older, err := os.ReadFile(f.Path)
	must(t, err)
	second := rotate(t, k, raw)
	put(t, s, "b", "k", "v")
	must(t, os.WriteFile(f.Path, older, 0o600))
	third := rotate(t, k, raw)
	fresh := load(t, f)
	wantValue(t, store.Seal(raw, fresh), "b", "k", "v")
	if fresh.Primary() != third || len(fresh.Keys()) != 3 {
		t.Errorf("%s and %s should be in the file: %+v", second, third, fresh.Keys())
	}
}

// Any mix of writes, rotations, sweeps that break off, prunings, failures and
// restarts leaves every record readable and equal to what was written.
func TestRotationHistories(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "h")
		if err != nil {
			r.Fatal(err)
		}
		fail := ""
		f := store.Stepping(store.KeyFile{Path: filepath.Join(dir, "belay.keys")}, func(step string) error {
			if step == fail {
				return errors.New("boom")
			}
			return nil
		})
		mem := storetest.Memory()
		raw := storetest.Faulty(mem)
		ctx := context.Background()
		open := func() *store.Keyset {
			k, err := f.LoadOrCreate(ctx)
			if err != nil {
				r.Fatal(err)
			}
			if err := store.CheckKeys(ctx, store.Seal(mem, k)); err != nil {
				r.Fatal(err)
			}
			return k
		}
		k, other := open(), open()
		model := map[string]string{}
		steps := rapid.SampledFrom([]string{"", "", "create", "write", "name", "sync", "done"})
		r.Repeat(map[string]func(*rapid.T){
			"put": func(r *rapid.T) {
				key, value := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(r, "key"), rapid.String().Draw(r, "value")
				by := rapid.SampledFrom([]*store.Keyset{k, other}).Draw(r, "by")
				if err := store.Seal(mem, by).Update(ctx, func(tx store.Tx) error { return tx.Put("x", []byte(key), []byte(value)) }); err != nil {
					r.Fatal(err)
				}
				model[key] = value
			},
			"rotate": func(r *rapid.T) {
				fail = steps.Draw(r, "fail")
				_, err := k.Rotate(ctx)
				if fail = ""; err == nil && rapid.Bool().Draw(r, "fence") {
					if err := store.Seal(mem, k).Update(ctx, store.Fence); err != nil {
						r.Fatal(err)
					}
				}
			},
			"sweep": func(r *rapid.T) {
				raw.At(rapid.IntRange(1, 3).Draw(r, "at"), rapid.SampledFrom([]storetest.Fault{storetest.None, storetest.Lose, storetest.Keep}).Draw(r, "how"))
				_ = store.Reseal(ctx, raw, k, func(int) {})
				raw.Every(0, storetest.None)
			},
			"prune": func(r *rapid.T) {
				fail = steps.Draw(r, "fail")
				_, _ = k.Prune(ctx, mem)
				fail = ""
			},
			"restart": func(*rapid.T) { k = open() },
			"": func(r *rapid.T) {
				for _, by := range []*store.Keyset{k, other, open()} {
					for key, want := range model {
						if got, err := get(store.Seal(mem, by), "x", key); err != nil || got != want {
							r.Fatalf("%q = %q, %v, want %q", key, got, err, want)
						}
					}
				}
			},
		})
	})
}

// A sealed record opens in its own place only, whichever keys are in the keyset.
func TestSwappedCiphertexts(t *testing.T) {
	mem := storetest.Memory()
	k, err := store.NewKeyset()
	must(t, err)
	s := store.Seal(mem, k)
	type at struct{ bucket, key string }
	var all []at
	for round := range 3 {
		for _, bucket := range []string{"grants", "links", "requests"} {
			for _, user := range []string{"alice", "bob"} {
				p := at{bucket, fmt.Sprint(user, round)}
				put(t, s, p.bucket, p.key, fmt.Sprint("of ", p))
				all = append(all, p)
			}
		}
		if round < 2 {
			_, err := k.Rotate(t.Context())
			must(t, err)
		}
	}
	for _, from := range all {
		for _, to := range all {
			if from == to {
				continue
			}
			theirs, err := get(mem, from.bucket, from.key)
			must(t, err)
			mine, err := get(mem, to.bucket, to.key)
			must(t, err)
			put(t, mem, to.bucket, to.key, theirs)
			_, err = get(s, to.bucket, to.key)
			wantCorrupt(t, err, to.bucket, to.key)
			// The name of another key of the keyset in front of it does not help.
			forged := []byte(mine)
			copy(forged[2:6], theirs[2:6])
			if !bytes.Equal(forged, []byte(mine)) {
				put(t, mem, to.bucket, to.key, string(forged))
				_, err = get(s, to.bucket, to.key)
				wantCorrupt(t, err, to.bucket, to.key)
			}
			put(t, mem, to.bucket, to.key, mine)
		}
	}
	must(t, store.Verify(t.Context(), s))
}

// A damaged record does not stop the sweep, and keeps its key from being removed.
func TestSweepPassesDamage(t *testing.T) {
	mem := storetest.Memory()
	k, err := store.NewKeyset()
	must(t, err)
	s := store.Seal(mem, k)
	for _, key := range []string{"a", "b", "c"} {
		put(t, s, "x", key, key)
	}
	b, _ := get(mem, "x", "b")
	put(t, mem, "x", "b", b[:len(b)-1]+"!")
	_, err = k.Rotate(t.Context())
	must(t, err)
	if n := reseal(t, mem, k); n != 2 {
		t.Errorf("%d records were sealed anew", n)
	}
	var used *store.KeysInUseError
	if _, err := k.Prune(t.Context(), mem); !errors.As(err, &used) || !strings.Contains(err.Error(), "1 records") {
		t.Errorf("got %v", err)
	}
}

// Nothing that a key file may hold makes reading it panic, or tells of anything but
// what is wrong with it.
func FuzzKeyFile(f *testing.F) {
	dir := f.TempDir()
	good := store.KeyFile{Path: filepath.Join(dir, "good")}
	if _, err := good.LoadOrCreate(context.Background()); err != nil {
		f.Fatal(err)
	}
	raw, err := os.ReadFile(good.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	v := newVault()
	if err := (store.KeyFile{Path: good.Path, Vault: v}).Wrap(context.Background()); err != nil {
		f.Fatal(err)
	}
	wrapped, err := os.ReadFile(good.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wrapped)
	f.Add([]byte(`{"format":2,"vault_key":"x","data_key":"","sealed":""}`))
	path := filepath.Join(dir, "fuzzed")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, file := range []store.KeyFile{{Path: path}, {Path: path, Vault: v}} {
			k, err := file.Load(context.Background())
			var e *store.KeyFileError
			if err == nil && len(k.Keys()) == 0 || err != nil && !errors.As(err, &e) && !errors.Is(err, errVault) {
				t.Errorf("got %v", err)
			}
		}
	})
}
