package bot

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/belaybot/belay/pim"
)

// watch is what is known for finding requests that were made elsewhere: who may
// decide what, who of them has a sign-in, and whose lists therefore are read. It is
// memory only: after a start it is learnt anew.
type watch struct {
	mu      sync.Mutex
	roles   map[pim.Assignment]*coverage
	pages   map[looker]int       // calls that somebody's list took last time
	deaf    map[looker]time.Time // whose list cannot be read, and until when it is left alone
	plan    lookPlan
	renewAt time.Time // when the plan is to be made anew; zero: at once

	surveyed   time.Time // of the counting round only, as is …
	counted    int       // … how many requests were open then, and …
	countAgain time.Time // … until when nothing is counted, in wall time
	restUntil  time.Time // of the planning round only: until when nothing is planned, in wall time
}

// coverage is who may decide on one role.
type coverage struct {
	role     pim.EligibleAssignment
	approval bool
	policy   []pim.Principal      // whom the policy names …
	groups   []pim.ApproverGroup  // … through which groups …
	nobody   bool                 // … or that it names nobody …
	read     time.Time            // … when it was read
	listed   map[string]time.Time // in whose list a request for it stood, and when last
}

// looker is a person whose list of one pillar can be read.
type looker struct {
	kind pim.Kind
	who  string
}

// lookPlan says whose lists are read, and how often.
type lookPlan struct {
	people    map[looker]pim.Principal // everybody linked whose sign-in can be used, by pillar
	cover     map[pim.Kind][]string    // whose lists together show every role that they can show
	unknown   map[pim.Kind][]string    // of whom it is not known what they may decide
	every     time.Duration            // between two readings of a list of cover …
	inTurn    time.Duration            // … and of unknown
	load      rate.Limit               // calls a second that this takes
	uncovered []pim.EligibleAssignment // roles with approval that nobody's list shows
}

// How long what was learnt is believed, and how much of it is kept.
const (
	policyAge  = 15 * time.Minute // then a policy is read again where it matters
	listedAge  = time.Hour
	forgetting = 24 * time.Hour
	mostRoles  = 10_000
	deafFor    = 10 * time.Minute // a list that could not be read is left alone so long
	planAge    = 15 * time.Second // then it is looked who has a sign-in
)

// soonestLook is how often a list is read where the budget allows it: a request that was
// made elsewhere has its card within that time and a little.
const soonestLook = 10 * time.Second

func newWatch() *watch {
	return &watch{roles: map[pim.Assignment]*coverage{}, pages: map[looker]int{}, deaf: map[looker]time.Time{}}
}

// roleOf is the key of a role. The policy of a directory role is one for all scopes.
func roleOf(a pim.Assignment) pim.Assignment {
	a.Role, a.Scope = strings.ToLower(a.Role), strings.ToLower(a.Scope)
	if a.Kind == pim.EntraRole {
		a.Scope = ""
	}
	return a
}

// at is the coverage of a role, made when it is not there. It needs the lock.
func (w *watch) at(e pim.EligibleAssignment, now time.Time) *coverage {
	key := roleOf(e.Assignment)
	c, ok := w.roles[key]
	if !ok {
		if len(w.roles) >= mostRoles {
			maps.DeleteFunc(w.roles, func(_ pim.Assignment, c *coverage) bool { return now.Sub(c.read) > policyAge })
		}
		c = &coverage{listed: map[string]time.Time{}}
		w.roles[key] = c
		w.renewAt = time.Time{}
	}
	if e.RoleName != "" {
		c.role = e
	} else if c.role.Role == "" {
		c.role.Assignment = e.Assignment
	}
	return c
}

// learn takes in a policy that was read at that time.
func (w *watch) learn(e pim.EligibleAssignment, p pim.Policy, read time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.at(e, read); !read.Before(c.read) {
		c.approval, c.policy, c.groups, c.nobody, c.read = p.Approval, p.Approvers, p.ApproverGroups, p.DefaultApprovers, read
	}
}

// learnOf takes in whom a request names, where nothing better is known.
func (w *watch) learnOf(r Request, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.at(r.Role, now)
	c.approval = true
	if c.policy == nil {
		c.policy = r.Approvers // read long ago, so read stays zero
	}
}

// learnList takes in that a request for a role stood in somebody's list.
func (w *watch) learnList(e pim.EligibleAssignment, who string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.at(e, now)
	if c.approval = true; c.listed[who].IsZero() {
		w.renewAt = time.Time{}
	}
	c.listed[who] = now
}

// approvers is whom a policy names that was read not long ago; the policy's other
// rules are not kept.
func (w *watch) approvers(a pim.Assignment, now time.Time) (pim.Policy, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.roles[roleOf(a)]
	if !ok || c.read.IsZero() || now.Sub(c.read) > policyAge {
		return pim.Policy{}, false
	}
	return pim.Policy{Approval: c.approval, Approvers: c.policy, ApproverGroups: c.groups, DefaultApprovers: c.nobody}, true
}

// name is what a role is called, as far as it is known.
func (w *watch) name(a pim.Assignment) pim.EligibleAssignment {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.roles[roleOf(a)]; ok {
		return c.role
	}
	return pim.EligibleAssignment{}
}

// renew has the plan made anew at once: somebody signed in.
func (w *watch) renew() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.renewAt = time.Time{}
}

// due says whether the plan is to be made anew, and expects it to be.
func (w *watch) due(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Before(w.renewAt) && w.renewAt.Sub(now) <= planAge {
		return false
	}
	w.renewAt = now.Add(planAge)
	return true
}

// now is the plan; nobody changes it.
func (w *watch) now() lookPlan {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.plan
}

// cost notes how many calls somebody's list took.
func (w *watch) cost(l looker, calls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pages[l] != calls {
		w.renewAt = time.Time{}
	}
	w.pages[l] = calls
}

// refused leaves alone for a while a list that cannot be read.
func (w *watch) refused(l looker, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf[l] = now.Add(deafFor)
	w.renewAt = time.Time{}
}

// covers says that the list of somebody with a sign-in shows requests for a role.
func (w *watch) covers(a pim.Assignment) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.roles[roleOf(a)]
	return ok && len(c.by(a.Kind, w.plan.people)) > 0
}

// by are those of people who may decide on a role.
func (c *coverage) by(kind pim.Kind, people map[looker]pim.Principal) map[string]bool {
	who := map[string]bool{}
	for _, p := range c.policy {
		if _, ok := people[looker{kind, p.ID}]; ok {
			who[p.ID] = true
		}
	}
	for id := range c.listed {
		if _, ok := people[looker{kind, id}]; ok {
			who[id] = true
		}
	}
	return who
}

// make makes the plan: of those with a sign-in, as few as together may decide on
// every role that any of them may decide on, and everybody of whom that is not known.
func (w *watch) make(people []pim.Principal, kinds []pim.Kind, per rate.Limit, now time.Time) lookPlan {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := lookPlan{people: map[looker]pim.Principal{}, cover: map[pim.Kind][]string{}, unknown: map[pim.Kind][]string{}}
	maps.DeleteFunc(w.deaf, func(_ looker, until time.Time) bool { return !now.Before(until) })
	for _, kind := range kinds {
		for _, one := range people {
			if l := (looker{kind, one.ID}); w.deaf[l].IsZero() {
				p.people[l] = one
			}
		}
	}
	open := map[pim.Kind][]map[string]bool{} // by role: who may decide
	for key, c := range w.roles {
		maps.DeleteFunc(c.listed, func(_ string, last time.Time) bool { return now.Sub(last) > listedAge })
		if !c.read.IsZero() && now.Sub(c.read) > forgetting {
			delete(w.roles, key)
			continue
		}
		if !c.approval || !slices.Contains(kinds, key.Kind) {
			continue
		}
		if who := c.by(key.Kind, p.people); len(who) > 0 {
			open[key.Kind] = append(open[key.Kind], who)
		} else {
			p.uncovered = append(p.uncovered, c.role)
		}
	}
	slices.SortFunc(p.uncovered, func(a, b pim.EligibleAssignment) int {
		return cmp.Or(strings.Compare(a.RoleName, b.RoleName), strings.Compare(a.Role, b.Role), strings.Compare(a.Scope, b.Scope))
	})
	calls, unknown := 0, 0
	for _, kind := range kinds {
		known := map[string]bool{}
		for _, who := range open[kind] {
			maps.Copy(known, who)
		}
		p.cover[kind] = fewest(open[kind])
		for _, who := range p.cover[kind] {
			calls += max(1, w.pages[looker{kind, who}])
		}
		for l := range p.people {
			if l.kind == kind && !known[l.who] {
				p.unknown[kind] = append(p.unknown[kind], l.who)
			}
		}
		slices.Sort(p.unknown[kind])
		unknown += len(p.unknown[kind])
	}
	// The lists of the cover stand for many requests and may take most of the budget. Those
	// of whom nothing is known have what the cover leaves of half of it, and an eighth in
	// any case.
	p.every = max(soonestLook, spread(calls, per*3/4))
	left := max(per/2-rate.Limit(float64(calls)/p.every.Seconds()), per/8)
	p.inTurn = max(soonestLook, spread(unknown, left))
	p.load = rate.Limit(float64(calls)/p.every.Seconds() + float64(unknown)/p.inTurn.Seconds())
	w.plan = p
	return p
}

// spread is how long so many calls take at so many a second.
func spread(calls int, per rate.Limit) time.Duration {
	return time.Duration(float64(calls) / float64(per) * float64(time.Second))
}

// fewest chooses people so that each role has one who may decide on it: always whoever
// may decide on most of what is left, the first by id among equals.
func fewest(roles []map[string]bool) []string {
	var chosen []string
	left := slices.Clone(roles)
	for len(left) > 0 {
		counts := map[string]int{}
		for _, who := range left {
			for id := range who {
				counts[id]++
			}
		}
		best := ""
		for _, id := range slices.Sorted(maps.Keys(counts)) {
			if best == "" || counts[id] > counts[best] {
				best = id
			}
		}
		chosen = append(chosen, best)
		left = slices.DeleteFunc(left, func(who map[string]bool) bool { return who[best] })
	}
	return chosen
}
