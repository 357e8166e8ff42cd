package pimtest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
)

// bearer is a credential that has one token, and hears of claims challenges.
type bearer struct {
	token  string
	claims *string
}

func (b bearer) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if o.Claims != "" {
		*b.claims = o.Claims
		return azcore.AccessToken{}, errors.New("a person has to sign in")
	}
	return azcore.AccessToken{Token: b.token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// kit is Microsoft's own client for the call of a person.
func (h *armHarness) kit(b bearer) *armauthorization.ClientFactory {
	h.t.Helper()
	f, err := armauthorization.NewClientFactory(strings.TrimPrefix(production, "/subscriptions/"), b, &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: h.arm, Audience: armResource},
			}},
			Transport: h.client, Retry: policy.RetryOptions{MaxRetries: -1},
		},
		DisableRPRegistration: true,
	})
	h.must(err)
	return f
}

// TestMicrosoftsKit drives the tenant with the client that the product uses.
func TestMicrosoftsKit(t *testing.T) {
	ctx := context.Background()
	h := newARM(t, func(o *Options) { o.Unkind = &Unkind{PageSize: 1} })
	var claims string
	f := h.kit(bearer{h.onARM(alice), &claims})

	found := map[string]*armauthorization.RoleEligibilityScheduleInstanceProperties{}
	eligible := f.NewRoleEligibilityScheduleInstancesClient().NewListForScopePager("", &armauthorization.RoleEligibilityScheduleInstancesClientListForScopeOptions{Filter: to.Ptr("asTarget()")})
	for eligible.More() {
		page, err := eligible.NextPage(ctx)
		h.must(err)
		for _, i := range page.Value {
			found[*i.Properties.ExpandedProperties.RoleDefinition.DisplayName] = i.Properties
		}
	}
	if len(found) != 4 || *found["Operator"].MemberType != armauthorization.MemberTypeGroup || found["Owner"].EndDateTime == nil {
		t.Fatalf("eligible %v", found)
	}

	policies := f.NewRoleManagementPolicyAssignmentsClient().NewListForScopePager(dataGroup, nil)
	if _, err := policies.NextPage(ctx); err != nil {
		t.Errorf("policies: %v", err)
	}

	blob := found["Storage Blob Data Reader"]
	body := armauthorization.RoleAssignmentScheduleRequest{Properties: &armauthorization.RoleAssignmentScheduleRequestProperties{
		PrincipalID: to.Ptr(alice), RoleDefinitionID: blob.RoleDefinitionID, RequestType: to.Ptr(armauthorization.RequestTypeSelfActivate),
		LinkedRoleEligibilityScheduleID: blob.RoleEligibilityScheduleID, Justification: to.Ptr("because"),
		Condition: blob.Condition, ConditionVersion: blob.ConditionVersion,
		ScheduleInfo: &armauthorization.RoleAssignmentScheduleRequestPropertiesScheduleInfo{
			StartDateTime: to.Ptr(h.business.now()),
			Expiration: &armauthorization.RoleAssignmentScheduleRequestPropertiesScheduleInfoExpiration{
				Type: to.Ptr(armauthorization.TypeAfterDuration), Duration: to.Ptr("PT1H"),
			},
		},
	}}
	requests := f.NewRoleAssignmentScheduleRequestsClient()
	if _, err := requests.Validate(ctx, storage, request1, body, nil); err != nil {
		t.Errorf("validate: %v", err)
	}
	made, err := requests.Create(ctx, storage, request1, body, nil)
	h.must(err)
	got, err := requests.Get(ctx, strings.TrimPrefix(storage, "/"), request1, nil)
	h.must(err)
	if *made.Properties.Status != armauthorization.StatusProvisioned || *got.Properties.CreatedOn != h.business.now() || *got.Properties.Condition != ledgerOnly {
		t.Errorf("request %+v", got.Properties)
	}
	active := f.NewRoleAssignmentScheduleInstancesClient().NewListForScopePager(storage, &armauthorization.RoleAssignmentScheduleInstancesClientListForScopeOptions{Filter: to.Ptr("asTarget()")})
	page, err := active.NextPage(ctx)
	h.must(err)
	if len(page.Value) != 1 || !page.Value[0].Properties.EndDateTime.Equal(h.business.now().Add(time.Hour)) {
		t.Errorf("active %v", page.Value)
	}
	children := f.NewEligibleChildResourcesClient().NewGetPager(companyGroup, nil)
	if page, err := children.NextPage(ctx); err != nil || *page.Value[0].ID != production {
		t.Errorf("children %v, %v", page, err)
	}

	_, err = requests.Cancel(ctx, storage, request1, nil)
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusBadRequest || refused.ErrorCode != "RequestCannotBeCancelled" {
		t.Errorf("cancel: %v", err)
	}

	// The kit hears of a step-up in a header by itself; in the message it does not.
	h.must(h.SetAzurePolicy(production, azureContributor, Policy{AuthContext: "c1"}))
	contributor := found["Contributor"]
	body.Properties.RoleDefinitionID, body.Properties.LinkedRoleEligibilityScheduleID = contributor.RoleDefinitionID, contributor.RoleEligibilityScheduleID
	body.Properties.Condition, body.Properties.ConditionVersion = nil, nil
	_, err = requests.Create(ctx, production, request2, body, nil)
	if !errors.As(err, &refused) || refused.ErrorCode != "RoleAssignmentRequestAcrsValidationFailed" || claims != "" {
		t.Errorf("step-up: %v", err)
	}
	h.SetARMQuirks(ARMQuirks{StepUpHeader: true})
	if _, err = requests.Create(ctx, production, request2, body, nil); err == nil || claims != `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}` {
		t.Errorf("step-up by header: %v, claims %s", err, claims)
	}
}

// TestARMLosesAnswers: of a write whose answer is lost the work is done.
func TestARMLosesAnswers(t *testing.T) {
	h := newARM(t, func(o *Options) { o.Unkind = &Unkind{LoseAnswer: 1} })
	a := h.onARM(alice)
	body := h.azureActivation(alice, azureContributor)
	if res := h.send(a, http.MethodPut, requestPath(production, request1), body); res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("first: %d", res.StatusCode)
	}
	req := h.request(a, http.MethodPut, h.arm+requestPath(appGroup, request2), body)
	if res, err := h.client.Do(req); err == nil {
		t.Errorf("second: %d", res.StatusCode)
	}
	for scope, id := range map[string]string{production: request1, appGroup: request2} {
		if status, o := h.get(a, requestPath(scope, id)); status != 200 || o["properties"].(obj)["status"] != "Provisioned" {
			t.Errorf("%d %v", status, o)
		}
	}
	if f := ARMRefusal("AuthorizationFailed"); f.Status != 403 || !strings.Contains(f.Body, `"AuthorizationFailed"`) {
		t.Errorf("refusal %+v", f)
	}
}
