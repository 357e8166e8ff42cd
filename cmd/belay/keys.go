package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
)

type keysCommand struct {
	Make   keysMake   `cmd:"" help:"Make the key file that replicas on PostgreSQL are to share, before the first of them starts."`
	List   keysList   `cmd:"" help:"Name the keys that seal the store, and how many records each sealed."`
	Rotate keysRotate `cmd:"" help:"Make a new key and seal everything with it, without a stop."`
	Prune  keysPrune  `cmd:"" help:"Remove the keys that no record needs."`
	Wrap   keysWrap   `cmd:"" help:"Let Azure Key Vault (keys.vault_key) wrap the key file."`
	Unwrap keysUnwrap `cmd:"" help:"Take the key file out of Azure Key Vault again."`
}

type keysMake struct {
	File string `arg:"" type:"path" help:"Where the keys are written. It is not replaced."`
}

// Run makes a key file.
func (c *keysMake) Run(*invocation) error {
	if _, err := os.Lstat(c.File); !errors.Is(err, fs.ErrNotExist) {
		return refusedInput("%s is there already, and is not replaced", c.File)
	}
	_, err := store.LoadOrCreateKeyFile(c.File)
	return err
}

type keysList struct {
	configured
	JSON bool `help:"One JSON object a line."`
}

// Run lists the keys.
func (c *keysList) Run(i *invocation) error {
	table := tabwriter.NewWriter(i.stdout, 0, 0, 2, ' ', 0)
	if !c.JSON {
		fmt.Fprintln(table, "KEY\tSEALS\tMADE\tRECORDS\tKEPT IN")
	}
	err := operate(i, c.configured, "/keys/list", struct{}{}, func(k app.KeyLine) error {
		if c.JSON {
			return json.NewEncoder(i.stdout).Encode(k)
		}
		seals, made := "no", "unknown"
		if k.Primary {
			seals = "yes"
		}
		if !k.Made.IsZero() {
			made = k.Made.Format(time.RFC3339)
		}
		_, err := fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", k.ID, seals, made, k.Records, k.Kept)
		return err
	})
	if err != nil {
		return err
	}
	return table.Flush()
}

type keysRotate struct {
	configured
	JSON bool `help:"As one JSON object."`
}

// Run rotates the keys.
func (c *keysRotate) Run(i *invocation) error {
	return operate(i, c.configured, "/keys/rotate", struct{}{}, func(r app.RotateLine) error {
		if c.JSON {
			return json.NewEncoder(i.stdout).Encode(r)
		}
		said := fmt.Sprintf("The key %s seals from now on. %d records were sealed anew with it; `belay keys prune` removes the keys before it.", r.ID, r.Records)
		if r.Serving {
			said = fmt.Sprintf("The key %s seals from now on. The Belay that serves seals the older records anew; `belay keys list` shows how far it is, and `belay keys prune` removes the keys before it afterwards.", r.ID)
		}
		_, err := fmt.Fprintln(i.stdout, said)
		return err
	})
}

type keysPrune struct {
	configured
	JSON bool `help:"As one JSON object."`
}

// Run removes keys.
func (c *keysPrune) Run(i *invocation) error {
	return operate(i, c.configured, "/keys/prune", struct{}{}, func(p app.PruneLine) error {
		if c.JSON {
			return json.NewEncoder(i.stdout).Encode(p)
		}
		said := fmt.Sprintf("%d older keys were removed. A backup of the database from before needs the key file from then.", p.Removed)
		if p.Removed == 0 {
			said = "There is no older key to remove."
		}
		_, err := fmt.Fprintln(i.stdout, said)
		return err
	})
}

type keysWrap struct{ configured }

// Run wraps the key file.
func (c *keysWrap) Run(i *invocation) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	if err := app.WrapKeys(i.ctx, cfg, i.warnings()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(i.stdout, "The vault wraps the key file now. Start Belay anew with this configuration. Copies of the file from before hold the keys in the clear: run `belay keys rotate` and `belay keys prune`, then destroy them.")
	return err
}

type keysUnwrap struct{ configured }

// Run unwraps the key file.
func (c *keysUnwrap) Run(i *invocation) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	if err := app.UnwrapKeys(i.ctx, cfg, i.warnings()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(i.stdout, "The key file lies there as it is now, with mode 0600. Take keys.vault_key out of the configuration and start Belay anew.")
	return err
}
