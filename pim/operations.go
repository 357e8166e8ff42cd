package pim

import (
	"net/http"
	"slices"
	"strings"
)

// Service is a service of Microsoft's that Belay calls.
type Service string

// The services.
const (
	Graph Service = "Microsoft Graph"
	ARM   Service = "Azure Resource Manager"
)

// Reader is what Belay itself may be in Azure. It is a role, not a permission: nobody
// consents to it, somebody assigns it.
const Reader = "Reader"

// Operation is a kind of call that Belay makes, and the least permissions for it.
// Operations is the one place that says so: what people are asked to consent to,
// the registration, docs/permissions.md and belay doctor follow from it, and tests
// hold it to the calls that the code makes.
type Operation struct {
	Service Service
	Method  string
	Path    string // "{…}" stands for one segment, "{scope}" for any number of them
	Why     string

	// The permissions of each identity that makes the call; all are needed. None: it
	// never makes it.
	Delegated   []string // the person, with their own token
	Application []string // Belay itself

	// Without is what is missing when Application is not granted; empty: Belay is
	// of no use then.
	Without string

	// Only is the feature without which nobody makes the call; empty: it belongs to all.
	Only Feature
}

// Feature is something that is off by default, and whose permissions are asked for only
// where it is on.
type Feature string

// AccessReviews lets reviewers decide in chat.
const AccessReviews Feature = "access reviews"

// Operations are all calls that Belay makes at Microsoft, the sign-in apart. Source:
// the permission tables of the Graph reference, operation by operation, and for
// Azure the actions of its built-in roles.
func Operations() []Operation { return append(graphOperations(), armOperations()...) }

func graphOperations() []Operation {
	const (
		read, write, change = http.MethodGet, http.MethodPost, http.MethodPatch

		eligibleRoles = "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances"
		activeRoles   = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances"
		roleRequests  = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests"
		roleApprovals = "/beta/roleManagement/directory/roleAssignmentApprovals"
		groupBase     = "/v1.0/identityGovernance/privilegedAccess/group"
		asPrincipal   = "/filterByCurrentUser(on='principal')"
		asApprover    = "/filterByCurrentUser(on='approver')"

		noGroups = "membership and ownership of groups"
		noTraces = "requests that were made elsewhere and that no signed-in approver sees; assignments outside of PIM; sign-ins from unusual places; what happens to break-glass accounts"
		blind    = "in a posture report: "

		reviews    = "/v1.0/identityGovernance/accessReviews/definitions"
		rounds     = reviews + "/{review}/instances"
		decisions  = rounds + "/{instance}/decisions"
		asReviewer = "/filterByCurrentUser(on='reviewer')"
		noReviews  = "messages and reminders about access reviews"
	)
	as := func(method, path, why string, delegated ...string) Operation {
		return Operation{Service: Graph, Method: method, Path: path, Why: why, Delegated: delegated}
	}
	itself := func(path, why, without string, application ...string) Operation {
		return Operation{Service: Graph, Method: read, Path: path, Why: why, Application: application, Without: without}
	}
	const roles, groups = "RoleAssignmentSchedule.ReadWrite.Directory", "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup"
	const review = "AccessReview.ReadWrite.All" // a decision wants it, and nobody is asked for a second, lesser one
	return []Operation{
		as(read, eligibleRoles+asPrincipal, "the roles a person may activate", "RoleEligibilitySchedule.Read.Directory"),
		// Microsoft asks for the ReadWrite permission even to read a request.
		as(write, roleRequests, "activate, deactivate", roles),
		as(read, roleRequests+"/{request}", "what became of a request", roles),
		as(read, roleRequests+asPrincipal, "a person's own requests", roles),
		as(read, roleRequests+asApprover, "the requests that wait for a person", roles),
		as(write, roleRequests+"/{request}/cancel", "cancel", roles),
		as(read, roleApprovals+"/{approval}/steps", "whether a person may decide", roles),
		as(change, roleApprovals+"/{approval}/steps/{step}", "approve, deny", roles),
		as(read, "/v1.0/roleManagement/directory/roleDefinitions/{role}", "the name of a role", "RoleManagement.Read.Directory"),
		as(read, groupBase+"/eligibilityScheduleInstances"+asPrincipal, "the groups a person may activate", "PrivilegedEligibilitySchedule.Read.AzureADGroup"),
		as(write, groupBase+"/assignmentScheduleRequests", "activate, deactivate", groups),
		as(read, groupBase+"/assignmentScheduleRequests/{request}", "what became of a request", groups),
		as(read, groupBase+"/assignmentScheduleRequests"+asPrincipal, "a person's own requests", groups),
		as(read, groupBase+"/assignmentScheduleRequests"+asApprover, "the requests that wait for a person", groups),
		as(write, groupBase+"/assignmentScheduleRequests/{request}/cancel", "cancel", groups),
		as(read, groupBase+"/assignmentApprovals/{approval}/stages", "whether a person may decide", groups),
		as(change, groupBase+"/assignmentApprovals/{approval}/stages/{stage}", "approve, deny", groups),

		itself("/v1.0/policies/roleManagementPolicyAssignments", "what a role demands", "", "RoleManagementPolicy.Read.Directory"),
		itself("/v1.0/policies/roleManagementPolicyAssignments", "what a group demands", noGroups, "RoleManagementPolicy.Read.AzureADGroup"),
		itself(activeRoles, "which roles are active; the default approvers", "", "RoleAssignmentSchedule.Read.Directory"),
		itself(groupBase+"/assignmentScheduleInstances", "who is in a group by activation", noGroups, "PrivilegedAssignmentSchedule.Read.AzureADGroup"),
		itself(eligibleRoles, "what groups may activate; the default approvers", "", "RoleEligibilitySchedule.Read.Directory"),
		itself("/v1.0/groups", "names of groups", "", "GroupMember.Read.All"),
		itself("/v1.0/groups/{group}", "a group of approvers", "", "GroupMember.Read.All"),
		// Members of a hidden membership are listed with Member.Read.Hidden only; such a
		// group is empty here.
		itself("/v1.0/groups/{group}/transitiveMembers/microsoft.graph.user", "approvers by a group; who is in the groups that rules of notices ask for", "", "GroupMember.Read.All", "User.Read.All"),
		// User.ReadBasic.All is not enough: accountEnabled, which keeps disabled accounts
		// from being asked, is not in its basic profile.
		itself("/v1.0/users", "names and addresses of approvers", "", "User.Read.All"),
		itself("/v1.0/users/{user}", "a person's name and address", "", "User.Read.All"),
		itself("/v1.0/users/{user}/transitiveMemberOf/microsoft.graph.group", "the groups a person is in", "", "User.Read.All"),
		itself("/v1.0/auditLogs/directoryAudits", "what happened elsewhere", noTraces, "AuditLog.Read.All"),
		itself("/v1.0/auditLogs/signIns", "where somebody who activates signs in; whether break-glass accounts are used", noTraces, "AuditLog.Read.All"),

		itself("/v1.0/roleManagement/directory/roleDefinitions", "posture: names of roles", blind+"names of roles", "RoleManagement.Read.Directory"),
		itself(groupBase+"/eligibilityScheduleInstances", "posture: who may join a group", blind+"whether groups are managed by PIM", "PrivilegedEligibilitySchedule.Read.AzureADGroup"),
		itself("/v1.0/subscribedSkus", "posture: the licence for PIM", blind+"the licence for PIM", "LicenseAssignment.Read.All"),
		itself(reviews, "posture: reviews of roles; the reviews that are held now", blind+"whether privileged roles are reviewed; "+noReviews, "AccessReview.Read.All"),
		only(AccessReviews, itself(rounds, "access reviews: those that are held now", blind+"whether privileged roles are reviewed; "+noReviews, "AccessReview.Read.All")),
		only(AccessReviews, itself(rounds+"/{instance}/contactedReviewers", "access reviews: who is asked", blind+"whether privileged roles are reviewed; "+noReviews, "AccessReview.Read.All")),
		only(AccessReviews, itself(decisions, "access reviews: how many are open", blind+"whether privileged roles are reviewed; "+noReviews, "AccessReview.Read.All")),
		only(AccessReviews, as(read, reviews+asReviewer, "access reviews: those that wait for a person", review)),
		only(AccessReviews, as(read, rounds+asReviewer, "access reviews: those that wait for a person", review)),
		only(AccessReviews, as(read, decisions+asReviewer, "access reviews: whom a person is to decide about", review)),
		only(AccessReviews, as(change, decisions+"/{decision}", "access reviews: a reviewer's decision", review)),
	}
}

// only has a call made by a feature alone.
func only(f Feature, o Operation) Operation {
	o.Only = f
	return o
}

func armOperations() []Operation {
	const (
		provider  = "/{scope}/providers/Microsoft.Authorization"
		requests  = provider + "/roleAssignmentScheduleRequests"
		approvals = "/providers/Microsoft.Authorization/roleAssignmentApprovals/{approval}/stages"
		without   = "that an Azure resource role has ended, while its holder is signed out"
	)
	as := func(method, path, why string) Operation {
		return Operation{Service: ARM, Method: method, Path: path, Why: why, Delegated: []string{"user_impersonation"}}
	}
	both := func(path, why string) Operation {
		o := as(http.MethodGet, path, why)
		o.Application, o.Without = []string{Reader}, without
		return o
	}
	return []Operation{
		both(provider+"/roleEligibilityScheduleInstances", "the roles a person may activate"),
		as(http.MethodGet, provider+"/eligibleChildResources", "where below a scope"),
		as(http.MethodPost, requests+"/{request}/validate", "whether an activation would be taken"),
		as(http.MethodPut, requests+"/{request}", "activate, deactivate"),
		as(http.MethodGet, requests+"/{request}", "what became of a request"),
		as(http.MethodGet, requests, "a person's own requests, and those that wait for them"),
		as(http.MethodPost, requests+"/{request}/cancel", "cancel"),
		as(http.MethodGet, approvals, "whether a person may decide"),
		as(http.MethodPatch, approvals+"/{stage}", "approve, deny"),
		as(http.MethodPut, approvals+"/{stage}", "approve, deny, in the other form"),
		as(http.MethodPost, "/batch", "approve, deny, in a third form"),
		both(provider+"/roleManagementPolicyAssignments", "what a role demands at a scope"),
		both(provider+"/roleAssignmentScheduleInstances", "which roles are active"),
	}
}

// Covers says whether a call is of this kind. The letter case of a path does not
// matter to Microsoft.
func (o Operation) Covers(s Service, method, path string) bool {
	if s != o.Service || method != o.Method {
		return false
	}
	want, have := strings.Split(strings.Trim(o.Path, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	if want[0] == "{scope}" {
		want = want[1:]
		have = have[max(0, len(have)-len(want)):]
	}
	return slices.EqualFunc(want, have, func(w, h string) bool {
		return h != "" && strings.HasPrefix(w, "{") && !strings.ContainsAny(h, "()$") || strings.EqualFold(w, h)
	})
}

// DelegatedPermissions are what people's tokens for s carry, in the order of the table,
// where these features are on.
func DelegatedPermissions(s Service, on ...Feature) []string {
	return permissions(s, func(o Operation) []string {
		if o.Only != "" && !slices.Contains(on, o.Only) {
			return nil
		}
		return o.Delegated
	})
}

// ApplicationPermissions are those of Belay's own token for Microsoft Graph, the
// only service that has any.
func ApplicationPermissions() []string {
	return permissions(Graph, func(o Operation) []string { return o.Application })
}

func permissions(s Service, of func(Operation) []string) []string {
	var all []string
	for _, o := range Operations() {
		for _, p := range of(o) {
			if o.Service == s && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

// Without is what Belay cannot do without one of its own permissions; empty: it is of no
// use then.
func Without(permission string) string {
	var without string
	for _, o := range Operations() {
		if slices.Contains(o.Application, permission) {
			if o.Without == "" {
				return ""
			}
			without = o.Without
		}
	}
	return without
}
