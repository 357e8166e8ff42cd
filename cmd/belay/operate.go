package main

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/belaybot/belay/cmd/internal/app"
)

// configured is the flag of every command that works on the store.
type configured struct {
	Config string `required:"" type:"path" placeholder:"FILE" help:"The configuration of the Belay whose store it is, as for serve."`
}

// operate has an operation done and gives each line of its output to each.
func operate[T any](i *invocation, c configured, path string, in any, each func(T) error) error {
	cfg, err := app.Load(c.Config, i.environ)
	if err != nil {
		return err
	}
	return app.Operate(i.ctx, cfg, i.warnings(), path, in, func(line json.RawMessage) error {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return fmt.Errorf("the Belay that serves is another version: its answer cannot be read: %w", err)
		}
		return each(v)
	})
}

// warnings is the log of a command that opens the store itself.
func (i *invocation) warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(i.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
