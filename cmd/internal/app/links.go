package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
)

// LinkLine is one link in the output of /links/list.
type LinkLine struct {
	Platform  string    `json:"platform"`
	Tenant    string    `json:"tenant"` // Slack team id; Entra tenant id
	User      string    `json:"user"`   // chat user id
	Principal string    `json:"principal"`
	UPN       string    `json:"upn"`
	Linked    time.Time `json:"linked"`
	SignedIn  bool      `json:"signedIn"` // the sign-in can be used now
}

// listLinks names every chat user that is linked.
func listLinks(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	var all []bot.Link
	err := a.sealed.View(ctx, func(tx store.Tx) error {
		var err error
		all, err = a.links.All(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, l := range all {
		live, err := a.people.Live(ctx, l.Principal.ID)
		if err != nil {
			return err
		}
		if err := emit(LinkLine{Platform: string(l.User.Platform), Tenant: l.User.Tenant, User: l.User.ID, Principal: l.Principal.ID,
			UPN: l.Principal.UPN, Linked: l.Linked, SignedIn: live}); err != nil {
			return err
		}
	}
	return nil
}
