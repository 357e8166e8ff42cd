package bot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Detector names what finds something unusual; docs/alerts.md tells of each.
type Detector string

// The detectors.
const (
	AlertHours      Detector = "outside-hours"   // an activation outside business hours
	AlertPerson     Detector = "person-burst"    // several activations of a person in a short time
	AlertRole       Detector = "role-burst"      // several activations of a role in a short time
	AlertDenied     Detector = "denied"          // activations of a person that were denied
	AlertHasty      Detector = "hasty-approver"  // decisions within seconds, again and again
	AlertUnanswered Detector = "unanswered"      // nobody answers a request
	AlertWeakened   Detector = "policy-weakened" // a role's settings demand less than was accepted
	AlertOutside    Detector = "outside-pim"     // an assignment was made without PIM
	AlertPlace      Detector = "unusual-place"   // an activation after a sign-in from an unusual place
	AlertGlass      Detector = "break-glass"     // a break-glass account was used or changed
)

// Detectors are all of them, in the order of docs/alerts.md.
var Detectors = []Detector{AlertHours, AlertPerson, AlertRole, AlertDenied, AlertHasty, AlertUnanswered, AlertWeakened, AlertOutside, AlertPlace, AlertGlass}

// Alert is something unusual that was found: one document, made in the transaction of
// whatever caused it. The same cause makes one.
type Alert struct {
	ID       string                 `json:"id"` // pseudonym of the cause
	Kind     Detector               `json:"kind"`
	Severity Severity               `json:"severity"`
	Subject  pim.Principal          `json:"subject"`           // whom it is about; without an ID: nobody
	Unowned  bool                   `json:"unowned,omitempty"` // that is an account behind which there is nobody to ask
	Changed  string                 `json:"changed,omitempty"` // what was done to an account
	Role     pim.EligibleAssignment `json:"role"`
	Request  string                 `json:"request,omitempty"` // Belay's id
	Reason   string                 `json:"reason"`            // a sentence: what is unusual
	Evidence []Fact                 `json:"evidence"`
	Made     time.Time              `json:"made"`

	Muted        string        `json:"muted,omitempty"` // the mute that kept it quiet
	Mute         *Mute         `json:"mute,omitempty"`  // that somebody made of it
	Acknowledged pim.Principal `json:"acknowledged,omitzero"`
	At           time.Time     `json:"at,omitzero"` // … when
	Asked        pim.Principal `json:"asked,omitzero"`
	AskedAt      time.Time     `json:"askedAt,omitzero"`
	Unreached    time.Time     `json:"unreached,omitzero"` // they could not be asked; zero again when somebody tries anew
	Asks         int           `json:"asks,omitempty"`     // how often that was tried before
	Answer       Answer        `json:"answer,omitempty"`
	AnsweredAt   time.Time     `json:"answeredAt,omitzero"`
	// Accepts are the settings that acknowledging a weakened policy accepts, and of which role.
	Accepts *Settings `json:"accepts,omitempty"`
}

// Answer is what the person says to "Was this you?".
type Answer string

// The answers.
const (
	AnswerMe    Answer = "me"
	AnswerNotMe Answer = "not-me"
)

// The buckets of alerts. Keys hold no personal identifier.
var (
	alerts     = store.NewBucket[Alert]("alerts")         // id → the document
	alertsOpen = store.NewBucket[struct{}]("alerts-open") // id, of those that nobody acknowledged
	alertsAge  = store.NewBucket[struct{}]("alerts-age")  // time made + id, to forget them
)

// AlertRules are the thresholds of the detectors. A detector that is off finds nothing.
type AlertRules struct {
	Off             []Detector
	Hours           WorkHours
	PersonBurst     Often
	RoleBurst       Often
	Denied          Often
	Hasty           Often
	HastyWithin     time.Duration // of the moment at which the request began to wait
	UnansweredAfter time.Duration // that it began to wait
	PlaceDays       int           // a country from which nobody signed in for so long is unusual
	PlaceWithin     time.Duration // how long before an activation such a sign-in matters
	BreakGlass      []string      // object ids of accounts for emergencies
}

// on says whether a detector is to be heard. There are none without rules.
func (a *AlertRules) on(d Detector) bool { return a != nil && !slices.Contains(a.Off, d) }

// detection is what a detector found: an alert to be made, once for its cause.
type detection struct {
	Alert
	cause string
}

// raise makes an alert of a detection, unless its cause made one before.
func (b *Bot) raise(tx store.Tx, d detection, at time.Time) error {
	a := d.Alert
	a.ID, a.Made = b.o.Pseudonym("alert", string(a.Kind), d.cause), at
	switch _, err := alerts.Get(tx, a.ID); {
	case err == nil:
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	m, muted, err := b.muted(tx, a, at)
	if err != nil {
		return err
	}
	if muted {
		a.Muted = m.ID
	} else if err := alertsOpen.Put(tx, a.ID, struct{}{}); err != nil {
		return err
	}
	if err := alertsAge.Put(tx, dueKey(at, a.ID), struct{}{}); err != nil {
		return err
	}
	e := trail.Event{At: at, Kind: trail.Alerted, Outcome: trail.OK, Actor: trail.Actor{Platform: fromBelay}, Subject: a.Subject.ID,
		Request: a.Request, Verb: string(a.Kind), Role: alertRole(a)}
	if muted {
		e.Reason = "muted"
	}
	if err := b.o.Trail.Append(tx, e); err != nil {
		return err
	}
	return b.putAlert(tx, a)
}

// putAlert keeps an alert and has every copy of its card become true.
func (b *Bot) putAlert(tx store.Tx, a Alert) error {
	if err := alerts.Put(tx, a.ID, a); err != nil {
		return err
	}
	if a.Muted != "" {
		return nil
	}
	return b.post(tx, Bulletin{ID: alertPost(a.ID), Event: NoticeAlert, Severity: a.Severity, Role: a.Role, Requester: a.Subject.ID,
		Card: b.project.alertCard(a), At: a.Made})
}

// alertPost is the ID of the bulletin of an alert.
func alertPost(id string) string { return "alert/" + id }

func alertRole(a Alert) *trail.Role {
	if a.Role.Role == "" {
		return nil
	}
	return auditRole(a.Role)
}

// handled records in the audit trail what a person did with an alert.
func (b *Bot) handled(tx store.Tx, a Alert, by Person, verb string, at time.Time, more map[string]string) error {
	return b.o.Trail.Append(tx, trail.Event{At: at, Kind: trail.AlertHandled, Outcome: trail.OK, Actor: auditActor(by), Subject: a.Subject.ID,
		Verb: verb, Reason: string(a.Kind), Role: alertRole(a), More: more, Texts: trail.Texts{"actor": personText(by.Principal)}})
}

// getAlert reads an alert. An id that came with a button, and that no store would take as
// a key, names none.
func getAlert(tx store.Tx, id string) (Alert, error) {
	if id == "" || len(id) > maxID {
		return Alert{}, store.ErrNotFound
	}
	return alerts.Get(tx, id)
}

// sweepAlerts forgets what is older than the bulletins that tell of it. It looks at no others.
func (b *Bot) sweepAlerts(ctx context.Context) error {
	before := b.o.Now().Add(-keepBulletins)
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		var old []string
		err := alertsAge.Scan(tx, "", dueKey(before, ""), func(key string, _ struct{}) error {
			if old = append(old, key); len(old) >= erasePage {
				return store.Stop
			}
			return nil
		})
		for _, key := range old {
			id := key[strings.IndexByte(key, '/')+1:]
			err = errors.Join(err, alertsAge.Delete(tx, key), alertsOpen.Delete(tx, id), alerts.Delete(tx, id))
		}
		return err
	})
}

// alerting has the detectors look at what a change did to a request.
func (b *Bot) alerting(tx store.Tx, before, after Request, at time.Time, events []Event) error {
	if b.o.Alerts == nil {
		return nil
	}
	rules := *b.o.Alerts
	if began(before, after) && b.o.Alerts.on(AlertHours) {
		zone, err := b.zoneOf(tx, after.Requester)
		if err != nil {
			return err
		}
		if d, ok := outsideHours(after, rules.Hours.in(zone)); ok {
			if err := b.raise(tx, d, at); err != nil {
				return err
			}
		}
	}
	if began(before, after) && b.o.Alerts.on(AlertPlace) && b.o.Accounts != nil {
		if err := b.checkPlace(tx, after, at); err != nil {
			return err
		}
	}
	for _, c := range counted(before, after, rules) {
		if !b.o.Alerts.on(c.kind) {
			continue
		}
		if err := b.count(tx, after, c, at); err != nil {
			return err
		}
	}
	if d, ok := unanswered(before, after); ok && b.o.Alerts.on(AlertUnanswered) {
		if err := b.raise(tx, d, at); err != nil {
			return err
		}
	}
	if b.o.Alerts.on(AlertWeakened) {
		for _, e := range events {
			if asked, ok := e.(Asked); ok {
				if err := b.checkPolicy(tx, after, asked.Policy, at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// zoneOf is the time zone that a person's chat names: where they asked, or else where
// they are linked. Empty: it is not known.
func (b *Bot) zoneOf(tx store.Tx, p Person) (string, error) {
	if p.Zone != "" {
		return p.Zone, nil
	}
	links, err := b.o.Links.At(tx, p.ID)
	for _, l := range links {
		if l.Zone != "" {
			return l.Zone, err
		}
	}
	return "", err
}
