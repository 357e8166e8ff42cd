package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// meet finds out about a request that was made elsewhere what Microsoft's list or log
// does not tell: who the requester is, where they can be reached, and whom the policy
// names. What cannot be found out now holds nobody up, and is tried again.
func (b *Bot) meet(ctx context.Context, r Request) (Request, error) {
	now := b.o.Now().UTC()
	e := Met{Requester: r.Requester, RoleName: r.Role.RoleName, ScopeName: r.Role.ScopeName}
	later := func(what string, err error) {
		wait, told := retryAfter(err)
		if !told {
			wait = time.Minute
		}
		if errors.Is(err, errBudget) { // of many who ask, none asks again and again
			wait = max(wait, 10*time.Second+jitter(r.ID, now, 5*time.Minute))
		}
		e.Again = soonest(e.Again, now.Add(wait))
		b.o.Log.WarnContext(ctx, "not all of a request that was made elsewhere is known yet", "request", r.ID, "what", what, "error", err)
	}
	if e.Requester.Name == "" {
		p, err := b.principal(ctx, r)
		switch {
		case err == nil:
			e.Requester.Principal = p
		case pim.CodeOf(err) != pim.CodeNotFound: // no person, or gone: it stays an id
			later("requester", err)
		}
	}
	if e.Requester.Direct.ID == "" {
		who, all, err := b.directly(ctx, e.Requester)
		if err != nil {
			return r, err
		}
		if e.Requester = who; !all {
			later("place", nil)
		}
	}
	if r.Approval {
		policy, err := b.approversOf(ctx, r)
		if err != nil {
			later("approvers", err)
		}
		e.Approvers, e.Groups, e.Default = policy.Approvers, policy.ApproverGroups, policy.DefaultApprovers
	}
	if name := b.watch.name(r.Role.Assignment); e.RoleName == "" && name.RoleName != "" {
		e.RoleName = name.RoleName
		if strings.EqualFold(name.Scope, r.Role.Scope) { // else it is known at another scope
			e.ScopeName = name.ScopeName
		}
	}
	if e.RoleName == "" {
		e.RoleName = fmt.Sprintf(sayRoleID, r.Role.Role)
	}
	return b.change(ctx, r.ID, e)
}

// principal asks the directory who the requester is, within the budget.
func (b *Bot) principal(ctx context.Context, r Request) (pim.Principal, error) {
	if wait := b.reads.take(r.Role.Kind, routine); wait > 0 {
		return pim.Principal{}, &pim.Error{Op: "principal", Code: pim.CodeThrottled, After: wait, Err: errBudget}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return b.o.Directory.Principal(ctx, r.Requester.ID)
}

// directly finds where only that person reads: as whom they linked, else wherever
// they can be reached. all is false when a platform did not answer.
func (b *Bot) directly(ctx context.Context, p Person) (_ Person, all bool, err error) {
	var links []Link
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		links, err = b.o.Links.At(tx, p.ID)
		return err
	})
	if err != nil {
		return p, false, err
	}
	for _, l := range links {
		if l.Direct.ID != "" {
			p.User, p.Direct = l.User, l.Direct
			return p, true, nil
		}
	}
	at, all, err := b.reach(ctx, p.Principal)
	if err != nil || len(at) == 0 {
		return p, all, err
	}
	p.Direct, p.User = at[0], User{Platform: at[0].Platform, Tenant: at[0].Tenant, Name: p.Name}
	if p.User.Platform == Teams { // there a person's id is the directory's
		p.User.ID = p.ID
	}
	return p, true, nil
}

// approversOf reads whom the role's policy names: as Belay, or as the approver in
// whose list the request stands. It remembers them for a while.
func (b *Bot) approversOf(ctx context.Context, r Request) (pim.Policy, error) {
	now := b.o.Now()
	if known, ok := b.watch.approvers(r.Role.Assignment, now); ok {
		return known, nil
	}
	p, err := b.pillar(r.Role.Kind)
	if err != nil {
		return pim.Policy{}, err
	}
	if wait := b.reads.take(r.Role.Kind, once); wait > 0 {
		return pim.Policy{}, &pim.Error{Op: "policy", Code: pim.CodeThrottled, After: wait, Err: errBudget}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	policy, err := p.Policy(ctx, r.Held.Listed, r.Role.Assignment)
	if err != nil {
		b.reads.rest(r.Role.Kind, err)
		return pim.Policy{}, err
	}
	b.watch.learn(r.Role, policy, now)
	return policy, nil
}

// withApproval finds the approval of a request of which only the audit log told, in
// the list of the approver who decides now.
func (b *Bot) withApproval(ctx context.Context, r Request, i Intent) (Request, error) {
	finder := b.o.Finders[r.Role.Kind]
	if r.Held.Approval != "" || finder == nil {
		return r, nil
	}
	all, err := finder.Pending(ctx, i.By.ID)
	if err != nil {
		return r, err
	}
	for _, m := range all {
		if strings.EqualFold(m.ID, r.Held.ID) {
			return b.change(ctx, r.ID, Observed{Request: &m, Listed: i.By.Principal, ObserveAt: b.o.Now().UTC().Add(listedFor)})
		}
	}
	return r, &pim.Error{Op: "review", Code: pim.CodeNotApprover}
}

// deactivation is what ends the activation. Of one that was made elsewhere the
// eligibility, of which Azure wants to be told, is looked up first.
func (b *Bot) deactivation(ctx context.Context, p Pillar, r Request, i Intent) pim.Deactivation {
	d := r.deactivation(i)
	if !r.Elsewhere || r.Role.Kind != pim.AzureResource || d.Schedule != "" {
		return d
	}
	eligible, err := p.Eligible(ctx, i.By.ID)
	if err != nil && len(eligible) == 0 { // Microsoft says whether it does without
		b.o.Log.WarnContext(ctx, "the eligibility of an activation that was made elsewhere could not be read", "request", r.ID, "error", err)
		return d
	}
	best := ""
	for _, e := range eligible { // the activation may be at a place below the eligibility's
		if covers(e, d.Assignment) && len(e.Scope) >= len(best) {
			best, d.Schedule = e.Scope, e.Schedule
		}
	}
	return d
}
