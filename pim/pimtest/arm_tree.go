package pimtest

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// The tree of Azure's scopes: management groups, subscriptions, resource groups
// and resources, under the tenant's root "/".

// readScope finds the scope that a path or an ARM id names, in the letter case it
// was added in. The documented examples write subscriptions in a longer form,
// which the service takes too.
func (w *world) readScope(s string) (string, *GraphError) {
	// The kit writes a scope that begins with a slash, or none, as "//…".
	if s = strings.Trim(s, "/"); s != "" {
		s = "/" + s
	}
	const long = "/providers/microsoft.subscription"
	if strings.HasPrefix(strings.ToLower(s), long+"/subscriptions/") {
		s = s[len(long):]
	}
	if s == "" {
		return "/", nil
	}
	if r := w.Azure.Resources[strings.ToLower(s)]; r != nil {
		return r.ID, nil
	}
	e := &GraphError{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("The resource '%s' was not found.", s)}
	switch {
	case !resourceShape.MatchString(s):
		return "", badRequest("'%s' is not a scope.", s)
	case resourceKind(s) == "subscription":
		e.Code, e.Message = "SubscriptionNotFound", fmt.Sprintf("The subscription '%s' could not be found.", lastPart(s))
	case resourceKind(s) == "resourcegroup":
		e.Code, e.Message = "ResourceGroupNotFound", fmt.Sprintf("Resource group '%s' could not be found.", lastPart(s))
	}
	return "", e
}

// above is the scope right above another; "" above "/".
func (w *world) above(scope string) string {
	parts := strings.Split(scope, "/") // the first is empty
	switch kind := resourceKind(scope); {
	case scope == "/":
		return ""
	case kind == "managementgroup" || kind == "subscription":
		if r := w.Azure.Resources[strings.ToLower(scope)]; r != nil && r.Parent != "" {
			return r.Parent
		}
		return "/"
	case kind == "resourcegroup":
		return strings.Join(parts[:3], "/")
	case len(parts) > 9: // a resource inside another
		return strings.Join(parts[:len(parts)-2], "/")
	default:
		return strings.Join(parts[:5], "/")
	}
}

// below says whether an ARM scope lies under another.
func (w *world) below(scope, parent string) bool {
	if parent == "/" {
		return scope != "/"
	}
	for at := w.above(scope); at != ""; at = w.above(at) {
		if strings.EqualFold(at, parent) {
			return true
		}
	}
	return false
}

// within says whether a scope is another or lies under it.
func (w *world) within(scope, parent string) bool {
	return strings.EqualFold(scope, parent) || w.below(scope, parent)
}

// resourceKind is what PIM calls the kind of a scope; of a resource its type.
func resourceKind(id string) string {
	parts := strings.Split(id, "/")
	switch {
	case len(parts) == 3:
		return "subscription"
	case len(parts) == 5 && strings.EqualFold(parts[1], "subscriptions"):
		return "resourcegroup"
	case len(parts) == 5:
		return "managementgroup"
	case len(parts) < 9:
		return "" // the root
	}
	kind := parts[6]
	for i := 7; i < len(parts); i += 2 {
		kind += "/" + parts[i]
	}
	return kind
}

// resourceName is what people call a scope.
func (w *world) resourceName(scope string) string {
	if r := w.Azure.Resources[strings.ToLower(scope)]; r != nil {
		return r.Name
	}
	return ""
}

// rolePath is where role definitions are in the tenant; with a GUID after it, it
// is how the tenant keeps a role. On the wire a role has its subscription before
// it.
const rolePath = "/providers/Microsoft.Authorization/roleDefinitions/"

func (w *world) azureRole(id string) *AzureRole { return w.Azure.Roles[strings.ToLower(lastPart(id))] }

// roleAt is a role's id as it is written at a scope.
func roleAt(scope, role string) string { return subscriptionOf(scope) + rolePath + lastPart(role) }

func subscriptionOf(scope string) string {
	if parts := strings.Split(scope, "/"); len(parts) > 2 && strings.EqualFold(parts[1], "subscriptions") {
		return "/subscriptions/" + parts[2]
	}
	return ""
}

var roleIDShape = regexp.MustCompile(`(?i)^(/subscriptions/[0-9a-f-]{36})?` + regexp.QuoteMeta(rolePath) + `[0-9a-f-]{36}$`)

// readRole finds the role that a full role definition id means at a scope, or "".
func (w *world) readRole(id, scope string) string {
	m := roleIDShape.FindStringSubmatch(id)
	if m == nil || (m[1] != "" && !strings.EqualFold(m[1], subscriptionOf(scope))) || w.azureRole(id) == nil {
		return ""
	}
	return rolePath + w.azureRole(id).ID
}

// armID is the ARM id of something of PIM's at a scope.
func armID(scope, typ, name string) string {
	return strings.TrimRight(scope, "/") + "/providers/Microsoft.Authorization/" + typ + "/" + name
}

func lastPart(id string) string { return id[strings.LastIndex(id, "/")+1:] }
