package app

import (
	"context"
	"errors"

	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
)

// SamplePosture keeps days that nobody read, in a store that has none: the sandbox shows a
// trend with them. Nothing else calls it.
func (a *App) SamplePosture(ctx context.Context, days []posture.Day) error {
	return a.sealed.Update(ctx, func(tx store.Tx) error {
		some := false
		err := postureBucket.Scan(tx, "", "", func(string, posture.Day) error {
			some = true
			return store.Stop
		})
		if err != nil || some {
			return err
		}
		for _, d := range days {
			err = errors.Join(err, postureBucket.Put(tx, d.Day, d))
		}
		return err
	})
}
