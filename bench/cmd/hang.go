package main

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/belaybot/belay/pim/pimtest"
)

// real is a world in which requests wait for approval at Microsoft, and not only in Belay's
// store.
func (b *bench) real(most int) (w *world, ids []string, err error) {
	if w, err = b.newWorld(); err != nil {
		return nil, nil, err
	}
	if err = w.people(most); err != nil {
		return w, nil, err
	}
	for n := range most {
		id, err := w.tenant.PortalActivate(guid('b', n), pimtest.Wanted{Role: roleID, Scope: "/", Justification: "Reset the password of a locked-out colleague", Duration: 2 * time.Hour})
		if err != nil {
			return w, nil, err
		}
		ids = append(ids, id)
	}
	return w, ids, w.stage(b, most, func(n int) string { return ids[n] }, func(n int) string { return guid('b', n) })
}

// click measures from a click to the call that relays it.
func (b *bench) click() error {
	most := 400
	if b.quick {
		most = 130
	}
	w, ids, err := b.real(most)
	if err != nil {
		return err
	}
	defer w.close()
	belay, err := b.startBelay(w)
	if err != nil {
		return err
	}
	defer belay.kill()
	var next atomic.Int64
	ask := presses("click", belay.addr, w.urls["slack"], &next, int64(most))
	c := &conn{addr: belay.addr}
	defer c.close()
	var acked, read, sent []time.Duration
	for n := range most {
		at := time.Now()
		a, err := c.ask(ask.make(int64(n)))
		if err != nil || !ask.check(a) {
			return fmt.Errorf("a click is answered %d %s %w", a.status, a.body, err)
		}
		took := time.Since(at)
		first, write := time.Time{}, time.Time{}
		for write.IsZero() {
			if time.Since(at) > 30*time.Second {
				return fmt.Errorf("the decision on request %d is not relayed: %s", n, belay.said)
			}
			time.Sleep(100 * time.Microsecond)
			w.seen.Range(func(path, when any) bool {
				p := path.(string)
				if !containsID(p, ids[n]) {
					return true
				}
				if t := when.(time.Time); first.IsZero() || t.Before(first) {
					first = t
				}
				if p[:5] == http.MethodPatch {
					write = when.(time.Time)
				}
				return true
			})
		}
		w.seen.Clear()
		if n >= approvers { // each approver's first click also gets them a token
			acked, read, sent = append(acked, took), append(read, first.Sub(at)), append(sent, write.Sub(at))
		}
		time.Sleep(20 * time.Millisecond)
	}
	t := table{head: []string{"From the click", "p50", "p90", "p99"}}
	for _, row := range []struct {
		what string
		all  []time.Duration
	}{{"to the 200, after the decision was stored", acked}, {"to the first call to Microsoft about it: who may decide is read anew", read}, {"to the decision sent to Microsoft, as the approver", sent}} {
		slices.Sort(row.all)
		o := outcome{took: row.all}
		t.add(row.what, span(o.at(.5)), span(o.at(.9)), span(o.at(.99)))
	}
	for _, goal := range []struct {
		what string
		all  []time.Duration
	}{{"the first call to Microsoft about it sent, which reads who may decide", read}, {"the decision sent to Microsoft", sent}} {
		median := outcome{took: goal.all}.at(.5)
		b.out.goal("click → "+goal.what+", 5 ms at the median", median <= 5*time.Millisecond, span(median))
	}
	return b.out.write("click", fmt.Sprintf("%d clicks, one after the other, against the simulated tenant over TLS; the approver's decision is told to them in Slack before Microsoft hears it, which is in these times. "+
		"The %d clicks before, the first of each approver, are not counted.", len(sent), most-len(sent)), t)
}

func containsID(path, id string) bool {
	for i := 0; i+len(id) <= len(path); i++ {
		if path[i:i+len(id)] == id {
			return true
		}
	}
	return false
}

// graphhang measures acknowledgements while Graph takes calls and answers none.
func (b *bench) graphhang() error {
	hang, rate := 30*time.Second, 200.0
	if b.quick {
		hang = 5 * time.Second
	}
	most := int64(rate*hang.Seconds()) * 2
	w, err := b.staged(int(most))
	if err != nil {
		return err
	}
	defer w.close()
	belay, err := b.startBelay(w)
	if err != nil {
		return err
	}
	defer belay.kill()
	var pressed, typed atomic.Int64
	press, elevate := presses("press", belay.addr, w.urls["slack"], &pressed, most), commands("/elevate", belay.addr, w.urls["slack"], &typed)
	if err := warm(belay, elevate); err != nil {
		return err
	}
	idle, err := belay.status("RssAnon")
	if err != nil {
		return err
	}
	w.hangs.Store(true)
	before := w.calls.Load()
	done := make(chan outcome)
	go func() { done <- elevate.open(rate/4, 64, hang*4/5) }()
	o := press.open(rate, 256, hang*4/5)
	p := <-done
	after, err := belay.status("RssAnon")
	if err != nil {
		return err
	}
	t := table{head: []string{"What", "Asked", "Answered", "Wrong", "p50", "p99", "slowest"}}
	t.add("press on Approve, 200/s", count(float64(len(o.took)+o.wrong)), count(float64(len(o.took))), fmt.Sprint(o.wrong), span(o.at(.5)), span(o.at(.99)), span(o.at(1)))
	t.add("/elevate, 50/s", count(float64(len(p.took)+p.wrong)), count(float64(len(p.took))), fmt.Sprint(p.wrong), span(p.at(.5)), span(p.at(.99)), span(p.at(1)))
	worst := max(o.at(.99), p.at(.99))
	b.out.goal("acknowledgements' p99 under 300 ms while Graph hangs", worst < 300*time.Millisecond && o.wrong+p.wrong == 0, span(worst))
	return b.out.write("graphhang", fmt.Sprintf("Graph takes every call and answers none for %s. %d calls hung meanwhile; each press is stored and waits its turn. Belay's RssAnon: %s before, %s at the end. Wrong: %s%s.",
		hang, w.calls.Load()-before, mib(idle), mib(after), or(o.sample, "none"), p.sample), t)
}

func none(n int) string {
	if n == 0 {
		return "none"
	}
	return count(float64(n))
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
