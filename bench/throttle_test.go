package bench

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Microsoft throttles by buckets: each call takes what it costs, and what was taken comes back
// with time. Where a bucket is empty, a call is answered 429 with Retry-After, and does nothing.
//
// Graph's bucket is empty when the bench begins, as it is after a reading that has just ended: so
// the throttle is met from the first call on. Azure has a bucket for each subscription, of which
// a reading takes a drop: they begin full.
type bucket struct {
	capacity, perSecond float64
	retryAfter          int // seconds

	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func newBucket(capacity, perSecond float64, retryAfter int) *bucket {
	return &bucket{capacity: capacity, perSecond: perSecond, retryAfter: retryAfter, filled: time.Now()}
}

func (b *bucket) take(cost float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens, b.filled = min(b.capacity, b.tokens+now.Sub(b.filled).Seconds()*b.perSecond), now
	if b.tokens < cost {
		return false
	}
	b.tokens -= cost
	return true
}

// limits finds the bucket of a call, and what the call costs there.
type limits func(r *http.Request) (b *bucket, cost float64)

// graphLimits are those of an application in a tenant of more than 500 users: 8,000 units in
// ten seconds for what is of identities, and five requests in ten seconds for reports. A read
// costs one unit, subscribedSkus three; $select takes one off, $expand adds one.
// Source: Microsoft Graph service-specific throttling limits.
func graphLimits() limits {
	identity, reports := newBucket(8000, 800, 10), newBucket(5, 0.5, 10)
	return func(r *http.Request) (*bucket, float64) {
		if strings.Contains(r.URL.Path, "/auditLogs/") {
			return reports, 1
		}
		cost := 1.0
		if strings.HasSuffix(r.URL.Path, "/subscribedSkus") {
			cost = 3
		}
		query := r.URL.Query()
		if query.Has("$select") {
			cost = max(1, cost-1)
		}
		if query.Has("$expand") {
			cost++
		}
		return identity, cost
	}
}

// armLimits are those of a principal in each subscription, and in the tenant for what is above
// one: 250 reads, and 25 more each second.
// Source: Throttling of Azure Resource Manager.
func armLimits() limits {
	var mu sync.Mutex
	all := map[string]*bucket{}
	return func(r *http.Request) (*bucket, float64) {
		place := ""
		if parts := strings.SplitN(strings.ToLower(r.URL.Path), "/", 4); len(parts) > 2 && parts[1] == "subscriptions" {
			place = parts[2]
		}
		mu.Lock()
		defer mu.Unlock()
		if all[place] == nil {
			all[place] = newBucket(250, 25, 1)
			all[place].tokens = all[place].capacity
		}
		return all[place], 1
	}
}

// before throttles what comes to next, and has each answer take so long.
func before(next http.Handler, of limits, wait time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(wait) // the way to Microsoft and back
		if b, cost := of(r); !b.take(cost) {
			w.Header().Set("Retry-After", strconv.Itoa(b.retryAfter))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"error":{"code":"TooManyRequests","message":"Too many requests."}}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}
