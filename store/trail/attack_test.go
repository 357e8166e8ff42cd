package trail_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
)

// An attacker works on what lies under a trail, below its types. They hold the store's
// keys, and forge hashes as docs/audit.md describes them; with signs they hold the
// signing key as well.
type attacker struct {
	*world
	signs bool
}

// links are the events of the chain as they are stored: 32 bytes of hash, and the body.
func (a attacker) links() (all [][]byte) {
	chain := a.all("trail")
	for _, k := range slices.Sorted(maps.Keys(chain)) {
		all = append(all, chain[k])
	}
	return all
}

func follow(h [32]byte, raw []byte) [32]byte {
	b := binary.BigEndian.AppendUint64(bytes.Clone(h[:]), uint64(len(raw)))
	return sha256.Sum256(append(b, raw...))
}

// become makes a bucket hold exactly this.
func (w *world) become(bucket string, want map[string][]byte) {
	now := w.all(bucket)
	keys := slices.Sorted(maps.Keys(now))
	for k := range want {
		if _, there := now[k]; !there {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	w.must(w.raw.Update(context.Background(), func(tx store.Tx) error {
		for _, k := range keys {
			var err error
			switch v, wanted := want[k]; {
			case !wanted:
				err = tx.Delete(bucket, []byte(k))
			case !bytes.Equal(now[k], v):
				err = tx.Put(bucket, []byte(k), v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// exchange puts links in the place of others, where they differ.
func (w *world) exchange(old, links [][]byte) {
	w.must(w.raw.Update(context.Background(), func(tx store.Tx) error {
		for i := range max(len(old), len(links)) {
			var err error
			switch {
			case i >= len(links):
				err = tx.Delete("trail", []byte(at(i)))
			case i >= len(old) || !bytes.Equal(old[i], links[i]):
				err = tx.Put("trail", []byte(at(i)), links[i])
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// rewrite puts another chain there, with hashes and an end that go with it, and, where
// the attacker can, with checkpoints that do.
func (a attacker) rewrite(all [][]byte) {
	var h [32]byte
	hashes := [][32]byte{h}
	chain := map[string][]byte{}
	for i, l := range all {
		h = follow(h, l[32:])
		hashes = append(hashes, h)
		chain[at(i)] = append(bytes.Clone(h[:]), l[32:]...)
	}
	a.become("trail", chain)
	a.sets(map[string]any{"size": len(all), "hash": base64.StdEncoding.EncodeToString(h[:])})
	if !a.signs {
		return
	}
	signed, notes := 0, map[string][]byte{}
	for k := range a.all("trail-checkpoints") {
		var size int
		if _, err := fmt.Sscanf(k, "%016x", &size); err != nil {
			a.t.Fatal(err)
		}
		if size = min(size, len(all)); size > 0 {
			text, err := json.Marshal(forge(size, hashes[size], a.clock.t))
			a.must(err)
			signed, notes[at(size)] = max(signed, size), text
		}
	}
	a.become("trail-checkpoints", notes)
	a.sets(map[string]any{"signed": signed})
}

type forger struct{}

func (forger) Name() string { return "belay-audit" }
func (forger) KeyHash() uint32 {
	text, err := note.NewEd25519VerifierKey("belay-audit", key.Public().(ed25519.PublicKey))
	if err != nil {
		panic(err)
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		panic(err)
	}
	return v.KeyHash()
}
func (forger) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(key, msg), nil }

// forge is a checkpoint as whoever has the signing key makes it.
func forge(size int, h [32]byte, at time.Time) string {
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	text := fmt.Sprintf("belay-audit/%s\n%d\n%s\n%s\n", hex.EncodeToString(sum[:8]), size, base64.StdEncoding.EncodeToString(h[:]), at.Format(time.RFC3339))
	signed, err := note.Sign(&note.Note{Text: text}, forger{})
	if err != nil {
		panic(err)
	}
	return string(signed)
}

// sets changes members of the head.
func (w *world) sets(members map[string]any) {
	var head map[string]any
	w.must(json.Unmarshal(w.all("trail-state")["head"], &head))
	maps.Copy(head, members)
	raw, err := json.Marshal(head)
	w.must(err)
	w.put("trail-state", "head", raw)
}

// text is a stored checkpoint as it was signed.
func (w *world) text(size int) (signed string) {
	w.must(json.Unmarshal(w.all("trail-checkpoints")[at(size)], &signed))
	return signed
}

func (w *world) checkpoint(size int) trail.Checkpoint {
	c, err := w.trail.ParseCheckpoint(w.text(size))
	w.must(err)
	return c
}

// whatever is done to a chain at a place.
var changes = map[string]func(all [][]byte, i int) [][]byte{
	"edit": func(all [][]byte, i int) [][]byte {
		all[i] = bytes.Replace(all[i], []byte(`"alice"`), []byte(`"malli"`), 1)
		return all
	},
	"delete": func(all [][]byte, i int) [][]byte { return slices.Delete(all, i, i+1) },
	"insert": func(all [][]byte, i int) [][]byte { return slices.Insert(all, i, all[(i+7)%len(all)]) },
	"reorder": func(all [][]byte, i int) [][]byte {
		j := (i + 1) % len(all)
		all[i], all[j] = all[j], all[i]
		return all
	},
	"truncate": func(all [][]byte, i int) [][]byte { return all[:i] },
}

// At every place of a trail every kind of change is found. Who leaves the hashes as they
// are is caught at the place; who makes the chain anew, up to its end, between two checkpoints; and
// who has the signing key as well, between two checkpoints that lie elsewhere.
func TestEveryChangeAtEveryPlaceShows(t *testing.T) {
	const events, apart = 240, 60
	w := open(t, storetest.Memory(), nil)
	for range events / apart {
		w.happens(apart)
		w.settles()
	}
	if r := w.verify(); r.Bad != nil || r.Size != events || r.Checkpoints != events/apart {
		t.Fatalf("before: %+v %+v", r, r.Bad)
	}
	outside := []trail.Checkpoint{w.checkpoint(events / 2), w.checkpoint(events)}
	before := map[string]map[string][]byte{"trail": w.all("trail"), "trail-state": w.all("trail-state"), "trail-checkpoints": w.all("trail-checkpoints")}
	restore := func(buckets ...string) {
		for _, b := range buckets {
			w.become(b, before[b])
		}
	}
	// Either the place itself, or, where the chain ends too early, its end and the place.
	named := func(b *trail.Bad, from uint64, changed [][]byte) bool {
		return b != nil && (b.Index == from || len(changed) < events && b.Index == uint64(len(changed)) && strings.HasSuffix(b.What, fmt.Sprintf("from %d on", from)))
	}
	chain := attacker{world: w}.links()
	for name, change := range changes {
		for i := range events {
			if name == "reorder" && i == events-1 {
				continue // the last and the first: that is one at 0
			}
			changed := change(slices.Clone(chain), i)
			// As it comes: the hashes are those of before.
			w.exchange(chain, changed)
			if r := w.verify(); r.Bad == nil || r.Bad.Index != uint64(i) {
				t.Fatalf("%s at %d: found %+v", name, i, r.Bad)
			}
			w.exchange(changed, chain)
			if i%23 != 0 {
				continue // the same code, and the tests have to end
			}
			from := uint64(i) / apart * apart
			attacker{world: w}.rewrite(changed)
			if r := w.verify(); !named(r.Bad, from, changed) {
				t.Fatalf("%s at %d, and the chain made anew: found %+v, want it from %d on", name, i, r.Bad, from)
			}
			restore("trail", "trail-state")
			from = uint64(i) / (events / 2) * (events / 2)
			attacker{w, true}.rewrite(changed)
			if r := w.verify(); r.Bad != nil {
				t.Fatalf("%s at %d, with all keys: this test's attacker does not do it well: %+v", name, i, r.Bad)
			}
			if r := w.verify(outside...); !named(r.Bad, from, changed) {
				t.Fatalf("%s at %d, with all keys: found %+v, want it from %d on", name, i, r.Bad, from)
			}
			restore("trail", "trail-state", "trail-checkpoints")
		}
	}
	if r := w.verify(outside...); r.Bad != nil {
		t.Fatalf("at the end: %+v", r.Bad)
	}
}

// A checkpoint is no word about a beginning: it cuts nothing off.
func TestACheckpointIsNoBeginning(t *testing.T) {
	w := open(t, storetest.Memory(), nil)
	w.happens(10)
	w.settles()
	w.happens(10)
	w.settles()
	for i := range 10 {
		w.put("trail", at(i), nil)
	}
	w.sets(map[string]any{"begin": 10, "beginNote": w.text(10)})
	if r := w.verify(); r.Bad == nil || r.Bad.Index != 10 {
		t.Errorf("ten events were cut off under an old checkpoint: %+v", r.Bad)
	}
}

// Whoever holds all keys can sign a beginning. A checkpoint from outside that is younger than the
// retention shows that it came too early.
func TestDroppedBeforeItsTime(t *testing.T) {
	for name, keep := range map[string]time.Duration{"kept for ever": 0, "kept for two days": 48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			raw := storetest.Memory()
			w := open(t, raw, func(o *trail.Options) { o.Keep = keep })
			w.happens(10)
			w.settles()
			anchor := w.checkpoint(10)
			w.happens(10)
			w.settles()
			// The same keys, and another retention: what signs the beginning is Belay's own code.
			thief := open(t, raw, func(o *trail.Options) { o.Keep = time.Minute })
			thief.clock.t = w.clock.t.Add(2 * time.Minute)
			w.must(thief.trail.Sweep(t.Context()))
			w.clock.t = w.clock.t.Add(time.Hour)
			if r := w.verify(anchor); r.Bad == nil || r.Bad.Index != 0 {
				t.Errorf("dropped too early: %+v %+v", r, r.Bad)
			}
			w.clock.t = w.clock.t.Add(72 * time.Hour)
			if r := w.verify(anchor); keep > 0 && (r.Bad != nil || r.Dropped == 0) {
				t.Errorf("in time: %+v %+v", r, r.Bad)
			}
		})
	}
}

// Events are to be kept for longer from now on: what was dropped before is no finding,
// unless somebody shows a checkpoint of it.
func TestKeptForLongerFromNowOn(t *testing.T) {
	raw := storetest.Memory()
	w := open(t, raw, func(o *trail.Options) { o.Keep = time.Hour })
	w.happens(5)
	w.settles()
	w.clock.t = w.clock.t.Add(2 * time.Hour)
	w.happens(5)
	w.settles()
	w.must(w.trail.Sweep(t.Context()))
	later := open(t, raw, func(o *trail.Options) { o.Keep = 48 * time.Hour })
	later.clock.t = w.clock.t
	if r := later.verify(later.checkpoint(10)); r.Bad != nil || r.Begin != 5 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
}

// Belay signs nothing that does not follow from what it signed before, whatever lies
// in its store.
func TestNothingForgedIsSigned(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"another event": func(w *world) {
			attacker{world: w}.rewrite(changes["edit"](attacker{world: w}.links(), 12))
		},
		"another end": func(w *world) { w.sets(map[string]any{"hash": base64.StdEncoding.EncodeToString(make([]byte, 32))}) },
		"cut back to a checkpoint": func(w *world) {
			all := attacker{world: w}.links()
			attacker{world: w}.rewrite(all[:10])
			w.put("trail-checkpoints", at(20), nil)
			w.sets(map[string]any{"signed": 10})
		},
		"no checkpoint at all": func(w *world) {
			w.put("trail-checkpoints", at(10), nil)
			w.put("trail-checkpoints", at(20), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, storetest.Memory(), nil)
			for range 2 {
				w.happens(10)
				w.settles()
			}
			w.happens(5)
			change(w)
			told := strings.Count(w.log.String(), "audit checkpoint")
			if err := w.trail.Settle(t.Context()); !errors.Is(err, trail.ErrBroken) {
				t.Errorf("settling answers %v", err)
			}
			if n := strings.Count(w.log.String(), "audit checkpoint"); n != told {
				t.Errorf("%d checkpoints were signed of it", n-told)
			}
		})
	}
}

// What was tampered with is not dropped for its age: it is evidence.
func TestEvidenceIsKept(t *testing.T) {
	for name, tamper := range map[string]func(w *world){
		"an edit":                func(w *world) { w.put("trail", at(4), changes["edit"](attacker{world: w}.links(), 4)[4]) },
		"a hole":                 func(w *world) { w.put("trail", at(4), nil) },
		"a chain made anew":      func(w *world) { attacker{world: w}.rewrite(changes["edit"](attacker{world: w}.links(), 4)) },
		"a checkpoint of others": func(w *world) { w.put("trail-checkpoints", at(10), []byte(`"nobody's"`)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, storetest.Memory(), func(o *trail.Options) { o.Keep = time.Hour })
			w.happens(10)
			w.settles()
			tamper(w)
			left := len(w.all("trail"))
			w.clock.t = w.clock.t.Add(100 * time.Hour)
			if err := w.trail.Sweep(t.Context()); !errors.Is(err, trail.ErrBroken) {
				t.Errorf("the sweep answers %v", err)
			}
			if n := len(w.all("trail")); n != left {
				t.Errorf("%d of %d events are left", n, left)
			}
			if r := w.verify(); r.Bad == nil {
				t.Error("and nothing is found")
			}
		})
	}
}

// Somebody with the database and no key puts garbage before what waits to be chained. It
// is found, and holds up neither the chain nor a checkpoint.
func TestGarbageHoldsUpNothing(t *testing.T) {
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	raw := storetest.Memory()
	w := open(t, store.Seal(raw, keys), nil)
	w.happens(2)
	below := &world{t: t, raw: raw}
	below.put("trail-loose", "00000000-0000-7000-8000-000000000000", []byte("garbage"))
	below.put("trail-loose", "ffffffff-0000-7000-8000-000000000000", []byte("garbage"))
	for range 2 { // and not only once
		w.happens(2)
		if err := w.trail.Settle(t.Context()); !errors.Is(err, trail.ErrBroken) {
			t.Errorf("settling answers %v", err)
		}
	}
	if r := w.verify(); r.Bad == nil || r.Bad.Index != 6 || r.Size != 6 || r.Checkpoints != 2 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
	below.put("trail-loose", "00000000-0000-7000-8000-000000000000", nil)
	below.put("trail-loose", "ffffffff-0000-7000-8000-000000000000", nil)
	w.settles()
	if r := w.verify(); r.Bad != nil || len(w.records()) != 6 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
}

// A clock that was set back keeps no checkpoint back, and events keep their order, also
// over a restart.
func TestTheClockIsSetBack(t *testing.T) {
	raw, wall := storetest.Memory(), time.Now()
	begins := func() *world {
		w := open(t, raw, nil)
		w.raw = trail.RecordingAt(raw, func() time.Time { return wall })
		return w
	}
	w := begins()
	w.happens(4)
	w.settles()
	w.happens(1) // "r0", and it is killed
	wall = wall.Add(-3 * time.Hour)
	w = begins()
	w.clock.t = start.Add(-3 * time.Hour)
	w.happens(1)
	w.happens(1)
	w.must(w.trail.Step(t.Context()))
	if r := w.verify(); r.Bad != nil || r.Size != 7 || r.Checkpoints != 2 || r.Unsigned != 0 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
	all := w.records()
	if !all[4].At.After(all[5].At) || !all[5].At.Before(all[6].At) || all[4].ID >= all[5].ID || all[5].ID >= all[6].ID {
		t.Errorf("the order is %v, %v, %v", all[4].At, all[5].At, all[6].At)
	}
}

// The clock was wrong for one event. It holds up no retention, and goes with its neighbours.
func TestAFutureEventHoldsUpNoRetention(t *testing.T) {
	w := open(t, storetest.Memory(), func(o *trail.Options) { o.Keep, o.KeepTexts = 48*time.Hour, 24*time.Hour })
	w.happens(3)
	w.must(w.raw.Update(t.Context(), func(tx store.Tx) error {
		return w.trail.Append(tx, trail.Event{At: start.AddDate(20, 0, 0), Kind: trail.Asked, Outcome: trail.OK, Texts: trail.Texts{"justification": "canary"}})
	}))
	w.happens(3)
	w.settles()
	w.clock.t = start.Add(30 * time.Hour)
	w.happens(1)
	w.settles()
	w.must(w.trail.Sweep(t.Context()))
	if r := w.verify(); r.Bad != nil || r.Erased != 3 || r.Begin != 0 {
		t.Errorf("after a day: %+v %+v", r, r.Bad)
	}
	w.clock.t = start.Add(50 * time.Hour)
	w.must(w.trail.Sweep(t.Context()))
	if r := w.verify(); r.Bad != nil || r.Begin != 7 || r.Size != 8 {
		t.Errorf("after two days: %+v %+v", r, r.Bad)
	}
}

// A process that was killed between a checkpoint and its line in the log: the next one
// logs it.
func TestACheckpointIsLoggedAfterAKill(t *testing.T) {
	raw := storetest.Memory()
	w := open(t, raw, func(o *trail.Options) { o.Log = nil })
	w.happens(3)
	w.settles()
	next := open(t, raw, nil)
	next.settles()
	next.settles()
	if n := strings.Count(next.log.String(), "audit checkpoint"); n != 1 || !strings.Contains(next.log.String(), "size=3") {
		t.Errorf("the log is %s", next.log.String())
	}
}

// The keys of the store are changed and everything is sealed anew; the trail, its signatures
// and an anchor from before hold.
func TestKeysAreRotatedUnderATrail(t *testing.T) {
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	raw := storetest.Memory()
	w := open(t, store.Seal(raw, keys), func(o *trail.Options) { o.Signer = keys.Signer("audit checkpoints") })
	w.happens(5)
	w.settles()
	anchor := w.checkpoint(5)
	if _, err := keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.happens(5)
	w.settles()
	w.must(store.Reseal(t.Context(), raw, keys, func(int) {}))
	if _, err := keys.Prune(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	again := open(t, store.Seal(raw, keys), func(o *trail.Options) { o.Signer = keys.Signer("audit checkpoints") })
	again.happens(1)
	again.settles()
	if r := again.verify(anchor); r.Bad != nil || r.Size != 11 || r.Checkpoints != 4 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
}

// Nothing was written yet: that is whole, unless a checkpoint knows of more.
func TestAnEmptyTrail(t *testing.T) {
	w := open(t, storetest.Memory(), nil)
	w.settles()
	if r := w.verify(); r.Bad != nil || r.Size != 0 || r.Checkpoints != 0 || len(w.records()) != 0 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
	other := open(t, storetest.Memory(), nil)
	other.happens(1)
	other.settles()
	if r := w.verify(other.checkpoint(1)); r.Bad == nil || r.Bad.Index != 0 {
		t.Errorf("everything was taken away: %+v", r.Bad)
	}
}

// Events of an older and of a newer Belay, with fewer members and with more, are read,
// verified and erased like those of today.
func TestEventsOfOtherVersions(t *testing.T) {
	w := open(t, storetest.Memory(), nil)
	w.put("trail-loose", "00000000-0000-7000-8000-000000000001", []byte(`{"id":"00000000-0000-7000-8000-000000000001","at":"2026-01-02T03:04:05Z","kind":"request.asked","outcome":"ok","actor":{}}`))
	w.put("trail-loose", "00000000-0000-7000-8000-000000000002", []byte(`{"id":"00000000-0000-7000-8000-000000000002","at":"2026-01-02T03:04:05Z","kind":"of.tomorrow","outcome":"perhaps","actor":{"principal":"alice","age":7},"more":{"texts":"yes"},"moon":{"texts":{"phase":"full"}}}`))
	w.settles()
	all := w.records()
	if len(all) != 2 || all[1].Kind != "of.tomorrow" || all[1].Actor.Principal != "alice" || all[1].More["texts"] != "yes" {
		t.Fatalf("%+v", all)
	}
	if r := w.verify(); r.Bad != nil || r.Size != 2 || r.Erased != 0 {
		t.Errorf("%+v %+v", r, r.Bad)
	}
}
