package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/belaybot/belay/cmd/internal/app"
)

type auditCommand struct {
	Verify    auditVerify    `cmd:"" help:"Find what was changed in the audit trail, taken out of it or put in. Exits 4 if there is anything."`
	Export    auditExport    `cmd:"" help:"Write events for auditors and for security systems."`
	Reconcile auditReconcile `cmd:"" help:"Compare with Entra's own audit log. Exits 4 if one of the two lacks something."`
	Erase     auditErase     `cmd:"" help:"Erase what people wrote, of a person or of a request. The trail stays whole."`
	Key       auditKey       `cmd:"" help:"Print the public key that checkpoints are verified with elsewhere."`
}

// differs is what a check found: the command did its work, and its answer is no.
type differs struct{ what string }

// Error is what was found.
func (d *differs) Error() string { return d.what }

type auditVerify struct {
	configured
	Checkpoint []string `type:"path" placeholder:"FILE" help:"A signed checkpoint that was kept elsewhere, or Belay's log, which has them. May be given more than once."`
	JSON       bool     `help:"As one JSON object."`
}

// Run verifies the trail.
func (c *auditVerify) Run(i *invocation) error {
	var given app.AuditVerify
	for _, file := range c.Checkpoint {
		found, err := checkpointsIn(file)
		if err != nil {
			return &app.OperationError{Refused: true, Message: err.Error()}
		}
		given.Checkpoints = append(given.Checkpoints, found...)
	}
	var r app.AuditReport
	if err := operate(i, c.configured, "/audit/verify", given, func(got app.AuditReport) error { r = got; return nil }); err != nil {
		return err
	}
	switch {
	case c.JSON:
		if err := printJSON(i.stdout, r); err != nil {
			return err
		}
	case r.Bad == nil:
		fmt.Fprintf(i.stdout, "the audit trail is whole: events %d to %d, %d checkpoints hold, texts of %d events were erased", r.Begin, r.Size, r.Checkpoints, r.Erased)
		if r.Dropped > 0 {
			fmt.Fprintf(i.stdout, "; %d checkpoints are of events that were dropped for their age", r.Dropped)
		}
		if r.Unsigned > 0 {
			fmt.Fprintf(i.stdout, "; no checkpoint covers the last %d events yet", r.Unsigned)
		}
		if r.Loose > 0 {
			fmt.Fprintf(i.stdout, "; %d newer events are not chained yet and were not checked", r.Loose)
		}
		fmt.Fprintln(i.stdout)
	}
	if r.Bad != nil {
		return &differs{printable(fmt.Sprintf("the audit trail is not what it was, from index %d on: %s", r.Bad.Index, r.Bad.What))}
	}
	return nil
}

// mostCheckpoints are the last ones of a log: each covers all that was before it.
const mostCheckpoints = 1000

// checkpointsIn reads the checkpoint that a file is, or those in a log of Belay's.
func checkpointsIn(file string) ([]string, error) {
	f, err := os.Open(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("the checkpoint cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var whole bytes.Buffer
	var logged []string
	for lines.Scan() {
		var line struct {
			Checkpoint string `json:"checkpoint"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Checkpoint != "" {
			if logged = append(logged, line.Checkpoint); len(logged) > mostCheckpoints {
				logged = logged[1:]
			}
		}
		if whole.Len() < 1<<16 {
			whole.Write(append(lines.Bytes(), '\n'))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("the checkpoint in %s cannot be read: %w", file, err)
	}
	if len(logged) > 0 {
		return logged, nil
	}
	return []string{whole.String()}, nil
}

type auditErase struct {
	configured
	Person  string `xor:"whose" placeholder:"OID" help:"Entra object id: the texts of what this person did, and of what was done to them."`
	Request string `xor:"whose" placeholder:"ID" help:"Belay's id of a request."`
	Yes     bool   `help:"Erase. It cannot be undone."`
	JSON    bool   `help:"As one JSON object."`
}

// Run erases.
func (c *auditErase) Run(i *invocation) error {
	if !c.Yes {
		return &app.OperationError{Refused: true, Message: "names, justifications, tickets and reasons would be erased for good; to do it, say the same with --yes"}
	}
	return operate(i, c.configured, "/audit/erase", app.AuditErase{Person: c.Person, Request: c.Request}, func(e app.AuditErased) error {
		if c.JSON {
			return printJSON(i.stdout, e)
		}
		_, err := fmt.Fprintf(i.stdout, "texts were erased of %d events and of %d finished requests\n", e.Events, e.Requests)
		if e.Open > 0 && err == nil {
			_, err = fmt.Fprintf(i.stdout, "%d requests still run and keep theirs: say the same again when they are over\n", e.Open)
		}
		return err
	})
}

type auditKey struct{ configured }

// Run prints the key.
func (c *auditKey) Run(i *invocation) error {
	return operate(i, c.configured, "/audit/key", struct{}{}, func(k app.AuditKeyLine) error {
		_, err := fmt.Fprintln(i.stdout, printable(k.Key))
		return err
	})
}
