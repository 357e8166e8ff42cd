package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/manifest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
)

type initCommand struct {
	Dir       string   `arg:"" type:"path" help:"Directory for the files. It is made if it is missing; nothing in it is overwritten."`
	PublicURL string   `required:"" placeholder:"URL" help:"Where browsers and the chat platforms will reach Belay, such as https://belay.example.com."`
	Name      string   `default:"Belay" help:"What people see."`
	AboutURL  string   `placeholder:"URL" help:"Your page on who runs this, privacy and terms; Teams shows it."`
	TenantID  string   `placeholder:"GUID" help:"Entra tenant."`
	ClientID  string   `placeholder:"GUID" help:"Client id of Belay's registration, once it is made."`
	BotID     string   `placeholder:"GUID" help:"Microsoft App ID of the bot; that of --client-id when not given. The Teams package needs one."`
	SignOn    bool     `name:"single-sign-on" help:"Ready Teams for signing people in by itself. It needs --client-id."`
	Reviews   bool     `name:"access-reviews" help:"Ask for the permission with which reviewers decide access reviews in chat."`
	Only      []string `enum:"entra,teams,slack,config" help:"Write only this: entra, teams, slack, config. May be repeated."`
	JSON      bool     `help:"Say what was written as one JSON object."`
}

// Validate is called while the command line is read: its faults are usage faults.
func (c *initCommand) Validate() error {
	if c.BotID == "" {
		c.BotID = c.ClientID
	}
	faults := []error{c.app().Validate()}
	for _, id := range []struct{ flag, value string }{{"tenant-id", c.TenantID}, {"client-id", c.ClientID}, {"bot-id", c.BotID}} {
		if id.value != "" && !manifest.IsGUID(id.value) {
			faults = append(faults, fmt.Errorf("--%s must be a GUID", id.flag))
		}
	}
	if slices.Contains(c.Only, "teams") && c.BotID == "" {
		faults = append(faults, errors.New("--only teams needs --bot-id, because the package names the bot"))
	}
	if c.SignOn && c.ClientID == "" {
		faults = append(faults, errors.New("--single-sign-on needs --client-id, because the Teams package names the registration"))
	}
	return errors.Join(faults...)
}

func (c *initCommand) app() manifest.App {
	return manifest.App{Name: c.Name, PublicURL: c.PublicURL, About: c.AboutURL}
}

// Run renders everything before it writes anything.
func (c *initCommand) Run(i *invocation) error {
	files, err := c.files()
	if err != nil {
		return err
	}
	if err := place(c.Dir, files); err != nil {
		return err
	}
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	if c.JSON {
		return json.NewEncoder(i.stdout).Encode(struct {
			Dir   string   `json:"dir"`
			Files []string `json:"files"`
		}{c.Dir, names})
	}
	fmt.Fprintf(i.stdout, "wrote to %s: %s\n", c.Dir, strings.Join(names, ", "))
	if len(c.Only) == 0 {
		if c.BotID == "" {
			fmt.Fprintln(i.stdout, "The Teams package is not made yet, because it names the bot; README.txt says when and how.")
		}
		fmt.Fprintf(i.stdout, "Read %s next.\n", filepath.Join(c.Dir, "README.txt"))
	}
	return nil
}

// file is one file to be written.
type file struct {
	name string
	data []byte
	mode fs.FileMode
}

func (c *initCommand) files() ([]file, error) {
	a := c.app()
	entra := manifest.Entra{App: a, TenantID: c.TenantID, Delegated: signin.Scopes(c.config().Features()...), Azure: signin.AzureScopes(), Application: pim.ApplicationPermissions()}
	bot := manifest.Teams{App: a, BotID: c.BotID}
	if c.SignOn {
		bot.SignOnID = c.ClientID
	}
	var files []file
	var faults []error
	add := func(part, name string, mode fs.FileMode, render func() ([]byte, error)) {
		if len(c.Only) > 0 && !slices.Contains(c.Only, part) {
			return
		}
		data, err := render()
		files, faults = append(files, file{name, data, mode}), append(faults, err)
	}
	add("entra", "entra-app.json", 0o644, func() ([]byte, error) { return manifest.EntraJSON(entra) })
	add("entra", "entra-app.sh", 0o700, func() ([]byte, error) { return manifest.EntraScript(entra) })
	if c.BotID != "" {
		add("teams", "teams-app.zip", 0o644, func() ([]byte, error) { return manifest.TeamsPackage(bot, false) })
		if c.SignOn {
			on := manifest.SignOn{App: a, ClientID: c.ClientID, BotID: c.BotID, Scope: signin.AccessAsUser, Clients: signin.TeamsClients()}
			add("teams", "entra-single-sign-on.sh", 0o700, func() ([]byte, error) { return manifest.SignOnScript(on) })
		}
		add("teams", "teams-app-slash.zip", 0o644, func() ([]byte, error) { return manifest.TeamsPackage(bot, true) })
	}
	add("slack", "slack-manifest.json", 0o644, func() ([]byte, error) { return manifest.Slack(a) })
	add("config", "belay.yaml", 0o600, func() ([]byte, error) { return app.Render(c.config()) })
	add("all", "README.txt", 0o644, func() ([]byte, error) { return manifest.Readme(a, c.BotID) })
	return files, errors.Join(faults...)
}

// fillIn stands where only the administrator knows the value. No check of the
// configuration lets it pass.
const fillIn = "FILL-IN"

func (c *initCommand) config() app.Config {
	known := func(id string) string {
		if id == "" {
			return fillIn
		}
		return id
	}
	return app.Config{
		PublicURL: strings.TrimRight(c.PublicURL, "/"),
		Entra:     app.Entra{TenantID: known(c.TenantID), ClientID: known(c.ClientID), AzureResources: true, KeepSignIns: true},
		Slack:     app.Slack{AppID: fillIn, TeamID: fillIn},
		Teams:     app.Teams{AppID: known(c.BotID), SingleSignOn: c.SignOn},
		Reviews:   app.Reviews{Enabled: c.Reviews},
	}
}

// place puts all files into dir or none. What is there is never overwritten.
func place(dir string, files []file) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the directory cannot be made: %w", err)
	}
	var there []string
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil {
			there = append(there, f.name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the directory cannot be read: %w", err)
		}
	}
	if len(there) > 0 {
		return fmt.Errorf("%s already holds %s. Nothing was written: choose another directory, or move them away", dir, strings.Join(there, ", "))
	}
	// Written whole beside their places first, then moved there.
	stage, err := os.MkdirTemp(dir, ".belay-init-")
	if err != nil {
		return fmt.Errorf("the files cannot be written: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	for _, f := range files {
		if err := write(filepath.Join(stage, f.name), f); err != nil {
			return fmt.Errorf("the files cannot be written: %w", err)
		}
	}
	for n, f := range files {
		if err := move(filepath.Join(stage, f.name), filepath.Join(dir, f.name)); err != nil {
			errs := []error{fmt.Errorf("the files cannot be put in place: %w", err)}
			for _, done := range files[:n] {
				errs = append(errs, os.Remove(filepath.Join(dir, done.name)))
			}
			return errors.Join(errs...)
		}
	}
	return nil
}

// move links, because a link never replaces a file, unlike a rename; it renames
// where the file system has no links.
func move(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(from, to)
}

func write(path string, f file) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
	if err != nil {
		return err
	}
	if _, err = out.Write(f.data); err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
