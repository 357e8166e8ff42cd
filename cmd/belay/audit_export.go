package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/cmd/internal/app"
)

type auditExport struct {
	configured
	Format       string `enum:"jsonl,csv,ocsf" default:"jsonl" help:"jsonl, csv or ocsf (1.8.0, one event a line)."`
	Since        string `placeholder:"TIME" help:"2026-11-23, 2026-11-23T12:00:00Z, or 168h for as long ago."`
	Until        string `placeholder:"TIME" help:"Before then."`
	Person       string `placeholder:"OID" help:"Entra object id: what this person did, and what was done to them or with their sign-in."`
	Request      string `placeholder:"ID" help:"Belay's or Microsoft's id of a request."`
	Kind         string `placeholder:"KIND" help:"Such as request.decided; request: all that begin so."`
	WithoutTexts bool   `help:"Leave out what people wrote and are called."`
	Out          string `type:"path" placeholder:"FILE" help:"A new file, with mode 0600. Without it: standard output."`
}

// Run exports.
func (c *auditExport) Run(i *invocation) error {
	if c.Out == "" {
		return c.write(i, i.stdout)
	}
	if _, err := os.Lstat(c.Out); !errors.Is(err, fs.ErrNotExist) {
		return &app.OperationError{Refused: true, Message: c.Out + " is there already; choose a new file"}
	}
	// A file that has the name is whole.
	f, err := os.CreateTemp(filepath.Dir(c.Out), ".belay-export-*")
	if err != nil {
		return fmt.Errorf("the file cannot be made: %w", err)
	}
	err = c.write(i, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.Out)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// write writes every line as it comes: however long the trail, little of it is in memory.
func (c *auditExport) write(i *invocation, to io.Writer) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(to)
	table, from := csv.NewWriter(w), siem.Source{Tenant: cfg.Entra.TenantID}
	if info, ok := debug.ReadBuildInfo(); ok {
		from.Version = info.Main.Version
	}
	if c.Format == "csv" {
		if err := table.Write(siem.Header()); err != nil {
			return err
		}
	}
	want := app.AuditExport{Since: c.Since, Until: c.Until, Person: c.Person, Request: c.Request, Kind: c.Kind, Texts: !c.WithoutTexts}
	err = operate(i, c.configured, "/audit/export", want, func(l siem.Line) error {
		switch c.Format {
		case "csv":
			row := siem.Row(l)
			for n := range row {
				row[n] = printable(row[n])
			}
			return table.Write(row)
		case "ocsf":
			return printJSON(w, from.OCSF(l))
		}
		return printJSON(w, l)
	})
	table.Flush()
	return errors.Join(err, table.Error(), w.Flush())
}
