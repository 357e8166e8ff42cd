package app

import (
	"context"
	"encoding/json"
	"fmt"
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
		line := lineOf(l)
		if line.SignedIn, err = a.people.Live(ctx, l.Principal.ID); err != nil {
			return err
		}
		if err := emit(line); err != nil {
			return err
		}
	}
	return nil
}

func lineOf(l bot.Link) LinkLine {
	return LinkLine{Platform: string(l.User.Platform), Tenant: l.User.Tenant, User: l.User.ID, Principal: l.Principal.ID, UPN: l.Principal.UPN, Linked: l.Linked}
}

// RevokeLinks is the input of /links/revoke: a person, or everybody.
type RevokeLinks struct {
	Who string `json:"who,omitempty"` // chat user id, Entra object id or user principal name
	All bool   `json:"all,omitempty"`
}

// RevokeLine is one line of the output of /links/revoke: a link that ended, or, at the end
// of everybody's, how many sign-ins were forgotten.
type RevokeLine struct {
	Link    *LinkLine `json:"link,omitempty"`
	Signins int       `json:"signins,omitempty"`
}

// revokeLinks ends links with their sign-ins and with what is owed in their people's names.
// Each person is one transaction, with the command in the audit trail; what was done when
// it breaks off stays done, and the same again does the rest.
func revokeLinks(ctx context.Context, a *App, by operator, in json.RawMessage, emit func(any) error) error {
	given, err := input[RevokeLinks](in)
	if err != nil {
		return err
	}
	if given.All == (given.Who != "") {
		return refused("say whose links are to end: one person's, or everybody's")
	}
	var found []bot.Link
	left := 0
	command := by.event("links revoke", a.now())
	if given.All {
		command.Verb = "links revoke-all"
	}
	if given.All { // the sign-ins first: nothing more is done in anybody's name
		if left, err = a.people.ForgetAll(ctx, bot.EndedByOperator); err != nil {
			return err
		}
	}
	err = a.sealed.Update(ctx, func(tx store.Tx) (err error) {
		if !given.All {
			found, err = a.links.Whom(tx, given.Who)
			return err
		}
		if found, err = a.links.All(tx); err != nil {
			return err
		}
		return a.trail.Append(tx, command)
	})
	switch {
	case err != nil:
		return err
	case len(found) == 0 && !given.All:
		return refused("nobody is linked by that name; belay links list names them by chat user and by object id")
	}
	record := &command
	if given.All {
		record = nil // it is on record
	}
	done := map[string]bool{}
	for _, l := range found {
		if done[l.Principal.ID] {
			continue
		}
		done[l.Principal.ID] = true
		ended, err := a.bot.RevokeLinks(ctx, l.Principal, command.Actor, record)
		if err != nil {
			return err
		}
		for _, e := range ended {
			line := lineOf(e)
			if err := emit(RevokeLine{Link: &line}); err != nil {
				return err
			}
		}
	}
	if given.All {
		return emit(RevokeLine{Signins: left})
	}
	return nil
}

// dropSignIns forgets the sign-ins of a time when they were kept.
func (a *App) dropSignIns(ctx context.Context) error {
	n, err := a.people.ForgetAll(ctx, "not kept any more")
	if err != nil {
		return fmt.Errorf("the sign-ins that were kept before cannot be forgotten: %w", err)
	}
	if n > 0 {
		a.log.Info("sign-ins that were kept before were forgotten", "records", n)
	}
	return nil
}
