package bot

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Mute keeps a false alarm quiet for a while: one detector, about one person or one role.
// What it would have told is in the audit trail all the same.
type Mute struct {
	ID      string                 `json:"id"` // its key
	Kind    Detector               `json:"kind"`
	Subject pim.Principal          `json:"subject"`
	Changed string                 `json:"changed,omitempty"` // what was done to a break-glass account
	Role    pim.EligibleAssignment `json:"role"`
	Owner   Person                 `json:"owner"`
	Alert   string                 `json:"alert"` // from which it was made: where that is told, it can be ended
	Reason  string                 `json:"reason"`
	Made    time.Time              `json:"made"`
	Until   time.Time              `json:"until"`
}

var alertMutes = store.NewBucket[Mute]("alert-mutes")

// muteTimes are for how long something can be muted.
var muteTimes = []time.Duration{4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

// mostMutes is how many mutes one answer lists.
const mostMutes = 10

// muteTimes are for how long one alert can be muted: the use of a break-glass account is too
// grave to be quiet for longer than a day.
func (a Alert) muteTimes() []time.Duration {
	if a.Kind == AlertGlass && a.Changed == "" {
		return muteTimes[:2]
	}
	return muteTimes
}

const fieldHowLong = "for"

// muteKey is what alike alerts have in common: what they are about, and where they are told.
// Who mutes what one channel hears keeps nothing from another one, and who mutes one change of
// a break-glass account neither another one nor its use.
func (b *Bot) muteKey(a Alert) string {
	if a.Kind == AlertGlass {
		return b.o.Pseudonym("mute", string(a.Kind), strings.ToLower(a.Subject.ID), b.o.Notices.reach(a), "did "+a.Changed)
	}
	if a.Subject.ID != "" {
		return b.o.Pseudonym("mute", string(a.Kind), strings.ToLower(a.Subject.ID), b.o.Notices.reach(a))
	}
	return b.o.Pseudonym("mute", string(a.Kind), string(a.Role.Kind), strings.ToLower(a.Role.Role), strings.ToLower(a.Role.Scope), b.o.Notices.reach(a))
}

// muted finds the mute that keeps an alert quiet.
func (b *Bot) muted(tx store.Tx, a Alert, now time.Time) (m Mute, ok bool, err error) {
	m, err = alertMutes.Get(tx, b.muteKey(a))
	return m, err == nil && now.Before(m.Until), ignoreMissing(err)
}

// reach names the places in which an alert is told, whichever groups of the rules the person
// may be in.
func (t Routing) reach(a Alert) string {
	all := t.Groups()
	kinds := [][]string{nil, all}
	for _, g := range all {
		kinds = append(kinds, []string{g})
	}
	var keys []string
	for n, groups := range kinds {
		for _, to := range t.Targets(Happening{Event: NoticeAlert, Severity: a.Severity, Role: a.Role, Groups: groups}) {
			keys = append(keys, strconv.Itoa(n)+" "+to.key())
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

// formTime is how long a form that is good for one place can be sent.
const formTime = 15 * time.Minute

// muteFormID is good for who opened the form, where and when they did: a form that is sent
// does not say where it was opened, and who could read an alert then may not for ever.
func (b *Bot) muteFormID(a actor, id, place, opened string) string {
	return strings.Join([]string{id, opened, place, b.o.Pseudonym("mute form", id, opened, place, a.ID)}, ".")
}

func (b *Bot) placeName(at Conversation) string {
	return b.o.Pseudonym("place", string(placeSlot(at)), strings.ToLower(at.Tenant))
}

// muteForm asks for how long, and why.
func (b *Bot) muteForm(a actor, al Alert, at Conversation) *Form {
	opened := strconv.FormatInt(b.o.Now().Unix(), 36)
	return muteForm(al, b.muteFormID(a, al.ID, b.placeName(at), opened), nil, nil)
}

// submitMute mutes what an alert is about, where it is still told in the place in which the
// form was opened.
func (b *Bot) submitMute(ctx context.Context, in Inbound, a actor, s Submit) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	parts := append(strings.Split(s.ID, "."), "", "", "")
	id, opened, place := parts[0], parts[1], parts[2]
	p := Press{Verb: VerbMute, ID: id}
	if s.ID != b.muteFormID(a, id, place, opened) {
		return b.alertRefused(ctx, in, a, p, Alert{}, bar("not-theirs", sayNotInChannel)), nil
	}
	if since, err := strconv.ParseInt(opened, 36, 64); err != nil || b.o.Now().Sub(time.Unix(since, 0)).Abs() > formTime {
		return b.alertRefused(ctx, in, a, p, Alert{}, refuse(CodeInvalid, sayFormTooOld)), nil
	}
	long, problems := time.Duration(0), map[string]string{}
	reason := strings.TrimSpace(s.Values[fieldReason])
	switch {
	case reason == "":
		problems[fieldReason] = sayMuteWhy
	case utf8.RuneCountInString(reason) > maxReason:
		problems[fieldReason] = sayTooLongText(maxReason)
	}
	var al Alert
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if al, err = getAlert(tx, id); err != nil {
			return err
		}
		if long = al.muteTime(s.Values[fieldHowLong]); long == 0 {
			problems[fieldHowLong] = sayMuteHowLong
		}
		if len(problems) > 0 {
			return nil
		}
		here, err := b.toldAtName(tx, id, place)
		if err != nil {
			return err
		}
		if !here {
			return bar("not-theirs", sayNotInChannel)
		}
		if err := al.notOwn(a); err != nil {
			return err
		}
		if _, already, err := b.muted(tx, al, at); err != nil || already { // the same form twice, or somebody was faster
			return err
		}
		m := Mute{ID: b.muteKey(al), Kind: al.Kind, Subject: al.Subject, Changed: al.Changed, Role: al.Role, Owner: a.Person, Alert: al.ID, Reason: reason, Made: at, Until: at.Add(long)}
		al.Mute = &m
		return errors.Join(alertMutes.Put(tx, m.ID, m), b.putAlert(tx, al),
			b.handled(tx, al, a.Person, string(VerbMute), at, map[string]string{"until": m.Until.Format(time.RFC3339)}))
	})
	switch {
	case err != nil:
		return b.alertRefused(ctx, in, a, p, al, err), nil
	case len(problems) > 0:
		return Reply{Form: muteForm(al, s.ID, map[string]string{fieldHowLong: s.Values[fieldHowLong], fieldReason: cut(reason, maxReason)}, problems), Replace: true}, nil
	}
	b.kick(b.bulletinID(alertPost(al.ID)), true)
	// Where the alert itself changes, that ends the form; else this takes its place.
	return Reply{Card: b.project.alertReply(al, VerbMute), Replace: al.Mute == nil}, nil
}

func (a Alert) muteTime(text string) time.Duration {
	for _, d := range a.muteTimes() {
		if d.String() == text {
			return d
		}
	}
	return 0
}

// unmute ends a mute before its time, from where the alert is told that it was made of.
func (b *Bot) unmute(ctx context.Context, in Inbound, a actor, p Press) Reply {
	var al Alert
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		if p.ID == "" || len(p.ID) > maxID {
			return store.ErrNotFound
		}
		m, err := alertMutes.Get(tx, p.ID)
		if err != nil {
			return err
		}
		al = Alert{Kind: m.Kind, Subject: m.Subject, Role: m.Role}
		here, err := b.toldAt(tx, m.Alert, placeOf(in, p))
		if err != nil {
			return err
		}
		if !here {
			return bar("not-theirs", sayNotInChannel)
		}
		return errors.Join(alertMutes.Delete(tx, p.ID), b.handled(tx, al, a.Person, string(VerbUnmute), at, nil))
	})
	if err != nil {
		return b.alertRefused(ctx, in, a, p, al, err)
	}
	return Reply{Card: plain(Neutral, "Not muted any more", sayUnmuted)}
}

// About names whom or what a mute is about.
func (m Mute) About() string {
	if m.Changed != "" {
		return personName(m.Subject) + ", " + m.Changed
	}
	if m.Subject.ID != "" {
		return personName(m.Subject)
	}
	return roleAt(m.Role)
}

// Mutes lists what is muted now, the soonest to end first.
func (b *Bot) Mutes(ctx context.Context) (all []Mute, err error) {
	now := b.o.Now()
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		return alertMutes.Scan(tx, "", "", func(_ string, m Mute) error {
			if now.Before(m.Until) {
				all = append(all, m)
			}
			return nil
		})
	})
	slices.SortStableFunc(all, func(a, b Mute) int { return a.Until.Compare(b.Until) })
	return all, err
}

// Unmute ends a mute before its time, as e says in the audit trail. The error is
// store.ErrNotFound when there is none.
func (b *Bot) Unmute(ctx context.Context, id string, e trail.Event) error {
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		if id == "" || len(id) > maxID {
			return store.ErrNotFound
		}
		m, err := alertMutes.Get(tx, id)
		if err != nil {
			return err
		}
		e.Subject, e.Reason, e.Role = m.Subject.ID, string(m.Kind), alertRole(Alert{Role: m.Role})
		return errors.Join(alertMutes.Delete(tx, id), b.o.Trail.Append(tx, e))
	})
}

// sweepMutes forgets what has ended. There are few.
func (b *Bot) sweepMutes(ctx context.Context) error {
	now := b.o.Now()
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		var old []string
		err := alertMutes.Scan(tx, "", "", func(key string, m Mute) error {
			if !now.Before(m.Until) {
				old = append(old, key)
			}
			return nil
		})
		for _, key := range old {
			err = errors.Join(err, alertMutes.Delete(tx, key))
		}
		return err
	})
}

// dropMuteReasons drops what a person wrote when they muted something, and says whether
// there was anything.
func dropMuteReasons(tx store.Tx, whose Whose) (any bool, err error) {
	var mutes []Mute
	err = alertMutes.Scan(tx, "", "", func(_ string, m Mute) error {
		if m.Reason != "" && whose.is(m.Owner.ID) {
			mutes = append(mutes, m)
		}
		return nil
	})
	for _, m := range mutes {
		m.Reason = ""
		err = errors.Join(err, alertMutes.Put(tx, m.ID, m))
	}
	var told []Alert
	err = errors.Join(err, alerts.Scan(tx, "", "", func(_ string, a Alert) error {
		if a.Mute != nil && a.Mute.Reason != "" && whose.is(a.Mute.Owner.ID) {
			told = append(told, a)
		}
		return nil
	}))
	for _, a := range told {
		bare := *a.Mute
		bare.Reason, a.Mute = "", &bare
		err = errors.Join(err, alerts.Put(tx, a.ID, a))
	}
	return len(mutes)+len(told) > 0, err
}
