package pimtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// The api-versions of PIM's operations.
const (
	armPIM       = "2020-10-01"
	armApprovals = "2021-01-01-preview"
	armRoles     = "2022-04-01"
	armBatch     = "2020-06-01"
)

// armCall is one call of Azure Resource Manager on its way through the tenant,
// which is locked.
type armCall struct {
	*call
	scope   string // ARM id of an existing scope; "/": tenant-wide
	names   []string
	options url.Values
	skip    int
	batched bool // it came inside POST /batch
}

// armRoute is one operation of Microsoft.Authorization.
type armRoute struct {
	method  string
	path    string // below the provider, in lower case; "*" is a name
	version string
	write   bool     // never as an application
	options []string // of the query, besides api-version and $skiptoken
	do      func(*armCall) (result, *GraphError)
}

// ARM is Azure Resource Manager as far as PIM for Azure resources needs it:
// Microsoft.Authorization at any scope, and the portal's POST /batch. It takes
// tokens for Azure's management API only.
func (t *Tenant) ARM() http.Handler {
	return t.serve(func(r *http.Request) (a answer) {
		requestID := uuid.NewString()
		err := t.do(func() { a = t.arm(r, requestID) })
		if err != nil {
			return t.armFailure(requestID, &GraphError{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()})
		}
		return a
	})
}

func (t *Tenant) arm(r *http.Request, requestID string) answer {
	t.calls++
	if n := t.unkind.Throttle; n > 0 && t.calls%n == 0 {
		return t.armFailure(requestID, armThrottled())
	}
	c := &armCall{call: &call{t: t, r: r}}
	res, e := t.armDispatch(c)
	if e != nil {
		if e.unknown != "" {
			t.unhandled(r, "%s", e.unknown)
		}
		return t.armFailure(requestID, e)
	}
	if c.wrote {
		t.w.dirty = true
		t.writes++
		if n := t.unkind.LoseAnswer; n > 0 && t.writes%n == 0 {
			if t.writes/n%2 == 0 {
				return answer{lost: true}
			}
			return t.armFailure(requestID, &GraphError{Status: http.StatusGatewayTimeout, Code: "GatewayTimeout", Message: "The gateway did not receive a response from 'Microsoft.Authorization' within the specified time period."})
		}
	}
	a := answer{status: res.status, header: armHeader(requestID)}
	if res.body != nil {
		if a.body, e = marshal(res.body); e != nil {
			return t.armFailure(requestID, e)
		}
		a.header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return a
}

// armProvider is what stands between a scope and an operation. In a path ARM does
// not care for letter case.
const armProvider = "/providers/microsoft.authorization/"

func (t *Tenant) armDispatch(c *armCall) (result, *GraphError) {
	path := c.r.URL.Path
	scope, rest, provided := "", strings.Trim(strings.ToLower(path), "/"), false
	if i := strings.LastIndex(strings.ToLower(path), armProvider); i >= 0 {
		scope, rest, provided = path[:i], strings.TrimRight(path[i+len(armProvider):], "/"), true
	}
	rt, known := armFind(c.r.Method, rest, provided, &c.names)
	switch {
	case rt == nil && known:
		return result{}, unknown(http.StatusMethodNotAllowed, "The method %s is not known for this route.", c.r.Method)
	case rt == nil:
		return result{}, unknown(http.StatusNotImplemented, "The simulator has no such route of Azure Resource Manager.")
	}
	var e *GraphError
	if c.caller, e = t.armAuthenticate(c.r.Header.Get("Authorization")); e != nil {
		return result{}, e
	}
	if e := c.readOptions(rt); e != nil {
		return result{}, e
	}
	if c.r.Header.Get("Content-Encoding") != "" {
		return result{}, unknown(http.StatusUnsupportedMediaType, "An encoded body is not known.")
	}
	if c.scope, e = t.w.readScope(scope); e != nil {
		return result{}, e
	}
	if c.caller.kind == ByApplication && rt.write {
		what, _, _ := strings.Cut(rest, "/")
		return result{}, c.denied(what+"/write", c.scope)
	}
	return rt.do(c)
}

// armFind gives the route of what stands behind the provider, the names in it,
// and whether it is known at all.
func armFind(method, rest string, provided bool, names *[]string) (found *armRoute, known bool) {
	have := strings.Split(rest, "/")
	for _, rt := range armRoutes() {
		want := strings.Split(rt.path, "/")
		if len(want) != len(have) || provided == (rt.path == "batch") {
			continue
		}
		var values []string
		same := true
		for i := range want {
			switch {
			case want[i] == "*" && have[i] != "":
				values = append(values, have[i])
			case want[i] != strings.ToLower(have[i]):
				same = false
			}
		}
		if same {
			known = true
			if rt.method == method {
				*names = values
				return &rt, true
			}
		}
	}
	return nil, known
}

// readOptions reads the query: the api-version the operation has, and options it
// knows.
func (c *armCall) readOptions(rt *armRoute) *GraphError {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badRequest("The query cannot be read.")
	}
	c.options = values
	version := values.Get("api-version")
	for name, v := range values {
		switch {
		case len(v) != 1:
			return badRequest("The query parameter '%s' was given more than once.", name)
		case name == "api-version":
		case name == "$skiptoken" && rt.method == http.MethodGet:
			var e *GraphError
			if c.skip, e = readSkip(v[0]); e != nil {
				return e
			}
		case !slices.Contains(rt.options, name):
			return unknown(http.StatusBadRequest, "The query parameter '%s' is not known for %s.", name, rt.path)
		}
	}
	switch version {
	case rt.version:
		return nil
	case "":
		return &GraphError{Status: http.StatusBadRequest, Code: "MissingApiVersionParameter", Message: "The api-version query parameter (?api-version=) is required for all requests."}
	}
	return &GraphError{Status: http.StatusBadRequest, Code: "InvalidApiVersionParameter", Message: fmt.Sprintf("The api-version '%s' is invalid. The supported versions are '%s'.", version, rt.version)}
}

// armRoutes are the operations the tenant knows. Sources: the REST descriptions of
// Microsoft.Authorization 2020-10-01, 2021-01-01-preview and 2022-04-01; the
// $filter of policy assignments, getAllChildren and /batch are what the portal
// sends.
func armRoutes() []armRoute {
	const requests, approvals = "roleassignmentschedulerequests", "roleassignmentapprovals"
	list := []armRoute{
		{method: http.MethodPut, path: requests + "/*", version: armPIM, write: true, do: armPutRequest},
		{method: http.MethodPost, path: requests + "/*/cancel", version: armPIM, write: true, do: armCancel},
		{method: http.MethodPost, path: requests + "/*/validate", version: armPIM, write: true, do: armValidate},
		{method: http.MethodGet, path: "rolemanagementpolicyassignments", version: armPIM, options: []string{"$filter"}, do: armListPolicies},
		{method: http.MethodGet, path: "rolemanagementpolicyassignments/*", version: armPIM, do: armGetPolicy},
		{method: http.MethodGet, path: "eligiblechildresources", version: armPIM, options: []string{"$filter", "getAllChildren"}, do: armListChildren},
		{method: http.MethodGet, path: "roledefinitions", version: armRoles, options: []string{"$filter"}, do: armListRoles},
		{method: http.MethodGet, path: "roledefinitions/*", version: armRoles, do: armGetRole},
		{method: http.MethodGet, path: approvals, version: armApprovals, options: []string{"$filter"}, do: armListApprovals},
		{method: http.MethodGet, path: approvals + "/*", version: armApprovals, do: armGetApproval},
		{method: http.MethodGet, path: approvals + "/*/stages", version: armApprovals, do: armListStages},
		{method: http.MethodGet, path: approvals + "/*/stages/*", version: armApprovals, do: armGetStage},
		{method: http.MethodPut, path: approvals + "/*/stages/*", version: armApprovals, write: true, do: armDecide},
		{method: http.MethodPatch, path: approvals + "/*/stages/*", version: armApprovals, write: true, do: armDecide},
		{method: http.MethodPost, path: "batch", version: armBatch, write: true, do: armPostBatch},
	}
	for _, k := range armCollections() {
		path := strings.ToLower(k.name)
		list = append(list,
			armRoute{method: http.MethodGet, path: path, version: armPIM, options: []string{"$filter"}, do: k.list},
			armRoute{method: http.MethodGet, path: path + "/*", version: armPIM, do: k.get},
		)
	}
	return list
}

// page answers one page of a list.
func (c *armCall) page(rows []obj) (result, *GraphError) {
	return c.pageOf(len(rows), func(i int) obj { return rows[i] })
}

// pageOf answers one page of a list of n entities and makes only those. Only a
// list that goes on has a nextLink.
func (c *armCall) pageOf(n int, entity func(int) obj) (result, *GraphError) {
	size := 100
	if n := c.t.unkind.PageSize; n > 0 {
		size = n
	}
	from := min(c.skip, n)
	to := min(from+size, n)
	value := []obj{}
	for i := from; i < to; i++ {
		value = append(value, entity(i))
	}
	body := obj{"value": value}
	if to < n {
		q := c.options
		q.Set("$skiptoken", writeSkip(to))
		body["nextLink"] = c.t.urls.ARM + c.r.URL.EscapedPath() + "?" + q.Encode()
	}
	return result{http.StatusOK, body}, nil
}

func armHeader(requestID string) http.Header {
	return http.Header{
		"Cache-Control": {"no-cache"}, "X-Ms-Request-Id": {requestID}, "X-Ms-Correlation-Request-Id": {requestID},
		"X-Ms-Ratelimit-Remaining-Subscription-Reads": {"249"},
	}
}

// armFailure is a refusal in ARM's form.
func (t *Tenant) armFailure(requestID string, e *GraphError) answer {
	h := armHeader(requestID)
	h.Set("Content-Type", "application/json; charset=utf-8")
	for k, v := range e.Header {
		h[k] = v
	}
	if e.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization_uri="https://login.windows.net/%s", error="invalid_token", error_description=%q`, t.opt.TenantID, e.Message))
	}
	return answer{status: e.Status, header: h, body: []byte(e.armBody())}
}

func (e *GraphError) armBody() string {
	b, err := json.Marshal(obj{"error": obj{"code": e.Code, "message": e.Message}})
	if err != nil {
		return "{}" // only strings: cannot happen
	}
	return string(b)
}
