package bot

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Drifting has the tenant's settings and assignments compared with what was accepted; see
// docs/drift.md.
type Drifting struct {
	// Edits are the pillars' audit logs; of a pillar without one it is not told who made a
	// change.
	Edits map[pim.Kind]Edits
	Every time.Duration // how often the tenant is read
}

// Edits tells who changed settings and assignments since a time, oldest first. Errors are
// *pim.Error.
type Edits interface {
	Edits(ctx context.Context, since time.Time) ([]pim.Trace, error)
}

// Drift is something that is not as it was accepted: one document. It closes when somebody
// accepts it, or when it is as it was again.
type Drift struct {
	ID     string       `json:"id"`
	Change drift.Change `json:"change"`        // of one entry
	First  *FirstSeen   `json:"seen,omitzero"` // or what the baseline took in unasked
	Many   *Batch       `json:"many,omitzero"` // or what stands for others
	In     string       `json:"in,omitempty"`  // the one that stands for it
	Weaker bool         `json:"weaker,omitempty"`

	Found time.Time `json:"found"`
	Since time.Time `json:"since"`           // the last reading before it, or before it changed again
	Last  time.Time `json:"last,omitzero"`   // when it was taken in as it is, by Belay's clock
	Turns int       `json:"turns,omitempty"` // how often it changed again

	Names map[string]string `json:"names,omitempty"` // of approvers, by object id
	By    []pim.Principal   `json:"by,omitempty"`    // who made the change, as the audit log says
	Blind string            `json:"blind,omitempty"` // why that is not known: a code

	One        pim.Principal `json:"one,omitzero"` // the first of two who accept it
	OneAt      time.Time     `json:"oneAt,omitzero"`
	Accepted   pim.Principal `json:"accepted,omitzero"`
	AcceptedAt time.Time     `json:"acceptedAt,omitzero"`
	Back       time.Time     `json:"back,omitzero"`  // since when it is as it was again
	Left       bool          `json:"left,omitempty"` // … or is not compared any more
}

// FirstSeen counts entries that the baseline took in because it could not know them
// before. All says that there was no baseline.
type FirstSeen struct {
	All         bool     `json:"all,omitempty"`
	Settings    int      `json:"settings"`
	Assignments int      `json:"assignments"`
	Titles      []string `json:"titles,omitempty"` // of a few
	Unseen      []string `json:"unseen,omitempty"` // what is not in it, in sentences
}

// Batch stands for many changes that were found at once.
type Batch struct {
	IDs    []string `json:"ids"`
	Weaker int      `json:"weaker"`
	Back   int      `json:"back,omitempty"` // as they were again
	Titles []string `json:"titles"`         // of the first
}

func (d Drift) open() bool { return d.Accepted.ID == "" && d.Back.IsZero() }

// Acceptance is one line of the history of the baseline.
type Acceptance struct {
	At     time.Time     `json:"at"`
	By     pim.Principal `json:"by"`
	With   pim.Principal `json:"with,omitzero"` // who accepted it first, where it takes two
	Change drift.Change  `json:"change"`
	First  *FirstSeen    `json:"seen,omitzero"`
}

// Baseline is how the baseline stands.
type Baseline struct {
	Read     time.Time `json:"read"`               // when the tenant was read last
	Unseen   []string  `json:"unseen,omitempty"`   // what could not be seen then, in sentences
	Viewers  []string  `json:"viewers,omitempty"`  // object ids of who might accept then
	Accepted bool      `json:"accepted,omitempty"` // somebody accepted the first one
	// Missing is what cannot be seen for want of a permission, and Blind since when the
	// channels know; zero: there was nothing to tell.
	Missing []string  `json:"missing,omitempty"`
	Blind   time.Time `json:"blind,omitzero"`
	// Parts are what could not be seen.
	Parts []posture.Part `json:"parts,omitempty"`
	// Begun is when a reading was tried first, and Stale since when the channels know that
	// nothing is compared any more; zero: there was nothing to tell.
	Begun time.Time `json:"begun,omitzero"`
	Stale time.Time `json:"stale,omitzero"`
	// Late says that what was read last is too old to say anything; it is not kept.
	Late bool `json:"-"`
}

// driftRef says of an entry which document is open about it, and how many there were.
type driftRef struct {
	Open string `json:"open,omitempty"`
	Told int    `json:"told"`
}

// The buckets of drift. Keys hold no personal identifier.
var (
	driftBase    = store.NewBucket[drift.Entry]("drift-baseline") // pseudonym of the entry's key
	driftRefs    = store.NewBucket[driftRef]("drift-of")          // the same
	drifts       = store.NewBucket[Drift]("drifts")               // id
	driftsOpen   = store.NewBucket[struct{}]("drifts-open")       // id
	driftsAge    = store.NewBucket[struct{}]("drifts-age")        // time found + id, to forget them
	driftUnnamed = store.NewBucket[struct{}]("drifts-unnamed")    // id, of those of which the audit log is asked
	driftHistory = store.NewBucket[Acceptance]("drift-history")   // time + id
	driftState   = store.NewBucket[Baseline]("drift")             // "state"
)

const driftStateKey = "state"

func (b *Bot) driftKey(entry string) string { return b.o.Pseudonym("drift", entry) }

// driftPost is the ID of the bulletin of a drift.
func driftPost(id string) string { return "drift/" + id }

// baseline reads all of it, by the entries' own keys.
func baseline(tx store.Tx) (map[string]drift.Entry, error) {
	base := map[string]drift.Entry{}
	err := driftBase.Scan(tx, "", "", func(_ string, e drift.Entry) error { base[e.Key()] = e; return nil })
	return base, err
}

// openDrifts are the documents that nobody has closed.
func openDrifts(tx store.Tx) (all []Drift, err error) {
	err = driftsOpen.Scan(tx, "", "", func(id string, _ struct{}) error {
		d, err := drifts.Get(tx, id)
		all = append(all, d)
		return err
	})
	return all, err
}

// role is what routing and the trail are told.
func (d Drift) role() pim.EligibleAssignment {
	if d.First != nil || d.Many != nil {
		return pim.EligibleAssignment{}
	}
	e := d.Change.Entry()
	return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: e.Kind, Role: e.Role, Scope: e.Scope}, RoleName: e.RoleName, ScopeName: e.ScopeName}
}

// holder is whose assignment it is about; empty: nobody's.
func (d Drift) holder() pim.Principal {
	if d.First != nil || d.Many != nil {
		return pim.Principal{}
	}
	return d.Change.Entry().Holder
}

func (d Drift) severity() Severity {
	switch {
	case d.Weaker:
		return High
	case d.First != nil:
		return Low
	case d.Many != nil || d.Change.Entry().What != drift.Setting:
		return Medium
	}
	return Low
}

// changed is when the document, and so its card, changed last: a card is kept as long after
// that.
func (d Drift) changed() time.Time {
	return slices.MaxFunc([]time.Time{d.Found, d.Last, d.OneAt, d.AcceptedAt, d.Back}, time.Time.Compare)
}

// putDrift keeps a document, its place among the open ones, and every copy of its card.
func (b *Bot) putDrift(tx store.Tx, d Drift) error {
	err := drifts.Put(tx, d.ID, d)
	if d.open() {
		err = errors.Join(err, driftsOpen.Put(tx, d.ID, struct{}{}))
	} else {
		err = errors.Join(err, driftsOpen.Delete(tx, d.ID))
	}
	if err != nil || d.In != "" { // another one's card tells of it
		return err
	}
	about := ""
	if d.First == nil && d.Many == nil && d.Change.Entry().Type == pim.User {
		about = d.holder().ID
	}
	return b.post(tx, Bulletin{ID: driftPost(d.ID), Event: NoticeDrift, Severity: d.severity(), Role: d.role(), Requester: about, Card: b.project.DriftCard(d), At: d.changed()})
}

// getDrift reads a document by what a button brought. An id that no store would take as a
// key names none.
func getDrift(tx store.Tx, button string) (Drift, error) {
	id, _, _ := strings.Cut(button, ".")
	if id == "" || len(id) > maxID {
		return Drift{}, store.ErrNotFound
	}
	return drifts.Get(tx, id)
}

// button is what the buttons of the card bring: what is accepted is what the card shows.
func (d Drift) button() string { return d.ID + "." + strconv.Itoa(d.Turns) }

// heard tells the audit trail of a drift.
func (b *Bot) driftHeard(tx store.Tx, d Drift, kind trail.Kind, who trail.Actor, verb, reason string, at time.Time, texts trail.Texts) error {
	e := trail.Event{At: at, Kind: kind, Outcome: trail.OK, Actor: who, Verb: verb, Reason: reason, More: map[string]string{}, Texts: texts}
	switch {
	case d.First != nil:
		e.More["count"] = strconv.Itoa(d.First.Settings + d.First.Assignments)
	case d.Many != nil:
		e.More["count"] = strconv.Itoa(len(d.Many.IDs))
	default:
		e.Subject, e.Role = d.holder().ID, auditRole(d.role())
		if names := d.Change.Names(); len(names) > 0 {
			e.More["settings"] = strings.Join(names, ",")
		}
	}
	if d.Weaker {
		e.More["weaker"] = "yes"
	}
	if len(e.More) == 0 {
		e.More = nil
	}
	return b.o.Trail.Append(tx, e)
}

// what names the kind of a change for the audit trail.
func (d Drift) what() string {
	switch c := d.Change; {
	case d.First != nil:
		return "first-seen"
	case d.Many != nil:
		return "many"
	case c.Entry().What == drift.Setting:
		return "settings-changed"
	case c.Before == nil:
		return "assignment-added"
	case c.After == nil:
		return "assignment-removed"
	}
	return "assignment-changed"
}
