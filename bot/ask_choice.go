package bot

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
)

// mostAlso is how many further roles one form may ask for.
const mostAlso = 10

// furthest is how far ahead an activation can be asked for.
const furthest = 30 * 24 * time.Hour

// choice is what a form's roles and places name in a menu.
type choice struct {
	known bool
	held  pim.EligibleAssignment   // the first eligibility
	first pim.EligibleAssignment   // as it would be activated: at its own scope or below
	also  []pim.EligibleAssignment // the further roles
}

// all are the roles as they would be activated.
func (c choice) all() []pim.EligibleAssignment {
	return append([]pim.EligibleAssignment{c.first}, c.also...)
}

// also joins and splits the value of the field of further roles.
func splitAlso(value string) []string {
	return slices.DeleteFunc(strings.Split(value, ","), func(s string) bool { return s == "" })
}

// choose resolves a form's values. Whatever came with them that the menu does not
// offer is left out and told under the field's name.
func (m *Menu) choose(values map[string]string) (choice, map[string]string) {
	c, problems := choice{}, map[string]string{}
	if c.held, c.known = m.find(values[fieldRole]); !c.known {
		problems[fieldRole] = sayNeedRole
		return c, problems
	}
	c.first = c.held
	if where := values[fieldWhere]; where != "" && where != roleKey(c.held.Assignment) {
		s, ok := m.place(c.held, where)
		if !ok {
			problems[fieldWhere] = sayNoSuchPlace
		} else {
			c.first.Scope, c.first.ScopeName = s.ID, s.Name
		}
	}
	for _, key := range splitAlso(values[fieldAlso]) {
		e, ok := m.find(key)
		switch {
		case !ok:
			problems[fieldAlso] = sayNoSuchAlso
		case slices.ContainsFunc(c.all(), func(have pim.EligibleAssignment) bool { return sameAssignment(have.Assignment, e.Assignment) }):
		case len(c.also) == mostAlso:
			problems[fieldAlso] = sayTooManyAlso
		default:
			c.also = append(c.also, e)
		}
	}
	return c, problems
}

// place finds where an eligibility is to be narrowed to.
func (m *Menu) place(held pim.EligibleAssignment, key string) (pim.Scope, bool) {
	a := held.Assignment
	for _, s := range m.children[held.Assignment] {
		if a.Scope = s.ID; roleKey(a) == key {
			return s, true
		}
	}
	return pim.Scope{}, false
}

// policiesOf are the rules of the roles of a choice, in their order, once all are
// known.
func (m *Menu) policiesOf(c choice) ([]pim.Policy, bool) {
	var all []pim.Policy
	for _, e := range c.all() {
		p, ok := m.policies[e.Assignment]
		if !ok {
			return nil, false
		}
		all = append(all, p)
	}
	return all, true
}

// demands is what several roles ask of one form: whatever any of them does, and no
// longer than all of them allow.
func demands(all []pim.Policy) pim.Policy {
	d := all[0]
	for _, p := range all[1:] {
		d.MaxDuration = min(d.MaxDuration, p.MaxDuration)
		d.Justification = d.Justification || p.Justification
		d.Ticket = d.Ticket || p.Ticket
	}
	return d
}

// term is a text that the requester must acknowledge, and the field that asks for
// it. The field is named after the text: a tick never counts for another one.
type term struct{ field, text string }

func (m *Menu) termOf(e pim.EligibleAssignment) (term, bool) {
	if m.terms == nil {
		return term{}, false
	}
	text := strings.TrimSpace(m.terms(e))
	if text == "" {
		return term{}, false
	}
	sum := sha256.Sum256([]byte(text))
	return term{field: fieldTerms + hex.EncodeToString(sum[:6]), text: text}, true
}

// termsOf are the texts of all the roles, each once.
func (m *Menu) termsOf(c choice) []term {
	var all []term
	for _, e := range c.all() {
		if t, ok := m.termOf(e); ok && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// check holds the answers against what the roles demand; the problems are by field.
func (m *Menu) check(c choice, policies []pim.Policy, values map[string]string, now time.Time) (Ask, map[string]string) {
	p := demands(policies)
	ask := Ask{Justification: strings.TrimSpace(values[fieldReason]),
		Ticket: pim.Ticket{Number: strings.TrimSpace(values[fieldTicket]), System: strings.TrimSpace(values[fieldSystem])}}
	problems := map[string]string{}
	d, err := ParseTime(values[fieldTime])
	if sentence, bad := ErrorMessage(err); bad {
		problems[fieldTime] = sentence
	} else if d > p.MaxDuration {
		problems[fieldTime] = sayTooLong(p.MaxDuration)
	} else if d < shortest {
		problems[fieldTime] = sayTooShort
	}
	ask.Duration = d
	var problem string
	if ask.Start, problem = startOf(values[fieldStart], d, c, now); problem != "" {
		problems[fieldStart] = problem
	}
	if p.Justification && ask.Justification == "" {
		problems[fieldReason] = sayNeedReason
	}
	if p.Ticket && ask.Ticket.Number == "" {
		problems[fieldTicket] = sayNeedTicket
	}
	for name, most := range map[string]int{fieldReason: maxReason, fieldTicket: maxTicket, fieldSystem: maxTicket} {
		if utf8.RuneCountInString(strings.TrimSpace(values[name])) > most {
			problems[name] = sayTooLongText(most)
		}
	}
	for _, t := range m.termsOf(c) {
		if values[t.field] != ticked {
			problems[t.field] = sayNeedTick
		}
	}
	return ask, problems
}

// startOf reads when an activation is to begin; zero: as soon as it is agreed. The
// minute that runs counts as now.
func startOf(value string, d time.Duration, c choice, now time.Time) (start time.Time, problem string) {
	if value == "" {
		return time.Time{}, ""
	}
	start, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, sayBadStart
	}
	start = start.UTC().Truncate(time.Minute)
	switch {
	case start.Before(now.Truncate(time.Minute)):
		return time.Time{}, sayPastStart
	case !start.After(now):
		return time.Time{}, ""
	case start.After(now.Add(furthest)):
		return time.Time{}, sayFarStart
	}
	for _, e := range c.all() {
		if !e.Until.IsZero() && start.Add(d).After(e.Until) {
			return time.Time{}, sayStartAfterEnd(e)
		}
	}
	return start, ""
}

// laidFor names what a form was shown for: its roles and its place.
func (c choice) laidFor() string {
	var keys []string
	for _, e := range c.all() {
		keys = append(keys, roleKey(e.Assignment))
	}
	return strings.Join(keys, ",")
}

// wish is what a form is to be filled in with: from the words of a command, or from
// an earlier request.
type wish struct {
	query   string                   // words of a role's name
	key     string                   // … or the value of its option
	roles   []pim.EligibleAssignment // … or the roles themselves, the first of which may be narrowed
	values  map[string]string
	badTime string // what stood where a duration was meant but is none
}

// fill finds the wish in a menu; problems are by field, and note tells what has no
// field.
func (w wish) fill(m *Menu) (values, problems map[string]string, note string) {
	values, problems = maps.Clone(w.values), map[string]string{}
	if utf8.RuneCountInString(values[fieldReason]) > maxReason { // the form shows its beginning
		problems[fieldReason] = sayTooLongText(maxReason)
	}
	if len(w.roles) > 0 {
		note = w.fillRoles(m, values, problems)
	} else if _, ok := m.find(w.key); ok {
		values[fieldRole] = w.key
	} else if found := m.match(w.query); len(found) == 1 {
		values[fieldRole] = found[0].key
	} else if w.query != "" && len(found) == 0 {
		problems[fieldRole] = sayNoMatch(w.query)
	} else if w.query != "" {
		problems[fieldRole] = saySeveral(w.query)
	}
	if w.badTime != "" {
		problems[fieldTime] = sayBadDuration(w.badTime)
		if values[fieldRole] == "" { // there is no such field yet
			note = problems[fieldTime]
		}
	}
	return values, problems, note
}

func (w wish) fillRoles(m *Menu, values, problems map[string]string) (note string) {
	held, ok := m.holding(w.roles[0])
	if !ok {
		problems[fieldRole] = sayNoLonger(w.roles[:1])
	} else if values[fieldRole] = roleKey(held.Assignment); held.Scope != w.roles[0].Scope {
		values[fieldWhere] = roleKey(w.roles[0].Assignment)
	}
	var also []string
	var gone []pim.EligibleAssignment
	for _, e := range w.roles[1:] {
		if _, ok := m.find(roleKey(e.Assignment)); ok {
			also = append(also, roleKey(e.Assignment))
		} else {
			gone = append(gone, e)
		}
	}
	values[fieldAlso] = strings.Join(also, ",")
	if len(gone) > 0 {
		note = sayNoLonger(gone)
	}
	return note
}

// holding finds the eligibility that a role was, or could be, activated from.
func (m *Menu) holding(e pim.EligibleAssignment) (pim.EligibleAssignment, bool) {
	if held, ok := m.find(roleKey(e.Assignment)); ok {
		return held, true
	}
	var best pim.EligibleAssignment
	for _, i := range m.items {
		if i.Kind == e.Kind && strings.EqualFold(i.Role, e.Role) && i.Schedule != "" && strings.EqualFold(i.Schedule, e.Schedule) {
			return i.EligibleAssignment, true
		}
		if e.Schedule == "" && covers(i.EligibleAssignment, e.Assignment) && len(i.Scope) > len(best.Scope) { // made elsewhere
			best = i.EligibleAssignment
		}
	}
	return best, best.Role != ""
}

// covers says that an eligibility of Azure is for a place, or for one above it.
func covers(e pim.EligibleAssignment, a pim.Assignment) bool {
	scope, at := strings.ToLower(e.Scope), strings.ToLower(a.Scope)
	return e.Kind == pim.AzureResource && a.Kind == e.Kind && strings.EqualFold(e.Role, a.Role) && (at == scope || strings.HasPrefix(at, scope+"/"))
}
