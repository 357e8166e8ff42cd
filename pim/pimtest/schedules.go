package pimtest

import (
	"net/http"
	"slices"
	"strings"
)

// collection is one of the collections of schedules that PIM has for directory
// roles and for groups; all are read in the same three ways.
type collection struct {
	kind      string
	base      string // path before the name, without the version
	name      string
	requests  bool // schedule requests, not schedules
	eligible  bool // of eligibilities, not of active assignments
	instances bool // what is in force now
	shape     shape
}

const (
	rolesBase  = "roleManagement/directory/"
	groupsBase = "identityGovernance/privilegedAccess/group/"
)

func (k collection) path() string { return k.base + k.name }

// collections are those of one kind.
func collections(kind string) []collection {
	base, prefix, typ := rolesBase, "role", "unifiedRole"
	about := []string{"id", "principalId", "roleDefinitionId", "directoryScopeId", "appScopeId"}
	related := []string{"roleDefinition", "principal", "directoryScope"}
	origin := []string{"roleAssignmentOriginId", "roleAssignmentScheduleId"}
	fromEligible := "roleEligibilityScheduleId"
	if kind == kindGroup {
		base, prefix, typ = groupsBase, "", "privilegedAccessGroup"
		about, related = []string{"id", "principalId", "accessId", "groupId"}, []string{"principal", "group"}
		origin, fromEligible = []string{"assignmentScheduleId"}, "eligibilityScheduleId"
	}
	with := func(more ...string) []string { return append(slices.Clone(about), more...) }
	list := func(eligible, requests, instances bool, s shape) collection {
		what := map[bool]string{true: "Eligibility", false: "Assignment"}[eligible] + "Schedule"
		s.typ, s.options = typ+what, []string{"$top", "$count"}
		s.expands = append(s.expands, related...)
		switch {
		case requests:
			s.typ += "Request"
		case instances:
			s.typ += "Instance"
		}
		name := strings.TrimPrefix(s.typ, typ) + "s"
		if prefix == "" {
			name = strings.ToLower(name[:1]) + name[1:]
		}
		return collection{kind: kind, base: base, name: prefix + name, requests: requests, eligible: eligible, instances: instances, shape: s}
	}
	return []collection{
		list(false, true, false, shape{
			props: with("status", "createdDateTime", "completedDateTime", "approvalId", "customData", "action", "isValidationOnly",
				"targetScheduleId", "justification", "createdBy", "scheduleInfo", "ticketInfo"),
			filters: with("status", "action", "targetScheduleId", "createdDateTime"), expands: []string{"activatedUsing", "targetSchedule"},
		}),
		list(false, false, false, shape{
			props:   with("createdUsing", "createdDateTime", "modifiedDateTime", "status", "assignmentType", "memberType", "scheduleInfo"),
			filters: with("createdUsing", "status", "assignmentType", "memberType"), expands: []string{"activatedUsing"},
		}),
		list(false, false, true, shape{
			props:   with(append([]string{"startDateTime", "endDateTime", "assignmentType", "memberType"}, origin...)...),
			filters: with(append([]string{"startDateTime", "endDateTime", "assignmentType", "memberType"}, origin...)...),
			expands: []string{"activatedUsing"},
		}),
		list(true, false, false, shape{
			props:   with("createdUsing", "createdDateTime", "modifiedDateTime", "status", "memberType", "scheduleInfo"),
			filters: with("createdUsing", "status", "memberType"),
		}),
		list(true, false, true, shape{
			props:   with("startDateTime", "endDateTime", "memberType", fromEligible),
			filters: with("memberType", fromEligible, "startDateTime", "endDateTime"),
		}),
	}
}

// rows are the entities of the collection: all of them, those of a principal, or
// the one with an id (of an instance it is compared by who asks). They are left
// out before they are made, because there may be many.
func (k collection) rows(c *call, principal, id string) []obj {
	var rows []obj
	now := c.t.now()
	group, _ := c.query.value("groupId")
	group = strings.ToLower(group)
	wanted := func(kind, of, scope, named string) bool {
		return kind == k.kind && (principal == "" || of == principal) && (group == "" || scope == group) &&
			(id == "" || k.instances || strings.EqualFold(named, id))
	}
	// Of a list without a filter only the page's entities are made.
	whole := len(c.query.filter) > 0 || principal != "" || id != "" || k.requests || !k.eligible &&
		slices.ContainsFunc(c.t.w.Assignments, func(a *assignment) bool { return a.Hidden > 0 })
	add := func(entity func() obj) {
		if whole || len(rows) >= c.query.skip && len(rows) < c.query.skip+largestPage {
			rows = append(rows, entity())
			return
		}
		rows = append(rows, nil)
	}
	switch {
	case k.requests:
		for _, r := range c.t.w.Requests {
			if wanted(r.Kind, r.Principal, r.Scope, r.ID) {
				add(func() obj { return c.requestObj(r) })
			}
		}
	case k.eligible:
		for _, e := range c.t.w.Eligibilities {
			switch {
			case !wanted(e.Kind, e.Principal, e.Scope, e.ID) || !e.Until.IsZero() && !now.Before(e.Until):
			case !k.instances:
				add(func() obj { return c.eligibilitySchedule(e) })
			case e.in(now):
				add(func() obj { return c.eligibilityInstance(e) })
			}
		}
	default:
		for _, a := range c.t.w.Assignments {
			switch {
			case !wanted(a.Kind, a.Principal, a.Scope, a.ID):
			case !k.instances:
				add(func() obj { return c.assignmentSchedule(a) })
			case a.in(now):
				add(func() obj { return c.assignmentInstance(a) })
			}
		}
	}
	return rows
}

// largestPage is how many entities a page has at the most.
const largestPage = 100

// readsOthers says whether the caller may see other people's schedules: an
// application, or a person with one of the roles that may.
func (c *call) readsOthers() bool {
	return c.caller.kind == ByApplication || c.t.w.holds(c.caller.id, c.t.now(), roleGlobalAdmin, rolePrivilegedAdmin,
		roleGlobalReader, roleSecurityReader, roleSecurityOper, roleSecurityAdmin)
}

// readsGroup says whether the caller may see everybody's schedules of a group.
func (c *call) readsGroup(group string) bool {
	return c.readsOthers() || c.t.w.administers(c.caller.id, kindGroup, "", strings.ToLower(group), c.t.now())
}

func (k collection) list(c *call) (result, *GraphError) {
	allowed := c.readsOthers()
	principal, byPrincipal := c.query.value("principalId")
	if k.kind == kindGroup {
		group, byGroup := c.query.value("groupId")
		if !byGroup && !byPrincipal {
			return result{}, badRequest("The filter has to name groupId or principalId.")
		}
		allowed = allowed || byGroup && c.readsGroup(group) || byPrincipal && strings.EqualFold(principal, c.caller.id)
	}
	if !allowed {
		return result{}, refusal("Authorization_RequestDenied")
	}
	return c.list(k.shape, k.path(), c.visible(k, k.rows(c, strings.ToLower(principal), "")), c.expand)
}

func (k collection) get(c *call) (result, *GraphError) {
	for _, o := range k.rows(c, "", c.params[0]) {
		if !strings.EqualFold(o["id"].(string), c.params[0]) {
			continue
		}
		group, _ := o["groupId"].(string)
		if o["principalId"] != c.caller.id && !c.readsOthers() && (group == "" || !c.readsGroup(group)) {
			return result{}, refusal("Authorization_RequestDenied")
		}
		if len(c.visible(k, []obj{o})) == 0 {
			break
		}
		if e := c.expand(o); e != nil {
			return result{}, e
		}
		return c.entity(http.StatusOK, k.shape, k.path(), o)
	}
	if k.requests {
		return result{}, refusal("RoleAssignmentRequestNotFound")
	}
	return result{}, refusal("Request_ResourceNotFound")
}

// mine is filterByCurrentUser(on='principal'). What a group holds is not in it.
func (k collection) mine(c *call) (result, *GraphError) {
	return c.ofCurrentUser(k, c.visible(k, k.rows(c, c.caller.id, "")))
}

// toDecide is filterByCurrentUser(on='approver'): what waits for the caller.
func (k collection) toDecide(c *call) (result, *GraphError) {
	var rows []obj
	for _, r := range c.t.w.Requests {
		if r.Kind == k.kind && r.waits() && c.t.w.mayDecide(r, c.caller.id, c.t.now()) {
			rows = append(rows, c.requestObj(r))
		}
	}
	return c.ofCurrentUser(k, rows)
}

func (c *call) ofCurrentUser(k collection, rows []obj) (result, *GraphError) {
	for _, o := range rows {
		o["@odata.type"] = "#microsoft.graph." + k.shape.typ
	}
	return c.list(k.shape, "Collection("+k.shape.typ+")", rows, c.expand)
}

// visible leaves out the instances that are still on their way, and counts this
// read for them and for requests whose last status is not shown yet. Further
// pages of the same list are not counted.
func (c *call) visible(k collection, rows []obj) []obj {
	counts := c.query.skip == 0
	return slices.DeleteFunc(rows, func(o obj) bool {
		if o == nil || !c.query.matches(o) {
			return false // list leaves it out, and this read says nothing of it
		}
		late, hides := c.late(k, o)
		if late == nil || *late == 0 {
			return false
		}
		if counts {
			*late--
			c.t.w.dirty = true
		}
		return hides
	})
}

// late is the number of reads after which an entity is what it should be, and
// whether it is hidden until then.
func (c *call) late(k collection, o obj) (reads *int, hides bool) {
	switch {
	case k.requests:
		if r := c.t.w.request(o["id"].(string)); r != nil {
			return &r.LateReads, false
		}
	case k.instances && !k.eligible:
		if a := c.t.w.scheduled(scheduleOf(o)); a != nil {
			return &a.Hidden, true
		}
	}
	return nil, false
}

// scheduleOf is the schedule that an assignment's instance names; nil: o is none.
func scheduleOf(o obj) any {
	if id, ok := o["assignmentScheduleId"]; ok {
		return id
	}
	return o["roleAssignmentScheduleId"]
}

// scheduled finds the assignment whose schedule has this id.
func (w *world) scheduled(id any) *assignment {
	for _, a := range w.Assignments {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// expand adds to an entity what the query's $expand names.
func (c *call) expand(o obj) *GraphError {
	for name, options := range c.query.expands {
		if options != "" {
			return unknown(http.StatusBadRequest, "Options of the expansion '%s' are not known.", name)
		}
		switch name {
		case "roleDefinition":
			o[name] = nil
			if r := c.t.w.Roles[o["roleDefinitionId"].(string)]; r != nil {
				o[name] = roleObj(r)
			}
		case "principal":
			o[name] = c.principal(o["principalId"].(string))
		case "group":
			o[name] = nil
			if !c.t.unkind.NoGroupNames {
				o[name] = c.principal(o["groupId"].(string))
			}
		case "directoryScope":
			o[name] = c.scopeObj(o["directoryScopeId"].(string))
		case "targetSchedule":
			o[name] = nil
			if a := c.t.w.scheduled(o["targetScheduleId"]); a != nil {
				o[name] = c.assignmentSchedule(a)
			}
		case "activatedUsing":
			o[name] = c.activatedUsing(o)
		}
	}
	return nil
}

// activatedUsing is the eligibility behind an activation: of an instance its
// instance, of a schedule or request its schedule.
func (c *call) activatedUsing(o obj) any {
	used, schedule := "", scheduleOf(o)
	a := c.t.w.scheduled(schedule)
	if a == nil {
		a = c.t.w.scheduled(o["id"])
	}
	if a != nil {
		used = a.Eligibility
	}
	if r := c.t.w.request(o["id"].(string)); r != nil {
		used = r.Eligibility
	}
	for _, e := range c.t.w.Eligibilities {
		switch {
		case used == "" || e.ID != used:
		case schedule != nil:
			return c.eligibilityInstance(e)
		default:
			return c.eligibilitySchedule(e)
		}
	}
	return nil
}
