package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
)

// soonDrift is how old the last reading may be, however often the tenant is read: one that
// fails once, or takes long, alarms nobody.
const soonDrift = time.Hour

// driftLate says that what the baseline was compared with last is too old to say that the
// tenant is as it was accepted.
func (b *Bot) driftLate(s Baseline) bool {
	if b.o.Drift == nil {
		return !s.Read.IsZero()
	}
	since := maxTime(s.Read, s.Begun)
	return !since.IsZero() && b.o.Now().Sub(since) > max(3*b.o.Drift.Every, soonDrift)
}

// CheckDrift tells the channels where nothing was compared for too long, or is not any more:
// silence would look as if everything was as it was accepted. The next reading that is taken
// in says that it has ended.
func (b *Bot) CheckDrift(ctx context.Context) error {
	var state Baseline
	read := func(tx store.Tx) (err error) {
		state, err = driftState.Get(tx, driftStateKey)
		return ignoreMissing(err)
	}
	if err := b.o.Store.View(ctx, read); err != nil {
		return err
	}
	b.o.Metrics.driftRead(state.Read)
	if !b.driftLate(state) && !b.driftBegins(state) || !state.Stale.IsZero() {
		return nil
	}
	now := b.o.Now().UTC()
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		err := read(tx)
		late, begins := b.driftLate(state), b.driftBegins(state)
		switch {
		case err != nil, !state.Stale.IsZero():
			return err
		case begins:
			state.Begun = now
		case late:
			state.Stale = now
			err = b.post(tx, stalePost(now, staleCard(state, b.o.Drift == nil)))
		}
		return errors.Join(err, driftState.Put(tx, driftStateKey, state))
	})
}

// driftBegins says that a reading was tried, and none was taken in yet.
func (b *Bot) driftBegins(s Baseline) bool {
	return b.o.Drift != nil && s.Read.IsZero() && s.Begun.IsZero()
}

func stalePost(since time.Time, c Card) Bulletin {
	return Bulletin{ID: driftPost("stale/" + since.Format(time.RFC3339Nano)), Event: NoticeDrift, Severity: High, Card: c, At: since}
}

// driftWatches says that the settings of a pillar are compared for every role, so that no
// alert has to be made of them as well.
func (b *Bot) driftWatches(tx store.Tx, k pim.Kind) (bool, error) {
	if b.o.Drift == nil || k != pim.EntraRole {
		return false, nil
	}
	state, err := driftState.Get(tx, driftStateKey)
	if err != nil || slices.Contains(state.Parts, posture.RoleSettings) || b.driftLate(state) {
		return false, ignoreMissing(err)
	}
	_, err = driftBase.Get(tx, b.driftKey(drift.RoleSettingsCovered()))
	return err == nil, ignoreMissing(err)
}

// driftAccepted are the settings of a role as the baseline has them, so that an alert has
// something to compare with once nothing else does. What the baseline does not know is as
// it is now.
func (b *Bot) driftAccepted(tx store.Tx, now Settings) (then Settings, known bool, err error) {
	e, err := driftBase.Get(tx, b.driftKey(drift.Entry{What: drift.Setting, Kind: now.Role.Kind, Role: now.Role.Role, Scope: now.Role.Scope}.Key()))
	if err != nil {
		return now, false, ignoreMissing(err)
	}
	then = now
	for _, v := range e.Values {
		yes := v.Text == drift.Yes
		switch v.Name {
		case drift.MaxDuration:
			if d, err := pim.ParseDuration(v.Text); err == nil {
				then.MaxDuration = d
			}
		case drift.MFA:
			then.MFA = yes
		case drift.Justification:
			then.Justification = yes
		case drift.Approval:
			then.Approval = yes
		case drift.AuthContext:
			if then.AuthContext = v.Text; v.Text == drift.None {
				then.AuthContext = ""
			}
		}
	}
	return then, true, nil
}
