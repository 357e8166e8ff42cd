package teams

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// How long, and how many, answers are remembered. Teams delivers again after
// about 15 seconds; identical bytes later than this are the business of bot,
// which tells deeds apart, not deliveries.
const (
	replayAge   = 10 * time.Minute
	replayCount = 1024
)

// response is the answer to one delivery.
type response struct {
	status int
	body   []byte // JSON; nil: none
}

// replays answers identical deliveries as the first one was answered, without
// doing anything again.
type replays struct {
	now func() time.Time

	mu    sync.Mutex
	seen  map[[sha256.Size]byte]*replay
	queue []*replay // oldest first
}

type replay struct {
	key  [sha256.Size]byte
	at   time.Time
	done chan struct{} // closed when response is set
	response
}

func newReplays(now func() time.Time) *replays {
	return &replays{now: now, seen: map[[sha256.Size]byte]*replay{}}
}

// once gives what do answered to these bytes, running it at most once at a time
// and, unless it failed, at most once. The second result tells that it did not
// run now.
func (r *replays) once(ctx context.Context, body []byte, do func() response) (response, bool) {
	key := sha256.Sum256(body)
	r.mu.Lock()
	if first, ok := r.seen[key]; ok && r.now().Sub(first.at) < replayAge {
		r.mu.Unlock()
		select {
		case <-first.done:
			return first.response, true
		case <-ctx.Done():
			return response{status: http.StatusServiceUnavailable}, true
		}
	}
	mine := &replay{key: key, at: r.now(), done: make(chan struct{}), response: response{status: http.StatusInternalServerError}}
	r.seen[key] = mine
	r.queue = append(r.queue, mine)
	r.trim()
	r.mu.Unlock()
	defer func() {
		close(mine.done)
		if mine.status >= http.StatusInternalServerError {
			r.forget(mine) // the next delivery is a new attempt
		}
	}()
	mine.response = do()
	return mine.response, false
}

// trim drops what is too old or too many.
func (r *replays) trim() {
	drop := max(0, len(r.queue)-replayCount)
	for drop < len(r.queue) && r.now().Sub(r.queue[drop].at) >= replayAge {
		drop++
	}
	for i, old := range r.queue[:drop] {
		if r.seen[old.key] == old {
			delete(r.seen, old.key)
		}
		r.queue[i] = nil
	}
	r.queue = r.queue[drop:]
}

func (r *replays) forget(x *replay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[x.key] == x {
		delete(r.seen, x.key)
	}
}
