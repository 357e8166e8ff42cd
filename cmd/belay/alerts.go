package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
)

type alertsCommand struct {
	Mutes  alertsMutes  `cmd:"" help:"Name what is muted, by whom, why and until when."`
	Unmute alertsUnmute `cmd:"" help:"End a mute before its time."`
}

type alertsMutes struct {
	configured
	JSON bool `help:"One JSON object a line."`
}

// Run lists the mutes.
func (c *alertsMutes) Run(i *invocation) error {
	table := tabwriter.NewWriter(i.stdout, 0, 0, 2, ' ', 0)
	if !c.JSON {
		fmt.Fprintln(table, "ID\tDETECTOR\tABOUT\tMUTED BY\tUNTIL\tWHY")
	}
	err := operate(i, c.configured, "/alerts/mutes", struct{}{}, func(m app.MuteLine) error {
		if c.JSON {
			return printJSON(i.stdout, m)
		}
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(m.ID), printable(m.Detector), printable(m.About), printable(m.Owner), m.Until.Format(time.RFC3339), printable(m.Reason))
		return err
	})
	if err != nil {
		return err
	}
	return table.Flush()
}

type alertsUnmute struct {
	configured
	ID string `arg:"" help:"The id, as alerts mutes shows it."`
}

// Run ends a mute.
func (c *alertsUnmute) Run(i *invocation) error {
	err := operate(i, c.configured, "/alerts/unmute", app.Unmute{ID: c.ID}, func(struct{}) error { return nil })
	if err == nil {
		_, err = fmt.Fprintln(i.stdout, "not muted any more: the next one like it is an alert again")
	}
	return err
}
