package bottest

import (
	"context"
	"slices"
	"time"

	"github.com/belaybot/belay/pim"
)

// Request implements bot.Observer.
func (m *Microsoft) Request(_ context.Context, person, id string) (pim.Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("request", person); err != nil {
		return pim.Request{}, err
	}
	m.expire()
	r := m.find(id)
	if r == nil || r.Principal != person {
		return pim.Request{}, refused("request", pim.CodeNotFound)
	}
	return *r, nil
}

// Mine implements bot.Observer.
func (m *Microsoft) Mine(_ context.Context, person string) ([]pim.Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("mine", person); err != nil {
		return nil, err
	}
	m.expire()
	var all []pim.Request
	for _, r := range slices.Backward(m.requests) {
		if r.Principal == person {
			all = append(all, *r)
		}
	}
	return all, nil
}

// Approval implements bot.Observer.
func (m *Microsoft) Approval(_ context.Context, approver, id string) (pim.Approval, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("approval", approver); err != nil {
		return pim.Approval{}, err
	}
	r, s := m.find(id), m.stages[id]
	if r == nil || s == nil {
		return pim.Approval{}, refused("approval", pim.CodeNotFound)
	}
	if approver == r.Principal || !m.may(approver, r) {
		return pim.Approval{}, &pim.Error{Op: "approval", Code: pim.CodeNotApprover, Status: 403}
	}
	mine := *s
	mine.AssignedToMe = true
	return pim.Approval{ID: id, Stages: []pim.Stage{mine}}, nil
}

// Active implements bot.Observer.
func (m *Microsoft) Active(_ context.Context, principal string, _ pim.Assignment) ([]pim.Instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("active", ""); err != nil {
		return nil, err
	}
	m.expire()
	var all []pim.Instance
	for _, i := range m.instances {
		if i.Principal == principal {
			all = append(all, i)
		}
	}
	return all, nil
}

// Pending implements bot.Finder.
func (m *Microsoft) Pending(_ context.Context, approver string) ([]pim.Request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("pending", approver); err != nil {
		return nil, err
	}
	m.expire()
	var all []pim.Request
	for _, r := range m.requests {
		if r.Status == "PendingApproval" && r.Principal != approver && m.may(approver, r) {
			all = append(all, *r)
		}
	}
	return all, nil
}

// AddTrace writes a line of the audit log.
func (m *Microsoft) AddTrace(t pim.Trace) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.traces = append(m.traces, t)
}

// Traces implements bot.Finder.
func (m *Microsoft) Traces(_ context.Context, since time.Time) ([]pim.Trace, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("traces", ""); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(m.traces), func(t pim.Trace) bool { return t.At.Before(since) }), nil
}

// Portal asks for a role as somebody in the portal, and gives Microsoft's request.
func (m *Microsoft) Portal(person string, a pim.Activation) (pim.Request, error) {
	m.mu.Lock()
	live := m.live[person]
	m.live[person] = true
	m.mu.Unlock()
	r, err := m.Activate(context.Background(), person, a)
	m.SetLive(person, live)
	return r, err
}

// DropRole takes a person's eligibility away, as an administrator may.
func (m *Microsoft) DropRole(person string, a pim.Assignment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.eligible[person] = slices.DeleteFunc(m.eligible[person], func(e pim.EligibleAssignment) bool { return e.Assignment == a })
}

// Held is a request as Microsoft holds it, for tests that compare.
type Held struct {
	pim.Request
	Stage  pim.Stage // zero: nobody has to decide
	Active bool
}

// Holds is everything that Microsoft holds, in the order in which it was asked for.
func (m *Microsoft) Holds() []Held {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire()
	all := make([]Held, len(m.requests))
	for n, r := range m.requests {
		all[n].Request = *r
		if s := m.stages[r.ID]; s != nil {
			all[n].Stage = *s
		}
		all[n].Active = slices.ContainsFunc(m.instances, func(i pim.Instance) bool { return i.Schedule == r.Schedule })
	}
	return all
}

// Heal forgets the failures that were asked for and have not come yet.
func (m *Microsoft) Heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.fails)
	clear(m.loses)
}
