package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/pim/graph"
	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
)

// Drift says whether, how often and of what the tenant is compared with what was accepted;
// see docs/drift.md.
type Drift struct {
	Enabled bool          `koanf:"enabled" doc:"Compare the tenant's settings and assignments with what was accepted, and tell the security channels of each change. See docs/drift.md."`
	Every   time.Duration `koanf:"every" default:"5m" doc:"How often the tenant is read for it, 1m to 24h, from begin to begin. A tenant with thousands of groups takes longer than the default."`
	Pillars []string      `koanf:"pillars" default:"entra,groups,azure" doc:"What is compared: entra, groups, azure. Azure at the places of posture.azure_scopes."`
}

func (v *validator) drift(c Config) {
	d := c.Drift
	if !d.Enabled {
		return
	}
	v.check("drift.every", d.Every >= shortestDrift && d.Every <= 24*time.Hour, "must be between 1m and 24h")
	v.check("drift.pillars", len(d.Pillars) > 0, "names nothing; to compare nothing, leave drift.enabled out")
	for n, name := range d.Pillars {
		_, ok := pillarNames[name]
		v.check(fmt.Sprintf("drift.pillars[%d]", n), ok, "must be entra, groups or azure")
	}
	v.check("security.viewers", len(c.Security.Viewers) > 0, "names nobody, so that nobody could accept what drift tells of")
}

// shortestDrift is what a reading, which is many calls, takes at the least.
const shortestDrift = time.Minute

// watches says whether a pillar is compared.
func (d Drift) watches(k pim.Kind) bool {
	return slices.ContainsFunc(d.Pillars, func(name string) bool { return pillarNames[name] == k })
}

// drifting is what the bot is told; nil: nothing is compared.
func (c Config) drifting(roles *graph.Client) *bot.Drifting {
	if !c.Drift.Enabled {
		return nil
	}
	return &bot.Drifting{Every: c.Drift.Every, Edits: map[pim.Kind]bot.Edits{pim.EntraRole: roles, pim.Group: roles.Groups()}}
}

// readDrift reads what is compared.
func (c Config) readDrift(ctx context.Context, client *http.Client, log *slog.Logger, now func() time.Time) (drift.Reading, error) {
	src, err := c.postureSources(client, log, now)
	if err != nil {
		return drift.Reading{}, err
	}
	look := drift.Look{Scopes: src.Scopes}
	for _, name := range c.Drift.Pillars {
		if k := pillarNames[name]; k != pim.AzureResource || src.Azure != nil {
			look.Pillars = append(look.Pillars, k)
		}
	}
	if !c.Drift.watches(pim.Group) {
		src.Groups = nil
	}
	if !c.Drift.watches(pim.AzureResource) {
		src.Azure = nil
	}
	s, err := posture.ReadAccess(ctx, src)
	return drift.Take(s, look), err
}

// driftTurn is one replica's right to read the tenant, and when that is due again.
type driftTurn struct {
	Owner string    `json:"owner,omitempty"` // who reads; empty: nobody
	Until time.Time `json:"until,omitzero"`  // … at the latest
	Next  time.Time `json:"next"`
}

var driftTurns = store.NewBucket[driftTurn]("drift-turn")

// A reading may take oneDrift. Who reads says so again and again, so that another replica
// goes on a driftLease after that one was killed; where both read after all, what is told is
// told once.
const (
	oneDrift   = 30 * time.Minute
	driftLease = 2 * time.Minute
	holdDrift  = 30 * time.Second
)

// watchDrift compares the tenant with what was accepted, by one replica at a time.
func (a *App) watchDrift(ctx context.Context) {
	if !a.cfg.Drift.Enabled {
		a.checkDrift(ctx)
		return
	}
	look := time.NewTicker(min(a.cfg.Drift.Every, 5*time.Second))
	defer look.Stop()
	for {
		tried, err := a.drifted(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Error("the tenant could not be compared with what was accepted; tried again", "error", err)
		}
		if tried {
			a.checkDrift(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// checkDrift has the channels told where nothing is compared any more.
func (a *App) checkDrift(ctx context.Context) {
	if err := a.bot.CheckDrift(ctx); err != nil && ctx.Err() == nil {
		a.log.Error("whether the tenant is compared with what was accepted could not be looked at", "error", err)
	}
}

// drifted reads the tenant and takes that in, if it is this replica's turn. It says whether
// it did.
func (a *App) drifted(ctx context.Context) (bool, error) {
	mine, err := a.driftTurn(ctx)
	if err != nil || !mine {
		return false, err
	}
	held, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.holdDriftTurn(held)
	}()
	begun := time.Now() // how long it takes is no matter of what time it is
	err = a.compare(ctx)
	stop()
	<-done
	return true, errors.Join(err, a.endDriftTurn(context.WithoutCancel(ctx), time.Since(begun)))
}

// holdDriftTurn keeps the turn until ctx ends. Where it cannot, another replica reads too.
func (a *App) holdDriftTurn(ctx context.Context) {
	again := time.NewTicker(holdDrift)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		err := a.sealed.Update(ctx, func(tx store.Tx) error {
			t, err := driftTurns.Get(tx, "turn")
			if err != nil || t.Owner != a.owner {
				return err
			}
			t.Until = a.now().UTC().Add(driftLease)
			return driftTurns.Put(tx, "turn", t)
		})
		if err != nil && ctx.Err() == nil {
			a.log.Warn("the turn to read the tenant could not be kept", "error", err)
		}
	}
}

// driftTurn takes the turn, where it is time to and no other replica has it.
func (a *App) driftTurn(ctx context.Context) (mine bool, err error) {
	now := a.now().UTC()
	err = a.sealed.Update(ctx, func(tx store.Tx) error {
		mine = false
		t, err := driftTurns.Get(tx, "turn")
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return err
		case t.Owner == "" && now.Before(t.Next):
			return nil
		case t.Owner != "" && t.Owner != a.owner && now.Before(t.Until):
			return nil
		}
		mine = true // also where an earlier process of this one, or another one, was killed with it
		return driftTurns.Put(tx, "turn", driftTurn{Owner: a.owner, Until: now.Add(driftLease), Next: now.Add(a.cfg.Drift.Every)})
	})
	return mine, err
}

// endDriftTurn gives the turn back. A reading that takes long leaves the tenant in peace for
// as long: half of the time at the least belongs to whoever asks for a role.
func (a *App) endDriftTurn(ctx context.Context, took time.Duration) error {
	now := a.now().UTC()
	return a.sealed.Update(ctx, func(tx store.Tx) error {
		t, err := driftTurns.Get(tx, "turn")
		if err != nil || t.Owner != a.owner {
			return err
		}
		return driftTurns.Put(tx, "turn", driftTurn{Next: laterOf(t.Next, now.Add(took))})
	})
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (a *App) compare(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, oneDrift)
	defer cancel()
	r, err := a.cfg.readDrift(limited, a.outside, a.log, a.now)
	if err == nil {
		err = a.bot.TakeDrift(limited, r, a.viewers(limited))
	}
	return errors.Join(err, a.bot.NameDrift(limited))
}

// viewers are the object ids of everybody whom security.viewers names. Whom it names
// directly does not hang on whether groups can be read.
func (a *App) viewers(ctx context.Context) (ids []string) {
	for _, id := range a.cfg.Security.Viewers {
		ids = append(ids, strings.ToLower(id))
		in, err := a.members(ctx, id)
		if err != nil && pim.CodeOf(err) != pim.CodeNotFound { // a person is no group
			a.log.Warn("a group of security.viewers cannot be read: its members cannot accept changes now", "id", id, "error", err)
		}
		for _, member := range in {
			ids = append(ids, strings.ToLower(member))
		}
	}
	return ids
}
