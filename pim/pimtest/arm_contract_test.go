package pimtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The contract of ARM: every successful answer a test gets is checked against
// Microsoft's description of its operation, and every documented example of a
// call that is simulated is replayed.

var armContract = sync.OnceValues(func() (*contract, error) {
	b, err := os.ReadFile(filepath.Join("testdata", "openapi", "arm-pim-subset.openapi.json"))
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	doc = openARM(doc).(map[string]any)
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for name, s := range schemas {
		schemas[name] = toSchema(s, false)
	}
	for _, item := range doc["paths"].(map[string]any) {
		for _, op := range item.(map[string]any) {
			op.(map[string]any)["responses"] = toSchema(op.(map[string]any)["responses"], true)
		}
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("arm.json", doc); err != nil {
		return nil, err
	}
	return &contract{paths: doc["paths"].(map[string]any), compiler: c}, nil
})

// openARM writes the parts of the description that differ from Graph's as Graph's
// are written: open enumerations, times, and references that may be null.
func openARM(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = openARM(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = openARM(v[k])
		}
		if known := v["x-known-values"]; known != nil {
			v["enum"] = known
		}
		if v["format"] == "date-time" {
			v["pattern"] = `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$`
		}
		if all := v["allOf"]; all != nil && v["nullable"] == true {
			return map[string]any{"anyOf": append(all.([]any), map[string]any{"type": "null"})}
		}
	}
	return v
}

// checkARMContract validates one answer.
func checkARMContract(t *testing.T, method, path string, status int, body obj) {
	t.Helper()
	path = regexp.MustCompile(`^https://[^/]+`).ReplaceAllString(path, "")
	path, _, _ = strings.Cut(path, "?")
	if status >= 300 {
		return
	}
	c, err := armContract()
	if err != nil {
		t.Fatal(err)
	}
	for template, item := range c.paths {
		op, ok := item.(map[string]any)[strings.ToLower(method)].(map[string]any)
		if !ok || !armTemplateMatches(template, path) {
			continue
		}
		responses := op["responses"].(map[string]any)
		described := "200"
		if status == http.StatusNoContent || method == http.MethodPut && responses["201"] != nil {
			described = map[int]string{http.StatusNoContent: "204", http.StatusCreated: "201", http.StatusOK: "201"}[status] // 200: put again
		}
		res, ok := responses[described].(map[string]any)
		switch {
		case !ok:
			t.Errorf("%s %s: %d is not described", method, path, status)
		case res["content"] == nil && body != nil:
			t.Errorf("%s %s: a body where none is described", method, path)
		case res["content"] != nil:
			pointer := "/paths/" + escape(template) + "/" + strings.ToLower(method) + "/responses/" + described + "/content/application~1json/schema"
			if err := c.validate("arm.json#"+pointer, body); err != nil {
				t.Errorf("%s %s does not keep the contract: %v", method, path, err)
			}
		}
		return
	}
	t.Errorf("%s %s is not in Microsoft's description", method, path)
}

// armTemplateMatches: a scope may hold slashes, and in a path letter case does not
// matter.
func armTemplateMatches(template, path string) bool {
	pattern := regexp.QuoteMeta(template)
	pattern = strings.ReplaceAll(pattern, `/\{scope\}/`, `(/.+)?/`)
	pattern = regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(pattern, `[^/]+`)
	return regexp.MustCompile("(?i)^" + pattern + "$").MatchString(path)
}

// TestARMExamples replays the documented examples in a tenant that holds what they
// speak of. An answer has to have every member of the documented one, and the
// same value where the value is not this tenant's own.
func TestARMExamples(t *testing.T) {
	const (
		sub      = "/subscriptions/dfa2a084-766f-4003-8ae1-c4aeb893a99f"
		policed  = "/subscriptions/129ff972-28f8-46b8-a726-e497be039368"
		person   = "a3bb8764-cb92-4276-9d2a-ca1e895e55ea"
		reviewer = "a6c7aecb-cbfd-4763-87ef-e91b4bd509d9"
		role     = "c8d4ff99-41c3-41a8-9f60-21dfdad59608"
		fhir     = "a1705bd2-3a8f-45a5-8683-466fcfd5cc24"
		approval = "488a6d0e-0a63-4946-86e3-1f5bbc934661"
		request  = "fea7a502-9a96-4806-a26f-eee560e52045"
	)
	files, err := filepath.Glob(filepath.Join("testdata", "arm", "*.json"))
	if err != nil || len(files) != 24 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			h := newARM(t)
			h.must(
				h.AddUser(User{ID: person, Name: "User Account", UPN: "user@my-tenant.com", Mail: "user@my-tenant.com"}),
				h.AddUser(User{ID: reviewer, Name: "Shubham Gupta", UPN: "shugup@microsoft.com"}),
				h.AddGroup(Group{ID: "2385b0f3-5fa9-43cf-8ca4-b01dc97298cd", Name: "amansw_new_group", Members: []string{reviewer}}),
				h.AddResource(Resource{ID: sub, Name: "Pay-As-You-Go"}),
				h.AddResource(Resource{ID: policed, Name: "Pay-As-You-Go"}),
				h.AddResource(Resource{ID: sub + "/resourceGroups/RG-1"}), h.AddResource(Resource{ID: sub + "/resourceGroups/RG-2"}),
				h.AddAzureRole(AzureRole{ID: role, Name: "Contributor", Actions: []string{"*"}}),
				h.AddAzureRole(AzureRole{ID: fhir, Name: "FHIR Data Converter"}),
				h.EligibleAzure(person, role, sub, h.business.now(), h.business.now().Add(365*24*60*60*1e9), "its condition"),
				h.EligibleAzure(person, fhir, sub, h.business.now(), h.business.now(), ""),
				h.GrantReader("/"),
			)
			e := h.w.Eligibilities[len(h.w.Eligibilities)-2]
			e.ID, e.ConditionVersion = "b1477448-2cc6-4ceb-93b4-54a202a89413", "1.0"
			e.Condition = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:ContainerName] StringEqualsIgnoreCase 'foo_storage_container'"
			h.must(
				h.SetAzurePolicy(sub, role, Policy{}),
				h.SetAzurePolicy(policed, fhir, Policy{
					MFA: true, Justification: true, Ticketing: true, MaxDuration: 7 * 60 * 60 * 1e9, Approval: true,
					ApproverJustification: true, Approvers: []string{"2385b0f3-5fa9-43cf-8ca4-b01dc97298cd"},
				}),
			)
			mine, app := h.onARM(person), h.appOnARM()
			activate := h.azureActivation(person, role, set("roleDefinitionId", sub+rolePath+role), set("linkedRoleEligibilityScheduleId", e.ID),
				set("condition", e.Condition), set("conditionVersion", "1.0"))
			token, text := mine, string(b)
			switch name := t.Name(); {
			case strings.Contains(name, "Approval"):
				h.must(h.SetAzurePolicy(sub, role, Policy{Approval: true, Approvers: []string{reviewer}}))
				h.put(mine, sub, approval, activate)
				text = strings.NewReplacer("4135f961-be78-4005-8101-c72a5af307a2", approval, "fa73e90b-5bf1-45fd-a182-35ce5fc0674d", approval,
					`"I trust this person"`, `"I trust this person."`).Replace(text)
				token = h.onARM(reviewer)
			case strings.Contains(name, "CancelRole"):
				activate["properties"].(obj)["scheduleInfo"] = obj{"startDateTime": "2026-11-24T12:00:00Z", "expiration": obj{"type": "AfterDuration", "duration": "PT1H"}}
				h.put(mine, sub, request, activate)
			case strings.Contains(name, "PolicyAssignment"):
				text = strings.ReplaceAll(text, "b959d571-f0b5-4042-88a7-01be6cb22db9", derivedID(tenantID, "policy of "+azureKey(policed, rolePath+fhir)))
				token = app
			case strings.Contains(name, "Validate"):
				text = strings.ReplaceAll(text, `"status": "Provisioned"`, `"status": "Granted"`) // as clients have seen it
			case strings.Contains(name, "RoleDefinition"):
				full := sub + rolePath + fhir
				text = strings.NewReplacer("azure.com/scope/", "azure.com"+sub+"/", "azure.com/roleDefinitionId", "azure.com"+full, "subID", lastPart(sub),
					"roleDefinitionId", fhir, "Role name", "FHIR Data Converter").Replace(text)
				token = app
			case strings.Contains(name, "-Get"):
				if strings.Contains(name, "Assignment") {
					activate["properties"].(obj)["scheduleInfo"].(obj)["expiration"] = obj{"type": "AfterDuration", "duration": "PT8H"}
					p := h.put(mine, sub, request, activate)
					text = strings.NewReplacer("c9e264ff-3133-4776-a81a-ebc7c33c8ec6", p["targetRoleAssignmentScheduleId"].(string),
						"ed9b8180-cef7-4c77-a63c-b8566ecfc412", derivedID(tenantID, "instance of "+p["targetRoleAssignmentScheduleId"].(string)),
						`"assignmentType": "Assigned"`, `"assignmentType": "Activated"`).Replace(text)
				}
				text = strings.NewReplacer("21e4b59a-0499-4fe0-a3c3-43a3055b773a", derivedID(tenantID, "instance of "+e.ID),
					"b24988ac-6180-42a0-ab88-20f7382dd24c", role).Replace(text) // the examples name two roles for one
				if strings.Contains(name, "ByScope") {
					token = app
				}
			}
			var example example
			if err := json.Unmarshal([]byte(text), &example); err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(example.URL)
			if err != nil {
				t.Fatal(err)
			}
			q, err := url.QueryUnescape(u.RawQuery)
			if err != nil {
				t.Fatal(err)
			}
			status, got := h.call(token, example.Method, u.Path+"?"+q, example.RequestBody)
			if status != example.ResponseStatus {
				t.Fatalf("%d %v, want %d", status, got, example.ResponseStatus)
			}
			if example.ResponseBody != nil {
				compareARM(t, "", map[string]any(example.ResponseBody), got)
			}
		})
	}
}

// tenantsOwn are members whose values are this tenant's, not the example's.
var tenantsOwn = regexp.MustCompile(`(?i)\.(createdOn|updatedOn|startDateTime|endDateTime|reviewedDateTime|targetRoleAssignmentScheduleId|roleEligibilityScheduleRequestId` +
	`|description|notificationLevel|notificationRecipients|isDefaultRecipientsEnabled|maximumDuration|enabledRules|isExpirationRequired` +
	`|assignableScopes|permissions|properties\.type|stages\[\]\.properties\.displayName|value\[\]\.properties\.displayName)|^\.properties\.displayName$`)

func compareARM(t *testing.T, at string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %v, want an object", at, got)
			return
		}
		for name, v := range want {
			g, ok := have[name]
			if !ok {
				t.Errorf("%s.%s is missing", at, name)
			} else if !tenantsOwn.MatchString(at + "." + name) {
				compareARM(t, at+"."+name, v, g)
			}
		}
	case []any:
		have, ok := got.([]any)
		if !ok {
			t.Errorf("%s is %v, want a list", at, got)
			return
		}
		// The example's entity or rule of the same id; other lists have to be the same.
		for _, w := range want {
			found := false
			for _, g := range have {
				if sameEntity(w, g) {
					compareARM(t, at+"[]", w, g)
					found = true
					break
				}
			}
			if !found && !strings.Contains(at, "primaryApprovers") {
				t.Errorf("%s has no %v", at, w)
			}
		}
	default:
		if want != got && !(want == "" && got == nil) {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
	}
}

// sameEntity finds the counterpart of an entity by its id; there is only one approval stage.
func sameEntity(want, got any) bool {
	w, ok1 := want.(map[string]any)
	g, ok2 := got.(map[string]any)
	if !ok1 || !ok2 {
		return want == got
	}
	return w["id"] == g["id"] && (w["id"] != nil || w["approvalStageTimeOutInDays"] != nil)
}
