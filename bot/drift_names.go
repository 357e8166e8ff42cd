package bot

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Why it is not known who made a change.
const (
	blindNoLog   = "no-log"    // the pillar's log is not read
	blindSilent  = "silent"    // the log does not tell
	blindMayNot  = "forbidden" // Belay may not read it
	blindFailed  = "failed"    // it could not be read while it may have told
	editsLate    = 2 * time.Hour
	editsLongest = 24 * time.Hour   // the log is not asked about more, however old the reading before is
	editsOverlap = 15 * time.Minute // clocks differ, and a reading takes a while
)

func (d *Drifting) edits(k pim.Kind) Edits {
	if d == nil {
		return nil
	}
	return d.Edits[k]
}

// NameDrift asks the audit log who made the changes that are new. The log is minutes late,
// and a change may be the work of several: it is asked until two hours after a change was
// taken in.
func (b *Bot) NameDrift(ctx context.Context) error {
	var wanted []Drift
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		wanted = nil
		return driftUnnamed.Scan(tx, "", "", func(id string, _ struct{}) error {
			d, err := drifts.Get(tx, id)
			if err == nil {
				wanted = append(wanted, d)
			}
			return ignoreMissing(err)
		})
	})
	if err != nil || len(wanted) == 0 {
		return err
	}
	kinds := map[pim.Kind][]Drift{}
	for _, d := range wanted {
		k := d.Change.Entry().Kind
		kinds[k] = append(kinds[k], d)
	}
	var errs []error
	for k, all := range kinds {
		errs = append(errs, b.nameAll(ctx, b.o.Drift.edits(k), all))
	}
	return errors.Join(errs...)
}

func (b *Bot) nameAll(ctx context.Context, edits Edits, all []Drift) error {
	from := all[0].window()
	for _, d := range all {
		if at := d.window(); at.Before(from) {
			from = at
		}
	}
	lines, blind, err := readEdits(ctx, edits, from)
	errs := []error{err}
	now := b.o.Now().UTC()
	for page := range slices.Chunk(all, driftPage) {
		errs = append(errs, b.o.Store.Update(ctx, func(tx store.Tx) error {
			batches := map[string][]pim.Principal{}
			for _, d := range page {
				by, done := d.editors(lines), blind == blindNoLog || now.Sub(d.taken()) >= editsLate
				if len(by) == 0 && !done && blind != blindMayNot {
					continue
				}
				if err := b.nameDrift(tx, d.ID, d.Turns, by, blind, done, now); err != nil {
					return err
				}
				if d.In != "" && len(by) > 0 {
					batches[d.In] = together(batches[d.In], by)
				}
			}
			for _, id := range slices.Sorted(maps.Keys(batches)) {
				if err := b.nameBatch(tx, id, batches[id]); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, d := range all {
		b.kick(b.bulletinID(driftPost(cmp.Or(d.In, d.ID))), false)
	}
	return nil
}

// readEdits reads a log, and says why nobody is known whom it does not name.
func readEdits(ctx context.Context, edits Edits, from time.Time) (lines []pim.Trace, blind string, err error) {
	if edits == nil {
		return nil, blindNoLog, nil
	}
	lines, err = edits.Edits(ctx, from)
	switch {
	case err == nil:
		return lines, blindSilent, nil
	case pim.CodeOf(err) == pim.CodeForbidden:
		return nil, blindMayNot, nil
	}
	return nil, blindFailed, err
}

// nameDrift records who it was, or why that is not known, unless the document changed. done:
// the log is not asked again.
func (b *Bot) nameDrift(tx store.Tx, id string, turns int, by []pim.Principal, blind string, done bool, at time.Time) error {
	d, err := drifts.Get(tx, id)
	if err != nil || d.Turns != turns {
		return ignoreMissing(err)
	}
	if done {
		err = driftUnnamed.Delete(tx, id)
	}
	knew := d
	if d.By = together(d.By, by); len(d.By) == 0 {
		d.Blind = blind
	}
	if len(d.By) == len(knew.By) && d.Blind == knew.Blind {
		return err
	}
	for _, p := range []pim.Principal{d.One, d.Accepted} {
		if d.Accepted.ID != "" && d.made(p.ID) && !knew.made(p.ID) {
			err = errors.Join(err, b.acceptedByMaker(tx, d, p, at))
		}
	}
	if d.open() && d.made(d.One.ID) { // nobody accepts what they did themselves
		d.One, d.OneAt = pim.Principal{}, time.Time{}
	}
	return errors.Join(err, b.putDrift(tx, d))
}

// acceptedByMaker tells that who accepted a change is who made it: it was accepted before
// the log told. Nothing is undone, since what is accepted is how the tenant is.
func (b *Bot) acceptedByMaker(tx store.Tx, d Drift, who pim.Principal, at time.Time) error {
	id := b.o.Pseudonym("drift accepted by maker", d.ID, strings.ToLower(who.ID))
	return errors.Join(b.driftHeard(tx, d, trail.DriftFound, trail.Actor{Platform: fromBelay}, d.what(), "accepted-by-maker", at, nil),
		b.post(tx, Bulletin{ID: driftPost(id), Event: NoticeDrift, Severity: High, Role: d.role(), Card: b.project.ownDriftCard(d, who), At: at}))
}

// nameBatch adds to a card that stands for many who made some of them.
func (b *Bot) nameBatch(tx store.Tx, id string, by []pim.Principal) error {
	d, err := drifts.Get(tx, id)
	if err != nil || d.Many == nil {
		return ignoreMissing(err)
	}
	knew := len(d.By)
	if d.By = together(d.By, by); len(d.By) == knew {
		return nil
	}
	return b.putDrift(tx, d) // what those who accept it made themselves is left out then
}

// together are the people of two lists, each once.
func together(a, b []pim.Principal) []pim.Principal {
	all := slices.Clone(a)
	for _, p := range b {
		if !slices.ContainsFunc(all, func(o pim.Principal) bool { return strings.EqualFold(o.ID, p.ID) }) {
			all = append(all, p)
		}
	}
	return all
}

// made says whether somebody made the change, as far as the log told.
func (d Drift) made(id string) bool {
	return id != "" && slices.ContainsFunc(d.By, func(p pim.Principal) bool { return strings.EqualFold(p.ID, id) })
}

// taken is when the change was taken in as it is.
func (d Drift) taken() time.Time { return maxTime(d.Last, d.Found) }

// window is from when on the change may have been made.
func (d Drift) window() time.Time {
	from := d.Since
	if from.IsZero() {
		from = d.Found
	}
	return maxTime(from, d.taken().Add(-editsLongest)).Add(-editsOverlap)
}

// editors are those whom lines of the log name for the change, each once.
func (d Drift) editors(lines []pim.Trace) (by []pim.Principal) {
	e := d.Change.Entry()
	for _, t := range lines {
		if t.At.Before(d.window()) || t.At.After(d.taken().Add(editsOverlap)) || !d.is(t.What) || !about(t, e) {
			continue
		}
		if t.By.ID != "" {
			by = together(by, []pim.Principal{t.By})
		}
	}
	return by
}

// is says whether the log calls such a change so.
func (d Drift) is(k pim.TraceKind) bool {
	switch {
	case d.Change.Entry().What == drift.Setting:
		return k == pim.TraceSettings
	case d.Change.After == nil:
		return k == pim.TraceRemoved
	}
	return k == pim.TraceAssigned
}

// about says whether a line of the log is about an entry: the same role, and the same
// holder of an assignment.
func about(t pim.Trace, e drift.Entry) bool {
	if e.What != drift.Setting && !strings.EqualFold(t.Principal, e.Holder.ID) {
		return false
	}
	if e.Kind == pim.Group {
		return strings.EqualFold(t.Assignment.Scope, e.Scope) && (t.Assignment.Role == "" || strings.EqualFold(t.Assignment.Role, e.Role))
	}
	return strings.EqualFold(t.Assignment.Role, e.Role) || t.RoleName != "" && strings.EqualFold(t.RoleName, e.RoleName)
}

// mostNames is how many approvers are looked up for one reading.
const mostNames = 12

// approverNames looks up who the approvers are that a policy has more or fewer of.
func (b *Bot) approverNames(ctx context.Context, changes []drift.Change) map[string]string {
	names := map[string]string{}
	for _, c := range changes {
		for _, f := range c.Fields {
			if f.Name != drift.Approvers {
				continue
			}
			dropped, added := drift.Members(f.Before, f.After)
			for _, id := range slices.Concat(dropped, added) {
				if _, done := names[id]; done || len(names) >= mostNames {
					continue
				}
				names[id] = id
				if p, err := b.identified(ctx, id); err == nil {
					names[id] = personName(p)
				}
			}
		}
	}
	return names
}
