package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// due measures what the loop costs that settles what is due: over more and more requests
// of which none is due, and over more and more that are.
func (b *bench) due() error {
	t := table{head: []string{"Requests that wait", "due at once", "Belay's CPU, idle", "until all due ones were settled", "CPU for that, per due request"}}
	var costs []float64 // idle: per cent of a core; settling: µs for each
	for _, one := range []struct{ waiting, ripe int }{{2_000, 0}, {20_000, 0}, {2_000, 100}, {2_000, 1_000}, {20_000, 1_000}} {
		if b.quick {
			one.waiting /= 10
			one.ripe /= 10
		}
		row, cost, err := b.dueWith(one.waiting, one.ripe)
		if err != nil {
			return err
		}
		t.add(row...)
		costs = append(costs, cost)
	}
	b.out.goal("the due loop's cost proportional to what is due, and not to what is stored", costs[1] <= costs[0]+.5 && costs[4] <= 1.5*costs[3],
		fmt.Sprintf("idle %.2f %% of a core with 2,000 waiting and %.2f %% with 20,000; settling 1,000 costs %.0f µs each with 2,000 waiting and %.0f µs with 20,000", costs[0], costs[1], costs[3], costs[4]))
	return b.out.write("due", "Idle: processor time of one core, over ten seconds in which nothing is due, once the start is over. For the metrics all open requests are counted at the start, and again after a minute and 30 ms more for each of them, with a tenth of a core; that is not in it. Settling: each due request has one card to update in Slack, and nothing is asked of Microsoft. "+
		"The idle cost must not grow with what waits, and the cost of settling with what is due only.", t)
}

func (b *bench) dueWith(waiting, ripe int) (row []string, cost float64, err error) {
	w, err := b.newWorld()
	if err != nil {
		return nil, 0, err
	}
	defer w.close()
	if err := w.people(0); err != nil {
		return nil, 0, err
	}
	s, err := seed(b.ctx, filepath.Join(w.dir, "data"))
	if err != nil {
		return nil, 0, err
	}
	wait := 20*time.Second + time.Duration(waiting)*time.Millisecond // until a start has counted them
	err = errors.Join(s.link(b.ctx), s.pending(b.ctx, waiting, func(n int) string { return guid('c', n) }, func(n int) string { return guid('b', n) }))
	at := time.Now().Add(wait).UTC()
	if err == nil {
		err = s.ripen(b.ctx, ripe, at)
	}
	if err = errors.Join(err, s.checked(b.ctx)); err != nil {
		return nil, 0, err
	}
	p, err := b.startBelay(w)
	if err != nil {
		return nil, 0, err
	}
	defer p.kill()
	settle(p)
	if ripe == 0 {
		const idle = 10 * time.Second
		before := p.cpu()
		time.Sleep(idle)
		cost := float64(p.cpu()-before) / float64(idle) * 100
		return []string{count(float64(waiting)), "0", fmt.Sprintf("%.2f %%", cost), "–", "–"}, cost, nil
	}
	row = []string{count(float64(waiting)), count(float64(ripe)), "–", "–", "–"}
	time.Sleep(time.Until(at))
	before, posts := p.cpu(), w.posts.Load()
	for w.posts.Load()-posts < int64(ripe) {
		if time.Since(at) > time.Minute {
			return nil, 0, fmt.Errorf("%d of %d due requests were settled in a minute: %s", w.posts.Load()-posts, ripe, p.said)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(at)
	time.Sleep(500 * time.Millisecond) // what follows the last card
	cost = float64((p.cpu() - before).Microseconds()) / float64(ripe)
	row[3], row[4] = span(took), fmt.Sprintf("%.0f µs", cost)
	return row, cost, nil
}

// settle waits until a start is over: what it reads and counts then is no idle cost.
func settle(p *process) {
	for quiet, before, end := 0, p.cpu(), time.Now().Add(40*time.Second); quiet < 2 && time.Now().Before(end); {
		time.Sleep(time.Second)
		now := p.cpu()
		if now-before < 30*time.Millisecond {
			quiet++
		} else {
			quiet = 0
		}
		before = now
	}
}

// ripen makes the first requests due at a time, with one card each that is not as it was
// last shown.
func (s *seeder) ripen(ctx context.Context, ripe int, at time.Time) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		for n := range ripe {
			r, err := requests.Get(tx, requestID(int64(n)))
			if err != nil {
				return err
			}
			old := r.Wake
			for slot, shown := range r.Shown {
				shown.Digest = "another"
				r.Shown[slot] = shown
				break
			}
			r.Wake = at
			if err := errors.Join(due.Delete(tx, dueKey(old, r.ID)), s.put(tx, r)); err != nil {
				return err
			}
		}
		return nil
	})
}

// year measures the file over a year of a thousand requests a day, with the audit trail
// and its retention, and what compaction would give back.
func (b *bench) year() (err error) {
	days, each, keep := 365, 200, 90*24*time.Hour
	if b.full {
		each = 1000
	}
	if b.quick {
		days, each, keep = 60, 50, 20*24*time.Hour
	}
	dir, err := os.MkdirTemp(b.work, "year-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := seed(b.ctx, dir)
	if err != nil {
		return err
	}
	first := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)
	var now atomic.Pointer[time.Time]
	now.Store(&first)
	evidence, err := trail.New(trail.Options{Store: s.store, Signer: s.keys.Signer("audit checkpoints"), Now: func() time.Time { return *now.Load() }, Keep: keep, KeepTexts: 30 * 24 * time.Hour})
	if err != nil {
		return err
	}
	one, err := specimen(true, first)
	if err != nil {
		return err
	}
	t := table{head: []string{"After", "Requests", "Audit events so far", "File", "Growth in the month", "File at 1,000 a day"}}
	file, last, written := filepath.Join(dir, "belay.db"), int64(0), 0
	begun := time.Now()
	for day := range days {
		at := first.AddDate(0, 0, day)
		now.Store(&at)
		n, err := s.day(b.ctx, evidence, one, at, day*each, each)
		if err != nil {
			return err
		}
		written += n
		if err := evidence.Settle(b.ctx); err != nil {
			return err
		}
		if err := evidence.Sweep(b.ctx); err != nil {
			return err
		}
		if next := at.AddDate(0, 0, 1); next.Month() != at.Month() || day == days-1 {
			grown := size(file)
			t.add(at.Format("2 January"), count(float64((day+1)*each)), count(float64(written)), bytesOf(grown), bytesOf(grown-last), bytesOf(grown*1000/int64(each)))
			last = grown
		}
	}
	took := time.Since(begun)
	if err := s.checked(b.ctx); err != nil {
		return err
	}
	before, at := size(file), time.Now()
	after, free, err := compacted(file, file+".compact")
	if err != nil {
		return err
	}
	return b.out.write("store", fmt.Sprintf("%s requests a day for %d days, each with its whole life (a pending request, four cards, a decision, an activation, its end; %d audit events each), written as Belay writes them, in the order of a day; the audit trail is kept for %.0f days and its texts for 30 (`audit.keep`, `audit.keep_texts`). Requests themselves are kept. The last column is the file in proportion; `-full store` simulates 1,000 a day. The simulation took %s.\n"+
		"Compaction (bbolt's, into a new file, after the last day): %s, of which %.0f %% were free pages, → %s in %s.", count(float64(each)), days, written/max(1, days*each), keep.Hours()/24, took.Round(time.Second), bytesOf(before), free*100, bytesOf(after), time.Since(at).Round(100*time.Millisecond)), t)
}

// day writes a day's requests in the steps in which they come about.
func (s *seeder) day(ctx context.Context, evidence *trail.Trail, one bot.Request, at time.Time, from, most int) (events int, err error) {
	pendingOne, err := specimen(false, at)
	if err != nil {
		return 0, err
	}
	const together = 100 // that share a commit, as in a busy hour
	write := func(phase string, r bot.Request, kinds ...trail.Kind) error {
		for n := from; n < from+most; n += together {
			err := s.store.Update(ctx, func(tx store.Tx) error {
				for i := n; i < min(from+most, n+together); i++ {
					r := r
					r.ID, r.Held.ID, r.Requester.ID = requestID(int64(i)), guid('d', i), guid('b', i%2000)
					r.Held.Approval = r.Held.ID
					if phase == "pending" {
						r.Wake = at.Add(time.Hour)
					} else {
						r.Wake = time.Time{}
						if err := s.unplan(tx, r, at.Add(time.Hour)); err != nil {
							return err
						}
					}
					if err := s.put(tx, r); err != nil {
						return err
					}
					for _, k := range kinds {
						e := trail.Event{At: at, Kind: k, Outcome: trail.OK, Request: r.ID, Held: r.Held.ID, Subject: r.Requester.ID, Actor: trail.Actor{Principal: r.Requester.ID, Platform: "slack"}, Verb: "activate",
							Texts: trail.Texts{"actor": "Requester 0 (requester0@contoso.example)", "justification": "Reset the password of a locked-out colleague, ticket 4711"}}
						if err := evidence.Append(tx, e); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			events += min(most, together) * len(kinds)
		}
		return nil
	}
	err = write("pending", pendingOne, trail.Asked, trail.Sent, trail.Moved)
	if err == nil {
		err = write("over", one, trail.Wanted, trail.Sent, trail.Decided, trail.Moved, trail.Moved)
	}
	return events, err
}

// unplan takes a request that is over out of the indices of those that are open.
func (s *seeder) unplan(tx store.Tx, r bot.Request, was time.Time) error {
	err := due.Delete(tx, dueKey(was, r.ID))
	drop := func(principal, part string) {
		err = errors.Join(err, people.Delete(tx, s.part(principal, part)+r.ID))
	}
	drop(r.Requester.ID, "asks")
	for _, a := range r.Approvers {
		drop(a.ID, "decides")
	}
	return err
}

// compacted writes a file anew without what is free in it.
func compacted(from, to string) (length int64, free float64, err error) {
	src, err := bbolt.Open(from, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return 0, 0, err
	}
	free = float64(src.Stats().FreePageN) * float64(src.Info().PageSize) / float64(max(1, size(from)))
	dst, err := bbolt.Open(to, 0o600, &bbolt.Options{NoSync: true})
	if err == nil {
		err = errors.Join(bbolt.Compact(dst, src, 1<<20), dst.Sync(), dst.Close())
	}
	return size(to), free, errors.Join(err, src.Close())
}

func bytesOf(n int64) string { return fmt.Sprintf("%s MiB", count(float64(n)/(1<<20))) }
