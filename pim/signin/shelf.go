package signin

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/belaybot/belay/store"
)

// ActTime is how long a sign-in serves that is for one act, where none is kept.
const ActTime = 10 * time.Minute

// shelf is where sign-ins are between two uses: in the store, or, where none is kept, in
// memory only.
type shelf interface {
	// get reads a person's sign-in, or store.ErrNotFound.
	get(tx store.Tx, person string) (grant, error)
	// last is get, also of one that this very transaction dropped when it ran before.
	last(tx store.Tx, person string) (grant, error)
	put(tx store.Tx, g grant) error
	drop(tx store.Tx, person string) error
}

// stored is the shelf in the store.
type stored struct {
	bucket store.Bucket[grant]
	key    func(person string) string
}

func (s stored) get(tx store.Tx, person string) (grant, error) {
	return s.bucket.Get(tx, s.key(person))
}

func (s stored) last(tx store.Tx, person string) (grant, error) { return s.get(tx, person) }

func (s stored) put(tx store.Tx, g grant) error { return s.bucket.Put(tx, s.key(g.Person), g) }

func (s stored) drop(tx store.Tx, person string) error { return s.bucket.Delete(tx, s.key(person)) }

// fleeting is the shelf in memory. It takes no part in transactions: what is dropped serves
// nobody any more even if the transaction fails, and its person signs in again. It is still
// there for the transaction that runs again, so that its end is recorded; at the next
// sign-in, or when its time is over, it is gone.
type fleeting struct {
	now func() time.Time

	mu     sync.Mutex
	grants map[string]*held
}

type held struct {
	grant
	dropped bool
}

func (f *fleeting) get(_ store.Tx, person string) (grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.grants[person]; h != nil && !h.dropped {
		return h.grant, nil
	}
	return grant{}, store.ErrNotFound
}

func (f *fleeting) last(_ store.Tx, person string) (grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.grants[person]; h != nil {
		return h.grant, nil
	}
	return grant{}, store.ErrNotFound
}

func (f *fleeting) put(_ store.Tx, g grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.grants, func(_ string, h *held) bool { return !f.now().Before(h.SignedIn.Add(ActTime)) })
	f.grants[g.Person] = &held{grant: g}
	return nil
}

func (f *fleeting) drop(_ store.Tx, person string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.grants[person]; h != nil {
		h.dropped = true
		h.Cache = nil
	}
	return nil
}

// bury forgets what was dropped, once that is durable.
func (f *fleeting) bury(person string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.grants[person]; h != nil && h.dropped {
		delete(f.grants, person)
	}
}

// all are the people who are signed in, or were a moment ago, sorted.
func (f *fleeting) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.grants))
}
