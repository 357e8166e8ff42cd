package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/cmd/internal/doctor"
)

// operatorToken is the variable that may hold a token for Microsoft Graph of the
// operator. It is not among BELAY_…, because a Belay that serves must never have it.
const operatorToken = "GRAPH_TOKEN"

// manifestVariable is the variable that may hold an app configuration token of Slack of the operator.
const manifestVariable = "SLACK_CONFIG_TOKEN"

// reportSchema is the version of report: of the names in it and of what they mean. It is raised when a
// reader of the one before would misread it.
const reportSchema = 1

type doctorCommand struct {
	Config         string        `required:"" type:"path" placeholder:"FILE" help:"The configuration, as for serve."`
	JSON           bool          `help:"As one JSON object."`
	Offline        bool          `help:"Look only at what is on this machine, and reach nothing outside."`
	Within         time.Duration `default:"10s" help:"How long everything together may take."`
	SlackTokenFile string        `type:"path" placeholder:"FILE" help:"An app configuration token of Slack of your own, from api.slack.com/apps, by which the manifest of the app is read. Also as SLACK_CONFIG_TOKEN in the environment."`
	GraphTokenFile string        `type:"path" placeholder:"FILE" help:"A token for Microsoft Graph of your own, such as az account get-access-token --resource-type ms-graph gives, by which the registration is read. Also as GRAPH_TOKEN in the environment."`
}

// report is what doctor says with --json.
type report struct {
	Schema   int              `json:"schema"`
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
	token, err := lent(c.GraphTokenFile, operatorToken, i.environ)
	if err != nil {
		return err
	}
	slack, err := lent(c.SlackTokenFile, manifestVariable, i.environ)
	if err != nil {
		return err
	}
	found, err := doctor.Examine(i.ctx, cfg, doctor.Options{Operator: token, SlackManifest: slack, Offline: c.Offline, Limit: c.Within, File: c.Config, Files: app.SecretFiles(c.Config, i.environ)})
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
	return json.NewEncoder(i.stdout).Encode(report{reportSchema, found, doctor.Count(found, doctor.Unknown),
		doctor.Count(found, doctor.Warning), doctor.Count(found, doctor.Fault)})
}

// lent is a token of the operator: from a file, or else from a variable, if there is one.
func lent(file, variable string, environ []string) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("the token cannot be read: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	for _, entry := range environ {
		if name, text, _ := strings.Cut(entry, "="); name == variable {
			return strings.TrimSpace(text), nil
		}
	}
	return "", nil
}
