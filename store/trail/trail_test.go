package trail_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// clock is business time.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

type world struct {
	t     interface{ Fatal(...any) }
	raw   store.Store
	trail *trail.Trail
	clock *clock
	log   *bytes.Buffer
}

func open(t interface{ Fatal(...any) }, raw store.Store, change func(*trail.Options)) *world {
	raw = trail.Recording(raw)
	w := &world{t: t, raw: raw, clock: &clock{start}, log: &bytes.Buffer{}}
	o := trail.Options{Store: raw, Signer: key, Now: w.clock.now, Log: slog.New(slog.NewTextHandler(w.log, nil))}
	if change != nil {
		change(&o)
	}
	var err error
	if w.trail, err = trail.New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

// happens appends n events, each in a transaction of its own.
func (w *world) happens(n int) {
	for i := range n {
		e := trail.Event{At: w.clock.t, Kind: trail.Asked, Outcome: trail.OK, Request: fmt.Sprint("r", i), Actor: trail.Actor{Principal: "alice"}}
		if i%3 == 0 {
			e.Texts = trail.Texts{"justification": fmt.Sprint("canary reason ", i), "ticket": ""}
		}
		w.must(w.raw.Update(context.Background(), func(tx store.Tx) error { return w.trail.Append(tx, e) }))
		w.clock.t = w.clock.t.Add(time.Second)
	}
}

func (w *world) settles() { w.must(w.trail.Settle(context.Background())) }

func (w *world) verify(anchors ...trail.Checkpoint) trail.Report {
	r, err := w.trail.Verify(context.Background(), anchors...)
	w.must(err)
	return r
}

func (w *world) records() (all []trail.Record) {
	w.must(w.trail.Read(context.Background(), 0, func(r trail.Record) error {
		all = append(all, r)
		return nil
	}))
	return all
}

// all reads a bucket as it is stored.
func (w *world) all(bucket string) map[string][]byte {
	m := map[string][]byte{}
	w.must(w.raw.View(context.Background(), func(tx store.Tx) error {
		return tx.Scan(bucket, nil, nil, func(k, v []byte) error {
			m[string(k)] = bytes.Clone(v)
			return nil
		})
	}))
	return m
}

func (w *world) put(bucket, key string, value []byte) {
	w.must(w.raw.Update(context.Background(), func(tx store.Tx) error {
		if value == nil {
			return tx.Delete(bucket, []byte(key))
		}
		return tx.Put(bucket, []byte(key), value)
	}))
}

func at(i int) string { return fmt.Sprintf("%016x", i) }

func TestRecordsComeBack(t *testing.T) {
	w := open(t, storetest.Memory(), nil)
	w.happens(3)
	if r := w.records(); len(r) != 3 || !r[0].Loose || r[0].Texts["justification"] != "canary reason 0" {
		t.Errorf("loose: %+v", r)
	}
	w.settles()
	w.happens(700) // more than a batch and more than a page
	w.settles()
	all := w.records()
	for i, r := range all {
		if r.Index != uint64(i) || r.Loose || i >= 3 && r.Request != fmt.Sprint("r", i-3) {
			t.Fatalf("record %d is %+v", i, r)
		}
	}
	if r := w.verify(); r.Bad != nil || r.Size != 703 || r.Checkpoints != 2 || r.Loose != 0 {
		t.Errorf("%+v, bad %+v", r, r.Bad)
	}
	// What is read again later begins where one stopped.
	n := 0
	w.must(w.trail.Read(context.Background(), 700, func(trail.Record) error { n++; return nil }))
	if n != 3 {
		t.Errorf("from 700 on there are %d, want 3", n)
	}
}

// Every kind of change of what is stored is found, and the first event concerned is named.
func TestChangesShow(t *testing.T) {
	swap := func(a, b int) func(*world) {
		return func(w *world) {
			chain := w.all("trail")
			w.put("trail", at(a), chain[at(b)])
			w.put("trail", at(b), chain[at(a)])
		}
	}
	for name, c := range map[string]struct {
		change func(*world)
		index  uint64
	}{
		"edit": {func(w *world) {
			w.put("trail", at(4), bytes.Replace(w.all("trail")[at(4)], []byte("alice"), []byte("malli"), 1))
		}, 4},
		"edit of the first": {func(w *world) {
			w.put("trail", at(0), bytes.Replace(w.all("trail")[at(0)], []byte("ok"), []byte("no"), 1))
		}, 0},
		"delete":           {func(w *world) { w.put("trail", at(5), nil) }, 5},
		"delete the first": {func(w *world) { w.put("trail", at(0), nil) }, 0},
		"reorder":          {swap(3, 7), 3},
		"insert":           {func(w *world) { w.put("trail", at(30), w.all("trail")[at(3)]) }, 30},
		"insert by shifting": {func(w *world) {
			chain := w.all("trail")
			for i := 30; i > 6; i-- {
				w.put("trail", at(i), chain[at(i-1)])
			}
		}, 7},
		"another key": {func(w *world) { w.put("trail", "x", w.all("trail")[at(3)]) }, 30},
		"truncate":    {func(w *world) { w.put("trail", at(28), nil); w.put("trail", at(29), nil) }, 28},
		"emptied":     {func(w *world) { w.put("trail", at(1), []byte("x")) }, 1},
		"a text": {func(w *world) {
			for k, v := range w.all("trail-texts") {
				if bytes.Contains(v, []byte("reason 6\"")) {
					w.put("trail-texts", k, bytes.Replace(v, []byte("reason 6"), []byte("reason 7"), 1))
				}
			}
		}, 6},
		"the head": {func(w *world) {
			w.put("trail-state", "head", bytes.Replace(w.all("trail-state")["head"], []byte(`"size":30`), []byte(`"size":31`), 1))
		}, 30},
		"a checkpoint": {func(w *world) {
			w.put("trail-checkpoints", at(20), bytes.Replace(w.all("trail-checkpoints")[at(20)], []byte("\\n20"), []byte("\\n21"), 1))
		}, 0},
		"the last checkpoint is gone": {func(w *world) { w.put("trail-checkpoints", at(30), nil) }, 20},
		"a beginning without a word": {func(w *world) {
			w.put("trail", at(0), nil)
			w.put("trail-state", "head", bytes.Replace(w.all("trail-state")["head"], []byte(`"hash"`), []byte(`"begin":1,"hash"`), 1))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, storetest.Memory(), nil)
			w.happens(20)
			w.settles()
			w.happens(10)
			w.settles()
			if r := w.verify(); r.Bad != nil || r.Checkpoints != 2 {
				t.Fatalf("before: %+v %+v", r, r.Bad)
			}
			c.change(w)
			if r := w.verify(); r.Bad == nil || r.Bad.Index != c.index {
				t.Errorf("found %+v, want index %d", r.Bad, c.index)
			}
		})
	}
}

// Somebody with the store and all its keys makes the whole chain anew, checkpoints
// included. A checkpoint that was kept elsewhere shows it.
func TestRewrittenWithTheKeys(t *testing.T) {
	w := open(t, storetest.Memory(), nil)
	w.happens(10)
	w.settles()
	anchor := w.anchor()
	w.happens(10)
	w.settles()
	later := w.anchor()

	forged := open(t, storetest.Memory(), nil)
	forged.happens(10)
	forged.settles()
	forged.clock.t = forged.clock.t.Add(time.Hour) // and then something else
	forged.happens(10)
	forged.settles()
	if r := forged.verify(); r.Bad != nil {
		t.Fatalf("the forged trail is not right in itself: %+v", r.Bad)
	}
	if r := forged.verify(anchor); r.Bad == nil || r.Bad.Index != 0 {
		t.Errorf("an anchor of 10 shows %+v, want something from 0 on", r.Bad)
	}
	// The end is cut off, and what tells of it is put back to what it was.
	short := open(t, storetest.Memory(), nil)
	short.happens(10)
	short.settles()
	if r := short.verify(later); r.Bad == nil || r.Bad.Index != 10 {
		t.Errorf("a trail that ends before the anchor: %+v, want index 10", r.Bad)
	}
}

// anchor is the last checkpoint, as the log has it.
func (w *world) anchor() trail.Checkpoint {
	all := w.all("trail-checkpoints")
	signed := strings.NewReplacer(`\n`, "\n", `"`, "").Replace(string(all[slices.Max(slices.Collect(maps.Keys(all)))]))
	c, err := w.trail.ParseCheckpoint(signed)
	w.must(err)
	if !strings.Contains(w.log.String(), fmt.Sprintf("size=%d", c.Size)) || !strings.Contains(w.log.String(), "belay-audit") {
		w.t.Fatal("the log does not hold the checkpoint: ", w.log.String())
	}
	return c
}

// Another key signs nothing that holds here.
func TestForeignCheckpoints(t *testing.T) {
	w := open(t, storetest.Memory(), nil)
	w.happens(1)
	w.settles()
	other := open(t, w.raw, func(o *trail.Options) { o.Signer = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32)) })
	for _, signed := range w.all("trail-checkpoints") {
		text := strings.NewReplacer(`\n`, "\n", `"`, "").Replace(string(signed))
		if _, err := w.trail.ParseCheckpoint(text); err != nil {
			t.Errorf("our own: %v", err)
		}
		if _, err := other.trail.ParseCheckpoint(text); !errors.Is(err, trail.ErrCheckpoint) {
			t.Errorf("another's: %v", err)
		}
	}
	if r := other.verify(); r.Bad == nil {
		t.Error("a trail verifies under another key")
	}
}

// Without the keys nothing can even be exchanged: the seal of a record holds it in its place.
func TestSealedRecordsCannotMove(t *testing.T) {
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	raw := storetest.Memory()
	w := open(t, store.Seal(raw, keys), nil)
	w.happens(10)
	w.settles()
	below := &world{t: t, raw: raw} // the driver itself
	chain := below.all("trail")
	below.put("trail", at(4), chain[at(5)])
	if r := w.verify(); r.Bad == nil || r.Bad.Index != 4 {
		t.Errorf("%+v, want index 4", r.Bad)
	}
	below.put("trail", at(4), chain[at(4)])
	if r := w.verify(); r.Bad != nil {
		t.Errorf("put back: %+v", r.Bad)
	}
	for k, v := range below.all("trail-texts") {
		if bytes.Contains(v, []byte("canary")) || strings.Contains(k, "canary") {
			t.Error("a text lies in the clear")
		}
	}
}

// Erased texts are gone, and the chain is whole.
func TestErase(t *testing.T) {
	w := open(t, storetest.Memory(), nil)
	w.happens(600)
	w.settles()
	w.happens(3) // one of them with a text, and loose
	n, err := w.trail.Erase(context.Background(), func(e trail.Event) bool { return e.Request != "r3" },
		&trail.Event{At: w.clock.t, Kind: trail.Operator, Outcome: trail.OK, Verb: "audit erase"})
	w.must(err)
	if n != 200 {
		t.Errorf("%d events lost texts, want 200", n)
	}
	left, commands := 0, 0
	for _, r := range w.records() {
		if len(r.Texts) > 0 {
			left++
		}
		if r.Kind == trail.Operator {
			commands++
		}
	}
	if left != 1 || commands != 1 {
		t.Errorf("%d events have texts and %d commands are recorded, want 1 and 1", left, commands)
	}
	for _, v := range w.all("trail-texts") {
		if !bytes.Contains(v, []byte("reason 3\"")) {
			t.Errorf("still there: %s", v)
		}
	}
	w.settles()
	if r := w.verify(); r.Bad != nil || r.Erased != 200 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
}

// Old events go, and what is left still proves where it begins.
func TestRetention(t *testing.T) {
	w := open(t, storetest.Memory(), func(o *trail.Options) { o.Keep, o.KeepTexts = 48*time.Hour, 24*time.Hour })
	w.happens(600)
	w.settles()
	old := w.anchor()
	w.clock.t = w.clock.t.Add(30 * time.Hour)
	w.happens(10)
	w.settles()
	w.must(w.trail.Sweep(context.Background()))
	if r := w.verify(old); r.Bad != nil || r.Begin != 0 || r.Erased != 200 {
		t.Errorf("after a day: %+v %+v", r, r.Bad)
	}
	w.clock.t = w.clock.t.Add(20 * time.Hour)
	w.must(w.trail.Sweep(context.Background()))
	r := w.verify(old)
	if r.Bad != nil || r.Begin != 600 || r.Size != 610 {
		t.Errorf("after two days: %+v %+v", r, r.Bad)
	}
	w.put("trail", at(600), nil)
	if r := w.verify(); r.Bad == nil || r.Bad.Index != 600 {
		t.Errorf("the new first one is gone: %+v", r.Bad)
	}
	w.clock.t = w.clock.t.Add(1000 * time.Hour)
	w.put("trail", at(601), nil)
	if r := w.verify(); r.Bad == nil {
		t.Error("a hole is not found")
	}
}

// Everything at once is dropped, and the trail goes on.
func TestAllOld(t *testing.T) {
	w := open(t, storetest.Memory(), func(o *trail.Options) { o.Keep = time.Hour })
	w.happens(5)
	w.settles()
	w.clock.t = w.clock.t.Add(100 * time.Hour)
	w.must(w.trail.Sweep(context.Background()))
	if r := w.verify(); r.Bad != nil || r.Begin != 5 || r.Size != 5 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
	w.happens(2)
	w.settles()
	if r := w.verify(); r.Bad != nil || r.Size != 7 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
}

// A random history and one random change of what is stored: found, at the right place or
// before what was changed could be seen.
func TestAnyChangeShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := open(t, storetest.Memory(), nil)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			w.happens(rapid.IntRange(1, 9).Draw(t, "events"))
			w.settles()
		}
		size := int(w.verify().Size)
		i := rapid.IntRange(0, size-1).Draw(t, "index")
		chain := w.all("trail")
		switch rapid.SampledFrom([]string{"flip", "delete", "copy", "cut"}).Draw(t, "change") {
		case "flip":
			v := bytes.Clone(chain[at(i)])
			bit := rapid.IntRange(0, len(v)*8-1).Draw(t, "bit")
			v[bit/8] ^= 1 << (bit % 8)
			w.put("trail", at(i), v)
		case "delete":
			w.put("trail", at(i), nil)
		case "copy":
			j := rapid.IntRange(0, size-1).Draw(t, "from")
			if i == j {
				t.Skip("nothing is changed")
			}
			w.put("trail", at(i), chain[at(j)])
		case "cut":
			for j := i; j < size; j++ {
				w.put("trail", at(j), nil)
			}
		}
		if r := w.verify(); r.Bad == nil || r.Bad.Index != uint64(i) {
			t.Fatalf("found %+v, want index %d", r.Bad, i)
		}
	})
}

// Two replicas append and chain at once, and the chain is whole and complete.
func TestTwoReplicas(t *testing.T) {
	raw := storetest.Memory()
	a, b := open(t, raw, nil), open(t, raw, nil)
	done := make(chan error, 2)
	for _, w := range []*world{a, b} {
		go func() {
			for range 50 {
				err := w.raw.Update(context.Background(), func(tx store.Tx) error {
					return w.trail.Append(tx, trail.Event{At: start, Kind: trail.Linked, Outcome: trail.OK})
				})
				if err == nil {
					err = w.trail.Settle(context.Background())
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	a.must(errors.Join(<-done, <-done))
	a.clock.t = a.clock.t.Add(time.Hour) // a lease of the other has run out
	a.settles()
	if r := a.verify(); r.Bad != nil || r.Size != 100 || len(a.records()) != 100 {
		t.Errorf("%+v %+v, %d records", r, r.Bad, len(a.records()))
	}
}

// An update that fails, at whatever write, leaves a whole chain, and the next one goes on.
func TestFailingStore(t *testing.T) {
	for n := range 12 {
		w := open(t, storetest.Memory(), nil)
		w.happens(5)
		broken := open(t, &failing{Store: w.raw, after: n}, nil)
		broken.clock = w.clock
		err := broken.trail.Settle(context.Background())
		if r := w.verify(); r.Bad != nil {
			t.Errorf("fails at write %d (%v): %+v", n, err, r.Bad)
		}
		w.clock.t = w.clock.t.Add(time.Minute)
		w.settles()
		if r := w.verify(); r.Bad != nil || r.Size != 5 || len(w.records()) != 5 {
			t.Errorf("after a failure at write %d: %+v %+v", n, r, r.Bad)
		}
	}
}

var errDisk = errors.New("the disk is full")

// failing fails a transaction at its n-th write, and every later one.
type failing struct {
	store.Store
	after int
}

func (f *failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	return f.Store.Update(ctx, func(tx store.Tx) error {
		left := f.after
		err := fn(failingTx{tx, &left})
		f.after = left
		return err
	})
}

type failingTx struct {
	store.Tx
	left *int
}

func (f failingTx) Put(bucket string, key, value []byte) error {
	if *f.left--; *f.left < 0 {
		return errDisk
	}
	return f.Tx.Put(bucket, key, value)
}

// BenchmarkVerify walks a chain in a file, sealed, in which every third event has a text.
func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			keys, err := store.NewKeyset()
			if err != nil {
				b.Fatal(err)
			}
			file, err := bolt.Open(filepath.Join(b.TempDir(), "belay.db"), bolt.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			sealed := store.Seal(file, keys)
			w := open(b, sealed, nil)
			for done := 0; done < n; {
				w.must(w.raw.Update(b.Context(), func(tx store.Tx) error {
					for i := range min(4000, n-done) {
						e := trail.Event{At: start, Kind: trail.Sent, Outcome: trail.OK, Request: "0193-request", Actor: trail.Actor{Principal: "11111111-2222-3333-4444-555555555555", Platform: "slack", User: "U0ALICE"},
							Role: &trail.Role{Kind: "role", ID: "62e90394-69f5-4237-9190-012177145e10", Name: "Reader", Scope: "/"}}
						if i%3 == 0 {
							e.Texts = trail.Texts{"justification": "a colleague cannot sign in"}
						}
						if err := w.trail.Append(tx, e); err != nil {
							return err
						}
					}
					return nil
				}))
				done += min(4000, n-done)
			}
			w.settles()
			for b.Loop() {
				if r := w.verify(); r.Bad != nil || r.Size != uint64(n) {
					b.Fatal(r, r.Bad)
				}
			}
		})
	}
}
