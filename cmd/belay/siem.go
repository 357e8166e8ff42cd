package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
)

type siemCommand struct {
	List    siemList    `cmd:"" help:"Say where each target of the audit trail stands, and what it refused."`
	Retry   siemRetry   `cmd:"" help:"Have what a target refused sent again."`
	Discard siemDiscard `cmd:"" help:"Give up what a target refused, and forget what was lost to it. The audit trail keeps it."`
}

type siemList struct {
	configured
	JSON bool `help:"One JSON object a line, a target each."`
}

// Run lists the targets.
func (c *siemList) Run(i *invocation) error {
	var all []app.SIEMLine
	err := operate(i, c.configured, "/siem/list", struct{}{}, func(l app.SIEMLine) error {
		if c.JSON {
			return printJSON(i.stdout, l)
		}
		all = append(all, l)
		return nil
	})
	if err != nil || c.JSON {
		return err
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(i.stdout, "no target is configured: siem in the configuration has none")
		return err
	}
	return printTargets(i.stdout, all)
}

func printTargets(w io.Writer, all []app.SIEMLine) error {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format(time.RFC3339)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TARGET\tWAITING\tOLDEST\tTOOK LAST\tREFUSED\tLOST\tSTATE")
	for _, l := range all {
		state := "works"
		switch {
		case !l.Since.IsZero():
			state = "down since " + at(l.Since) + ": " + l.Why
		case !l.Begun:
			state = "not begun: no Belay has served with it yet"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%d\t%d\t%s\n", printable(l.Target), l.Waiting, at(l.Oldest), at(l.Taken), len(l.Parked), l.Lost, printable(state))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, l := range all {
		if len(l.Parked) == 0 {
			continue
		}
		fmt.Fprintf(w, "\nRefused by %s:\n", printable(l.Target))
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "EVENT\tINDEX\tKIND\tREQUEST\tREFUSED\tWHY")
		for _, p := range l.Parked {
			why := p.Why
			if p.Again {
				why += "; it is sent again"
			}
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\n", printable(p.ID), p.Index, printable(p.Kind), printable(p.Request), at(p.At), printable(why))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// which are parked events.
type which struct {
	configured
	Target string `arg:"" help:"The target, as siem list shows it."`
	Event  string `placeholder:"ID" help:"Id of one event, as siem list shows it. Otherwise: all of the target."`
	JSON   bool   `help:"As one JSON object."`
}

func (c *which) do(i *invocation, path, done string) error {
	return operate(i, c.configured, path, app.SIEMParked{Target: c.Target, Event: c.Event}, func(d app.SIEMDone) error {
		if c.JSON {
			return printJSON(i.stdout, d)
		}
		_, err := fmt.Fprintf(i.stdout, done+"\n", d.Events)
		return err
	})
}

type siemRetry struct{ which }

// Run has it sent again.
func (c *siemRetry) Run(i *invocation) error {
	return c.do(i, "/siem/retry", "%d events are sent again, by the Belay that serves")
}

type siemDiscard struct {
	which
	Yes bool `help:"Do it. They are not sent any more."`
}

// Run gives it up.
func (c *siemDiscard) Run(i *invocation) error {
	if !c.Yes {
		return &app.OperationError{Refused: true, Message: "what the target refused would not be sent to it any more; to give it up, say the same with --yes"}
	}
	return c.do(i, "/siem/discard", "%d events were given up; the audit trail keeps them")
}
