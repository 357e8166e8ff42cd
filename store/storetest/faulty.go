package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/belaybot/belay/store"
)

// ErrInjected is what a FaultyStore's Update returns when it was told to fail.
var ErrInjected = errors.New("storetest: injected failure")

// Fault is a way in which an update fails.
type Fault int

// The ways in which an update fails.
const (
	None Fault = iota
	Lose       // the function runs, nothing is kept, the caller is told of a failure
	Keep       // all is kept, and the caller is told of a failure all the same: Is(err, store.ErrUncertain)
	Hang       // nothing happens until the caller's context is done or Release is called; then as Lose
)

// FaultyStore passes everything on to another store, but lets updates fail that it
// was told of. Updates count from 1, in the order in which they arrive.
type FaultyStore struct {
	store.Store

	mu       sync.Mutex
	updates  int
	planned  map[int]Fault
	every    int
	always   Fault
	released chan struct{}
	hanging  int
	arrived  *sync.Cond
}

// Faulty wraps s. Until it is told otherwise it does what s does.
func Faulty(s store.Store) *FaultyStore {
	f := &FaultyStore{Store: s, planned: map[int]Fault{}, released: make(chan struct{})}
	f.arrived = sync.NewCond(&f.mu)
	return f
}

// At lets the nth update from now fail in that way; 1 is the next.
func (f *FaultyStore) At(n int, how Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planned[f.updates+n] = how
}

// Every lets every nth update fail in that way; 1 means each, and 0 none, which
// heals the store. What At planned comes first.
func (f *FaultyStore) Every(n int, how Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.every, f.always = n, how
}

// Updates is how many updates have arrived.
func (f *FaultyStore) Updates() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.updates
}

// AwaitHanging returns when n updates hang.
func (f *FaultyStore) AwaitHanging(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.hanging < n {
		f.arrived.Wait()
	}
}

// Release ends the waiting of all updates that hang; they fail, as Lose.
func (f *FaultyStore) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.released)
	f.released = make(chan struct{})
}

// next counts an update and says how it fails.
func (f *FaultyStore) next() (how Fault, released <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updates++
	how, planned := f.planned[f.updates]
	delete(f.planned, f.updates)
	if !planned && f.every > 0 && f.updates%f.every == 0 {
		how = f.always
	}
	if how == Hang {
		f.hanging++
		f.arrived.Broadcast()
	}
	return how, f.released
}

// Update implements store.Store.
func (f *FaultyStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	how, released := f.next()
	switch how {
	case Hang:
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.hanging--
		}()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-released:
			return ErrInjected
		}
	case Lose:
		return f.Store.Update(ctx, func(tx store.Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			return ErrInjected
		})
	case Keep:
		if err := f.Store.Update(ctx, fn); err != nil {
			return err
		}
		return errors.Join(ErrInjected, store.ErrUncertain)
	}
	return f.Store.Update(ctx, fn)
}
