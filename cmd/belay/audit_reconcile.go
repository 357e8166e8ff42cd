package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/cmd/internal/app"
)

type auditReconcile struct {
	configured
	Since string `default:"168h" placeholder:"TIME" help:"From when on: 2026-11-23, 2026-11-23T12:00:00Z, or 168h for as long ago. At most 30 days ago."`
	JSON  bool   `help:"One JSON object a line."`
}

// Run compares.
func (c *auditReconcile) Run(i *invocation) error {
	var sum *app.AuditSum
	err := operate(i, c.configured, "/audit/reconcile", app.AuditReconcile{Since: c.Since}, func(l app.AuditReconciled) error {
		if l.Sum != nil {
			sum = l.Sum
		}
		if c.JSON {
			return printJSON(i.stdout, l)
		}
		if l.Difference != nil {
			return printDifference(i.stdout, *l.Difference)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if sum == nil {
		return fmt.Errorf("the comparison broke off")
	}
	if !c.JSON {
		fmt.Fprintf(i.stdout, "from %s to %s: %d acts are in both logs, %d were made elsewhere and are known here, %d are missing in one of them\n",
			sum.Since.Format(time.RFC3339), sum.Until.Format(time.RFC3339), sum.Compared, sum.Elsewhere, sum.Missing)
		if sum.Azure > 0 {
			fmt.Fprintf(i.stdout, "%d acts on Azure resource roles were not compared: they are not in Entra's audit log, but in that of Azure\n", sum.Azure)
		}
	}
	if sum.Missing > 0 {
		return &differs{fmt.Sprintf("the two logs differ in %d acts", sum.Missing)}
	}
	return nil
}

func printDifference(w io.Writer, d bot.Difference) error {
	where := map[bot.Side]string{bot.InBelay: "not in Belay", bot.InEntra: "not in Entra", "": "elsewhere"}[d.Lacks]
	by := cmp.Or(d.ActorName, d.Actor, "nobody named")
	if d.ActorName != "" && d.Actor != "" {
		by += " (" + d.Actor + ")"
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s %s: %s of %s, by %s, Microsoft's request %s, Belay's %s\n    %s\n", d.At.UTC().Format(time.RFC3339), where,
		printable(string(d.Kind)), printable(string(d.What)), printable(cmp.Or(d.Role, "a role")), printable(cmp.Or(d.Subject, "somebody")), printable(by),
		printable(cmp.Or(d.Held, "unknown")), printable(cmp.Or(d.Request, "none")), printable(d.Hint))
	return err
}
