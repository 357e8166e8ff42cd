package bot

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaybot/belay/pim"
)

// menus keeps menus, and what is known of forms that are open, in memory only.
type menus struct {
	now    func() time.Time
	mu     sync.Mutex
	held   map[string]*Menu
	sheets map[string]*sheet // by person and form: a form's id gives what was typed to nobody else
	swept  time.Time         // when forms that are too old were last forgotten
}

// sheet is what Belay remembers of a form that is not sent yet.
type sheet struct {
	typed  map[string]string         // what a command said that the form could not ask yet
	laid   string                    // the roles and the place it was last shown for
	role   pim.Assignment            // the eligibility chosen in it, for what is searched there
	heard  map[pim.Assignment]string // what Microsoft said beforehand; "": nothing to tell
	opened time.Time
}

// mostSheets bounds the forms that are remembered; of others only that is lost.
const mostSheets = 10_000

func sheetKey(person, form string) string { return person + "/" + form }

// sheet changes what is remembered of a person's form, for as long as a menu is.
func (m *menus) sheet(person, form string, change func(*sheet)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := sheetKey(person, form)
	s, ok := m.sheets[key]
	if !ok {
		now := m.now()
		full := len(m.sheets) >= mostSheets // then in a rush: each form would look through all others
		if since := now.Sub(m.swept); since > menuAge/5 || since < 0 || full && since > time.Second {
			m.swept = now
			maps.DeleteFunc(m.sheets, func(_ string, old *sheet) bool { return now.Sub(old.opened) > menuAge })
		}
		if len(m.sheets) >= mostSheets {
			return
		}
		s = &sheet{heard: map[pim.Assignment]string{}}
		m.sheets[key] = s
	}
	s.opened = m.now()
	change(s)
}

// recall is what is remembered of a person's form.
func (m *menus) recall(person, form string) sheet {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sheets[sheetKey(person, form)]
	if !ok {
		return sheet{}
	}
	copied := *s
	copied.heard = maps.Clone(s.heard)
	return copied
}

// withTyped adds what a command said to what the form holds now.
func (m *menus) withTyped(person, form string, values map[string]string) map[string]string {
	all := maps.Clone(m.recall(person, form).typed)
	if all == nil {
		all = map[string]string{}
	}
	for name, v := range values {
		if v != "" {
			all[name] = v
		}
	}
	return all
}

// typed is what of a form's values is asked for once the role is chosen. They come from
// a chat platform, and are kept: nothing else, and no more than a form takes.
func typed(values map[string]string) map[string]string {
	kept := map[string]string{}
	for _, name := range []string{fieldAlso, fieldTime, fieldStart, fieldReason, fieldTicket, fieldSystem} {
		if v, ok := values[name]; ok {
			kept[name] = cut(v, 2*maxReason)
		}
	}
	return kept
}

func (m *menus) get(person string) (*Menu, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found, ok := m.held[person]
	if !ok || m.now().Sub(found.read) > menuAge || m.now().Before(found.read) {
		return nil, false
	}
	return found, true
}

func (m *menus) put(person string, fresh *Menu) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for who, old := range m.held {
		if m.now().Sub(old.read) > menuAge {
			delete(m.held, who)
		}
	}
	m.held[person] = fresh
}

// drop forgets a person's menu, because it may have changed.
func (m *menus) drop(person string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.held, person)
}

// missing is a pillar that could not be read for a person.
type missing struct {
	kind pim.Kind
	err  error
	some bool // a part of it could be read
}

// Error and Unwrap let a pillar's trouble be told apart like any other.
func (m missing) Error() string { return string(m.kind) + ": " + m.err.Error() }
func (m missing) Unwrap() error { return m.err }

// signIn says that a sign-in would mend it, and with which claims.
func (m missing) signIn() (claims string, ok bool) {
	var e *pim.Error
	if errors.As(m.err, &e) && (e.Code == pim.CodeSignIn || e.Code == pim.CodeStepUp) {
		return e.Claims, true
	}
	return "", false
}

// unreadFor is the sign-in that would let a person see what their menu lacks.
func (b *Bot) unreadFor(person string) (Ticket, bool) {
	if m, ok := b.menu.get(person); ok {
		for _, hole := range m.missing {
			if claims, ok := hole.signIn(); ok {
				return Ticket{Claims: claims, Kind: hole.kind}, true
			}
		}
	}
	return Ticket{}, false
}

// patchy says that a part of a menu is missing and has had time to come back.
func (m *Menu) patchy(now time.Time) bool {
	return len(m.missing) > 0 && now.Sub(m.read) > patchAge
}

const (
	patchAge   = 30 * time.Second // how long a menu with a hole is shown in new forms
	pillarTime = 10 * time.Second // bounds one pillar's list: a slow one does not hide the others
)

// readMenu asks every pillar at once what a person is eligible for. A pillar that
// cannot be read is noted in the menu; it is an error when none can.
func (b *Bot) readMenu(ctx context.Context, person string) (*Menu, error) {
	if m, ok := b.menu.get(person); ok {
		return m, nil
	}
	kinds := slices.Sorted(maps.Keys(b.o.Pillars))
	lists, faults := make([][]pim.EligibleAssignment, len(kinds)), make([]error, len(kinds))
	var g errgroup.Group
	for n, kind := range kinds {
		g.Go(func() error {
			faults[n] = guarded(func() error {
				ctx, cancel := context.WithTimeout(ctx, pillarTime)
				defer cancel()
				return patiently(ctx, func() (err error) {
					lists[n], err = b.o.Pillars[kind].Eligible(ctx, person)
					return err
				})
			})
			return nil
		})
	}
	_ = g.Wait() // the faults tell
	var holes []missing
	for n, err := range faults {
		if err != nil {
			holes = append(holes, missing{kind: kinds[n], err: err, some: len(lists[n]) > 0})
			b.o.Log.WarnContext(ctx, "what a person is eligible for could not be read", "kind", kinds[n], "error", err)
		}
	}
	if len(holes) == len(kinds) && !slices.ContainsFunc(holes, func(h missing) bool { return h.some }) { // what a sign-in mends first: the person can do that at once
		for _, h := range holes {
			if _, ok := h.signIn(); ok {
				return nil, h
			}
		}
		return nil, holes[0]
	}
	fresh := NewMenu(b.o.Now(), slices.Concat(lists...), map[pim.Assignment]pim.Policy{}).With(nil, b.o.Acknowledge)
	fresh.missing = holes
	b.menu.put(person, fresh)
	return fresh, nil
}

// hinted gives a menu with the policies of all its roles, for a list to choose from
// that is not too long.
func (b *Bot) hinted(ctx context.Context, person string, m *Menu) *Menu {
	if !m.unhinted() {
		return m
	}
	var mu sync.Mutex
	policies := map[pim.Assignment]pim.Policy{}
	var g errgroup.Group
	g.SetLimit(6)
	for _, e := range m.items {
		if _, ok := m.policies[e.Assignment]; ok {
			continue
		}
		g.Go(func() error {
			p, err := b.policy(ctx, person, e.Assignment)
			if err != nil {
				// One role's rules cannot be read: the others can still be chosen, and this
				// one is read again, with its error, when it is chosen.
				b.o.Log.WarnContext(ctx, "a role's policy could not be read", "role", e.Role, "error", err)
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			policies[e.Assignment] = p
			return nil
		})
	}
	_ = g.Wait() // each tells its own
	m = m.with(policies, nil)
	b.menu.put(person, m)
	return m
}

// unhinted says that hinted would read something.
func (m *Menu) unhinted() bool {
	return len(m.items) <= eagerPolicies && slices.ContainsFunc(m.items, func(e item) bool {
		_, known := m.policies[e.Assignment]
		return !known
	})
}

// policy reads a role's rules.
func (b *Bot) policy(ctx context.Context, person string, a pim.Assignment) (pim.Policy, error) {
	p, err := b.pillar(a.Kind)
	if err != nil {
		return pim.Policy{}, err
	}
	var policy pim.Policy
	err = guarded(func() error {
		return patiently(ctx, func() (err error) {
			policy, err = p.Policy(ctx, person, a)
			return err
		})
	})
	return policy, err
}

// askedTime bounds what is nice to know: what Microsoft would say, and where an
// eligibility can be narrowed to.
const (
	askedTime    = 2 * time.Second
	childrenTime = 5 * time.Second
)

// prepare reads what the form with id asks for its roles: their policies, where the
// first can be narrowed to, and, once for a role and form, whether Microsoft would
// take the activation. Only a policy that cannot be read is an error.
func (b *Bot) prepare(ctx context.Context, person, id string, m *Menu, values map[string]string) (*Menu, error) {
	c, _ := m.choose(values)
	if !c.known {
		return m, nil
	}
	var mu sync.Mutex
	policies, children := map[pim.Assignment]pim.Policy{}, map[pim.Assignment][]pim.Scope{}
	narrow := func() error {
		all, err := b.children(ctx, person, c.held)
		if err != nil {
			b.o.Log.WarnContext(ctx, "where a role can be narrowed to could not be read", "kind", c.held.Kind, "error", err)
		}
		mu.Lock()
		defer mu.Unlock()
		children[c.held.Assignment] = all // nil: no such question
		return nil
	}
	_, unfolded := m.children[c.held.Assignment]
	if where := values[fieldWhere]; !unfolded && where != "" && where != roleKey(c.held.Assignment) {
		if err := narrow(); err != nil { // whose policy to read hangs on it
			return nil, err
		}
		m, unfolded = m.with(nil, children), true
		c, _ = m.choose(values)
	}
	heard := b.menu.recall(person, id).heard
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(6)
	if !unfolded {
		g.Go(narrow)
	}
	for _, e := range c.all() {
		if _, ok := m.policies[e.Assignment]; !ok {
			g.Go(func() error {
				p, err := b.policy(gctx, person, e.Assignment)
				if err != nil {
					return missing{kind: e.Kind, err: err}
				}
				mu.Lock()
				defer mu.Unlock()
				policies[e.Assignment] = p
				return nil
			})
		}
		if _, ok := heard[e.Assignment]; !ok {
			g.Go(func() error {
				said := b.preflight(ctx, person, e, values)
				b.menu.sheet(person, id, func(s *sheet) { s.heard[e.Assignment] = said })
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m = m.with(policies, children)
	b.menu.put(person, m)
	return m, nil
}

func (b *Bot) children(ctx context.Context, person string, e pim.EligibleAssignment) (all []pim.Scope, err error) {
	p, err := b.pillar(e.Kind)
	if err != nil {
		return nil, err
	}
	err = guarded(func() error {
		ctx, cancel := context.WithTimeout(ctx, childrenTime)
		defer cancel()
		return patiently(ctx, func() (err error) {
			all, err = p.Children(ctx, person, e)
			return err
		})
	})
	slices.SortFunc(all, func(a, b pim.Scope) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return all, err
}

// preflight asks Microsoft, without changing anything, whether it would take the
// activation, and gives what is worth telling before the person fills in the rest.
// No answer is nothing to tell.
func (b *Bot) preflight(ctx context.Context, person string, e pim.EligibleAssignment, values map[string]string) string {
	ctx, cancel := context.WithTimeout(ctx, askedTime)
	defer cancel()
	p, err := b.pillar(e.Kind)
	if err != nil {
		return ""
	}
	a := Request{ID: b.newID(), Role: e, Ask: Ask{Duration: shortest, Justification: strings.TrimSpace(values[fieldReason]),
		Ticket: pim.Ticket{Number: strings.TrimSpace(values[fieldTicket]), System: strings.TrimSpace(values[fieldSystem])}}}.activation()
	// What the form still asks for is no finding.
	a.Justification, a.Ticket.Number = cmp.Or(a.Justification, sayChecking), cmp.Or(a.Ticket.Number, sayChecking)
	err = guarded(func() error { return p.Check(ctx, person, a) })
	if err == nil {
		return ""
	}
	f := finding{role: e, err: err}
	if pim.CodeOf(err) == pim.CodeExists {
		_ = guarded(func() error { // until when is good to know; the finding stands without it
			all, err := p.Active(ctx, person, e.Assignment)
			if there := (Request{Role: e}).instance(all); err == nil && there != nil {
				f.left = there.End.Sub(b.o.Now())
			}
			return err
		})
	}
	return sayFinding(f)
}

// finding is what Microsoft would say to an activation.
type finding struct {
	role pim.EligibleAssignment
	err  error
	left time.Duration // of the activation that is there already; zero: not known
}
