package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store"
)

// DriftState is the first line of the output of /drift/show.
type DriftState struct {
	Enabled  bool      `json:"enabled"`
	Read     time.Time `json:"read,omitzero"` // when the tenant was read last
	Late     bool      `json:"late"`          // … and that is too long ago to say anything
	Accepted bool      `json:"accepted"`      // somebody accepted the first baseline
	Unseen   []string  `json:"unseen"`        // what could not be seen then
}

// DriftLine is each line after it: something that is not as it was accepted.
type DriftLine struct {
	ID     string            `json:"id"`
	What   string            `json:"what"`
	Found  time.Time         `json:"found"`
	Weaker bool              `json:"weaker"`
	Fields []drift.Different `json:"fields,omitempty"`
	Before *drift.Entry      `json:"before,omitempty"`
	After  *drift.Entry      `json:"after,omitempty"`
	By     []pim.Principal   `json:"by,omitempty"`
	First  pim.Principal     `json:"first,omitzero"` // who accepted it as the first of two
}

func showDrift(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	state, open, err := a.bot.Drifts(ctx)
	if err != nil {
		return err
	}
	if err := emit(DriftState{Enabled: a.cfg.Drift.Enabled, Read: state.Read, Late: state.Late, Accepted: state.Accepted, Unseen: state.Unseen}); err != nil {
		return err
	}
	for _, d := range open {
		if d.Many != nil { // each of them has a line
			continue
		}
		l := DriftLine{ID: d.ID, What: d.Title(), Found: d.Found, Weaker: d.Weaker, Fields: d.Change.Fields, Before: d.Change.Before, After: d.Change.After, By: d.By, First: d.One}
		if err := emit(l); err != nil {
			return err
		}
	}
	return nil
}

// DriftBaseline is the output of /drift/export: what was accepted.
type DriftBaseline struct {
	Accepted bool            `json:"accepted"`
	Text     json.RawMessage `json:"baseline"`
}

func exportDrift(ctx context.Context, a *App, by operator, _ json.RawMessage, emit func(any) error) error {
	base, err := a.bot.DriftBaseline(ctx)
	if err != nil {
		return err
	}
	if len(base) == 0 {
		return &OperationError{Refused: true, Message: "there is no baseline yet: it is made at the first reading of a Belay that serves with drift.enabled"}
	}
	state, _, err := a.bot.Drifts(ctx)
	if err != nil {
		return err
	}
	text, err := drift.Text(a.cfg.Entra.TenantID, base)
	if err != nil {
		return err
	}
	// It holds names, and leaves the store: the audit trail hears of it first.
	err = a.sealed.Update(ctx, func(tx store.Tx) error { return a.trail.Append(tx, by.event("drift export", a.now().UTC())) })
	if err != nil {
		return err
	}
	return emit(DriftBaseline{Accepted: state.Accepted, Text: text})
}

// DriftAcceptance is one line of the output of /drift/history.
type DriftAcceptance struct {
	bot.Acceptance
	What string `json:"what"`
}

func driftHistory(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	return a.bot.DriftHistory(ctx, func(h bot.Acceptance) error { return emit(DriftAcceptance{h, h.Title()}) })
}
