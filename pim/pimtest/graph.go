package pimtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/google/uuid"
)

// call is one Graph call on its way through the tenant, which is locked.
type call struct {
	t      *Tenant
	r      *http.Request
	caller caller
	params []string // what the route's wildcards matched
	query  query
	wrote  bool
}

// result is the successful answer of a call: a status, and a body or none.
type result struct {
	status int
	body   obj
}

// route is one operation of Graph. A route without application permissions
// refuses app-only tokens; "*" stands for one segment of a path.
type route struct {
	method    string
	path      string
	delegated []string // any of these
	app       []string
	pim       string // the kind, when it names what is missing as PIM does, and needs the licence
	free      bool   // checks the licence itself
	shape     shape
	do        func(*call) (result, *GraphError)
}

// Graph is Microsoft Graph: /v1.0 and, for approvals of directory roles, /beta.
func (t *Tenant) Graph() http.Handler {
	return t.serve(func(r *http.Request) (a answer) {
		requestID := uuid.NewString()
		err := t.do(func() { a = t.graph(r, requestID) })
		if err != nil {
			return t.graphFailure(r, requestID, &GraphError{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()})
		}
		return a
	})
}

func (t *Tenant) graph(r *http.Request, requestID string) answer {
	t.calls++
	if n := t.unkind.Throttle; n > 0 && t.calls%n == 0 {
		return t.graphFailure(r, requestID, refusal("TooManyRequests"))
	}
	c := &call{t: t, r: r}
	res, e := t.dispatch(c)
	if e != nil {
		if e.unknown != "" {
			t.unhandled(r, "%s", e.unknown)
		}
		return t.graphFailure(r, requestID, e)
	}
	if c.wrote {
		t.w.dirty = true
		t.writes++
		if n := t.unkind.LoseAnswer; n > 0 && t.writes%n == 0 {
			if t.writes/n%2 == 0 {
				return answer{lost: true}
			}
			return t.graphFailure(r, requestID, &GraphError{Status: http.StatusGatewayTimeout, Code: "GatewayTimeout", Message: "The answer of the service did not arrive in time."})
		}
	}
	a := answer{status: res.status, header: graphHeader(r, requestID)}
	if res.body != nil {
		if a.body, e = marshal(res.body); e != nil {
			return t.graphFailure(r, requestID, e)
		}
		a.header.Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
		a.header.Set("OData-Version", "4.0")
	}
	return a
}

func (t *Tenant) dispatch(c *call) (result, *GraphError) {
	rt, params, known := t.find(c.r.Method, c.r.URL.Path)
	switch {
	case rt == nil && known:
		return result{}, unknown(http.StatusMethodNotAllowed, "The method %s is not known for this route.", c.r.Method)
	case rt == nil:
		return result{}, unknown(http.StatusNotImplemented, "The simulator has no such route of Graph.")
	}
	c.params = params
	var e *GraphError
	if c.caller, e = t.authenticate(c.r.Header.Get("Authorization")); e != nil {
		return result{}, e
	}
	if e := rt.permits(c.caller); e != nil {
		return result{}, e
	}
	if rt.pim != "" && !rt.free && t.w.Unlicensed {
		return result{}, refusal("AadPremiumLicenseRequired")
	}
	if c.r.Header.Get("Content-Encoding") != "" {
		return result{}, unknown(http.StatusUnsupportedMediaType, "An encoded body is not known.")
	}
	if c.query, e = rt.shape.parse(c.r.URL.RawQuery); e != nil {
		return result{}, e
	}
	return rt.do(c)
}

func (rt *route) permits(c caller) *GraphError {
	anyOf := rt.delegated
	if c.kind == ByApplication {
		anyOf = rt.app
	}
	if c.has(anyOf...) {
		return nil
	}
	if rt.pim != "" && len(anyOf) > 0 {
		return scopeMissing(rt.pim, anyOf)
	}
	return refusal("Authorization_RequestDenied")
}

func (c caller) has(anyOf ...string) bool {
	for _, want := range anyOf {
		for _, have := range c.grants {
			if have == want {
				return true
			}
		}
	}
	return false
}

// find gives the route of a path, the values of its wildcards, and whether the
// path is known at all.
func (t *Tenant) find(method, path string) (found *route, params []string, known bool) {
	have := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, rt := range t.routes() {
		want := strings.Split(rt.path, "/")
		if len(want) != len(have) {
			continue
		}
		var values []string
		same := true
		for i := range want {
			switch {
			case want[i] == "*" && have[i] != "" && !strings.ContainsAny(have[i], "()$"):
				values = append(values, have[i])
			case want[i] != have[i]:
				same = false
			}
		}
		if same {
			known = true
			if rt.method == method {
				return &rt, values, true
			}
		}
	}
	return nil, nil, known
}

// body reads the JSON of a request into v. A member the tenant does not know is
// loud, and so is another content type.
func (c *call) body(v any) *GraphError {
	ct, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(ct), "application/json") {
		return unknown(http.StatusUnsupportedMediaType, "The content type %q is not known; it has to be application/json.", ct)
	}
	raw, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	if err != nil || len(raw) > maxBody {
		return badRequest("The body cannot be read or is too large.")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return badRequest("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
		}
		return unknown(http.StatusBadRequest, "The body has a member the simulator does not know, or of another type: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("The body goes on after its JSON.")
	}
	if name := strangeMember(raw, reflect.TypeOf(v)); name != "" {
		return unknown(http.StatusBadRequest, "The simulator does not know the member %q.", name)
	}
	return nil
}

// list answers a collection: filtered, in pages, expanded and projected. rows are
// complete entities; expand adds what $expand asks for to one of them.
func (c *call) list(s shape, context string, rows []obj, expand func(obj) *GraphError) (result, *GraphError) {
	var all []obj
	for _, o := range rows {
		if c.query.matches(o) {
			all = append(all, o)
		}
	}
	size := cmp.Or(s.largest, largestPage)
	if n := c.t.unkind.PageSize; n > 0 {
		size = n
	}
	if c.query.top > 0 && c.query.top < size {
		size = c.query.top
	}
	from := min(c.query.skip, len(all))
	to := min(from+size, len(all))
	page := []obj{}
	for _, o := range all[from:to] {
		if expand != nil {
			if e := expand(o); e != nil {
				return result{}, e
			}
		}
		page = append(page, c.query.project(o, s))
	}
	body := obj{"@odata.context": c.context(context), "value": page}
	if c.query.count {
		body["@odata.count"] = len(all)
	}
	if to < len(all) {
		q, err := url.ParseQuery(c.r.URL.RawQuery)
		if err != nil {
			return result{}, badRequest("The query cannot be read.")
		}
		q.Set("$skiptoken", writeSkip(to))
		body["@odata.nextLink"] = c.t.urls.Graph + c.r.URL.EscapedPath() + "?" + q.Encode()
	}
	return result{http.StatusOK, body}, nil
}

// entity answers one entity.
func (c *call) entity(status int, s shape, context string, o obj) (result, *GraphError) {
	out := c.query.project(o, s)
	out["@odata.context"] = c.context(context + "/$entity")
	return result{status, out}, nil
}

func (c *call) context(what string) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path, "/"), "/")
	return c.t.urls.Graph + "/" + version + "/$metadata#" + what
}

func marshal(body obj) ([]byte, *GraphError) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, &GraphError{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
	}
	return b, nil
}

func graphHeader(r *http.Request, requestID string) http.Header {
	h := http.Header{"Cache-Control": {"no-cache"}, "Request-Id": {requestID}}
	if id := r.Header.Get("client-request-id"); id != "" {
		h.Set("client-request-id", id)
	}
	return h
}

func (t *Tenant) graphFailure(r *http.Request, requestID string, e *GraphError) answer {
	h := graphHeader(r, requestID)
	h.Set("Content-Type", "application/json")
	for k, v := range e.Header {
		h[k] = v
	}
	if e.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id=%q`, graphAppID))
	}
	return answer{status: e.Status, header: h, body: []byte(e.body(t.wall(), requestID, r.Header.Get("client-request-id")))}
}
