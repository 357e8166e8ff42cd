package arm

import (
	"cmp"
	"strings"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// The kinds of things below a scope, as the addresses name them. Microsoft prints
// them in several letter cases.
const (
	provider        = "/providers/Microsoft.Authorization/"
	roleDefinitions = provider + "roleDefinitions/"
	requestsBelow   = provider + "roleAssignmentScheduleRequests/"
	schedulesBelow  = provider + "roleEligibilitySchedules/"
	approvals       = provider + "roleAssignmentApprovals/"
)

// plain says whether id can stand in an address and in a filter as it is. Every
// name that Belay uses there is a GUID or made of these characters.
func plain(id string) bool { return id != "" && wire.Word(id) == id && !strings.Contains(id, ".") }

// place says whether s can be an ARM id with its leading slash, and gives it
// without, as the kit wants it. Names of resources may hold almost anything; what
// would change the address is refused.
func place(s string) (string, bool) {
	below, found := strings.CutPrefix(s, "/")
	if !found || len(s) > 2048 {
		return "", false
	}
	for _, part := range strings.Split(below, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "?#%\\{}'\"<>") {
			return "", false
		}
	}
	for _, r := range below {
		if r < ' ' || r == 0x7f {
			return "", false
		}
	}
	return below, true
}

// azure refuses an assignment that is not of an Azure resource role, and gives
// its scope as the kit wants it.
func azure(op string, a pim.Assignment) (string, error) {
	if a.Kind != pim.AzureResource {
		return "", wire.Invalid(op, "the assignment is not of an Azure resource role")
	}
	at, scope := place(a.Scope)
	role, name, found := below(a.Role, roleDefinitions)
	if _, whole := place(cmp.Or(role, "/x")); !scope || !found || !whole || !plain(name) {
		return "", wire.Invalid(op, "the role or its scope cannot be one of Microsoft's")
	}
	return at, nil
}

// below splits an ARM id at the last kind, whose letter case varies.
func below(id, kind string) (scope, name string, found bool) {
	// ARM ids are ASCII where it matters, so that lower case keeps the positions.
	i := strings.LastIndex(lower(id), lower(kind))
	if i < 0 {
		return "", "", false
	}
	return id[:i], id[i+len(kind):], true
}

// lower folds ASCII only, so that positions stay.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// last is the name at the end of an ARM id.
func last(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// sameRole compares role definitions by their GUID: the id in front of it names
// the scope that Microsoft happens to tell it for.
func sameRole(a, b string) bool { return strings.EqualFold(last(a), last(b)) }

// spelt gives back a as it was asked for, where found is the same but for the way
// Microsoft spells it now.
func spelt(found, a pim.Assignment) pim.Assignment {
	if strings.EqualFold(found.Scope, a.Scope) && sameRole(found.Role, a.Role) {
		return a
	}
	return found
}

// The kinds of scopes, as people are told them.
const (
	managementGroup = "management group"
	subscription    = "subscription"
	resourceGroup   = "resource group"
	resource        = "resource"
)

// scopeKind reads what a scope is from its id; "" for none of the kinds. typ is the
// type of a resource, such as Microsoft.Storage/storageAccounts.
func scopeKind(scope string) (kind, typ, name string) {
	parts := strings.Split(strings.Trim(scope, "/"), "/")
	n := len(parts)
	name = parts[n-1]
	// Some of Microsoft's examples name a subscription through its provider.
	if n >= 4 && strings.EqualFold(parts[0]+"/"+parts[1], "providers/Microsoft.Subscription") {
		parts, n = parts[2:], n-2
	}
	for i := n - 4; i >= 0; i-- { // the last provider tells
		if !strings.EqualFold(parts[i], "providers") {
			continue
		}
		typ = parts[i+1]
		for j := i + 2; j < n; j += 2 {
			typ += "/" + parts[j]
		}
		if strings.EqualFold(typ, "Microsoft.Management/managementGroups") {
			return managementGroup, typ, name
		}
		return resource, typ, name
	}
	switch {
	case n == 2 && strings.EqualFold(parts[0], "subscriptions"):
		return subscription, "", name
	case n == 4 && strings.EqualFold(parts[0], "subscriptions") && strings.EqualFold(parts[2], "resourceGroups"):
		return resourceGroup, "", name
	}
	return "", "", name
}

// scopeName says what a scope is and what it is called; name is what Microsoft
// calls it, and may be empty.
func scopeName(scope, name string) string {
	kind, typ, id := scopeKind(scope)
	switch name = cmp.Or(name, id); kind {
	case "":
		return name
	case resource:
		return kind + " " + name + " (" + typ + ")"
	}
	return kind + " " + name
}
