package bot

import (
	"cmp"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Settings are what a role's policy demands of who activates it, as it is compared.
type Settings struct {
	Role          pim.Assignment `json:"role"`
	MaxDuration   time.Duration  `json:"maxDuration"`
	Justification bool           `json:"justification"`
	MFA           bool           `json:"mfa"` // or more: an authentication context
	AuthContext   string         `json:"authContext,omitempty"`
	Approval      bool           `json:"approval"`
}

// accepted are the settings of a role that somebody accepted, or that were seen first.
type accepted struct {
	Settings
	At   time.Time `json:"at"`
	Weak string    `json:"weak,omitempty"` // digest of the weaker ones that an alert told of
	// Told counts the times at which they became weaker, so that each is an alert of its own.
	Told int `json:"told,omitempty"`
}

var acceptedSettings = store.NewBucket[accepted]("settings-accepted") // kind, role and scope

func settingsOf(a pim.Assignment, p pim.Policy) Settings {
	if a.Kind == pim.EntraRole {
		a.Scope = "" // a directory role has one policy for all its scopes
	}
	return Settings{Role: a, MaxDuration: p.MaxDuration, Justification: p.Justification, MFA: p.MFA || p.AuthContext != "", AuthContext: p.AuthContext, Approval: p.Approval}
}

// weaker lists in what s demands less than then did: what, before and after.
func (s Settings) weaker(then Settings) (facts []Fact) {
	add := func(less bool, name, before, after string) {
		if less {
			facts = append(facts, Fact{Name: name, Value: before + " → " + after})
		}
	}
	add(then.MFA && !s.MFA, "Multi-factor authentication", "required", "not required")
	add(then.AuthContext != "" && s.AuthContext != then.AuthContext, "Authentication context", then.AuthContext, cmp.Or(s.AuthContext, "none")) // which of two is the stronger cannot be seen
	add(then.Approval && !s.Approval, "Approval", "required", "not required")
	add(then.Justification && !s.Justification, "Justification", "required", "not required")
	add(s.MaxDuration > then.MaxDuration, "Longest activation", sayDuration(then.MaxDuration), sayDuration(s.MaxDuration))
	return facts
}

func (s Settings) digest() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic("settings always marshal: " + err.Error()) // strings, numbers and truth values only
	}
	return hashed(string(text))
}

func (b *Bot) settingsKey(a pim.Assignment) string {
	return b.o.Pseudonym("settings", string(a.Kind), strings.ToLower(a.Role), strings.ToLower(a.Scope))
}

// checkPolicy compares a policy that was read with the accepted one. What was never seen
// is accepted as it is, and so is what demands more, or the same. A policy that was not
// read has no longest duration.
func (b *Bot) checkPolicy(tx store.Tx, r Request, p pim.Policy, at time.Time) error {
	if p.MaxDuration == 0 {
		return nil
	}
	if watched, err := b.driftWatches(tx, r.Role.Kind); err != nil || watched {
		return err // one of the two tells
	}
	now := settingsOf(r.Role.Assignment, p)
	key := b.settingsKey(now.Role)
	then, err := acceptedSettings.Get(tx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	first := err != nil
	if first { // while something else told of it nothing was kept here
		s, known, err := b.driftAccepted(tx, now)
		if err != nil {
			return err
		}
		first, then = !known, accepted{Settings: s, At: at}
	}
	less := now.weaker(then.Settings)
	switch {
	case first || len(less) == 0 && (then.Settings != now || then.Weak != ""):
		return acceptedSettings.Put(tx, key, accepted{Settings: now, At: at, Told: then.Told})
	case len(less) == 0 || then.Weak == now.digest():
		return nil
	}
	then.Weak, then.Told = now.digest(), then.Told+1
	d := weakened(r, now, then, less)
	m, muted, err := b.muted(tx, d.Alert, at)
	if err != nil {
		return err
	}
	if muted { // it is told when that has ended, and the trail hears of it now
		d.cause += "/" + m.ID
		return b.raise(tx, d, at)
	}
	if err := acceptedSettings.Put(tx, key, then); err != nil {
		return err
	}
	return b.raise(tx, d, at)
}

func weakened(r Request, now Settings, then accepted, less []Fact) detection {
	a := Alert{Kind: AlertWeakened, Severity: High, Role: r.Role, Request: r.ID, Reason: sayWeakened, Accepts: &now,
		Evidence: append(less, Fact{Name: "Accepted", At: then.At})}
	return detection{Alert: a, cause: strings.ToLower(now.Role.Role+"/"+now.Role.Scope) + "/" + strconv.Itoa(then.Told) + "/" + now.digest()}
}

// accept makes settings that were told of the accepted ones, unless others were read since.
func (b *Bot) accept(tx store.Tx, s Settings, at time.Time) error {
	key := b.settingsKey(s.Role)
	then, err := acceptedSettings.Get(tx, key)
	if err = ignoreMissing(err); err != nil || then.Weak != s.digest() {
		return err
	}
	return acceptedSettings.Put(tx, key, accepted{Settings: s, At: at, Told: then.Told})
}
