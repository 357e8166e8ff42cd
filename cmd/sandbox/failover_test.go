//go:build unix

package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

var failoversWanted = flag.Int("failovers", 3, "how often the primary database is killed under load, and its standby promoted")

// pair is a primary with a synchronous standby, at two addresses that stay.
type pair struct {
	t        *testing.T
	servers  [2]*postgrestest.Server
	seats    [2]*balancer
	primary  int
	standbys int // so far, for their names
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t}
	var err error
	p.servers[0], err = postgrestest.New()
	postgrestest.Demand(t, err)
	t.Cleanup(func() {
		for _, s := range p.servers {
			if s != nil {
				s.Close()
			}
		}
	})
	p.seats[0], p.seats[1] = cable(t, local(p.servers[0])), cable(t, "")
	if err := p.follow(); err != nil {
		t.Fatal(err)
	}
	return p
}

func local(s *postgrestest.Server) string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

func (p *pair) url(database string) string {
	return fmt.Sprintf("postgres://postgres@%s,%s/%s", p.seats[0].addr(), p.seats[1].addr(), database)
}

// follow makes a new standby on the free seat, and has the primary wait for it.
func (p *pair) follow() error {
	primary, free := p.servers[p.primary], 1-p.primary
	if old := p.servers[free]; old != nil {
		p.servers[free] = nil
		old.Close()
	}
	p.standbys++
	name := fmt.Sprint("standby", p.standbys)
	standby, err := primary.Standby(name)
	if err != nil {
		return err
	}
	p.servers[free] = standby
	if err := awaits(primary, "state = 'streaming'"); err != nil { // or commits wait for one that is not there yet
		return err
	}
	if err := primary.Alter("synchronous_standby_names=" + name); err != nil {
		return err
	}
	err = awaits(primary, "sync_state = 'sync'")
	p.seats[free].lead(0, local(standby))
	return err
}

// awaits waits until a standby is as the primary must see it.
func awaits(primary *postgrestest.Server, as string) error {
	return primary.Exec(`do $$ begin
		while not exists (select from pg_stat_replication where application_name like 'standby%' and ` + as + `) loop
			perform pg_sleep(0.01), pg_stat_clear_snapshot();
		end loop;
	end $$`)
}

// fail kills the primary and promotes the standby.
func (p *pair) fail() {
	p.t.Helper()
	p.servers[p.primary].Kill()
	p.primary = 1 - p.primary
	if err := p.servers[p.primary].Promote(); err != nil {
		p.t.Error(err)
	}
}

// act is a press that its presser repeats until it is acknowledged.
type act struct {
	by      human
	rota    int
	id      string // of the request
	tries   int
	last    time.Time // of the try that was acknowledged
	settled time.Time // acknowledged
}

// pairFailovers is how many failovers one world and its pair of databases see.
const pairFailovers = 10

// The primary is killed with SIGKILL while people press, and its synchronous standby is
// promoted. Whatever was acknowledged is relayed, once, and whoever was told to try again
// did nothing by the first try that is done a second time.
func TestThePrimaryFailsUnderLoad(t *testing.T) {
	takesTurn(t, false)
	const each = 2 // presses of one person in one failover; the first is over before it
	left, begun := *failoversWanted, time.Now()
	var outages, gaps, late []time.Duration
	tries, acts := 0, 0
	for left > 0 {
		some := min(left, pairFailovers)
		left -= some
		p := newPair(t)
		if err := p.servers[0].Exec("create database belay"); err != nil {
			t.Fatal(err)
		}
		w := runReplicas(t, 0, func(int) string { return p.url("belay") })
		w.offers(some*4*each, w.approvers[4:])
		w.logs.allow("level=ERROR") // the database is away
		for n := range some {
			all := w.asksForAll(each)
			killed := w.whilePressed(p, all)
			for _, a := range all {
				tries, acts = tries+a.tries, acts+1
			}
			outage, gap := outageOf(all, killed)
			seen := w.afterwards(p, all, n+1 < some)
			outages, gaps, late = append(outages, outage), append(gaps, gap), append(late, seen.Sub(killed))
			t.Logf("failover %d: acknowledged again after %s, every effect seen after %s", len(late), outage, seen.Sub(killed))
		}
		w.once()
		w.end()
	}
	slices.Sort(outages)
	slices.Sort(gaps)
	slices.Sort(late)
	t.Logf("%d failovers in %s: %d acts, %d tries; from the kill to the next acknowledgement %v; longest time without one %v; until every effect was seen %v",
		*failoversWanted, time.Since(begun).Round(time.Second), acts, tries, round(outages), round(gaps), round(late))
}

func round(all []time.Duration) string {
	var b strings.Builder
	for _, at := range []int{len(all) / 2, len(all) - 1} {
		fmt.Fprintf(&b, "%s ", all[at].Round(10*time.Millisecond))
	}
	return "(median, most) " + strings.TrimSpace(b.String())
}

// asksForAll has Alice ask for what four people in Teams will press on, so many times each.
func (w *replicated) asksForAll(each int) (all []*act) {
	w.t.Helper()
	for n := range 4 * each {
		a := &act{by: w.approvers[4+n%4], rota: w.asked}
		a.id, _ = w.asksOnly()
		all = append(all, a)
	}
	return all
}

// whilePressed has everybody press on their own requests, one after another, and kills the
// primary when each has had one acknowledged.
func (w *replicated) whilePressed(p *pair, all []*act) (killed time.Time) {
	w.t.Helper()
	queues := map[string][]*act{}
	for _, a := range all {
		queues[a.by.OID] = append(queues[a.by.OID], a)
	}
	var first, pressing sync.WaitGroup
	first.Add(len(queues))
	kill := make(chan struct{})
	for _, queue := range queues {
		pressing.Go(func() {
			for n, a := range queue {
				w.insists(a)
				if n == 0 {
					first.Done()
					<-kill
				}
			}
		})
	}
	first.Wait()
	killed = time.Now()
	close(kill)
	p.fail()
	pressing.Wait()
	return killed
}

// afterwards waits until every effect is seen. Meanwhile the new primary gets its standby, if
// there is more to come.
func (w *replicated) afterwards(p *pair, all []*act, more bool) (seen time.Time) {
	w.t.Helper()
	// Longer than a lease, which a replica may not have been able to give back.
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	var following sync.WaitGroup
	if more {
		following.Go(func() {
			if err := p.follow(); err != nil {
				w.t.Error(err)
			}
		})
	}
	for _, a := range all {
		w.settlesBy(ctx, a)
	}
	seen = time.Now()
	following.Wait()
	return seen
}

// insists presses until the press is acknowledged, each time as a new press.
func (w *replicated) insists(a *act) {
	for end := time.Now().Add(2 * patience); ; {
		a.last = time.Now()
		a.tries++
		ok, words := w.sent(click{by: a.by, body: a.by.invoking("approve", a.id)})
		a.settled = time.Now()
		if ok {
			return
		}
		if a.settled.After(end) {
			w.t.Errorf("%s is never acknowledged: %s", a.by.Name, words)
			return
		}
	}
}

// settlesBy waits until Alice reads who decided, and holds that it was them, once.
func (w *replicated) settlesBy(ctx context.Context, a *act) {
	w.t.Helper()
	alice := w.who("alice")
	err := w.slack.Wait(ctx, func(s slacktest.State) bool { return slackHas(s, alice.dm(), rota(a.rota), "Approved by "+a.by.Name) })
	if got := w.decided(rotaID(a.rota)); err != nil || len(got) != 1 || got[0].Actor != a.by.OID {
		w.t.Errorf("%s was approved by %s, acknowledged after %d tries; at Microsoft: %+v; %v", rota(a.rota), a.by.Name, a.tries, got, err)
	}
}

// outageOf is how long after the kill nobody was acknowledged, and the longest time in
// which nobody was.
func outageOf(all []*act, killed time.Time) (outage, gap time.Duration) {
	var at []time.Time
	for _, a := range all {
		if a.last.After(killed) {
			at = append(at, a.settled)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	last := killed
	for n, t := range at {
		if n == 0 {
			outage = t.Sub(killed)
		}
		gap, last = max(gap, t.Sub(last)), t
	}
	return outage, gap
}
