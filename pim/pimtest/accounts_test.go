package pimtest

import (
	"slices"
	"testing"
	"time"
)

const signInsPath = "/v1.0/auditLogs/signIns?$filter=userId eq '" + alice + "' and createdDateTime ge 2026-11-23T08:00:00Z"

// A sign-in has the members of the documented example, and the log is for those who may
// read it and in a tenant that is licensed for it.
func TestSignInLog(t *testing.T) {
	h := newHarness(t)
	h.must(h.AddSignIn(SignIn{User: alice, App: "Graph explorer", IP: "131.107.159.37", City: "Redmond", Country: "US"}),
		h.AddSignIn(SignIn{User: bob, App: "Graph explorer", Country: "US"}))
	want := readExample(t, "signin-list-ex1").ResponseBody["value"].([]any)[0].(obj)
	rows := h.rows(h.asApp(), signInsPath)
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	for m, v := range want {
		got, ok := rows[0][m]
		if !ok {
			t.Errorf("no %s", m)
		}
		if inner, yes := v.(obj); yes {
			for n := range inner {
				if _, ok := got.(obj)[n]; !ok {
					t.Errorf("no %s/%s", m, n)
				}
			}
		}
	}
	if rows[0]["location"].(obj)["countryOrRegion"] != "US" || rows[0]["status"].(obj)["errorCode"].(float64) != 0 {
		t.Errorf("the sign-in is %v", rows[0])
	}
	h.wantRefused(h.as(alice), "GET", signInsPath, nil, 403, "Authorization_RequestDenied")
	h.must(h.SetLicensed(false))
	h.wantRefused(h.asApp(), "GET", signInsPath, nil, 403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant")
}

func TestSignInsOfOneOutcome(t *testing.T) {
	h := newHarness(t)
	h.must(h.AddSignIn(SignIn{ID: "right", User: alice}), h.AddSignIn(SignIn{ID: "wrong", User: alice, Code: 50126}))
	for code, want := range map[string]string{"0": "right", "50126": "wrong"} {
		rows := h.rows(h.asApp(), signInsPath+" and status/errorCode eq "+code+"&$select=id,status")
		if len(rows) != 1 || rows[0]["id"] != want || len(rows[0]) != 2 {
			t.Errorf("of %s the log has %v", code, rows)
		}
	}
}

func TestSignInsAreNewestFirst(t *testing.T) {
	h := newHarness(t)
	var want []string
	for n := range 3 {
		h.must(h.AddSignIn(SignIn{ID: string(rune('a' + n)), User: alice, Time: h.business.now().Add(-time.Duration(n) * time.Hour)}))
		want = append(want, string(rune('a'+n)))
	}
	var got []string
	for _, r := range h.rows(h.asApp(), signInsPath) {
		got = append(got, r["id"].(string))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log is %v", got)
	}
}

// The audit log finds what was done to one account by the filter of Graph's reference.
func TestAuditsOfOneAccount(t *testing.T) {
	h := newHarness(t)
	h.must(h.ChangeAccount(AccountChange{Actor: bob, Activity: "Reset user password", Target: alice}), h.ChangeAccount(AccountChange{Activity: "Update user", Target: bob}))
	h.activate(h.as(alice), activation(alice, roleOpen))
	var got []string
	for _, r := range h.rows(h.asApp(), "/v1.0/auditLogs/directoryAudits?$filter=targetResources/any(t:t/id eq '"+alice+"') and loggedByService eq 'Core Directory'") {
		got = append(got, r["activityDisplayName"].(string))
	}
	if !slices.Equal(got, []string{"Reset user password"}) {
		t.Errorf("found are %v", got)
	}
}
