package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/backup"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/keyvault"
	"github.com/belaybot/belay/store/postgres"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
	exitDiffers = 4
	exitUnseen  = 5
)

type commands struct {
	Serve     serveCommand     `cmd:"" help:"Serve Slack, Teams and the sign-in pages."`
	Init      initCommand      `cmd:"" help:"Write what administrators install: Slack manifest, Teams app package, Entra registration, configuration."`
	Doctor    doctorCommand    `cmd:"" help:"Look at what Belay needs, and say what is wrong with it and how it is mended."`
	Links     linksCommand     `cmd:"" help:"Who is linked, and ending it."`
	Keys      keysCommand      `cmd:"" help:"The keys that seal the store: list, rotate, prune, and Azure Key Vault."`
	Audit     auditCommand     `cmd:"" help:"The audit trail: verify, export, reconcile with Entra's, erase."`
	Alerts    alertsCommand    `cmd:"" help:"What is muted of the alerts, and ending it."`
	SIEM      siemCommand      `cmd:"" name:"siem" help:"Where the audit trail is delivered to: list, send again, give up."`
	Store     storeCommand     `cmd:"" help:"The store: back it up, restore a backup, verify, copy it to PostgreSQL."`
	Posture   postureCommand   `cmd:"" help:"Read the tenant, and say what is weak in it and how it is mended."`
	Checklist checklistCommand `cmd:"" help:"Answer the checklist for PIM: yes, no or cannot see, with evidence."`
	Drift     driftCommand     `cmd:"" help:"What of the tenant is not as it was accepted: show, export, history."`
	Version   versionCommand   `cmd:"" help:"Say which version this is."`
}

// invocation is what every command gets.
type invocation struct {
	ctx            context.Context
	environ        []string
	stdout, stderr io.Writer
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c, kong.Name("belay"), kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
		kong.Description("A chat-ops bot for Microsoft Entra Privileged Identity Management."), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(stderr, "belay:", err)
		return exitFailed
	}
	k, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "belay:", err)
		fmt.Fprintln(stderr, "Run belay --help to see what there is.")
		return exitUsage
	}
	if err := k.Run(&invocation{ctx: ctx, environ: environ, stdout: stdout, stderr: stderr}); err != nil {
		fmt.Fprintln(stderr, "belay:", err)
		return exitCode(err)
	}
	return exitOK
}

func exitCode(err error) int {
	var config *app.ConfigError
	var key *store.KeyFileError
	var open *bolt.OpenError
	var database *postgres.Error
	var operation *app.OperationError
	var vault *keyvault.Error
	var found *differs
	var bad *backup.Error
	var newer *store.SchemaError
	var said *verdict
	if errors.As(err, &said) {
		return said.code
	}
	if errors.As(err, &found) {
		return exitDiffers
	}
	if errors.As(err, &operation) && operation.Refused {
		return exitRefused
	}
	if errors.As(err, &config) || errors.As(err, &key) || errors.As(err, &open) || errors.As(err, &database) || errors.As(err, &vault) || errors.As(err, &bad) || errors.As(err, &newer) || errors.Is(err, store.ErrWrongKeys) {
		return exitRefused
	}
	return exitFailed
}

type serveCommand struct {
	Config string `required:"" type:"path" placeholder:"FILE" help:"YAML file; every key also as BELAY_… in the environment."`
	Check  bool   `help:"Check the configuration and exit."`
}

// Run serves until it is told to stop.
func (c *serveCommand) Run(i *invocation) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	if c.Check {
		fmt.Fprintln(i.stdout, "the configuration is sound")
		return nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return &app.ConfigError{Faults: []string{"log_level: " + err.Error()}}
	}
	log := slog.New(slog.NewJSONHandler(i.stderr, &slog.HandlerOptions{Level: level}))
	signal.Ignore(syscall.SIGPIPE) // who reads the standard output may go: that ends a delivery, and not Belay
	defer beThrifty(i.environ)()
	a, err := app.Open(cfg, app.Options{Log: log})
	if err != nil {
		return err
	}
	for _, advice := range cfg.Advice() {
		log.Warn("a setting should be otherwise", "setting", advice)
	}
	return a.Run(i.ctx)
}

type versionCommand struct {
	JSON bool `help:"As one JSON object."`
}

// Run prints what the build recorded.
func (c *versionCommand) Run(i *invocation) error {
	v := struct {
		Version  string `json:"version"`
		Commit   string `json:"commit"`
		Modified bool   `json:"modified"`
		Go       string `json:"go"`
	}{Version: "unknown", Commit: "unknown", Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if c.JSON {
		return json.NewEncoder(i.stdout).Encode(v)
	}
	_, err := fmt.Fprintf(i.stdout, "belay %s, commit %s, %s\n", v.Version, v.Commit, v.Go)
	return err
}
