package pimtest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

const (
	companyGroup = "/providers/Microsoft.Management/managementGroups/contoso"
	production   = "/subscriptions/50000000-0000-4000-8000-000000000001"
	elsewhere    = "/subscriptions/50000000-0000-4000-8000-000000000002" // in no management group
	appGroup     = production + "/resourceGroups/rg-App"
	dataGroup    = production + "/resourceGroups/rg-data"
	storage      = dataGroup + "/providers/Microsoft.Storage/storageAccounts/ledger"

	azureContributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	azureOwnerRole   = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	azureBlobReader  = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
	azureOperator    = "c0ffee00-0000-4000-8000-000000000001" // custom

	ledgerOnly = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:ContainerName] StringEqualsIgnoreCase 'ledger'"
)

// armHarness is a harness with Azure behind it. Alice is eligible for:
//
//	Contributor        in production, no approval
//	Owner              in production, approval by bob and the approvers' group
//	Blob reader        at the storage account, under a condition
//	Operator           in the company's management group, through the approvers' group
type armHarness struct {
	*harness
	arm string
}

func newARM(t *testing.T, change ...func(*Options)) *armHarness {
	t.Helper()
	h := &armHarness{harness: newHarness(t, change...)}
	s := httptest.NewTLSServer(h.ARM())
	t.Cleanup(s.Close)
	h.arm = s.URL
	h.SetURLs(URLs{Login: h.login, Graph: h.graph, Browser: h.browser, ARM: s.URL})
	if !h.Loaded() {
		h.seedARM()
	}
	return h
}

func (h *armHarness) seedARM() {
	h.t.Helper()
	var always time.Time
	h.must(
		h.AddResource(Resource{ID: companyGroup, Name: "Contoso"}),
		h.AddResource(Resource{ID: production, Name: "Production", Parent: companyGroup}),
		h.AddResource(Resource{ID: elsewhere, Name: "Elsewhere"}),
		h.AddResource(Resource{ID: appGroup}),
		h.AddResource(Resource{ID: dataGroup}),
		h.AddResource(Resource{ID: storage}),
		h.AddAzureRole(AzureRole{ID: azureContributor, Name: "Contributor", Actions: []string{"*"}}),
		h.AddAzureRole(AzureRole{ID: azureOwnerRole, Name: "Owner", Actions: []string{"*"}}),
		h.AddAzureRole(AzureRole{ID: azureBlobReader, Name: "Storage Blob Data Reader", Actions: []string{"Microsoft.Storage/storageAccounts/blobServices/containers/read"}}),
		h.AddAzureRole(AzureRole{ID: azureOperator, Name: "Operator", Custom: true}),
		h.SetAzurePolicy(production, azureOwnerRole, Policy{
			Justification: true, Ticketing: true, MaxDuration: 4 * time.Hour, Approval: true,
			Approvers: []string{bob, approversGroup}, ApproverJustification: true,
		}),
		h.EligibleAzure(alice, azureContributor, production, always, always, ""),
		h.EligibleAzure(alice, azureOwnerRole, production, always, h.business.now().Add(90*24*time.Hour), ""),
		h.EligibleAzure(alice, azureBlobReader, storage, always, always, ledgerOnly),
		h.EligibleAzure(approversGroup, azureOperator, companyGroup, always, always, ""),
	)
}

const armScopes = "openid profile offline_access https://management.azure.com/user_impersonation"

// onARM is a person's delegated token for Azure's management API.
func (h *armHarness) onARM(user string) string {
	return h.signIn(user, map[string]string{"scope": armScopes})["access_token"].(string)
}

func (h *armHarness) appOnARM() string {
	h.t.Helper()
	status, o := h.post(url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {armResource + "/.default"},
	})
	if status != http.StatusOK {
		h.t.Fatalf("token endpoint: %d %v", status, o)
	}
	return o["access_token"].(string)
}

// call calls ARM and checks a successful answer against Microsoft's description.
func (h *armHarness) call(token, method, path string, body any) (int, obj) {
	h.t.Helper()
	res := h.send(token, method, path, body)
	status := res.StatusCode
	o := h.read(res)
	checkARMContract(h.t, method, path, status, o)
	return status, o
}

func (h *armHarness) send(token, method, path string, body any) *http.Response {
	h.t.Helper()
	if path[0] == '/' {
		path = h.arm + path
	}
	return h.do(token, method, path, body)
}

func (h *armHarness) get(token, path string) (int, obj) {
	h.t.Helper()
	return h.call(token, http.MethodGet, path, nil)
}

// rows are the entities of a list that has to be there, over all its pages.
func (h *armHarness) rows(token, path string) []obj {
	h.t.Helper()
	var rows []obj
	for path != "" {
		status, o := h.get(token, path)
		if status != http.StatusOK {
			h.t.Fatalf("GET %s: %d %v", path, status, o)
		}
		for _, v := range o["value"].([]any) {
			rows = append(rows, v.(obj))
		}
		path, _ = o["nextLink"].(string)
	}
	return rows
}

func (h *armHarness) wantRefused(token, method, path string, body any, status int, code string) obj {
	h.t.Helper()
	got, o := h.call(token, method, path, body)
	if got != status || errorCode(o) != code {
		h.t.Errorf("%s %s: got %d %v, want %d %s", method, path, got, o, status, code)
	}
	return o
}

// armList is the path of one of the lists of PIM at a scope.
func armList(scope, name, filter string) string {
	path := scope + "/providers/Microsoft.Authorization/" + name + "?api-version=2020-10-01"
	if filter != "" {
		path += "&$filter=" + filter
	}
	return path
}

func requestPath(scope, name string) string {
	return scope + "/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/" + name + "?api-version=2020-10-01"
}

func approvalAt(id, rest string) string {
	return "/providers/Microsoft.Authorization/roleAssignmentApprovals/" + id + rest + "?api-version=2021-01-01-preview"
}

// schedule is the full id of a user's or group's eligibility for a role.
func (h *armHarness) schedule(principal, role string) string {
	h.t.Helper()
	for _, e := range h.w.Eligibilities {
		if e.Kind == kindAzure && e.Principal == principal && lastPart(e.Role) == role {
			return e.Scope + "/providers/Microsoft.Authorization/RoleEligibilitySchedules/" + e.ID
		}
	}
	h.t.Fatalf("no eligibility of %s for %s", principal, role)
	return ""
}

// azureActivation is the body of a SelfActivate for an hour; change works on its
// properties.
func (h *armHarness) azureActivation(principal, role string, change ...func(obj)) obj {
	p := obj{
		"principalId": principal, "roleDefinitionId": production + "/providers/Microsoft.Authorization/roleDefinitions/" + role,
		"requestType": "SelfActivate", "justification": "because",
		"scheduleInfo": obj{"startDateTime": nil, "expiration": obj{"type": "AfterDuration", "endDateTime": nil, "duration": "PT1H"}},
	}
	for _, group := range []string{principal, approversGroup} {
		for _, e := range h.w.Eligibilities {
			if e.Kind == kindAzure && e.Principal == group && lastPart(e.Role) == role && p["linkedRoleEligibilityScheduleId"] == nil {
				p["linkedRoleEligibilityScheduleId"] = h.schedule(group, role)
			}
		}
	}
	for _, c := range change {
		c(p)
	}
	return obj{"properties": p}
}

func ticket() func(obj) {
	return set("ticketInfo", obj{"ticketNumber": "CHG1", "ticketSystem": "ITSM"})
}

// put puts a request that has to be taken and gives its properties.
func (h *armHarness) put(token, scope, name string, body obj) obj {
	h.t.Helper()
	status, o := h.call(token, http.MethodPut, requestPath(scope, name), body)
	if status != http.StatusCreated {
		h.t.Fatalf("put: %d %v", status, o)
	}
	return o["properties"].(obj)
}

const (
	request1 = "e1000000-0000-4000-8000-000000000001"
	request2 = "e1000000-0000-4000-8000-000000000002"
	request3 = "e1000000-0000-4000-8000-000000000003"
)
