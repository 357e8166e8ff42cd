package signin_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
)

const azure = "https://management.azure.com"

// withAzure is a world whose administrator agreed to Azure's permission too.
func withAzure(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	app := pimtest.App{ClientID: clientID, ClientSecret: secret, RedirectURIs: []string{redirect}, Application: []string{"User.Read.All"},
		Delegated: append(signin.Scopes(), azure+"/"+signin.AzureScopes()[0])}
	w.move(pimtest.Options{TenantID: tenantID, WallNow: w.now, Unhandled: func(s string) { t.Error(s) }, App: app})
	return w
}

func (w *world) azure(c *signin.Client, user string) string {
	w.t.Helper()
	token, err := c.Resource(pim.AzureResource).Person(context.Background(), user)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// One sign-in serves both services, silently, each with a token of its own.
func TestAzureFollowsTheSignIn(t *testing.T) {
	w := withAzure(t)
	_, err := w.client.Resource(pim.AzureResource).Person(context.Background(), aliceID)
	w.refused(err, pim.CodeSignIn)
	w.signIn(w.client, aliceID, authorization())
	forGraph, forAzure := w.person(w.client, aliceID), w.azure(w.client, aliceID)
	if c := claims(t, forAzure); c.Aud != azure || c.Scp != "user_impersonation" || c.OID != aliceID || len(c.CC) == 0 {
		t.Errorf("Azure's token is for %+v", c)
	}
	if c := claims(t, forGraph); c.Aud == azure || strings.Contains(c.Scp, "user_impersonation") {
		t.Errorf("Graph's token is for %+v", c)
	}
	if w.azure(w.client, aliceID) != forAzure || w.person(w.client, aliceID) != forGraph || w.wire.count() != 2 {
		t.Errorf("%d token requests", w.wire.count())
	}
	if token, err := w.client.Resource(pim.Group).Person(context.Background(), aliceID); err != nil || token != forGraph {
		t.Errorf("groups are Graph's: %v", err)
	}
	after := w.restart(nil)
	w.azure(after, aliceID)
	w.person(after, aliceID)
	if text := w.grantText(); strings.Contains(text, "eyJ") {
		t.Error("an access token is stored")
	}
}

// A step-up for Azure is a sign-in for Azure: its token is the next one that is
// given there, and Graph goes on as before.
func TestStepUpForAzure(t *testing.T) {
	w := withAzure(t)
	w.signIn(w.client, aliceID, authorization())
	before := w.azure(w.client, aliceID)
	a := authorization()
	a.Kind, a.Claims = pim.AzureResource, `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	page, err := w.client.AuthURL(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	if q := query(t, page); q.Get("scope") != "openid profile offline_access "+azure+"/user_impersonation" || !strings.Contains(q.Get("claims"), `"c1"`) {
		t.Errorf("the page asks for %s with %s", q.Get("scope"), q.Get("claims"))
	}
	w.signIn(w.client, aliceID, a)
	requests := w.wire.count()
	stepped := w.azure(w.client, aliceID)
	if c := claims(t, stepped); stepped == before || c.Aud != azure || strings.Join(c.ACRS, " ") != "c1" || w.wire.count() != requests {
		t.Errorf("after the step-up %+v, %d more token requests", c, w.wire.count()-requests)
	}
	if c := claims(t, w.person(w.client, aliceID)); c.Aud == azure || !strings.Contains(c.Scp, "RoleAssignmentSchedule.ReadWrite.Directory") {
		t.Errorf("Graph's token is for %+v", c)
	}
}

// Where nobody agreed to Azure's permission, Azure alone is missing.
func TestAzureWithoutConsent(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	for range 2 {
		_, err := w.client.Resource(pim.AzureResource).Person(context.Background(), aliceID)
		w.refused(err, pim.CodeForbidden)
	}
	w.tenant.FailNext(onToken, pimtest.Fault{Status: 400, Body: `{"error":"invalid_grant","suberror":"consent_required","error_codes":[65001]}`})
	_, err := w.client.Resource(pim.AzureResource).Person(context.Background(), aliceID)
	w.refused(err, pim.CodeForbidden)
	if !w.live(aliceID) {
		t.Error("the sign-in is gone")
	}
	w.person(w.restart(nil), aliceID)
	// A policy that keeps somebody from Azure keeps them from Azure only.
	w.tenant.FailNext(onToken, pimtest.Fault{Status: 400, Body: `{"error":"invalid_grant","suberror":"message_only","error_codes":[53003]}`})
	_, err = w.client.Resource(pim.AzureResource).Person(context.Background(), aliceID)
	w.refused(err, pim.CodeSignIn)
	if !w.live(aliceID) {
		t.Error("the sign-in is gone for a policy of Azure's")
	}
	// A refresh token that is dead is dead for both.
	w.tenant.FailNext(onToken, pimtest.Fault{Status: 400, Body: `{"error":"invalid_grant","error_codes":[50173]}`})
	_, err = w.client.Resource(pim.AzureResource).Person(context.Background(), aliceID)
	w.refused(err, pim.CodeSignIn)
	if w.live(aliceID) {
		t.Error("the sign-in is still there")
	}
}

func TestAppTokenForAzure(t *testing.T) {
	w := withAzure(t)
	token, err := w.client.Resource(pim.AzureResource).App(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	own, err := w.client.App(context.Background())
	if err != nil || own == token {
		t.Fatal(err)
	}
	if c := claims(t, token); c.Type != "app" || c.Aud != azure {
		t.Errorf("Belay's own token: %+v", c)
	}
}

// Both services at once: the rotating refresh token is used by one after the other.
func TestBothServicesAtOnce(t *testing.T) {
	w := withAzure(t)
	w.signIn(w.client, aliceID, authorization())
	after := w.restart(nil)
	var all sync.WaitGroup
	for n := range 16 {
		kind := pim.AzureResource
		if n%2 == 0 {
			kind = pim.EntraRole
		}
		all.Go(func() {
			if _, err := after.Resource(kind).Person(context.Background(), aliceID); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.wire.count(); n != 3 {
		t.Errorf("%d token requests, want 3", n)
	}
	w.person(w.restart(nil), aliceID)
}
