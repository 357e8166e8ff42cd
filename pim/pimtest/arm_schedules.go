package pimtest

import (
	"net/http"
	"strings"
)

// armCollection is one of the five collections of schedules and requests at a
// scope, which are all read in the same two ways.
type armCollection struct {
	name  string
	own   []string // filters that anybody may use: they answer what concerns the caller
	quiet bool     // tenant-wide it answers nothing, as has been seen
	rows  func(*armCall) []armRow
}

// armRow is one entity of a collection.
type armRow struct {
	name      string
	principal string
	role      string
	scope     string
	requestor string   // of a request
	request   *request // of a request
	late      *int     // reads after which it is what it should be
	hides     bool     // until then it is not there at all
	obj       func(member string) obj
}

func armCollections() []armCollection {
	return []armCollection{
		{name: "roleEligibilityScheduleInstances", own: []string{"asTarget()"}, rows: armEligibilityInstances},
		{name: "roleEligibilitySchedules", own: []string{"asTarget()"}, rows: armEligibilitySchedules},
		{name: "roleAssignmentScheduleInstances", own: []string{"asTarget()"}, quiet: true, rows: armAssignmentInstances},
		{name: "roleAssignmentSchedules", own: []string{"asTarget()"}, quiet: true, rows: armAssignmentSchedules},
		{name: "roleAssignmentScheduleRequests", own: []string{"asTarget()", "asRequestor()", "asApprover()"}, rows: armRequests},
	}
}

// list answers what is assigned at, above and below the scope. What concerns the
// caller alone needs no right; everything else needs a reader's.
func (k armCollection) list(c *armCall) (result, *GraphError) {
	f, e := c.filter(append([]string{"atScope()", "principalId eq", "assignedTo()", "roleDefinitionId eq"}, k.own...)...)
	if e != nil {
		return result{}, e
	}
	own := false
	for _, term := range k.own {
		own = own || f.has(term)
	}
	switch {
	case own && c.caller.kind != ByUser:
		return result{}, badRequest("The filter '%s' is for a person.", c.options.Get("$filter"))
	case !own && !c.reads(c.scope):
		return result{}, c.denied(k.name+"/read", c.scope)
	}
	var rows, late []armRow
	for _, r := range k.rows(c) {
		if k.quiet && c.scope == "/" && own || !c.matches(r, f) {
			continue
		}
		if r.isLate() {
			late = append(late, r)
		}
		if !r.isLate() || !r.hides {
			rows = append(rows, r)
		}
	}
	res, e := c.pageOf(len(rows), func(i int) obj { return rows[i].obj(c.memberType(rows[i], f)) })
	if c.skip == 0 { // further pages of the same list are not counted
		c.wasRead(late...)
	}
	return res, e
}

// matches says whether a row lies at, above or below the scope and passes the
// filter.
func (c *armCall) matches(r armRow, f armFilter) bool {
	w := c.t.w
	switch {
	case !w.within(c.scope, r.scope) && (f.has("atScope()") || !w.below(r.scope, c.scope)):
		return false
	case f.has("asTarget()") && !(r.principal == c.caller.id || r.request == nil && c.isOrIn(r.principal)):
		return false
	case f.has("asRequestor()") && r.requestor != c.caller.id:
		return false
	case f.has("asApprover()") && !(r.request.Status == statusPending && w.mayDecide(r.request, c.caller.id, c.t.now())):
		return false
	case f.has("principalId eq") && !strings.EqualFold(r.principal, f["principalId eq"]):
		return false
	case f.has("roleDefinitionId eq") && !strings.EqualFold(lastPart(r.role), lastPart(f["roleDefinitionId eq"])):
		return false
	}
	who, asks := strings.ToLower(f["assignedTo()"]), f.has("assignedTo()")
	return !asks || r.principal == who || w.isMember(r.principal, who, c.t.now())
}

func (r armRow) isLate() bool { return r.late != nil && *r.late > 0 }

// wasRead counts a read for what is late. It comes after the entities were made:
// the last late read is late too.
func (c *armCall) wasRead(late ...armRow) {
	for _, r := range late {
		*r.late--
		c.t.w.dirty = true
	}
}

// memberType is how the assignment of a row comes to the scope that is read.
func (c *armCall) memberType(r armRow, f armFilter) string {
	switch {
	case c.t.w.Groups[r.principal] != nil && (f.has("asTarget()") || f.has("assignedTo()")):
		return "Group"
	case c.scope != "/" && c.t.w.below(c.scope, r.scope):
		return "Inherited"
	}
	return "Direct"
}

// get answers one entity at its own scope: to whom it concerns, and to readers.
func (k armCollection) get(c *armCall) (result, *GraphError) {
	for _, r := range k.rows(c) {
		if !strings.EqualFold(r.name, c.names[0]) || !strings.EqualFold(r.scope, c.scope) {
			continue
		}
		if !(c.isOrIn(r.principal) || r.requestor == c.caller.id || c.reads(c.scope) ||
			r.request != nil && c.t.w.mayDecide(r.request, c.caller.id, c.t.now())) {
			return result{}, c.denied(k.name+"/read", c.scope)
		}
		o := r.obj(c.memberType(r, nil))
		if r.isLate() {
			c.wasRead(r)
			if r.hides {
				break
			}
		}
		return result{http.StatusOK, o}, nil
	}
	return result{}, armNotFound(k.name, c.names[0])
}

func armNotFound(collection, name string) *GraphError {
	if strings.EqualFold(collection, "roleAssignmentScheduleRequests") {
		return refusal("RoleAssignmentRequestNotFound")
	}
	e := refusal("NotFound")
	e.Code, e.Message = "ResourceNotFound", "The resource '"+collection+"/"+name+"' was not found."
	return e
}

func (c *armCall) eligibilities(current bool) []*eligibility {
	var list []*eligibility
	now := c.t.now()
	for _, e := range c.t.w.Eligibilities {
		if e.Kind == kindAzure && (e.in(now) || !current && (e.Until.IsZero() || now.Before(e.Until))) {
			list = append(list, e)
		}
	}
	return list
}

func armEligibilityInstances(c *armCall) []armRow {
	var rows []armRow
	for _, e := range c.eligibilities(true) {
		rows = append(rows, armRow{name: c.instanceName(e.ID), principal: e.Principal, role: e.Role, scope: e.Scope,
			obj: func(member string) obj { return c.armEligibilityInstance(e, member) }})
	}
	return rows
}

func armEligibilitySchedules(c *armCall) []armRow {
	var rows []armRow
	for _, e := range c.eligibilities(false) {
		rows = append(rows, armRow{name: e.ID, principal: e.Principal, role: e.Role, scope: e.Scope,
			obj: func(member string) obj { return c.armEligibilitySchedule(e, member) }})
	}
	return rows
}

func armAssignmentInstances(c *armCall) []armRow {
	var rows []armRow
	for _, a := range c.t.w.Assignments {
		if a.Kind == kindAzure && a.in(c.t.now()) {
			rows = append(rows, armRow{name: c.instanceName(a.ID), principal: a.Principal, role: a.Role, scope: a.Scope, late: &a.Hidden, hides: true,
				obj: func(member string) obj { return c.armAssignmentInstance(a, member) }})
		}
	}
	return rows
}

func armAssignmentSchedules(c *armCall) []armRow {
	var rows []armRow
	for _, a := range c.t.w.Assignments {
		if a.Kind == kindAzure {
			rows = append(rows, armRow{name: a.ID, principal: a.Principal, role: a.Role, scope: a.Scope,
				obj: func(member string) obj { return c.armAssignmentSchedule(a, member) }})
		}
	}
	return rows
}

func armRequests(c *armCall) []armRow {
	var rows []armRow
	for _, r := range c.t.w.Requests {
		if r.Kind == kindAzure {
			rows = append(rows, armRow{name: r.ID, principal: r.Principal, role: r.Role, scope: r.Scope, requestor: r.Creator, request: r, late: &r.LateReads,
				obj: func(string) obj { return c.armRequest(r) }})
		}
	}
	return rows
}

// instanceName is the name of the one instance of a schedule.
func (c *armCall) instanceName(schedule string) string {
	return derivedID(c.t.opt.TenantID, "instance of "+schedule)
}
