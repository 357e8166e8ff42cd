package bottest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Microsoft is an in-memory tenant behind bot's ports, for tests of the core. The
// tenant on the wire is pim/pimtest. Its zero value is not ready: use NewMicrosoft.
type Microsoft struct {
	Now func() time.Time

	mu        sync.Mutex
	people    map[string]pim.Principal
	eligible  map[string][]pim.EligibleAssignment
	policies  map[pim.Assignment]pim.Policy
	children  map[pim.Assignment][]pim.Scope
	traces    []pim.Trace
	requests  []*pim.Request
	stages    map[string]*pim.Stage // by request
	instances []pim.Instance
	live      map[string]bool
	fails     map[string][]error // by operation, taken one at a time, before the call has an effect
	loses     map[string]int     // by operation: effect done, answer lost
	writes    []string           // "person activate", in order
	next      int
}

// NewMicrosoft is an empty tenant.
func NewMicrosoft(now func() time.Time) *Microsoft {
	return &Microsoft{Now: now, people: map[string]pim.Principal{}, eligible: map[string][]pim.EligibleAssignment{},
		policies: map[pim.Assignment]pim.Policy{}, children: map[pim.Assignment][]pim.Scope{}, stages: map[string]*pim.Stage{}, live: map[string]bool{},
		fails: map[string][]error{}, loses: map[string]int{}}
}

// AddPerson adds somebody, signed in or not.
func (m *Microsoft) AddPerson(p pim.Principal, signedIn bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.people[p.ID], m.live[p.ID] = p, signedIn
}

// AddRole gives a person an eligibility with its policy.
func (m *Microsoft) AddRole(person string, e pim.EligibleAssignment, p pim.Policy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.eligible[person] = append(m.eligible[person], e)
	m.policies[e.Assignment] = p
}

// SetLive signs a person in or out.
func (m *Microsoft) SetLive(person string, live bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live[person] = live
}

// Fail lets the next calls of an operation ("activate", "review", "request", …)
// fail, in order, without an effect.
func (m *Microsoft) Fail(op string, errs ...error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails[op] = append(m.fails[op], errs...)
}

// Lose lets the next n calls of a writing operation do their work and lose the answer.
func (m *Microsoft) Lose(op string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loses[op] = n
}

// Writes are the writes that took effect, as "person operation".
func (m *Microsoft) Writes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.writes)
}

// Decide decides the newest pending request as somebody in the portal.
func (m *Microsoft) Decide(by string, result pim.Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Backward(m.requests) {
		if r.Status == "PendingApproval" {
			return m.decide(by, r.ID, result, "in the portal")
		}
	}
	return fmt.Errorf("nothing is pending")
}

// Revoke removes every active instance, as an administrator may.
func (m *Microsoft) Revoke() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.instances = nil
}

// enter is how every call begins: a scripted failure, or the person's grant.
func (m *Microsoft) enter(op, person string) error {
	if errs := m.fails[op]; len(errs) > 0 {
		m.fails[op] = errs[1:]
		return errs[0]
	}
	if person != "" && !m.live[person] {
		return &pim.Error{Op: op, Code: pim.CodeSignIn}
	}
	return nil
}

// done records a write, and loses its answer where that is asked for.
func (m *Microsoft) done(op, person string) error {
	m.writes = append(m.writes, person+" "+op)
	if m.loses[op] > 0 {
		m.loses[op]--
		return &pim.Error{Op: op, Code: pim.CodeUnavailable, Ambiguous: true}
	}
	return nil
}

func refused(op string, code pim.Code) error { return &pim.Error{Op: op, Code: code, Status: 400} }

// Eligible implements bot.Catalog.
func (m *Microsoft) Eligible(_ context.Context, person string) ([]pim.EligibleAssignment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("eligible", person); err != nil {
		return nil, err
	}
	return slices.Clone(m.eligible[person]), nil
}

// Policy implements bot.Catalog.
func (m *Microsoft) Policy(_ context.Context, _ string, a pim.Assignment) (pim.Policy, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("policy", ""); err != nil {
		return pim.Policy{}, err
	}
	p, ok := m.policies[a]
	for role, rules := range m.policies { // a directory role has one for all its scopes
		if !ok && a.Kind == pim.EntraRole && a.Scope == "" && role.Kind == a.Kind && role.Role == a.Role {
			p, ok = rules, true
		}
	}
	if !ok {
		return p, refused("policy", pim.CodeNotFound)
	}
	return p, nil
}

// AddScope adds a place below an eligibility to which it can be narrowed. The
// eligibility's policy and its holders are those of the place as well.
func (m *Microsoft) AddScope(below pim.Assignment, s pim.Scope) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.children[below] = append(m.children[below], s)
	m.policies[pim.Assignment{Kind: below.Kind, Role: below.Role, Scope: s.ID}] = m.policies[below]
}

// Children implements bot.Catalog.
func (m *Microsoft) Children(_ context.Context, person string, e pim.EligibleAssignment) ([]pim.Scope, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("children", person); err != nil {
		return nil, err
	}
	return slices.Clone(m.children[e.Assignment]), nil
}

// Check implements bot.Catalog.
func (m *Microsoft) Check(_ context.Context, person string, a pim.Activation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("check", person); err != nil {
		return err
	}
	m.expire()
	return m.refuses("check", person, a)
}

// Principal implements bot.Directory.
func (m *Microsoft) Principal(_ context.Context, id string) (pim.Principal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("principal", ""); err != nil {
		return pim.Principal{}, err
	}
	p, ok := m.people[id]
	if !ok {
		return p, refused("principal", pim.CodeNotFound)
	}
	return p, nil
}

// Live implements bot.Grants.
func (m *Microsoft) Live(_ context.Context, person string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live[person], nil
}

// Forget implements bot.Grants.
func (m *Microsoft) Forget(_ context.Context, person string) error {
	m.SetLive(person, false)
	return nil
}

// ForgetIn implements bot.Grants.
func (m *Microsoft) ForgetIn(_ store.Tx, person, _ string) error {
	m.SetLive(person, false)
	return nil
}

// Activate implements bot.Caller.
func (m *Microsoft) Activate(_ context.Context, person string, a pim.Activation) (pim.Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("activate", person); err != nil {
		return pim.Request{}, err
	}
	m.expire()
	if err := m.refuses("activate", person, a); err != nil {
		return pim.Request{}, err
	}
	p := m.policies[a.Assignment]
	m.next++
	r := &pim.Request{ID: fmt.Sprintf("ms-%d", m.next), Assignment: a.Assignment, Principal: person, Justification: a.Justification,
		Ticket: a.Ticket, Created: m.Now(), Start: a.Start, Duration: a.Duration, Status: "Provisioned", Who: m.people[person]}
	r.Schedule = "schedule-" + r.ID
	for _, e := range m.eligible[person] {
		if e.Assignment == a.Assignment {
			r.RoleName, r.ScopeName = e.RoleName, e.ScopeName
		}
	}
	m.requests = append(m.requests, r)
	if p.Approval {
		r.Status, r.Approval = "PendingApproval", r.ID
		m.stages[r.ID] = &pim.Stage{ID: "stage-" + r.ID, Status: "InProgress", Result: pim.NotReviewed}
	} else {
		m.provision(r)
	}
	return *r, m.done("activate", person)
}

// refuses is why an activation would not be taken; nil when it would.
func (m *Microsoft) refuses(op, person string, a pim.Activation) error {
	if _, ok := m.policies[a.Assignment]; !ok {
		return &pim.Error{Op: op, Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleEligibility}}
	}
	for _, r := range m.requests {
		if r.Principal == person && r.Assignment == a.Assignment && r.Status == "PendingApproval" {
			return refused(op, pim.CodePending)
		}
		if r.Principal == person && r.Assignment == a.Assignment && r.Status == "Granted" {
			return refused(op, pim.CodeExists)
		}
	}
	if m.active(person, a.Assignment) >= 0 {
		return refused(op, pim.CodeExists)
	}
	return nil
}

// provision gives what was agreed: now, or when its start has come (expire).
func (m *Microsoft) provision(r *pim.Request) {
	start := m.Now()
	if r.Start.After(start) {
		r.Status = "Granted"
		return
	}
	if r.Status == "Granted" {
		start = r.Start
	}
	r.Status = "Provisioned"
	m.instances = append(m.instances, pim.Instance{ID: "instance-" + r.ID, Assignment: r.Assignment, Principal: r.Principal,
		Schedule: r.Schedule, Start: start, End: start.Add(r.Duration), Activated: true})
}

func (m *Microsoft) active(person string, a pim.Assignment) int {
	return slices.IndexFunc(m.instances, func(i pim.Instance) bool { return i.Principal == person && i.Assignment == a })
}

// Deactivate implements bot.Caller.
func (m *Microsoft) Deactivate(_ context.Context, person string, d pim.Deactivation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("deactivate", person); err != nil {
		return err
	}
	m.expire()
	n := m.active(person, d.Assignment)
	if n < 0 {
		return refused("deactivate", pim.CodeNotActive)
	}
	if m.Now().Sub(m.instances[n].Start) < 5*time.Minute {
		return refused("deactivate", pim.CodeTooShort)
	}
	m.instances = slices.Delete(m.instances, n, n+1)
	return m.done("deactivate", person)
}

// Cancel implements bot.Caller.
func (m *Microsoft) Cancel(_ context.Context, person, request string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("cancel", person); err != nil {
		return err
	}
	r := m.find(request)
	if r == nil || r.Principal != person || r.Status != "PendingApproval" && r.Status != "Granted" {
		return refused("cancel", pim.CodeCannotCancel)
	}
	r.Status = "Canceled"
	return m.done("cancel", person)
}

// Review implements bot.Caller.
func (m *Microsoft) Review(_ context.Context, person string, d pim.Decision) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("review", person); err != nil {
		return err
	}
	if err := m.decide(person, d.Approval, d.Result, d.Justification); err != nil {
		return err
	}
	return m.done("review", person)
}

func (m *Microsoft) decide(by, id string, result pim.Result, why string) error {
	r, s := m.find(id), m.stages[id]
	switch {
	case r == nil || s == nil:
		return refused("review", pim.CodeNotFound)
	case s.Result != pim.NotReviewed:
		return &pim.Error{Op: "review", Code: pim.CodeDecided, Status: 409}
	case by == r.Principal || !m.may(by, r):
		return &pim.Error{Op: "review", Code: pim.CodeNotApprover, Status: 403}
	}
	s.Result, s.Reviewer, s.Reviewed, s.Justification, s.Status = result, m.people[by], m.Now(), why, "Completed"
	if result == pim.Denied {
		r.Status = "Denied"
		return nil
	}
	m.provision(r)
	return nil
}

func (m *Microsoft) may(by string, r *pim.Request) bool {
	return slices.ContainsFunc(m.policies[r.Assignment].Approvers, func(p pim.Principal) bool { return p.ID == by })
}

func (m *Microsoft) find(id string) *pim.Request {
	for _, r := range m.requests {
		if strings.EqualFold(r.ID, id) {
			return r
		}
	}
	return nil
}

// expire does what time does.
func (m *Microsoft) expire() {
	for _, r := range m.requests {
		if r.Status == "Granted" {
			m.provision(r)
		}
	}
	m.instances = slices.DeleteFunc(m.instances, func(i pim.Instance) bool { return !m.Now().Before(i.End) })
	for _, r := range m.requests {
		if r.Status == "PendingApproval" && m.Now().Sub(r.Created) >= 24*time.Hour {
			r.Status = "Failed"
		}
	}
}
