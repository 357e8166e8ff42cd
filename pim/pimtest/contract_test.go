package pimtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The contract: every successful answer that a test gets from Graph is checked
// against Microsoft's OpenAPI description of its operation. Types, formats and
// enumerations are checked (in any letter case, as the service varies it), and a
// member that the description does not know is an error.

// notDescribed are operations that the cut description leaves out.
var notDescribed = regexp.MustCompile(`^/v1\.0/(users|users/[^/]+(/transitiveMemberOf/microsoft\.graph\.group)?|groups(/[^/]+)?|directoryObjects/getByIds|identityGovernance/accessReviews/definitions(/.*)?/(contactedReviewers|filterByCurrentUser[^/]*)|identityGovernance/accessReviews/definitions/filterByCurrentUser[^/]*)$`)

// deviations are members the service answers although its description does not
// have them. Sources: the Graph reference of approvalStep (identity of the
// reviewer), PIM's answers as tools have read them (subject sets with "id"), and
// properties that the cut of the description dropped.
var deviations = map[string][]string{
	"microsoft.graph.identity":        {"userPrincipalName", "mail"},
	"microsoft.graph.singleUser":      {"id"},
	"microsoft.graph.groupMembers":    {"id"},
	"microsoft.graph.user":            {"businessPhones", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "userType"},
	"microsoft.graph.group":           {"mailEnabled", "securityEnabled"},
	"microsoft.graph.directoryObject": {"displayName", "description"}, // an administrative unit
	// Its subtypes were cut away; the documented example of a review has these members.
	"microsoft.graph.governanceInsight": {"lastSignInDateTime"}, // of userSignInInsight, which was cut away
	"microsoft.graph.accessReviewScope": {"principalScopes", "resourceScopes", "query", "queryType", "queryRoot"},
}

// subtypes are what may stand where the description names a base type.
var subtypes = map[string][]string{
	"microsoft.graph.directoryObject": {"microsoft.graph.user", "microsoft.graph.group", "microsoft.graph.servicePrincipal"},
	"microsoft.graph.subjectSet":      {"microsoft.graph.singleUser", "microsoft.graph.groupMembers"},
	"microsoft.graph.unifiedRoleManagementPolicyRule": {
		"microsoft.graph.unifiedRoleManagementPolicyNotificationRule", "microsoft.graph.unifiedRoleManagementPolicyExpirationRule",
		"microsoft.graph.unifiedRoleManagementPolicyEnablementRule", "microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
		"microsoft.graph.unifiedRoleManagementPolicyAuthenticationContextRule",
	},
	"RoleManagementPolicyRule": {
		"RoleManagementPolicyNotificationRule", "RoleManagementPolicyExpirationRule", "RoleManagementPolicyEnablementRule",
		"RoleManagementPolicyApprovalRule", "RoleManagementPolicyAuthenticationContextRule",
	},
}

// contract is one OpenAPI description made into JSON Schema.
type contract struct {
	paths    map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
}

var contracts = sync.OnceValues(func() (map[string]*contract, error) {
	all := map[string]*contract{}
	for version, file := range map[string]string{"v1.0": "graph-v1.0-pim-subset", "beta": "graph-beta-approvals-subset"} {
		b, err := os.ReadFile(filepath.Join("testdata", "openapi", file+".openapi.json"))
		if err != nil {
			return nil, err
		}
		var doc map[string]any
		if err := json.Unmarshal(b, &doc); err != nil {
			return nil, err
		}
		schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
		for name, s := range schemas {
			schemas[name] = toSchema(s, false)
		}
		components := doc["components"].(map[string]any)
		components["responses"] = toSchema(components["responses"], true)
		for _, item := range doc["paths"].(map[string]any) {
			for _, op := range item.(map[string]any) {
				if o, ok := op.(map[string]any); ok {
					o["responses"] = toSchema(o["responses"], true)
				}
			}
		}
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft2020)
		if err := c.AddResource(version+".json", doc); err != nil {
			return nil, err
		}
		all[version] = &contract{paths: doc["paths"].(map[string]any), compiler: c}
	}
	return all, nil
})

// toSchema turns an OpenAPI 3.0 schema into JSON Schema. Where a schema is used
// (and not inherited from) unknown members are refused.
func toSchema(v any, used bool) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = toSchema(v[i], used)
		}
		return out
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if !used || !strings.HasPrefix(ref, "#/components/schemas/") {
				return map[string]any{"$ref": ref}
			}
			return strictly(strings.TrimPrefix(ref, "#/components/schemas/"))
		}
		out := map[string]any{}
		for k, x := range v {
			switch k {
			case "nullable", "additionalProperties", "format", "description", "title":
			case "enum":
				var names []string
				for _, e := range x.([]any) {
					names = append(names, regexp.QuoteMeta(e.(string)))
				}
				out["pattern"] = "(?i)^(" + strings.Join(names, "|") + ")$"
			case "allOf":
				out[k] = toSchema(x, false)
			case "properties":
				props := map[string]any{}
				for name, p := range x.(map[string]any) {
					props[name] = toSchema(p, true)
				}
				out[k] = props
			default:
				out[k] = toSchema(x, used || k == "items" || k == "anyOf")
			}
		}
		if v["title"] == "groupType" { // null in PIM's own audit entries, see the examples of the contracts
			out["type"] = []any{"string", "null"}
		}
		if v["nullable"] == true {
			if typ, ok := v["type"].(string); ok {
				out["type"] = []any{typ, "null"}
			}
		}
		return out
	}
	return v
}

// strictly is a reference to a type that allows its members, annotations and
// known deviations, and nothing else.
func strictly(name string) any {
	var any []any
	for _, n := range append([]string{name}, subtypes[name]...) {
		s := map[string]interface{}{
			"$ref": "#/components/schemas/" + n, "patternProperties": map[string]interface{}{"@": true}, "unevaluatedProperties": false,
		}
		if more := deviations[n]; len(more) > 0 {
			props := map[string]interface{}{}
			for _, m := range more {
				props[m] = true
			}
			s["properties"] = props
		}
		if strings.HasSuffix(n, "InnerError") {
			delete(s, "unevaluatedProperties")
		}
		any = append(any, s)
	}
	return map[string]interface{}{"anyOf": any}
}

// checkContract validates one answer.
func checkContract(t *testing.T, method, path string, status int, body obj) {
	t.Helper()
	path = regexp.MustCompile(`^https://[^/]+`).ReplaceAllString(path, "")
	path, _, _ = strings.Cut(path, "?")
	if status >= 300 || notDescribed.MatchString(path) {
		return
	}
	all, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	c := all[version]
	for template, item := range c.paths {
		op, ok := item.(map[string]any)[strings.ToLower(method)].(map[string]any)
		if !ok || !templateMatches(template, "/"+rest) {
			continue
		}
		if status == http.StatusNoContent {
			if body != nil {
				t.Errorf("%s %s: 204 with a body", method, path)
			}
			return
		}
		pointer, err := schemaOf(template, method, op["responses"].(map[string]any))
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return
		}
		var answer any = body
		if strings.HasPrefix(template, "/roleManagement/directory/roleAssignmentApprovals/filterByCurrentUser") {
			answer = body["value"] // described as a bare array, answered as every collection is
		}
		if err := c.validate(version+".json#"+pointer, answer); err != nil {
			t.Errorf("%s %s does not keep the contract: %v", method, path, err)
		}
		return
	}
	t.Errorf("%s %s is not in Microsoft's description", method, path)
}

// schemaOf points to the schema of an operation's successful answer.
func schemaOf(template, method string, responses map[string]any) (string, error) {
	for _, status := range []string{"2XX", "200"} {
		res, ok := responses[status].(map[string]any)
		if !ok {
			continue
		}
		pointer := "/paths/" + escape(template) + "/" + strings.ToLower(method) + "/responses/" + status
		if ref, ok := res["$ref"].(string); ok {
			pointer = strings.TrimPrefix(ref, "#")
		} else if res["content"] == nil {
			break
		}
		return pointer + "/content/application~1json/schema", nil
	}
	return "", errors.New("the description has no body for this answer")
}

func (c *contract) validate(pointer string, body any) error {
	c.mu.Lock()
	s, err := c.compiler.Compile(pointer)
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("the description: %w", err)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func templateMatches(template, path string) bool {
	parts := strings.Split(template, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = `[^/()]+`
			continue
		}
		parts[i] = strings.ReplaceAll(regexp.QuoteMeta(p), `\{on\}`, `[a-z]+`)
	}
	return regexp.MustCompile("^" + strings.Join(parts, "/") + "$").MatchString(path)
}

func escape(s string) string {
	s = strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(s)
}

func TestContractRefusesWhatMicrosoftDoesNotAnswer(t *testing.T) {
	all, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	const pointer = "v1.0.json#/components/responses/microsoft.graph.unifiedRoleAssignmentScheduleInstanceCollectionResponse/content/application~1json/schema"
	good := obj{"id": "x", "assignmentType": "Activated", "startDateTime": "2026-11-23T12:00:00Z"}
	if err := all["v1.0"].validate(pointer, obj{"value": []obj{good}}); err != nil {
		t.Errorf("a good instance: %v", err)
	}
	for _, bad := range []obj{
		{"id": "x", "startDate": "2026-11-23T12:00:00Z"},
		{"id": "x", "startDateTime": "yesterday"},
		{"id": 7},
	} {
		if all["v1.0"].validate(pointer, obj{"value": []obj{bad}}) == nil {
			t.Errorf("%v keeps the contract", bad)
		}
	}
}

// TestRefusals brings about every refusal of the project's contracts and compares
// status, code and message.
func TestRefusals(t *testing.T) {
	h := newHarness(t)
	a, b := h.as(alice), h.as(bob)
	pending := h.activate(a, activation(alice, roleApproved))["id"].(string)
	decided := h.activate(a, activation(alice, roleDefault))["id"].(string)
	h.must(h.PortalDecide(erin, decided, true, "ok"))
	h.activate(a, activation(alice, roleOpen))
	h.must(h.AddUser(User{ID: dan, Name: "Dan", UPN: "dan@contoso.com", PIMKnows: h.business.now().Add(time.Minute)}))
	d := h.as(dan)
	step := func(id string) string { return approvalPath + "/" + id + "/steps/" + id }
	approve := obj{"reviewResult": "Approve", "justification": "fine"}

	passwordOnly := newHarness(t, func(o *Options) { o.MFAOptional = true })
	browser, err := NewBrowser()
	h.must(err)
	browser.PasswordOnly = true
	to, err := browser.SignIn(t.Context(), passwordOnly.authorizeURL(nil), alice)
	h.must(err)
	_, weak := passwordOnly.post(codeForm(to.Query().Get("code"), nil))
	unlicensed := newHarness(t)
	h.must(unlicensed.SetLicensed(false))
	noScope := newHarness(t, func(o *Options) { o.App.Delegated = []string{"User.Read"} })
	onlyUserRead := noScope.signIn(alice, map[string]string{"scope": "openid profile User.Read"})
	throttled := newHarness(t, func(o *Options) { o.Unkind = &Unkind{Throttle: 1} })

	ticket := set("ticketInfo", obj{"ticketNumber": "CHG1", "ticketSystem": "ITSM"})
	deactivate := func(role string) obj {
		return obj{"action": "selfDeactivate", "principalId": alice, "roleDefinitionId": role, "directoryScopeId": "/"}
	}
	post := func(h *harness, token string, body obj) (int, obj) {
		return h.call(token, http.MethodPost, requestsPath, body)
	}
	for name, ask := range map[string]func() (int, obj){
		"aad-premium-license-required": func() (int, obj) { return post(unlicensed, unlicensed.as(alice), activation(alice, roleOpen)) },
		"acrs-validation-failed":       func() (int, obj) { return post(h, a, activation(alice, roleStepUp)) },
		"active-duration-too-short":    func() (int, obj) { return post(h, a, deactivate(roleOpen)) },
		"approval-conflict":            func() (int, obj) { return h.call(h.as(erin), http.MethodPatch, step(decided), approve) },
		"approval-forbidden":           func() (int, obj) { return h.call(a, http.MethodPatch, step(pending), approve) },
		"approval-not-found":           func() (int, obj) { return h.call(b, http.MethodPatch, step(tenantID), approve) },
		"authorization-request-denied": func() (int, obj) { return h.get(a, requestsPath) },
		"graph-throttled-429":          func() (int, obj) { return throttled.get("any", requestsPath) },
		"invalid-role-assignment-request": func() (int, obj) {
			return post(h, a, activation(alice, roleStrict, lasting("P6M")))
		},
		"pending-role-assignment-request": func() (int, obj) { return post(h, a, activation(alice, roleApproved)) },
		"permission-scope-not-granted": func() (int, obj) {
			return post(noScope, onlyUserRead["access_token"].(string), activation(alice, roleOpen))
		},
		"policy-EligibilityRule-and-ExpirationRule": func() (int, obj) { return post(h, b, activation(bob, roleStrict, lasting("PT9H"))) },
		"policy-ExpirationRule":                     func() (int, obj) { return post(h, a, activation(alice, roleStrict, lasting("PT3H"), ticket)) },
		"policy-JustificationRule": func() (int, obj) {
			return post(h, a, activation(alice, roleStrict, set("justification", " "), ticket))
		},
		"policy-MfaRule": func() (int, obj) {
			return post(passwordOnly, weak["access_token"].(string), activation(alice, roleStrict, ticket))
		},
		"policy-TicketingRule":              func() (int, obj) { return post(h, a, activation(alice, roleStrict)) },
		"request-cannot-be-cancelled":       func() (int, obj) { return h.call(a, http.MethodPost, requestsPath+"/"+decided+"/cancel", nil) },
		"role-assignment-does-not-exist":    func() (int, obj) { return post(h, a, deactivate(roleStrict)) },
		"role-assignment-exists":            func() (int, obj) { return post(h, a, activation(alice, roleOpen)) },
		"role-assignment-request-not-found": func() (int, obj) { return h.get(a, requestsPath+"/"+tenantID) },
		"subject-not-found":                 func() (int, obj) { return post(h, d, activation(dan, roleOpen)) },
	} {
		t.Run(name, func(t *testing.T) {
			want := readRefusal(t, name)
			status, got := ask()
			e, _ := got["error"].(obj)
			if status != want.HTTPStatus || e["code"] != want.Body.Error.Code || e["message"] != want.Body.Error.Message {
				t.Errorf("got %d %v, want %d %+v", status, got, want.HTTPStatus, want.Body)
			}
			if inner, _ := e["innerError"].(obj); inner["request-id"] == "" {
				t.Error("no request-id")
			}
		})
	}
	entries, err := os.ReadDir(filepath.Join("testdata", "errors"))
	h.must(err)
	if len(entries) != 21 {
		t.Errorf("%d refusals in testdata, 21 compared", len(entries))
	}
}

// documentedRefusal is a refusal of the project's contracts.
type documentedRefusal struct {
	HTTPStatus int
	Body       struct {
		Error struct{ Code, Message string }
	}
}

func readRefusal(t *testing.T, name string) documentedRefusal {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "errors", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var want documentedRefusal
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	return want
}
