// Command cmd measures Belay against what it is measured for: Slack's and Microsoft's own
// SDKs, a bare handler in Go, and the goals of its design. Each part starts the real
// `belay serve` in a process of its own, and the services around it, simulated, in this one.
//
//	go run ./bench/cmd              everything; a quarter of an hour on two cores
//	go run ./bench/cmd slack due    some parts
//	go run ./bench/cmd -list        what there is
//
// Each part writes its own table into bench/RESULTS.md, with machine, date and commit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// bench is one run: where things are built and kept, and how long each figure is taken for.
type bench struct {
	ctx   context.Context
	root  string // of the repository
	work  string // what is built, and the data of this run
	kept  string // what is worth keeping for the next run: the peers, the store of a million
	node  string
	belay string // the product's binary
	time  time.Duration
	quick bool
	full  bool
	// profiles is where profiles of Belay under load go; empty: none are made.
	profiles string
	out      *results
	// synced is what commit found.
	synced time.Duration
}

// part is one table.
type part struct {
	name, about string
	run         func(*bench) error
	asked       bool // runs only when it is asked for
}

var parts = []part{
	{"slack", "acknowledging in Slack, against Bolt and a bare handler in Go", (*bench).slack, false},
	{"teams", "answering a press in Teams, against botbuilder and teams.apps", (*bench).teams, false},
	{"click", "from a click to the call to Microsoft", (*bench).click, false},
	{"graphhang", "acknowledgements while Graph does not answer for 30 s", (*bench).graphhang, false},
	{"memory", "anonymous memory, idle and loaded", (*bench).memory, false},
	{"start", "from exec to ready, and acknowledgements, with a thousand and a million requests stored", (*bench).start, false},
	{"due", "what the due loop costs", (*bench).due, false},
	{"store", "growth and compaction over a simulated year", (*bench).year, false},
	{"build", "size of the binary, and how long it takes to build again", (*bench).build, false},
	{"cold", "how long it takes to build with an empty build cache; three minutes and more", (*bench).cold, true},
	{"press", "Belay alone, presses over 1 and 32 connections: for profiles", (*bench).press, true},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareCommand { // this program as the peer in Go
		bare()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	list := flags.Bool("list", false, "print the parts")
	quick := flags.Bool("quick", false, "a second for each figure and a tenth of the data: to see that it runs; nothing is written to RESULTS.md")
	each := flags.Duration("time", 3*time.Second, "how long each figure is taken for")
	full := flags.Bool("full", false, "the year of the store with all its 1,000 requests a day: some minutes more")
	note := flags.String("note", "", "said beside the date, such as \"others used the machine\"")
	profile := flags.String("profile", "", "directory for profiles of Belay under load; they cost a little")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *list {
		for _, p := range parts {
			fmt.Printf("%-10s %s\n", p.name, p.about)
		}
		return nil
	}
	var chosen []part
	for _, p := range parts {
		if flags.NArg() == 0 && !p.asked || contains(flags.Args(), p.name) {
			chosen = append(chosen, p)
		}
	}
	if n := flags.NArg(); n > 0 && len(chosen) != n {
		return fmt.Errorf("unknown part in %v; -list prints them", flags.Args())
	}
	b := &bench{ctx: ctx, time: *each, quick: *quick, full: *full, profiles: *profile}
	if *quick {
		b.time = time.Second
	}
	if err := b.prepare(*note); err != nil {
		return err
	}
	if *full {
		b.out.flags = "-full "
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	for _, p := range chosen {
		begun := time.Now()
		fmt.Fprintf(os.Stderr, "== %s: %s\n", p.name, p.about)
		b.out.begin()
		if err := p.run(b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "== %s took %s\n", p.name, time.Since(begun).Round(time.Second))
	}
	return nil
}

// prepare finds the repository, builds Belay and makes the directories.
func (b *bench) prepare(note string) (err error) {
	if b.root, err = output("", "go", "list", "-m", "-f", "{{.Dir}}"); err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	b.kept = filepath.Join(cache, "belay-bench")
	if err := os.MkdirAll(b.kept, 0o700); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp(b.kept, "run-"); err != nil { // a disk, not memory
		return err
	}
	b.belay = filepath.Join(b.work, "belay")
	tags := ""
	if b.profiles != "" {
		tags = "profiled"
	}
	if _, err := output(b.root, "go", "build", "-tags", tags, "-o", b.belay, "./cmd/belay"); err != nil {
		return err
	}
	b.out, err = newResults(b, note)
	return err
}

func contains(all []string, one string) bool {
	return strings.Contains(" "+strings.Join(all, " ")+" ", " "+one+" ")
}
