package pimtest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// User is a person of the tenant.
type User struct {
	ID       string // object id
	Name     string
	UPN      string
	Mail     string // may be empty, as in the directory
	Guest    bool
	Disabled bool
	// PIMKnows is when PIM has heard of the user (business time); until then
	// activations end in SubjectNotFound. Zero: always.
	PIMKnows time.Time
}

// Group is a security group. Members are user or group ids; who is a member by
// an activation is not among them.
type Group struct {
	ID, Name       string
	Members        []string
	RoleAssignable bool `json:",omitempty"` // isAssignableToRole
}

// Role is a directory role; ID is its template id, which for built-in roles is
// also the role definition id.
type Role struct {
	ID          string
	Name        string
	Description string
	Policy      Policy
}

// Policy is what is demanded of who activates something.
type Policy struct {
	MaxDuration           time.Duration // zero: 8 h
	Justification         bool
	Ticketing             bool
	MFA                   bool
	AuthContext           string // such as "c1"; replaces MFA. Empty: none
	Approval              bool
	Approvers             []string // user and group ids; empty: of a directory role, Privileged Role and Global Administrators, otherwise nobody
	ApproverJustification bool

	// What the policy says besides of what is never asked of a person.
	EligibleExpires bool `json:",omitempty"` // an eligible assignment has to have an end
	Silent          bool `json:",omitempty"` // no administrator is mailed of an activation
}

var authContext = regexp.MustCompile(`^c([1-9]|[1-9][0-9])$`)

// AddUser adds or replaces a user.
func (t *Tenant) AddUser(u User) error {
	if err := guids("user", u.ID); err != nil {
		return err
	}
	if u.UPN == "" || u.Name == "" {
		return fmt.Errorf("pimtest: user %s needs a name and a UPN", u.ID)
	}
	u.ID = strings.ToLower(u.ID)
	return t.change(func() error { t.w.Users[u.ID] = &u; return nil })
}

// AddGroup adds or replaces a group.
func (t *Tenant) AddGroup(g Group) error {
	if err := guids("group", append([]string{g.ID}, g.Members...)...); err != nil {
		return err
	}
	g.ID, g.Members = strings.ToLower(g.ID), lower(g.Members)
	return t.change(func() error { t.w.Groups[g.ID] = &g; return nil })
}

// AddUnit adds or renames an administrative unit; its roles have the scope
// "/administrativeUnits/{id}".
func (t *Tenant) AddUnit(id, name string) error {
	if err := guids("administrative unit", id); err != nil {
		return err
	}
	return t.change(func() error { t.w.Units[strings.ToLower(id)] = name; return nil })
}

// AddRole adds or replaces a role and its policy.
func (t *Tenant) AddRole(r Role) error {
	if err := guids("role", r.ID); err != nil {
		return err
	}
	if err := r.Policy.check(); err != nil {
		return err
	}
	r.ID = strings.ToLower(r.ID)
	return t.change(func() error { t.w.Roles[r.ID] = &r; return nil })
}

// Eligible makes a user or group eligible for a role at a scope ("/" is the
// whole directory) from and until moments of business time; zero times mean
// from now on and without end. An eligibility for the same three is replaced.
func (t *Tenant) Eligible(principal, role, scope string, from, until time.Time) error {
	principal, role = strings.ToLower(principal), strings.ToLower(role)
	return t.change(func() error {
		if err := t.known(principal, role, scope); err != nil {
			return err
		}
		t.addEligible(eligibility{ID: uuid.NewString(), Kind: kindRole, Principal: principal, Role: role, Scope: scope, From: from, Until: until})
		return nil
	})
}

// addEligible adds an eligibility, or replaces the one for the same four. From is
// now when it is zero.
func (t *Tenant) addEligible(e eligibility) {
	if e.From.IsZero() {
		e.From = t.now()
	}
	e.From, e.Created = e.From.UTC(), t.now()
	if !e.Until.IsZero() {
		e.Until = e.Until.UTC()
	}
	for _, old := range t.w.Eligibilities {
		if old.Kind == e.Kind && old.Principal == e.Principal && same(e.Kind, old.Role, e.Role) && same(e.Kind, old.Scope, e.Scope) {
			e.ID, e.Created = old.ID, old.Created
			*old = e
			return
		}
	}
	t.w.Eligibilities = append(t.w.Eligibilities, &e)
}

// Assign gives a user or group a role at a scope for good, as an administrator
// does outside of any activation. It does nothing when they have it.
func (t *Tenant) Assign(principal, role, scope string) error {
	principal, role = strings.ToLower(principal), strings.ToLower(role)
	return t.change(func() error {
		if err := t.known(principal, role, scope); err != nil {
			return err
		}
		if t.w.assigned(principal, kindRole, role, scope) == nil {
			t.w.Assignments = append(t.w.Assignments, &assignment{
				ID: packedID(role, principal, scope), Kind: kindRole, Principal: principal, Role: role, Scope: scope,
			})
		}
		return nil
	})
}

// SetStatus puts a request into any status, such as one that Microsoft's
// reference does not know. PIM does nothing more with it unless it is one of
// those that the simulator gives.
func (t *Tenant) SetStatus(requestID, status string) error {
	return t.change(func() error {
		r := t.w.request(requestID)
		if r == nil {
			return fmt.Errorf("pimtest: no request %s", requestID)
		}
		r.Status, r.LateReads = status, 0
		return nil
	})
}

// SetLicensed says whether the tenant has the licence PIM needs; it has it to
// begin with. Without it every PIM call is refused.
func (t *Tenant) SetLicensed(yes bool) error {
	return t.change(func() error { t.w.Unlicensed = !yes; return nil })
}

// RevokeSessions ends every sign-in of a user: their refresh tokens are refused
// from now on with AADSTS50173, as after a change of password.
func (t *Tenant) RevokeSessions(user string) error {
	user = strings.ToLower(user)
	return t.change(func() error {
		if t.w.Users[user] == nil {
			return fmt.Errorf("pimtest: no user %s", user)
		}
		for _, c := range t.w.Codes {
			if c.SignIn.User == user {
				c.Revoked = t.wall()
			}
		}
		for _, g := range t.w.Grants {
			if g.SignIn.User == user {
				g.Revoked = t.wall()
			}
		}
		return nil
	})
}

// change runs fn on the up-to-date world and keeps it.
func (t *Tenant) change(fn func() error) error {
	var err error
	saved := t.do(func() {
		if err = fn(); err == nil {
			t.w.dirty = true
		}
	})
	if saved == nil {
		return err
	}
	return errors.Join(err, saved)
}

func (t *Tenant) known(principal, role, scope string) error {
	if _, service := t.w.Services[principal]; !service && t.w.Users[principal] == nil && t.w.Groups[principal] == nil {
		return fmt.Errorf("pimtest: no user, group or service principal %s", principal)
	}
	if t.w.Roles[role] == nil {
		return fmt.Errorf("pimtest: no role %s", role)
	}
	if !scopeShape.MatchString(scope) {
		return fmt.Errorf("pimtest: %q is not a directory scope", scope)
	}
	return nil
}

// scopeShape is what a directoryScopeId looks like: the directory, an
// administrative unit, or an object.
var scopeShape = regexp.MustCompile(`^/((administrativeUnits/)?[0-9a-fA-F-]{36})?$`)

func guids(what string, ids ...string) error {
	for _, id := range ids {
		if _, err := uuid.Parse(id); err != nil || len(id) != 36 {
			return fmt.Errorf("pimtest: %s: %q is not a GUID", what, id)
		}
	}
	return nil
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}
