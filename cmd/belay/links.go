package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
)

type linksCommand struct {
	List      linksList      `cmd:"" help:"Name everybody who is linked."`
	Revoke    linksRevoke    `cmd:"" help:"End all links of one person, with the sign-in and what was not sent yet."`
	RevokeAll linksRevokeAll `cmd:"" name:"revoke-all" help:"End everybody's links and sign-ins."`
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

type linksRevoke struct {
	configured
	Who  string `arg:"" placeholder:"USER|PRINCIPAL" help:"Chat user id, Entra object id or user principal name, as links list shows them."`
	JSON bool   `help:"One JSON object a line."`
}

// Run ends one person's links.
func (c *linksRevoke) Run(i *invocation) error {
	return revoke(i, c.configured, app.RevokeLinks{Who: c.Who}, c.JSON)
}

type linksRevokeAll struct {
	configured
	Yes  bool `help:"Do not ask."`
	JSON bool `help:"One JSON object a line."`
}

// Run ends everybody's links.
func (c *linksRevokeAll) Run(i *invocation) error {
	const question = "Everybody will be unlinked and signed out, and what they have not sent yet will not be sent."
	if !c.Yes && !confirmed(os.Stdin, i.stderr, question) {
		return &app.OperationError{Refused: true, Message: "nothing was done; to end everybody's links, answer yes, or say the same with --yes"}
	}
	return revoke(i, c.configured, app.RevokeLinks{All: true}, c.JSON)
}

func revoke(i *invocation, c configured, in app.RevokeLinks, asJSON bool) error {
	links := 0
	err := operate(i, c, "/links/revoke", in, func(r app.RevokeLine) error {
		switch {
		case asJSON:
			return printJSON(i.stdout, r)
		case r.Link != nil:
			links++
			_, err := fmt.Fprintf(i.stdout, "unlinked %s user %s from %s (%s)\n", printable(r.Link.Platform), printable(r.Link.User), printable(r.Link.UPN), printable(r.Link.Principal))
			return err
		}
		_, err := fmt.Fprintf(i.stdout, "%d sign-ins were forgotten\n", r.Signins)
		return err
	})
	if err == nil && !asJSON {
		_, err = fmt.Fprintf(i.stdout, "%d links ended. Sessions at Microsoft go on: revoke them in Entra too if somebody else may have them.\n", links)
	}
	return err
}

// confirmed asks on the terminal and takes nothing but yes.
func confirmed(in io.Reader, out io.Writer, question string) bool {
	if _, err := fmt.Fprintf(out, "%s\nType yes to go on: ", question); err != nil {
		return false
	}
	answer, err := bufio.NewReader(in).ReadString('\n')
	return err == nil && strings.TrimSpace(answer) == "yes"
}
