package bot

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// The buckets of bot. Keys hold no personal identifier.
var (
	requests = store.NewBucket[Request]("requests")    // id → the document
	dueIndex = store.NewBucket[struct{}]("due")        // wake time + id
	people   = store.NewBucket[struct{}]("people")     // person, role in the request, id: open requests only
	places   = store.NewBucket[Conversation]("places") // person, platform → their direct conversation
)

// Migrations bring a store to the schema of this version. The second schema has packed
// requests, which a Belay of the first one cannot read; those that are there stay as they are.
func Migrations() []store.Migration {
	return []store.Migration{func(store.Tx) error { return nil }}
}

// part is somebody's part in an open request.
type part string

const (
	partAsks    part = "asks"
	partDecides part = "decides"
	partWaits   part = "waits" // an intent waits for their sign-in
)

// documents keeps requests and their indices together: every put leaves both right.
type documents struct{ hide func(parts ...string) string }

// get reads a request. An id that came with a button, and that no store would
// take as a key, names none.
func (d documents) get(tx store.Tx, id string) (Request, error) {
	if id == "" || len(id) > maxID {
		return Request{}, store.ErrNotFound
	}
	return requests.Get(tx, id)
}

// maxID is longer than any id that Belay makes, in bytes.
const maxID = 64

func (d documents) put(tx store.Tx, before, r Request) error {
	if err := d.putHeld(tx, before, r); err != nil {
		return err
	}
	keep := requests.Put
	if r.State.Final() && r.Wake.IsZero() { // as it stays, for as long as the store does
		keep = requests.Pack
	}
	if err := keep(tx, r.ID, r); err != nil {
		return err
	}
	if !before.Wake.Equal(r.Wake) {
		if !before.Wake.IsZero() {
			if err := dueIndex.Delete(tx, dueKey(before.Wake, r.ID)); err != nil {
				return err
			}
		}
		if !r.Wake.IsZero() {
			if err := dueIndex.Put(tx, dueKey(r.Wake, r.ID), struct{}{}); err != nil {
				return err
			}
		}
	}
	return d.putParts(tx, before, r)
}

// partOf is an entry of the people index before its person is hidden.
type partOf struct {
	principal string // in small letters
	part      part
}

// putParts writes what has changed in the people index, and hides nobody else: a name is
// dear to hide, and hardly ever changes its part.
func (d documents) putParts(tx store.Tx, before, r Request) error {
	if sameParts(before, r) {
		return nil
	}
	old, now := parts(before), parts(r)
	for _, key := range d.without(old, now, before.ID) {
		if err := people.Delete(tx, key); err != nil {
			return err
		}
	}
	for _, key := range d.without(now, old, r.ID) {
		if err := people.Put(tx, key, struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

// without are the keys of those in all that are not in some, in order.
func (d documents) without(all, some map[partOf]bool, id string) (keys []string) {
	for p := range all {
		if !some[p] {
			keys = append(keys, d.partKey(p.principal, p.part)+id)
		}
	}
	slices.Sort(keys)
	return keys
}

// parts are the entries of the people index that r needs.
func parts(r Request) map[partOf]bool {
	all := map[partOf]bool{}
	if r.ID == "" {
		return all
	}
	add := func(principal string, p part) { all[partOf{strings.ToLower(principal), p}] = true }
	if !r.State.Final() {
		add(r.Requester.ID, partAsks)
	}
	if r.State == PendingApproval {
		for _, a := range r.Approvers {
			add(a.ID, partDecides)
		}
	}
	for _, id := range r.waiting() {
		add(id, partWaits)
	}
	return all
}

// sameParts says of most changes, without listing anybody, that they leave the entries as
// they are.
func sameParts(a, b Request) bool {
	return a.ID == b.ID && a.State == b.State && a.Requester.ID == b.Requester.ID && slices.Equal(a.Approvers, b.Approvers) && slices.Equal(a.waiting(), b.waiting())
}

// waiting are the people whose sign-in some intent waits for.
func (r Request) waiting() (ids []string) {
	for n := range r.Intents {
		if i := &r.Intents[n]; i.State == IntentWaiting {
			ids = append(ids, i.By.ID)
		}
	}
	return ids
}

func (d documents) partKey(principal string, p part) string {
	return d.hide("principal", strings.ToLower(principal)) + "/" + string(p) + "/"
}

// of lists the open requests in which a person has a part, oldest first.
func (d documents) of(tx store.Tx, principal string, p part) ([]Request, error) {
	var ids []string
	prefix := d.partKey(principal, p)
	err := people.Prefix(tx, prefix, func(key string, _ struct{}) error {
		ids = append(ids, strings.TrimPrefix(key, prefix))
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := make([]Request, 0, len(ids))
	for _, id := range ids {
		r, err := d.get(tx, id)
		if err != nil {
			return nil, fmt.Errorf("the index of people names request %s: %w", id, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// due lists requests whose wake time has come, soonest first.
func (d documents) due(tx store.Tx, now time.Time, most int, skip func(id string) bool) ([]string, error) {
	var ids []string
	err := dueIndex.Scan(tx, "", dueKey(now.Add(1), ""), func(key string, _ struct{}) error {
		if skip(key[17:]) {
			return nil
		}
		ids = append(ids, key[17:])
		if len(ids) >= most {
			return store.Stop
		}
		return nil
	})
	return ids, err
}

// dropDue removes every due entry of an id.
func (d documents) dropDue(tx store.Tx, id string) error {
	return dueIndex.Scan(tx, "", "", func(key string, _ struct{}) error {
		if key[17:] != id {
			return nil
		}
		return dueIndex.Delete(tx, key)
	})
}

// leased lists the open requests, and the bulletins, whose lease a settler holds. What is
// leased wakes when its lease runs out, so that none of them is due later than until.
func (d documents) leased(tx store.Tx, owner string, until time.Time) ([]string, error) {
	var ids []string
	err := dueIndex.Scan(tx, "", dueKey(until.Add(1), ""), func(key string, _ struct{}) error {
		id := key[17:]
		var held Lease
		var err error
		switch {
		case strings.HasPrefix(id, greeting), strings.HasPrefix(id, digestMark):
			return nil
		case strings.HasPrefix(id, bulletinMark):
			var p posted
			p, err = getBulletin(tx, id)
			held = p.Lease
		case reviewOfThis(id):
			held, err = checkReview(tx, id)
		default:
			var r Request
			r, err = d.get(tx, id)
			held = r.Lease
		}
		if err == nil && held.Owner == owner {
			ids = append(ids, id)
		}
		return err
	})
	return ids, err
}

// farthest is the last time that nanoseconds can count, in the year 2262. What somebody
// asked for a later time elsewhere is due then.
var farthest = time.Unix(0, math.MaxInt64)

// dueKey orders by time: 16 hexadecimal digits of the time, a slash, the id.
func dueKey(t time.Time, id string) string {
	if t.After(farthest) {
		t = farthest
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(t.UnixNano())) // business time is after 1970
	return hex.EncodeToString(b[:]) + "/" + id
}

// dueTime is the time in a key of the due index.
func dueTime(key string) time.Time {
	b, err := hex.DecodeString(key[:16])
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b))) //nolint:gosec // as dueKey wrote it
}

// place is where a person was last seen alone with the bot.
func (d documents) place(tx store.Tx, principal string, p Platform) (Conversation, bool, error) {
	c, err := places.Get(tx, d.hide("principal", principal)+"/"+string(p))
	if errors.Is(err, store.ErrNotFound) {
		return Conversation{}, false, nil
	}
	return c, err == nil, err
}

func (d documents) putPlace(tx store.Tx, principal string, c Conversation) error {
	return places.Put(tx, d.hide("principal", principal)+"/"+string(c.Platform), c)
}

func (d documents) dropPlace(tx store.Tx, principal string, p Platform) error {
	return places.Delete(tx, d.hide("principal", principal)+"/"+string(p))
}

// Check is for store.Verify: it names every index entry whose request is missing.
func Check(tx store.Tx) []error {
	var bad []error
	see := func(bucket, key, id string) {
		if name, ok := strings.CutPrefix(id, greeting); ok {
			if _, err := greetings.Get(tx, name); err != nil {
				bad = append(bad, fmt.Errorf("%s entry %s: greeting: %w", bucket, key, err))
			}
			return
		}
		if strings.HasPrefix(id, bulletinMark) {
			if _, err := getBulletin(tx, id); err != nil {
				bad = append(bad, fmt.Errorf("%s entry %s: bulletin: %w", bucket, key, err))
			}
			return
		}
		if strings.HasPrefix(id, digestMark) {
			if _, err := getDigest(tx, id); err != nil {
				bad = append(bad, fmt.Errorf("%s entry %s: digest: %w", bucket, key, err))
			}
			return
		}
		if reviewOfThis(id) {
			if _, err := checkReview(tx, id); err != nil {
				bad = append(bad, fmt.Errorf("%s entry %s: access review: %w", bucket, key, err))
			}
			return
		}
		if _, err := requests.Get(tx, id); err != nil {
			bad = append(bad, fmt.Errorf("%s entry %s: request %s: %w", bucket, key, id, err))
		}
	}
	if err := dueIndex.Scan(tx, "", "", func(key string, _ struct{}) error { see("due", key, key[17:]); return nil }); err != nil {
		bad = append(bad, err)
	}
	if err := people.Scan(tx, "", "", func(key string, _ struct{}) error {
		see("people", key, key[strings.LastIndex(key, "/")+1:])
		return nil
	}); err != nil {
		bad = append(bad, err)
	}
	if err := latest.Scan(tx, "", "", func(key, id string) error { see("latest", key, id); return nil }); err != nil {
		bad = append(bad, err)
	}
	return append(bad, checkHeld(tx)...)
}

// pillar picks the implementation for an assignment's kind.
func (b *Bot) pillar(k pim.Kind) (Pillar, error) {
	p, ok := b.o.Pillars[k]
	if !ok {
		return nil, &pim.Error{Op: "choose a pillar", Code: pim.CodeInvalid, Err: fmt.Errorf("kind %q is not served", k)}
	}
	return p, nil
}
