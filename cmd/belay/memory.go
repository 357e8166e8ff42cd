package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// memoryBudget is what Go's memory may grow to for the sake of fewer collections.
	memoryBudget = 50 << 20
	// memoryLimit is above what the budget leads to. At it Go gives memory that lies idle back to the kernel
	// at once, and collects sooner.
	memoryLimit = 64 << 20
	// spacing is how far apart collections are to be, where the budget allows it.
	spacing = 100 * time.Millisecond
	// rest is how long nothing was collected when memory is given back, and spare how much
	// must lie idle for that.
	rest  = 5 * time.Second
	spare = 8 << 20
)

// usage is what Go's memory is used for, right after a collection.
type usage struct {
	live      uint64 // of the heap, and so much again is allocated until the next collection
	roots     uint64 // stacks and globals, for which Go adds as much
	aside     uint64 // what is not heap: stacks and Go's own records
	idle      uint64 // heap that is kept and not live
	allocated uint64 // since the start
}

// thrift lets the garbage collector run less often in a rush. Go collects when as much was
// allocated as is live: a few megabytes here, so that in a rush it would go through all that is live
// twenty-five times a second. Memory that is there is used instead, and is
// given back when the rush is over.
type thrift struct {
	read func() usage
	set  func(percent int) int
	most func(limit int64) int64
	free func()
	now  func() time.Time

	mu      sync.Mutex
	ended   bool
	before  usage
	at      time.Time // of before
	percent int       // that is set
	limited bool      // memoryLimit is
	freed   uint64    // allocated when memory was given back
	quiet   *time.Timer
}

// beThrifty adjusts the garbage collector until end is called. Where the operator set GOGC or GOMEMLIMIT
// that stands, and nothing is adjusted.
func beThrifty(environ []string) (end func()) {
	if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") || strings.HasPrefix(v, "GOMEMLIMIT=") }) {
		return func() {}
	}
	t := newThrift(readUsage, debug.SetGCPercent, debug.SetMemoryLimit, debug.FreeOSMemory, time.Now)
	t.watch()
	return t.end
}

func newThrift(read func() usage, set func(int) int, most func(int64) int64, free func(), now func() time.Time) *thrift {
	t := &thrift{read: read, set: set, most: most, free: free, now: now, percent: ownPercent}
	t.before, t.at = t.read(), t.now()
	t.quiet = time.AfterFunc(rest, t.rested)
	return t
}

func (t *thrift) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.quiet.Stop()
	t.set(ownPercent)
	t.most(math.MaxInt64)
}

// ownPercent is Go's own setting of GOGC.
const ownPercent = 100

// watch has collected called after each collection: a finalizer runs when a collection found that
// nothing refers to its object, which is then watched again.
func (t *thrift) watch() {
	type watched struct{ again func(*watched) }
	w := &watched{}
	w.again = func(w *watched) {
		if t.collected() {
			runtime.SetFinalizer(w, w.again)
		}
	}
	runtime.SetFinalizer(w, w.again)
}

// collected looks at what the last collection left, and says whether to go on.
func (t *thrift) collected() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	u, now := t.read(), t.now()
	percent := percentFor(u, u.allocated-t.before.allocated, now.Sub(t.at))
	t.before, t.at = u, now
	if off := percent - t.percent; off > t.percent/5 || off < -t.percent/5 || percent == ownPercent && off != 0 { // each change stops everything for a moment
		t.percent = percent
		t.set(percent)
	}
	// Who needs more than that gets it: a limit that nothing fits below would be collected for without end.
	if fits := u.live+u.aside < memoryLimit/4*3; fits != t.limited {
		t.limited = fits
		t.most(map[bool]int64{true: memoryLimit, false: math.MaxInt64}[fits])
	}
	t.quiet.Reset(rest)
	return true
}

// percentFor is GOGC for what is in use, where so much was allocated in that time.
func percentFor(u usage, allocated uint64, in time.Duration) int {
	base := u.live + u.roots
	if base == 0 || in <= 0 {
		return ownPercent
	}
	wanted := uint64(float64(allocated) * float64(spacing) / float64(in))
	taken := u.live + u.aside
	if taken >= memoryBudget {
		return ownPercent
	}
	room := (memoryBudget - taken) * 7 / 8 // the rest is lost between objects
	return int(max(ownPercent, min(wanted, room)*100/base))
}

// rested gives memory back when nothing was collected for a while.
func (t *thrift) rested() {
	t.mu.Lock()
	u := t.read()
	idle := !t.ended && u.idle > spare && u.allocated-t.freed > spare
	t.freed = u.allocated
	t.mu.Unlock()
	if idle {
		t.free() // which collects
	}
}

// readUsage asks Go. That stops nothing.
func readUsage() usage {
	names := [...]string{"/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes", "/gc/heap/allocs:bytes", "/memory/classes/total:bytes",
		"/memory/classes/heap/released:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes"}
	var s [len(names)]metrics.Sample
	for i, name := range names {
		s[i].Name = name
	}
	metrics.Read(s[:])
	v := func(i int) uint64 { return s[i].Value.Uint64() }
	heap := v(6) + v(7) + v(8)
	return usage{live: v(0), roots: v(1) + v(2), allocated: v(3), aside: v(4) - v(5) - heap, idle: heap - min(heap, v(0))}
}
