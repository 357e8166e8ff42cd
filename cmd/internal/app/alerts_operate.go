package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/belaybot/belay/store"
)

// MuteLine is one mute in the output of /alerts/mutes.
type MuteLine struct {
	ID       string    `json:"id"`
	Detector string    `json:"detector"`
	About    string    `json:"about"`             // a person, or a role
	Person   string    `json:"person,omitempty"`  // their object id
	Owner    string    `json:"owner"`             // who muted it
	OwnerID  string    `json:"ownerId,omitempty"` // their object id
	Reason   string    `json:"reason"`
	Made     time.Time `json:"made"`
	Until    time.Time `json:"until"`
}

// listMutes names what is muted.
func listMutes(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	all, err := a.bot.Mutes(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := emit(MuteLine{ID: m.ID, Detector: string(m.Kind), About: m.About(), Person: m.Subject.ID, Owner: m.Owner.Name, OwnerID: m.Owner.ID,
			Reason: m.Reason, Made: m.Made, Until: m.Until}); err != nil {
			return err
		}
	}
	return nil
}

// Unmute is the input of /alerts/unmute.
type Unmute struct {
	ID string `json:"id"`
}

// unmute ends one mute before its time.
func unmute(ctx context.Context, a *App, by operator, in json.RawMessage, _ func(any) error) error {
	given, err := input[Unmute](in)
	if err != nil {
		return err
	}
	err = a.bot.Unmute(ctx, given.ID, by.event("alerts unmute", a.now()))
	if errors.Is(err, store.ErrNotFound) {
		return refused("nothing is muted by that id; belay alerts mutes lists what is")
	}
	return err
}
