package bot

import (
	"cmp"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// The names of the form's fields.
const (
	fieldRole   = "role"
	fieldWhere  = "where"
	fieldAlso   = "also"
	fieldTime   = "duration"
	fieldStart  = "start"
	fieldReason = "reason"
	fieldTicket = "ticket"
	fieldSystem = "system"
	fieldTerms  = "terms-" // and the text's digest
)

// ticked is the value of a box that is ticked.
const ticked = "yes"

// The longest answers, in runes.
const (
	maxReason = 500
	maxTicket = 100
)

// shortest is the least Microsoft accepts (FACTS: ActiveDurationTooShort).
const shortest = 5 * time.Minute

// Form is the form with id for what person has filled in so far: first the role, and
// once that and its policy are known the questions the policy asks. values and
// problems are by field name.
func (m *Menu) Form(person, id string, values, problems map[string]string, note string) *Form {
	return m.form(person, id, values, problems, note, nil)
}

// form is Form with what Microsoft said beforehand of the roles.
func (m *Menu) form(person, id string, values, problems map[string]string, note string, heard map[pim.Assignment]string) *Form {
	f := &Form{ID: id, Verb: VerbAsk, Title: formTitle, Submit: "Next", Text: chooseText, Note: note}
	role := Field{Name: fieldRole, Label: "Role", Kind: Choice, Live: true, Required: true, Value: values[fieldRole], Error: problems[fieldRole]}
	role.Options, role.Search = m.options("", pim.Assignment{})
	c, wrong := m.choose(values)
	policies, known := m.policiesOf(c)
	switch {
	case !c.known:
		role.Value = ""
	default:
		role.Chosen = roleAt(c.held)
	}
	f.Fields = []Field{role}
	if !c.known || !known {
		f.Note = sentences(note, sayMissing(m.missing))
		return f
	}
	f.Submit = "Send"
	f.Text = m.textFor(person, c, policies, heard)
	if note == "" {
		note = policyNote(policies...)
	}
	f.Note = sentences(note, sayMissing(m.missing))
	if places, ok := m.placesField(c, cmp.Or(problems[fieldWhere], wrong[fieldWhere])); ok {
		f.Fields = append(f.Fields, places)
	}
	if len(m.items) > 1 {
		f.Fields = append(f.Fields, m.alsoField(c, cmp.Or(problems[fieldAlso], wrong[fieldAlso])))
	}
	f.Fields = append(f.Fields, questions(demands(policies), values, problems)...)
	for _, t := range m.termsOf(c) { // a box is ticked anew each time a form is opened
		f.Fields = append(f.Fields, Field{Name: t.field, Label: t.text, Kind: Tick, Required: true, Value: boxed(values[t.field]), Error: problems[t.field]})
	}
	return f
}

// moment and boxed give back only what such a field can hold.
func moment(value string) string {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return ""
	}
	return t.UTC().Truncate(time.Minute).Format(time.RFC3339)
}

func boxed(value string) string {
	if value != ticked {
		return ""
	}
	return ticked
}

// textFor says before the person starts what Microsoft would say, who decides, and
// through which group the role is held.
func (m *Menu) textFor(person string, c choice, policies []pim.Policy, heard map[pim.Assignment]string) string {
	var lines []string
	for _, e := range c.all() {
		if said := heard[e.Assignment]; said != "" {
			lines = append(lines, said)
		}
	}
	for n, e := range c.all() {
		lines = append(lines, sentences(policyText(e, policies[n], person), throughText(e)))
	}
	return strings.Join(lines, "\n")
}

// placesField asks where to activate an eligibility that can be narrowed.
func (m *Menu) placesField(c choice, problem string) (Field, bool) {
	if len(m.children[c.held.Assignment]) == 0 && problem == "" {
		return Field{}, false
	}
	f := Field{Name: fieldWhere, Label: "Where", Hint: whereHint, Kind: Choice, Live: true, Required: true,
		Value: roleKey(c.first.Assignment), Chosen: c.first.ScopeName, Error: problem}
	f.Options, f.Search = m.places(c.held.Assignment, "")
	return f, true
}

// places lists where an eligibility can be activated and that matches what was
// typed: its own scope first.
func (m *Menu) places(held pim.Assignment, typed string) (all []Option, search bool) {
	e, ok := m.find(roleKey(held))
	if !ok {
		return nil, false
	}
	typed = strings.ToLower(strings.TrimSpace(typed))
	children := m.children[held]
	for n := -1; n < len(children) && len(all) < mostOptions; n++ {
		o, a := Option{Label: e.ScopeName, Hint: wholeHint}, held
		if n >= 0 {
			o = Option{Label: children[n].Name}
			a.Scope = children[n].ID
		}
		if o.Value = roleKey(a); strings.Contains(strings.ToLower(o.Label), typed) {
			all = append(all, o)
		}
	}
	return all, len(children) >= mostOptions
}

// alsoField asks for further roles. Those that are chosen stand first, so that they
// are listed however many there are.
func (m *Menu) alsoField(c choice, problem string) Field {
	f := Field{Name: fieldAlso, Label: "And also", Hint: alsoHint, Kind: Many, Live: true, Max: mostAlso, Error: problem}
	var keys []string
	for _, e := range c.also {
		key := roleKey(e.Assignment)
		keys = append(keys, key)
		f.Options = append(f.Options, m.option(m.items[m.keys[key]]))
	}
	f.Value = strings.Join(keys, ",")
	var rest []Option
	rest, f.Search = m.options("", c.held.Assignment)
	for _, o := range rest {
		if len(f.Options) < mostOptions && !strings.Contains(f.Value, o.Value) {
			f.Options = append(f.Options, o)
		}
	}
	return f
}

// questions are what the roles demand of everybody.
func questions(p pim.Policy, values, problems map[string]string) []Field {
	times := Field{Name: fieldTime, Label: "For how long", Kind: Choice, Required: true, Error: problems[fieldTime], Value: values[fieldTime]}
	wanted, err := ParseTime(values[fieldTime])
	if err == nil && wanted > p.MaxDuration && times.Error == "" {
		times.Error = sayTooLong(p.MaxDuration)
	}
	if err == nil && wanted < shortest && times.Error == "" {
		times.Error = sayTooShort
	}
	times.Options, times.Value = durations(p.MaxDuration, wanted)
	start := Field{Name: fieldStart, Label: "Start later", Hint: startHint, Kind: Moment, Value: moment(values[fieldStart]), Error: problems[fieldStart]}
	reason := Field{Name: fieldReason, Label: "Why", Hint: reasonHint, Kind: Paragraph, Required: p.Justification, Max: maxReason,
		Value: cut(values[fieldReason], maxReason), Error: problems[fieldReason]}
	if !p.Justification {
		reason.Hint = reasonOptions
	}
	all := []Field{times, start, reason}
	if p.Ticket {
		all = append(all,
			Field{Name: fieldTicket, Label: "Ticket number", Kind: Text, Required: true, Max: maxTicket, Value: values[fieldTicket], Error: problems[fieldTicket]},
			Field{Name: fieldSystem, Label: "Ticket system", Kind: Text, Max: maxTicket, Value: values[fieldSystem], Error: problems[fieldSystem]})
	}
	return all
}

// durations are the choices up to the maximum, and the one that is filled in.
func durations(most, wanted time.Duration) (all []Option, value string) {
	steps := []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 12 * time.Hour, 24 * time.Hour}
	chosen := min(time.Hour, most)
	if wanted >= shortest && wanted <= most {
		chosen = wanted
	}
	var last time.Duration
	add := func(d time.Duration) {
		if d > last && d <= most {
			all = append(all, Option{Value: pim.FormatDuration(d), Label: sayDuration(d)})
			last = d
		}
	}
	for _, d := range steps {
		if chosen < d {
			add(chosen)
		}
		if most < d {
			break
		}
		add(d)
	}
	add(chosen)
	add(most)
	return all, pim.FormatDuration(chosen)
}
