package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
)

type linksCommand struct {
	List linksList `cmd:"" help:"Name everybody who is linked."`
}

type linksList struct {
	configured
	JSON bool `help:"One JSON object a line."`
}

// Run lists the links.
func (c *linksList) Run(i *invocation) error {
	table := tabwriter.NewWriter(i.stdout, 0, 0, 2, ' ', 0)
	if !c.JSON {
		fmt.Fprintln(table, "CHAT\tUSER\tENTRA ACCOUNT\tOBJECT ID\tLINKED\tSIGNED IN")
	}
	err := operate(i, c.configured, "/links/list", struct{}{}, func(l app.LinkLine) error {
		if c.JSON {
			return printJSON(i.stdout, l)
		}
		signedIn := "no"
		if l.SignedIn {
			signedIn = "yes"
		}
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(l.Platform), printable(l.User), printable(l.UPN), printable(l.Principal), l.Linked.Format(time.RFC3339), signedIn)
		return err
	})
	if err != nil {
		return err
	}
	return table.Flush()
}
