package bot

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// menuAge is how long what a person may activate is kept in memory. It is a view
// for filling in a form; Microsoft decides at the activation.
const menuAge = 5 * time.Minute

// mostOptions is what both platforms can list; beyond it people search.
const mostOptions = 100

// eagerPolicies is up to how many roles all policies are read with the menu.
const eagerPolicies = 25

// Menu is what one person may activate, and the policies known of it. It is never
// changed, only replaced.
type Menu struct {
	items    []item         // sorted by label, without repetitions
	keys     map[string]int // by option value
	policies map[pim.Assignment]pim.Policy
	children map[pim.Assignment][]pim.Scope      // where an eligibility can be narrowed to, once that was read
	missing  []missing                           // pillars that could not be read
	terms    func(pim.EligibleAssignment) string // what a requester must acknowledge; nil: nothing
	read     time.Time                           // business time
}

// item is one eligibility with what it is listed and found by, made once for a
// menu: people search while they type.
type item struct {
	pim.EligibleAssignment
	key   string
	label string
	low   string   // the label in lower case
	names []string // what it may be called, in lower case
	twin  bool     // another one is called the same, or looks as if
}

// NewMenu sorts what a person is eligible for, as it was read at that time.
func NewMenu(read time.Time, eligible []pim.EligibleAssignment, policies map[pim.Assignment]pim.Policy) *Menu {
	m := &Menu{items: make([]item, len(eligible)), keys: make(map[string]int, len(eligible)), policies: policies,
		children: map[pim.Assignment][]pim.Scope{}, read: read}
	for n, e := range eligible {
		label := roleAt(e)
		m.items[n] = item{EligibleAssignment: e, key: roleKey(e.Assignment), label: label, low: strings.ToLower(label), names: names(e, label)}
	}
	// What a person holds themselves comes before what a group holds for them.
	slices.SortStableFunc(m.items, func(a, b item) int {
		return cmp.Or(strings.Compare(a.low, b.low), strings.Compare(a.Scope, b.Scope), strings.Compare(a.Role, b.Role), strings.Compare(a.Through.ID, b.Through.ID))
	})
	m.items = slices.CompactFunc(m.items, func(a, b item) bool { return a.key == b.key })
	seen := make(map[string]int, len(m.items)) // by how it looks → one that looks like that
	for n := range m.items {
		m.keys[m.items[n].key] = n
		looks := looksLike(m.items[n].label)
		if other, is := seen[looks]; is {
			m.items[n].twin, m.items[other].twin = true, true
		}
		seen[looks] = n
	}
	return m
}

// names are what a role may be called: a group by its own name, an Azure role by
// its scope's name as well.
func names(e pim.EligibleAssignment, label string) []string {
	all := []string{label}
	switch {
	case e.Kind == pim.Group:
		all = append(all, e.ScopeName)
	case e.Scope == "/":
		all = append(all, e.RoleName)
	default:
		last := e.Scope[strings.LastIndex(e.Scope, "/")+1:]
		all = append(all, e.RoleName, e.ScopeName, last, e.RoleName+" "+last)
	}
	for n := range all {
		all[n] = strings.ToLower(all[n])
	}
	return all
}

// with gives a copy of m that knows more.
func (m *Menu) with(policies map[pim.Assignment]pim.Policy, children map[pim.Assignment][]pim.Scope) *Menu {
	more := *m
	more.policies, more.children = maps.Clone(m.policies), maps.Clone(m.children)
	if more.policies == nil {
		more.policies = map[pim.Assignment]pim.Policy{}
	}
	maps.Copy(more.policies, policies)
	maps.Copy(more.children, children)
	return &more
}

// With gives a copy of m that also knows where eligibilities can be narrowed to, and
// which text a requester must acknowledge for a role ("": none).
func (m *Menu) With(children map[pim.Assignment][]pim.Scope, terms func(pim.EligibleAssignment) string) *Menu {
	more := m.with(nil, children)
	more.terms = terms
	return more
}

// find resolves the value of an option.
func (m *Menu) find(key string) (pim.EligibleAssignment, bool) {
	n, ok := m.keys[key]
	if !ok {
		return pim.EligibleAssignment{}, false
	}
	return m.items[n].EligibleAssignment, true
}

// match finds roles by name: the whole name, else its beginning, else a part of
// it, else each word of it.
func (m *Menu) match(query string) []item {
	words := strings.Fields(strings.ToLower(query))
	q := strings.Join(words, " ")
	if q == "" {
		return nil
	}
	anyName := func(fits func(name string) bool) func(*item) bool {
		return func(i *item) bool { return slices.ContainsFunc(i.names, fits) }
	}
	for _, fits := range []func(*item) bool{
		anyName(func(n string) bool { return n == q }),
		anyName(func(n string) bool { return strings.HasPrefix(n, q) }),
		anyName(func(n string) bool { return strings.Contains(n, q) }),
		func(i *item) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(i.low, w) })
		},
	} {
		var found []item
		for n := range m.items {
			if fits(&m.items[n]) {
				found = append(found, m.items[n])
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// options lists roles that match what was typed, except one, and whether there are
// more than a list can hold.
func (m *Menu) options(typed string, except pim.Assignment) (all []Option, search bool) {
	found := m.items
	if strings.TrimSpace(typed) != "" {
		found = m.match(typed)
	}
	for n := range found {
		if len(all) == mostOptions {
			break
		}
		if found[n].Assignment != except {
			all = append(all, m.option(found[n]))
		}
	}
	return all, len(m.items) > mostOptions
}

func (m *Menu) option(i item) Option {
	var p *pim.Policy
	if known, ok := m.policies[i.Assignment]; ok {
		p = &known
	}
	return Option{Value: i.key, Label: i.label, Hint: roleHint(i.EligibleAssignment, p, i.twin)}
}

// roleKey is an opaque short name of an assignment, the same after a restart.
func roleKey(a pim.Assignment) string {
	sum := sha256.Sum256([]byte(string(a.Kind) + "\x00" + strings.ToLower(a.Role) + "\x00" + a.Scope))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}
