package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/cmd/internal/render"
	"github.com/belaybot/belay/pim/posture"
)

// printed are the flags of what prints a report of the tenant.
type printed struct {
	Config string        `required:"" type:"path" placeholder:"FILE" help:"The configuration, as for serve."`
	Format render.Format `default:"text" enum:"text,json,html,csv" help:"text, json, html or csv."`
	Output string        `short:"o" type:"path" placeholder:"FILE" help:"Where to write it; otherwise it is printed."`
}

type postureCommand struct {
	printed
	FailOn  string `default:"high" enum:"high,medium,low,never" help:"The least severity of findings that makes the exit code 4: high, medium or low; never: none does, and nothing unseen does either."`
	NoTrend bool   `help:"Leave out the days before, which are in the store."`
}

// A verdict is what a report says, as an exit code: the command itself went well.
type verdict struct {
	code int
	says string
}

// Error says why the exit code is not 0.
func (v *verdict) Error() string { return v.says }

// Run reads the tenant and says what should be otherwise.
func (c *postureCommand) Run(i *invocation) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	s, err := cfg.ReadPosture(i.ctx, i.warnings())
	if err != nil {
		return err
	}
	r := posture.Examine(s, cfg.PostureRules())
	days, err := c.trend(i, r)
	if err != nil {
		return err
	}
	if err := c.write(i.stdout, func(w io.Writer) error { return render.Posture(w, c.Format, r, days) }); err != nil {
		return err
	}
	return c.verdict(r)
}

// trend is the days before with today's. Without a store there are none, and that is said.
func (c *postureCommand) trend(i *invocation, r posture.Report) (days []posture.Day, err error) {
	if c.NoTrend {
		return nil, nil
	}
	err = operate(i, configured{Config: c.Config}, "/posture/days", struct{}{}, func(d posture.Day) error {
		days = append(days, d)
		return nil
	})
	var refused *app.OperationError
	if errors.As(err, &refused) && refused.Refused {
		fmt.Fprintln(i.stderr, "belay: there is no trend, because there is no store here")
		return nil, nil
	}
	today := r.Day()
	if n := len(days); n > 0 && days[n-1].Day == today.Day {
		days = days[:n-1]
	}
	return append(days, today), err
}

func (c *postureCommand) verdict(r posture.Report) error {
	if c.FailOn == "never" {
		return nil
	}
	least, found := posture.Severity(c.FailOn).Rank(), 0
	for _, f := range r.Findings {
		if f.Severity.Rank() >= least {
			found++
		}
	}
	switch {
	case found > 0:
		return &verdict{exitDiffers, fmt.Sprintf("findings of severity %s or above: %d", c.FailOn, found)}
	case len(r.Blind) > 0:
		return &verdict{exitUnseen, fmt.Sprintf("checks that could not be made in full: %d", len(r.Blind))}
	}
	return nil
}

// write prints to where it is wanted.
func (p printed) write(stdout io.Writer, text func(io.Writer) error) (err error) {
	if p.Output == "" {
		return text(stdout)
	}
	f, err := os.OpenFile(p.Output, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return text(f)
}

type checklistCommand struct {
	printed
}

// Run answers the checklist.
func (c *checklistCommand) Run(i *invocation) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	s, err := cfg.ReadPosture(i.ctx, i.warnings())
	if err != nil {
		return err
	}
	answers := posture.Checklist(s, cfg.PostureRules(), cfg.PostureOwn())
	err = c.write(i.stdout, func(w io.Writer) error {
		return render.Checklist(w, c.Format, s.Tenant, s.Taken.Format("2006-01-02 15:04 UTC"), answers)
	})
	if err != nil {
		return err
	}
	counts := map[posture.Reply]int{}
	for _, a := range answers {
		counts[a.Answer]++
	}
	switch {
	case counts[posture.No] > 0:
		return &verdict{exitDiffers, fmt.Sprintf("answers that are no: %d", counts[posture.No])}
	case counts[posture.CannotSee] > 0:
		return &verdict{exitUnseen, fmt.Sprintf("answers that cannot be seen: %d", counts[posture.CannotSee])}
	}
	return nil
}
