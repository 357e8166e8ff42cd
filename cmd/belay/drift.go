package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim"
)

type driftCommand struct {
	Show    driftShow    `cmd:"" help:"Say what of the tenant is not as it was accepted, and what could not be seen."`
	Export  driftExport  `cmd:"" help:"Write what was accepted as JSON, the same bytes for the same baseline: for a version control."`
	History driftHistory `cmd:"" help:"Say who accepted what, and when."`
}

// formatted are the flags of what prints a table or lines of JSON.
type formatted struct {
	configured
	Format string `default:"text" enum:"text,json" help:"text, or json: one object a line."`
}

type driftShow struct{ formatted }

// Run says what is open. Exit code 4: something is; 5: something could not be seen, or
// nothing was compared for too long.
func (c *driftShow) Run(i *invocation) error {
	var state *app.DriftState
	var open []app.DriftLine
	err := operate(i, c.configured, "/drift/show", struct{}{}, func(line json.RawMessage) error {
		if c.Format == "json" {
			if _, err := fmt.Fprintf(i.stdout, "%s\n", line); err != nil {
				return err
			}
		}
		if state == nil {
			state = &app.DriftState{}
			return json.Unmarshal(line, state)
		}
		var l app.DriftLine
		err := json.Unmarshal(line, &l)
		open = append(open, l)
		return err
	})
	if err != nil {
		return err
	}
	if state == nil {
		return errors.New("the Belay that serves did not answer")
	}
	if c.Format == "text" {
		if err := printDrift(i.stdout, *state, open); err != nil {
			return err
		}
	}
	return driftVerdict(*state, open)
}

// driftVerdict is the exit code; none where the tenant is as it was accepted.
func driftVerdict(state app.DriftState, open []app.DriftLine) error {
	switch {
	case len(open) > 0:
		return &verdict{exitDiffers, fmt.Sprintf("changes that nobody accepted: %d", len(open))}
	case state.Late:
		return &verdict{exitUnseen, "nothing was compared for too long"}
	case len(state.Unseen) > 0 || state.Read.IsZero():
		return &verdict{exitUnseen, "not everything could be seen"}
	}
	return nil
}

func printDrift(w io.Writer, state app.DriftState, open []app.DriftLine) error {
	switch {
	case state.Read.IsZero() && !state.Enabled:
		fmt.Fprintln(w, "nothing is compared: drift.enabled is not set")
	case state.Read.IsZero():
		fmt.Fprintln(w, "the tenant was not read yet")
	default:
		accepted := "accepted"
		if !state.Accepted {
			accepted = "as it was read first, accepted by nobody"
		}
		fmt.Fprintf(w, "read %s; baseline %s\n", state.Read.UTC().Format(time.RFC3339), accepted)
	}
	switch {
	case state.Late && !state.Enabled:
		fmt.Fprintln(w, "nothing is compared any more: drift.enabled is not set; whether the tenant is as it was accepted is not known")
	case state.Late:
		fmt.Fprintln(w, "nothing was compared for too long, so whether the tenant is as it was accepted is not known: the log of the Belay that serves says why, and belay doctor what is missing")
	}
	for _, u := range state.Unseen {
		fmt.Fprintln(w, printable(u))
	}
	if len(open) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FOUND\tWEAKER\tWHAT\tCHANGED\tBY\tACCEPTED FIRST")
	for _, l := range open {
		weaker := "no"
		if l.Weaker {
			weaker = "yes"
		}
		var fields []string
		for _, f := range l.Fields {
			fields = append(fields, fmt.Sprintf("%s: %s -> %s", f.Name, f.Before, f.After))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Found.UTC().Format(time.RFC3339), weaker, printable(l.What), printable(strings.Join(fields, "; ")), printable(called(l.By...)), printable(called(l.First)))
	}
	return table.Flush()
}

// called are people in one text.
func called(people ...pim.Principal) string {
	var names []string
	for _, p := range people {
		switch {
		case p.UPN != "":
			names = append(names, p.UPN)
		case p.ID != "":
			names = append(names, p.ID)
		}
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

type driftExport struct {
	configured
	Output string `short:"o" type:"path" placeholder:"FILE" help:"Where to write it; otherwise it is printed."`
}

// Run writes the baseline.
func (c *driftExport) Run(i *invocation) error {
	return operate(i, c.configured, "/drift/export", struct{}{}, func(b app.DriftBaseline) error {
		if !b.Accepted {
			fmt.Fprintln(i.stderr, "belay: nobody has accepted this baseline yet; it is how the tenant was read first")
		}
		var text bytes.Buffer
		if err := json.Indent(&text, b.Text, "", "  "); err != nil {
			return err
		}
		text.WriteByte('\n')
		return printed{Output: c.Output}.write(i.stdout, func(w io.Writer) error { _, err := text.WriteTo(w); return err })
	})
}

type driftHistory struct{ formatted }

// Run lists the acceptances.
func (c *driftHistory) Run(i *invocation) error {
	table := tabwriter.NewWriter(i.stdout, 0, 0, 2, ' ', 0)
	if c.Format == "text" {
		fmt.Fprintln(table, "ACCEPTED\tBY\tFIRST\tWHAT")
	}
	err := operate(i, c.configured, "/drift/history", struct{}{}, func(a app.DriftAcceptance) error {
		if c.Format == "json" {
			return printJSON(i.stdout, a)
		}
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", a.At.UTC().Format(time.RFC3339), printable(called(a.By)), printable(called(a.With)), printable(a.What))
		return err
	})
	if err != nil || c.Format == "json" {
		return err
	}
	return table.Flush()
}
