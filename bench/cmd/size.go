package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// memory measures Belay's anonymous memory: what the kernel counts as its own, without the
// pages of the database and of the program.
func (b *bench) memory() error {
	most := 30_000
	if b.quick {
		most = 10_000
	}
	w, err := b.staged(most)
	if err != nil {
		return err
	}
	defer w.close()
	belay, err := b.startBelay(w)
	if err != nil {
		return err
	}
	defer belay.kill()
	time.Sleep(5 * time.Second)
	t := table{head: []string{"When", "RssAnon", "greatest RssAnon meanwhile", "RssFile"}}
	now := func() (anon, file int, err error) {
		anon, err = belay.status("RssAnon")
		if err == nil {
			file, err = belay.status("RssFile")
		}
		return anon, file, err
	}
	idle, file, err := now()
	if err != nil {
		return err
	}
	t.add("idle, 5 s after the start", mib(idle), "", mib(file))
	var pressed, typed atomic.Int64
	press, elevate := presses("press", belay.addr, w.urls["slack"], &pressed, int64(most)), commands("/elevate", belay.addr, w.urls["slack"], &typed)
	if err := warm(belay, elevate); err != nil {
		return err
	}
	w.hangs.Store(true)
	peak := 0
	for _, load := range []struct {
		name string
		run  func() outcome
	}{
		{"presses, 200/s", func() outcome { return press.open(200, 64, 2*b.time) }},
		{"presses, 32 connections as fast as they can", func() outcome { return press.closed(32, b.time) }},
		{"/elevate, 32 connections as fast as they can", func() outcome { return elevate.closed(32, b.time) }},
		{"presses, 128 connections as fast as they can", func() outcome { return press.closed(128, b.time) }},
	} {
		greatest := watch(belay)
		o := load.run()
		top := greatest()
		peak = max(peak, top)
		anon, file, err := now()
		if err != nil {
			return err
		}
		t.add(fmt.Sprintf("%s: %s answers/s", load.name, count(o.rate())), mib(anon), mib(top), mib(file))
	}
	time.Sleep(10 * time.Second)
	anon, file, err := now()
	if err != nil {
		return err
	}
	t.add("10 s after the load", mib(anon), "", mib(file))
	b.out.goal("idle 30 MiB of anonymous memory", idle <= 30<<10, mib(idle))
	b.out.goal("loaded 60 MiB", peak <= 60<<10, mib(peak)+" at the most")
	return b.out.write("memory", fmt.Sprintf("%s requests wait for approval in the store, 100 approvers are signed in. Anonymous memory is read from /proc; RssFile is the program and the part of the database that the kernel has mapped, which it takes back when others need it.", count(float64(most))), t)
}

// watch samples a process's anonymous memory until the greatest is asked for.
func watch(p *process) (greatest func() int) {
	stop, most := make(chan struct{}), 0
	var done sync.WaitGroup
	done.Go(func() {
		for {
			if anon, err := p.status("RssAnon"); err == nil {
				most = max(most, anon)
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() int {
		close(stop)
		done.Wait()
		return most
	}
}

// start measures from exec to ready, and acknowledgements, over what is stored.
func (b *bench) start() error {
	t := table{head: []string{"Requests stored", "File", "exec → ready, best of 5", "median", "pages not in memory", "press p50", "press p99", "answers/s, 8 connections"}}
	var p99, ready []time.Duration
	for _, stored := range []int{1_000, 1_000_000} {
		if b.quick {
			stored /= 50
		}
		w, err := b.newWorld()
		if err != nil {
			return err
		}
		row, last, up, err := b.startWith(w, stored)
		w.close()
		if err = errors.Join(err, os.RemoveAll(w.dir)); err != nil {
			return err
		}
		t.add(row...)
		p99, ready = append(p99, last), append(ready, up)
	}
	b.out.goal("exec → ready in 100 ms with a million requests stored", ready[1] <= 100*time.Millisecond, span(ready[1])+" at the median; with a thousand "+span(ready[0]))
	b.out.goal("p99 of a press with a million stored at most 1.3 times that with a thousand", float64(p99[1]) <= 1.3*float64(p99[0]), ratio(float64(p99[1]), float64(p99[0]))+" times")
	return b.out.write("start", fmt.Sprintf("Requests with their whole life behind them, and 20,000 besides that wait and are pressed. exec → ready: until `/readyz` answers 200, which includes a synced write. \"Pages not in memory\": the file is dropped from the page cache first (posix_fadvise).\n"+
		"The p99 of a press, open loop at 200/s, with the larger store is **%s** of that with the smaller one.", ratio(float64(p99[1]), float64(p99[0]))), t)
}

func (b *bench) startWith(w *world, stored int) (row []string, p99, ready time.Duration, err error) {
	const waiting = 20_000
	if err := w.people(0); err != nil {
		return nil, 0, 0, err
	}
	data := filepath.Join(w.dir, "data")
	s, err := seed(b.ctx, data)
	if err != nil {
		return nil, 0, 0, err
	}
	begun := time.Now()
	err = errors.Join(s.link(b.ctx), s.signedIn(b, w), s.pending(b.ctx, waiting, func(n int) string { return guid('c', n) }, func(n int) string { return guid('b', n) }), s.finished(b.ctx, waiting, waiting+stored))
	if err = errors.Join(err, s.file.Close()); err != nil {
		return nil, 0, 0, err
	}
	fmt.Fprintf(os.Stderr, "   %d stored in %s\n", stored, time.Since(begun).Round(time.Second))
	file := filepath.Join(data, "belay.db")
	var took []time.Duration
	for range 5 {
		p, err := b.startBelay(w)
		if err != nil {
			return nil, 0, 0, err
		}
		took = append(took, p.took)
		p.kill()
	}
	slices.Sort(took)
	if err := forget(file); err != nil {
		return nil, 0, 0, err
	}
	p, err := b.startBelay(w)
	if err != nil {
		return nil, 0, 0, err
	}
	defer p.kill()
	settle(p)
	w.hangs.Store(true)
	var next atomic.Int64
	press := presses("press", p.addr, w.urls["slack"], &next, waiting)
	press.closed(8, b.time/4) // what is read for the first time
	o := press.open(200, 64, 2*b.time)
	full := press.closed(8, b.time)
	if o.wrong > 0 {
		return nil, 0, 0, fmt.Errorf("%d presses were not acknowledged: %s", o.wrong, o.sample)
	}
	return []string{count(float64(stored)), fmt.Sprintf("%s MiB", count(float64(size(file))/(1<<20))), span(took[0]), span(took[2]), span(p.took), span(o.at(.5)), span(o.at(.99)), count(full.rate())}, o.at(.99), took[2], nil
}

func (s *seeder) signedIn(b *bench, w *world) error { return w.signIn(b.ctx, s) }

// build measures the binary and how long it takes to build.
func (b *bench) build() error {
	t := table{head: []string{"What", "Result"}}
	for _, kind := range []struct {
		name string
		args []string
	}{{"belay, as go build makes it", nil}, {"belay, with -trimpath -ldflags \"-s -w\" as in the image", []string{"-trimpath", "-ldflags", "-s -w"}}} {
		out := filepath.Join(b.work, "sized")
		if _, err := output(b.root, "go", append(append([]string{"build", "-o", out}, kind.args...), "./cmd/belay")...); err != nil {
			return err
		}
		t.add(kind.name, fmt.Sprintf("%.1f MiB", float64(size(out))/(1<<20)))
	}
	if err := b.timed(&t, "warm: nothing has changed", nil); err != nil {
		return err
	}
	touched := filepath.Join(b.root, "bot", "settle.go")
	text, err := os.ReadFile(touched)
	if err != nil {
		return err
	}
	err = os.WriteFile(touched, append(bytes.Clone(text), fmt.Sprintf("\n// %d\n", time.Now().UnixNano())...), 0o644) //nolint:gosec // a source file
	if err == nil {
		err = b.timed(&t, "warm: a line of bot has changed", nil)
	}
	if err = errors.Join(err, os.WriteFile(touched, text, 0o644)); err != nil { //nolint:gosec // as it was
		return err
	}
	modules, err := output(b.root, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/belay")
	if err != nil {
		return err
	}
	all := strings.Fields(modules)
	slices.Sort(all)
	t.add("modules in it", fmt.Sprint(len(slices.Compact(all))-1))
	return b.out.write("build", "The image is built with the second line's flags. The build cache is warm.", t)
}

// timed measures one build.
func (b *bench) timed(t *table, name string, env []string) error {
	at := time.Now()
	if _, err := outputWith(b.root, env, "go", "build", "-o", filepath.Join(b.work, "timed"), "./cmd/belay"); err != nil {
		return err
	}
	t.add(name, time.Since(at).Round(100*time.Millisecond).String())
	return nil
}

// cold measures a build with nothing but the modules' sources.
func (b *bench) cold() error {
	t := table{head: []string{"What", "Result"}}
	cache := filepath.Join(b.work, "gocache")
	err := b.timed(&t, "cold: the build cache is empty, the modules are there", []string{"GOCACHE=" + cache})
	if err = errors.Join(err, os.RemoveAll(cache)); err != nil {
		return err
	}
	return b.out.write("cold", "Most of it is one package, Microsoft's SDK for Graph.", t)
}
