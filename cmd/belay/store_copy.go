package main

import (
	"fmt"

	"github.com/belaybot/belay/cmd/internal/app"
)

type storeCopy struct {
	configured
	From string `required:"" enum:"bolt" help:"bolt: the file in the data directory."`
	To   string `required:"" enum:"postgres" help:"postgres: the empty database of store.postgres_url."`
	JSON bool   `help:"As one JSON object."`
}

// Run copies.
func (c *storeCopy) Run(i *invocation) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	line, err := app.CopyStore(i.ctx, cfg)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(i.stdout, line)
	}
	_, err = fmt.Fprintf(i.stdout, "%d records were copied and read back, digest %s.\nThe file is now %s: keep it until the first backup of the database. Give the key file to every replica, and start them.\n",
		line.Records, line.Digest, line.From)
	return err
}
