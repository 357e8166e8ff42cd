package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/cmd/internal/doctor"
)

// operatorToken is the variable that may hold a token for Microsoft Graph of the
// operator. It is not among BELAY_…, because a Belay that serves must never have it.
const operatorToken = "GRAPH_TOKEN"

type doctorCommand struct {
	Config         string `required:"" type:"path" placeholder:"FILE" help:"The configuration, as for serve."`
	JSON           bool   `help:"As one JSON object."`
	Offline        bool   `help:"Look only at what is on this machine, and reach nothing outside."`
	GraphTokenFile string `type:"path" placeholder:"FILE" help:"A token for Microsoft Graph of your own, such as az account get-access-token --resource-type ms-graph gives, by which the registration is read. Also as GRAPH_TOKEN in the environment."`
}

// report is what doctor says with --json.
type report struct {
	Findings []doctor.Finding `json:"findings"`
	Unknown  int              `json:"unknown"`
	Warnings int              `json:"warnings"`
	Faults   int              `json:"faults"`
}

// Run looks at everything and fails when something is at fault.
func (c *doctorCommand) Run(i *invocation) error {
	cfg, err := app.Load(c.Config, i.environ)
	var refused *app.ConfigError
	if errors.As(err, &refused) {
		if c.JSON {
			err = errors.Join(c.print(i, doctor.Refused(refused)), err)
		}
		return err
	}
	if err != nil {
		return err
	}
	token, err := c.token(i.environ)
	if err != nil {
		return err
	}
	found, err := doctor.Examine(i.ctx, cfg, doctor.Options{Operator: token, Offline: c.Offline})
	if err != nil {
		return err
	}
	if err := c.print(i, found); err != nil {
		return err
	}
	if n := doctor.Count(found, doctor.Fault); n > 0 {
		return fmt.Errorf("%d must be mended", n)
	}
	return nil
}

func (c *doctorCommand) print(i *invocation, found []doctor.Finding) error {
	if !c.JSON {
		return doctor.Print(i.stdout, found)
	}
	return json.NewEncoder(i.stdout).Encode(report{found, doctor.Count(found, doctor.Unknown),
		doctor.Count(found, doctor.Warning), doctor.Count(found, doctor.Fault)})
}

// token is the operator's, if there is one.
func (c *doctorCommand) token(environ []string) (string, error) {
	if c.GraphTokenFile != "" {
		text, err := os.ReadFile(c.GraphTokenFile)
		if err != nil {
			return "", fmt.Errorf("the token cannot be read: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	for _, entry := range environ {
		if name, text, _ := strings.Cut(entry, "="); name == operatorToken {
			return strings.TrimSpace(text), nil
		}
	}
	return "", nil
}
