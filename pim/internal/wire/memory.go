package wire

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/belaybot/belay/pim"
)

// loadTime bounds a read that several callers wait for. It outlives each of
// them, so that one who gives up does not spoil it for the others.
const loadTime = time.Minute

// Memory remembers what was read, for as long as Keep says, and reads a thing once however
// many ask for it at the same time. Failures are not remembered. Values are
// shared: callers do not change them.
type Memory[T any] struct {
	age time.Duration
	now func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	known  map[string]remembered[T]
	swept  time.Time // when what is stale was last dropped
}

// Keep sets how long and by which clock m remembers.
func (m *Memory[T]) Keep(age time.Duration, now func() time.Time) { m.age, m.now = age, now }

type remembered[T any] struct {
	value T
	read  time.Time
}

// Get is what is remembered under key, or what load reads; errors of its own are
// *pim.Error of op.
func (m *Memory[T]) Get(ctx context.Context, op, key string, load func(context.Context) (T, error)) (T, error) {
	if v, ok := m.Recall(key); ok {
		return v, nil
	}
	done := m.flight.DoChan(key, func() (any, error) {
		if v, ok := m.Recall(key); ok { // another flight has just landed
			return v, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTime)
		defer cancel()
		v, err := load(ctx)
		if err == nil {
			m.Remember(key, v)
		}
		return v, err
	})
	var none T
	select {
	case r := <-done:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(T), nil
	case <-ctx.Done():
		return none, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: ctx.Err()}
	}
}

// Recall is what is remembered under key, if it is not too old.
func (m *Memory[T]) Recall(key string) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.known[key]
	if !ok || m.stale(r.read) {
		return *new(T), false
	}
	return r.value, true
}

// Remember puts v under key, as read now.
func (m *Memory[T]) Remember(key string, v T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]remembered[T]{}
	}
	if m.stale(m.swept) {
		maps.DeleteFunc(m.known, func(_ string, r remembered[T]) bool { return m.stale(r.read) })
		m.swept = m.now()
	}
	m.known[key] = remembered[T]{v, m.now()}
}

// Forget drops what is remembered under key.
func (m *Memory[T]) Forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}

// stale also forgets what a clock that was set back put into the future.
func (m *Memory[T]) stale(read time.Time) bool {
	age := m.now().Sub(read)
	return age < 0 || age >= m.age
}
