package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		u         usage
		allocated uint64
		in        time.Duration
		want      int
	}{
		"nothing is known":                {usage{}, 0, 0, 100},
		"little to do":                    {usage{live: 10 * mib, roots: 5 * mib, aside: 10 * mib}, 15 * mib, time.Second, 100},
		"a rush":                          {usage{live: 8 * mib, roots: 2 * mib, aside: 10 * mib}, 10 * mib, 50 * time.Millisecond, 200},
		"a rush, bounded by the budget":   {usage{live: 8 * mib, roots: 2 * mib, aside: 10 * mib}, 10 * mib, time.Millisecond, 280},
		"a rush, and much that is live":   {usage{live: 30 * mib, roots: 5 * mib, aside: 12 * mib}, 30 * mib, time.Millisecond, 100},
		"more is live than may be in use": {usage{live: 300 * mib, roots: 5 * mib, aside: 12 * mib}, 300 * mib, time.Millisecond, 100},
	} {
		if got := percentFor(c.u, c.allocated, c.in); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// thrifty is a thrift over figures of a test.
func thrifty(t *testing.T) (thrift *thrift, u *usage, now *time.Time, set *[]int, most *[]int64, freed *int) {
	t.Helper()
	u, now, set, most, freed = &usage{live: 8 << 20, roots: 2 << 20, aside: 10 << 20}, new(time.Time), new([]int), new([]int64), new(int)
	thrift = newThrift(func() usage { return *u }, func(p int) int { *set = append(*set, p); return 0 },
		func(l int64) int64 { *most = append(*most, l); return 0 }, func() { *freed++ }, func() time.Time { return *now })
	t.Cleanup(thrift.end)
	return thrift, u, now, set, most, freed
}

// Each setting stops everything for a moment: it is changed only where that makes a difference, and in
// the end it is Go's own again.
func TestThriftFollowsTheRush(t *testing.T) {
	thrift, u, now, set, _, _ := thrifty(t)
	after := func(d time.Duration) {
		u.allocated += 10 << 20
		*now = now.Add(d)
		if !thrift.collected() {
			t.Fatal("it looks no more")
		}
	}
	for _, d := range []time.Duration{time.Second, 50 * time.Millisecond, 48 * time.Millisecond, 52 * time.Millisecond, 30 * time.Millisecond, time.Second, time.Second} {
		after(d)
	}
	want := []int{200, 280, 100}
	if !slices.Equal(*set, want) {
		t.Errorf("GOGC was set to %v, want %v", *set, want)
	}
	thrift.end()
	if thrift.collected() || (*set)[len(*set)-1] != ownPercent {
		t.Errorf("after the end: GOGC %v", *set)
	}
}

// A limit stands only where what is live fits well below it.
func TestThriftLimitsWhatFits(t *testing.T) {
	thrift, u, _, _, most, _ := thrifty(t)
	for _, live := range []uint64{8 << 20, 10 << 20, 40 << 20, 300 << 20, 20 << 20} {
		u.live = live
		thrift.collected()
	}
	thrift.end()
	if want := []int64{memoryLimit, math.MaxInt64, memoryLimit, math.MaxInt64}; !slices.Equal(*most, want) {
		t.Errorf("the limits were %v, want %v", *most, want)
	}
}

// Memory that lies idle is given back once, and again only after more was in use.
func TestThriftGivesBack(t *testing.T) {
	thrift, u, _, _, _, freed := thrifty(t)
	rest := func(want int, when string) {
		t.Helper()
		if thrift.rested(); *freed != want {
			t.Errorf("%s: given back %d times, want %d", when, *freed, want)
		}
	}
	u.allocated = 100 << 20
	rest(0, "nothing lies idle")
	u.allocated, u.idle = 200<<20, 30<<20
	rest(1, "after a rush")
	rest(1, "nothing happened since")
	u.allocated = 300 << 20
	rest(2, "after another rush")
	thrift.end()
	u.allocated = 400 << 20
	rest(2, "after the end")
}

// A collection is noticed, one after the other.
func TestThriftNoticesCollections(t *testing.T) {
	seen := make(chan struct{}, 100)
	thrift := newThrift(func() usage { seen <- struct{}{}; return readUsage() }, func(int) int { return 0 }, func(int64) int64 { return 0 }, func() {}, time.Now)
	defer thrift.end()
	<-seen // at the start
	thrift.watch()
	for range 3 {
		for noticed := false; !noticed; {
			runtime.GC()
			select {
			case <-seen:
				noticed = true
			default:
				runtime.Gosched()
			}
		}
	}
}

func TestReadUsage(t *testing.T) {
	runtime.GC()
	u := readUsage()
	if u.live == 0 || u.roots == 0 || u.aside == 0 || u.allocated < u.live || u.live > 1<<30 || u.aside > 1<<30 || u.idle > 1<<30 {
		t.Errorf("%+v", u)
	}
}

// What the operator set stands.
func TestThriftLeavesTheOperatorsWord(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	for _, set := range []string{"GOGC=77", "GOMEMLIMIT=100MiB"} {
		beThrifty([]string{"HOME=/", set})()
		if got := debug.SetGCPercent(77); got != 77 {
			t.Errorf("with %s GOGC became %d", set, got)
		}
	}
	beThrifty([]string{"HOME=/"})()
	if got := debug.SetGCPercent(77); got != ownPercent {
		t.Errorf("at the end GOGC is %d, want Go's own", got)
	}
}
