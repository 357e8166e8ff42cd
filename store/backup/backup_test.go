package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/backup"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/storetest"
)

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// filled is a store with records of every odd size.
func filled(t testing.TB, records int) store.Store {
	t.Helper()
	s := storetest.Memory()
	err := s.Update(context.Background(), func(tx store.Tx) error {
		for n := range records {
			bucket := fmt.Sprintf("bucket-%d", n%3)
			if err := tx.Put(bucket, fmt.Appendf(nil, "\x00key %05d\xff", n), bytes.Repeat([]byte{byte(n)}, n%257)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func source(s store.Store) backup.Source {
	return backup.Source{Store: s, Keys: func() ([]byte, error) { return []byte("the key file"), nil }, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
}

func made(t testing.TB, s store.Store, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := backup.Write(context.Background(), &out, source(s), to...); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// content is everything in a store.
func content(t testing.TB, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := s.View(context.Background(), func(tx store.Tx) error {
		names, err := tx.(store.BucketLister).Buckets()
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := tx.Scan(name, nil, nil, func(k, v []byte) error { all[name+"/"+string(k)] = string(v); return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func restore(into store.Store, raw []byte, ids ...age.Identity) (*backup.Backup, error) {
	b, err := backup.Open(bytes.NewReader(raw), ids...)
	if err != nil {
		return nil, err
	}
	_, err = b.Restore(context.Background(), into)
	return b, err
}

// What goes in comes out, through another driver too, for each of several recipients.
func TestRoundTrip(t *testing.T) {
	for _, records := range []int{0, 1, 2999, 3000} {
		one, two := identity(t), identity(t)
		s := filled(t, records)
		raw := made(t, s, one.Recipient(), two.Recipient())
		for _, id := range []age.Identity{one, two} {
			into, err := bolt.Open(filepath.Join(t.TempDir(), "belay.db"), bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			b, err := restore(into, raw, id)
			if err != nil {
				t.Fatal(err)
			}
			if string(b.Keys) != "the key file" || b.Header.Made.Unix() != 1_800_000_000 {
				t.Errorf("keys %q, made %v", b.Keys, b.Header.Made)
			}
			got, want := content(t, into), content(t, s)
			if len(got) != len(want) {
				t.Errorf("%d records, want %d", len(got), len(want))
			}
			for k, v := range want {
				if got[k] != v {
					t.Fatalf("%q is %q, want %q", k, got[k], v)
				}
			}
			if err := into.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A backup is one moment: what is written while it is made is in it whole or not at all.
func TestOneMoment(t *testing.T) {
	s, id := storetest.Memory(), identity(t)
	put := func(n int) error {
		return s.Update(t.Context(), func(tx store.Tx) error {
			for _, bucket := range []string{"a", "z"} {
				if err := tx.Put(bucket, []byte("n"), fmt.Append(nil, n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := put(0); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := put(n); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for range 50 {
		into := storetest.Memory()
		if _, err := restore(into, made(t, s, id.Recipient()), id); err != nil {
			t.Fatal(err)
		}
		if got := content(t, into); got["a/n"] != got["z/n"] {
			t.Fatalf("two moments: %v", got)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

func reason(err error) backup.Reason {
	var e *backup.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// A changed byte anywhere and a missing end are noticed, and nothing panics.
func TestDamage(t *testing.T) {
	id := identity(t)
	raw := made(t, filled(t, 40), id.Recipient())
	for n := range raw {
		bad := bytes.Clone(raw)
		bad[n] ^= 1 << (n % 8)
		if _, err := restore(storetest.Memory(), bad, id); reason(err) == "" {
			t.Fatalf("a change of byte %d of %d: %v", n, len(raw), err)
		}
		if _, err := restore(storetest.Memory(), raw[:n], id); reason(err) == "" {
			t.Fatalf("cut after byte %d of %d: %v", n, len(raw), err)
		}
	}
	if _, err := restore(storetest.Memory(), append(bytes.Clone(raw), 'x'), id); reason(err) != backup.Damaged {
		t.Errorf("something behind the end: %v", err)
	}
}

// encrypted is a stream that somebody made who knows the recipient.
func encrypted(t *testing.T, to age.Recipient, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRefused(t *testing.T) {
	id := identity(t)
	whole, err := age.Decrypt(bytes.NewReader(made(t, filled(t, 5), id.Recipient())), id)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw  []byte
		want backup.Reason
	}{
		"another recipient":    {made(t, filled(t, 5), identity(t).Recipient()), backup.NotForYou},
		"no age file":          {[]byte("SQLite format 3\x00"), backup.NotOne},
		"empty":                {nil, backup.NotOne},
		"another program's":    {encrypted(t, id.Recipient(), []byte("{\"other\":1}\n")), backup.NotOne},
		"no line":              {encrypted(t, id.Recipient(), bytes.Repeat([]byte("x"), 1<<17)), backup.NotOne},
		"another version":      {encrypted(t, id.Recipient(), []byte("{\"belay\":\"backup\",\"format\":2}\n")), backup.Version},
		"a key file of 1 GB":   {encrypted(t, id.Recipient(), []byte("{\"belay\":\"backup\",\"format\":1,\"keyFile\":1000000000}\n")), backup.Damaged},
		"a key file below 0":   {encrypted(t, id.Recipient(), []byte("{\"belay\":\"backup\",\"format\":1,\"keyFile\":-1}\n")), backup.Damaged},
		"a record of 2^63":     {encrypted(t, id.Recipient(), []byte("{\"belay\":\"backup\",\"format\":1,\"keyFile\":0}\n\x01a\xff\xff\xff\xff\xff\xff\xff\xff\x7f")), backup.Damaged},
		"cut between records":  {encrypted(t, id.Recipient(), plain[:len(plain)-33]), backup.Damaged},
		"another digest":       {encrypted(t, id.Recipient(), append(bytes.Clone(plain[:len(plain)-1]), plain[len(plain)-1]^1)), backup.Damaged},
		"something behind it":  {encrypted(t, id.Recipient(), append(bytes.Clone(plain), 0)), backup.Damaged},
		"one record taken out": {encrypted(t, id.Recipient(), append(bytes.Clone(plain[:len(plain)-40]), plain[len(plain)-33:]...)), backup.Damaged},
	} {
		if _, err := restore(storetest.Memory(), c.raw, id); reason(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The keys of a backup are those of its records, whatever a rotation does meanwhile.
func TestKeysThatChange(t *testing.T) {
	id, reads := identity(t), 0
	src := source(filled(t, 3))
	src.Keys = func() ([]byte, error) { reads++; return fmt.Append(nil, "keys ", min(reads/2, 3)), nil }
	var out bytes.Buffer
	if _, err := backup.Write(t.Context(), &out, src, id.Recipient()); err != nil {
		t.Fatal(err)
	}
	b, err := restore(storetest.Memory(), out.Bytes(), id)
	if err != nil || string(b.Keys) != "keys 3" {
		t.Errorf("%q, %v", b.Keys, err)
	}
	src.Keys = func() ([]byte, error) { reads++; return fmt.Append(nil, reads), nil }
	if _, err := backup.Write(t.Context(), &out, src, id.Recipient()); !errors.Is(err, backup.ErrKeysChange) {
		t.Errorf("keys that change all the while: %v", err)
	}
}

// A writer or a key file that fails is an error, and so is a context that ends.
func TestFailures(t *testing.T) {
	id := identity(t)
	for room := range 600 {
		if _, err := backup.Write(t.Context(), &narrow{room * 10}, source(filled(t, 90)), id.Recipient()); !errors.Is(err, errFull) {
			t.Fatalf("a writer with room for %d bytes: %v", room*10, err)
		}
	}
	src := source(filled(t, 3))
	src.Keys = func() ([]byte, error) { return nil, errFull }
	if _, err := backup.Write(t.Context(), io.Discard, src, id.Recipient()); !errors.Is(err, errFull) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backup.Write(ctx, io.Discard, source(filled(t, 3)), id.Recipient()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := backup.Write(t.Context(), io.Discard, source(filled(t, 3))); err == nil {
		t.Error("a backup for nobody was made")
	}
}

var errFull = errors.New("no room")

type narrow struct{ room int }

func (n *narrow) Write(p []byte) (int, error) {
	if n.room -= len(p); n.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func FuzzRestore(f *testing.F) {
	id := identity(f)
	for _, n := range []int{0, 1, 30} {
		whole, err := age.Decrypt(bytes.NewReader(made(f, filled(f, n), id.Recipient())), id)
		if err != nil {
			f.Fatal(err)
		}
		plain, err := io.ReadAll(whole)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		into := storetest.Memory()
		b, err := restore(into, encrypted(t, id.Recipient(), plain), id)
		if err != nil {
			return
		}
		// What was taken can be backed up again and is the same.
		again := storetest.Memory()
		if _, err := restore(again, made(t, into, id.Recipient()), id); err != nil {
			t.Fatalf("%v, keys %q", err, b.Keys)
		}
		if got, want := content(t, again), content(t, into); len(got) != len(want) {
			t.Errorf("%d records, then %d", len(want), len(got))
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	s, id := filled(b, 100_000), identity(b)
	for b.Loop() {
		if _, err := backup.Write(b.Context(), io.Discard, source(s), id.Recipient()); err != nil {
			b.Fatal(err)
		}
	}
}
