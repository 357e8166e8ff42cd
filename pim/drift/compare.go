package drift

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

// Change is one entry that is not as the baseline has it.
type Change struct {
	Key    string      `json:"key"`
	Before *Entry      `json:"before,omitempty"` // nil: it is new
	After  *Entry      `json:"after,omitempty"`  // nil: it is gone
	Fields []Different `json:"fields,omitempty"`
	Weaker bool        `json:"weaker,omitempty"` // it demands less than before, or gives more
}

// Different is a value before and after.
type Different struct {
	Name   Name   `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
	Weaker bool   `json:"weaker,omitempty"`
}

// Entry is what the change is about, as it is now, or as it was.
func (c Change) Entry() Entry { return c.entry() }

func (c Change) entry() Entry {
	if c.After != nil {
		return *c.After
	}
	return *c.Before
}

// Same says that both lead to the same.
func (c Change) Same(o Change) bool {
	return c.Key == o.Key && (c.Before == nil) == (o.Before == nil) && (c.After == nil) == (o.After == nil) && slices.Equal(c.Fields, o.Fields)
}

// Result is what a comparison found.
type Result struct {
	Changes []Change
	// Fresh are entries that the baseline could not know: it did not cover their part, or
	// they are settings that were never told. The covering entries are among them, and
	// entries that the baseline has, with what it does not know of them yet.
	Fresh []Entry
	// Over are the keys of assignments that ended on the day that they were to end on.
	Over []string
	// Gone are the keys of entries that are of no part that the baseline covers, and that
	// the reading does not have: left over from a baseline that was not finished.
	Gone  []string
	Azure Places
}

// Places are what became of the places of Azure that are read. What is below a place that was
// added is in Fresh, and what is below one that stayed is compared as ever.
type Places struct {
	// Known are entries of the baseline, with the places below which they are now.
	Known []Entry
	// Left are the places of the baseline that are not read any more, and Dropped the keys of
	// what was below them and below no other.
	Left    []string
	Dropped []string
	// Covers take the place of covering entries whose keys are in Uncovered.
	Covers    []Entry
	Uncovered []string
}

// Compare holds a reading against a baseline, both by Key. All of it is in the order of
// keys.
func Compare(base map[string]Entry, r Reading) Result {
	var out Result
	for _, key := range slices.Sorted(maps.Keys(r.whole)) {
		if _, known := base[key]; !known {
			out.Fresh = append(out.Fresh, r.whole[key])
		}
	}
	old := placesOf(base)
	out.Azure = r.moved(base)
	covered := func(e Entry) bool {
		if e.Kind == pim.AzureResource {
			return slices.ContainsFunc(e.Below, func(place string) bool { return slices.Contains(old[e.part()], place) })
		}
		_, known := base[r.look.covers(e, e.part())[0].Key()]
		return known
	}
	for _, key := range slices.Sorted(maps.Keys(r.Entries)) {
		now := r.Entries[key]
		was, known := base[key]
		at := now
		if now.Kind == pim.AzureResource && len(now.Below) == 0 {
			at.Below = r.look.Scopes
		}
		switch {
		case known && (now.What == Setting || covered(at) || covered(old.below(was))):
			if !slices.Equal(was.Below, now.Below) {
				placed := was
				placed.Below = now.Below
				out.Azure.Known = append(out.Azure.Known, placed)
			}
			if c, differs := Differ(&was, &now, r.At); differs {
				out.Changes = append(out.Changes, c)
			}
			if more := was.With(now.Values); len(more.Values) > len(was.Values) {
				out.Fresh = append(out.Fresh, more) // from now on it is compared
			}
		case !known && now.What != Setting && covered(at):
			c, _ := Differ(nil, &now, r.At)
			out.Changes = append(out.Changes, c)
		default:
			out.Fresh = append(out.Fresh, now)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(base)) {
		was := base[key]
		if _, there := r.Entries[key]; there || was.What == Covered || !r.watches(was.Kind) {
			continue
		}
		at := old.below(was)
		c, differs := Differ(&was, nil, r.At)
		switch {
		case r.Left(at):
			out.Azure.Dropped = append(out.Azure.Dropped, key)
		case !r.Knows(c):
		case !covered(at):
			out.Gone = append(out.Gone, key)
		case differs:
			out.Changes = append(out.Changes, c)
		default:
			out.Over = append(out.Over, key)
		}
	}
	return out
}

// coverage is, by part, the places of Azure of which a baseline knows everything.
type coverage map[posture.Part][]string

func placesOf(base map[string]Entry) coverage {
	all := coverage{}
	for _, e := range base {
		if e.What == Covered && e.Kind == pim.AzureResource {
			part := posture.Part(e.Role)
			all[part] = sorted(slices.Concat(all[part], strings.Split(e.Scope, ",")))
		}
	}
	return all
}

// below is an entry of a baseline with the places below which it is. Of one that does not say,
// because an earlier version took it in, they are those above it, or any: a management group's
// id does not tell what is below it.
func (k coverage) below(e Entry) Entry {
	if e.Kind != pim.AzureResource || len(e.Below) > 0 {
		return e
	}
	e.Below = k[e.part()]
	scope := strings.ToLower(e.Scope)
	above := slices.DeleteFunc(slices.Clone(e.Below), func(place string) bool { return scope != place && !strings.HasPrefix(scope, place+"/") })
	if len(above) > 0 {
		e.Below = above
	}
	return e
}

// moved says which places are not read any more, and has each of the others covered by itself:
// an earlier version had one covering entry for all.
func (r Reading) moved(base map[string]Entry) (p Places) {
	if !r.watches(pim.AzureResource) {
		return p
	}
	for _, key := range slices.Sorted(maps.Keys(base)) {
		e := base[key]
		if e.What != Covered || e.Kind != pim.AzureResource || slices.Contains(r.look.Scopes, e.Scope) {
			continue
		}
		p.Uncovered = append(p.Uncovered, key)
		for _, place := range strings.Split(e.Scope, ",") {
			switch {
			case slices.Contains(r.look.Scopes, place):
				e.Scope = place
				p.Covers = append(p.Covers, e)
			case place != "":
				p.Left = append(p.Left, place)
			}
		}
	}
	p.Left = sorted(p.Left)
	return p
}

// Differ says in what two states of one entry differ at a time. One of them may be nil. An
// assignment that is gone because its time is over differs in nothing.
func Differ(was, now *Entry, at time.Time) (c Change, differs bool) {
	switch {
	case was == nil && now == nil:
		return c, false
	case was == nil:
		return Change{Key: now.Key(), After: now, Weaker: now.What == Standing || now.Privileged()}, true
	case now == nil:
		end := was.until()
		return Change{Key: was.Key(), Before: was}, end.IsZero() || at.Before(end)
	}
	c = Change{Key: now.Key(), Before: was, After: now}
	for _, v := range now.Values {
		if before, said := was.Value(v.Name); said && before != v.Text {
			d := Different{Name: v.Name, Before: before, After: v.Text, Weaker: weaker(v.Name, *was, *now)}
			c.Fields, c.Weaker = append(c.Fields, d), c.Weaker || d.Weaker
		}
	}
	return c, len(c.Fields) > 0
}

// weaker says whether a value that changed demands less, or gives more. What cannot be
// told, such as which of two authentication contexts is the stronger, counts as weaker.
func weaker(n Name, was, now Entry) bool {
	before, _ := was.Value(n)
	after, _ := now.Value(n)
	switch n {
	case MFA, Justification, Ticket, Approval, Mail:
		return after == No
	case PermanentEligible, PermanentActive:
		return after == Yes
	case AuthContext: // one of them instead of multi-factor authentication may demand less
		mfa, _ := was.Value(MFA)
		return before != None || mfa == Yes
	case MaxDuration:
		short, err1 := pim.ParseDuration(before)
		long, err2 := pim.ParseDuration(after)
		return err1 != nil || err2 != nil || long > short
	case Approvers:
		if required, _ := was.Value(Approval); required != Yes {
			return false // nobody decided before
		}
		_, added := Members(before, after)
		return after == None || len(added) > 0
	case Until:
		return (now.What == Standing || now.Privileged()) && later(now.until(), was.until())
	}
	return true
}

// Members says which of the names in one list, with commas between them, are not in the
// other.
func Members(before, after string) (dropped, added []string) {
	list := func(text string) []string {
		if text == None {
			return nil
		}
		return strings.Split(text, ",")
	}
	b, a := list(before), list(after)
	for _, id := range b {
		if !slices.Contains(a, id) {
			dropped = append(dropped, id)
		}
	}
	for _, id := range a {
		if !slices.Contains(b, id) {
			added = append(added, id)
		}
	}
	return dropped, added
}

// With is the entry that a baseline has once a change of it is accepted: what the reading
// did not tell stays as it was. False: there is none any more.
func (c Change) With() (Entry, bool) {
	if c.After == nil {
		return Entry{}, false
	}
	if c.Before == nil {
		return *c.After, true
	}
	return c.After.With(c.Before.Values), true
}

// With is e and those of some values of which e says nothing.
func (e Entry) With(values []Value) Entry {
	e.Values = slices.Clone(e.Values)
	for _, v := range values {
		if _, said := e.Value(v.Name); !said {
			e.Values = append(e.Values, v)
		}
	}
	return e
}

// Names are the names of the values that differ.
func (c Change) Names() (names []string) {
	for _, d := range c.Fields {
		names = append(names, string(d.Name))
	}
	return names
}
