package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim/pimtest"
)

// A surprise is what Grace does in Entra, by its rules and under her name, and it can be
// taken back.
func TestSurprises(t *testing.T) {
	s, ask := openPage(t)
	order := func(want int, body string, header ...string) string {
		t.Helper()
		if len(header) == 0 {
			header = []string{"Content-Type", asJSON}
		}
		got := ask(http.MethodPost, "/tenant/surprise", body, header...)
		if got.Code != want {
			t.Fatalf("%s gives %d: %s", body, got.Code, got.Body)
		}
		return got.Body.String()
	}
	last := func() pimtest.AuditEntry {
		t.Helper()
		all := s.tenant.Audit()
		if len(all) == 0 {
			t.Fatal("nothing was written")
		}
		return all[len(all)-1]
	}
	order(http.StatusUnsupportedMediaType, `{"name":"weaken-settings"}`, "Content-Type", "text/plain")
	for _, bad := range []string{``, `{}`, `{"name":"fire"}`, `{"name":"weaken-settings","more":1}`} {
		if said := order(http.StatusBadRequest, bad); !strings.Contains(said, `"error"`) {
			t.Errorf("%s is refused without a sentence: %s", bad, said)
		}
	}
	if got := s.surprised(); len(got) != 0 {
		t.Fatalf("a new sandbox has %v", got)
	}

	order(http.StatusConflict, `{"name":"assign-outside-pim","undo":true}`)
	if said := order(http.StatusOK, `{"name":"assign-outside-pim"}`); !strings.Contains(said, `["assign-outside-pim"]`) {
		t.Error(said)
	}
	if e := last(); e.Actor != grace || e.Target != cast[0].OID || !strings.Contains(e.Activity, "outside of PIM") {
		t.Errorf("the log says %+v", e)
	}
	if !s.isActive(cast[0].OID, roleExchange) {
		t.Error("Alice has nothing")
	}
	order(http.StatusConflict, `{"name":"assign-outside-pim"}`)
	order(http.StatusOK, `{"name":"assign-outside-pim","undo":true}`)
	if s.isActive(cast[0].OID, roleExchange) {
		t.Error("Alice keeps it")
	}

	order(http.StatusOK, `{"name":"weaken-settings"}`)
	if got := s.surprised(); len(got) != 1 || got[0] != "weaken-settings" || last().Actor != grace {
		t.Errorf("%v, by %s", got, last().Actor)
	}
	order(http.StatusOK, `{"name":"weaken-settings","undo":true}`)
	for _, r := range s.tenant.State().Roles {
		if r.ID == roleUsers && (!r.Approval || !r.MFA || r.MaxDuration != "PT4H") {
			t.Errorf("User Administrator is %+v", r)
		}
	}
}

// Settings that became weaker are an alert when somebody asks again; who acknowledges it
// accepts them.
func TestWeakenedIsAnAlert(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 1h figures")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin + " is active")
	w.must(w.surprise("weaken-settings", false))
	w.pass("90m") // the role has ended, and its settings are read anew
	alice.reads(userAdmin + " has ended")
	alice.asks("user admin 1h figures again")
	weaker := []string{"The settings of " + userAdmin + " became weaker", "Approval", "required → not required", "4 hours → 8 hours"}
	w.alarmed(weaker...)
	bob.tapAlert("Acknowledge", nil, weaker...)
	w.alarmed(append(weaker, "Acknowledged by Bob Brown")...)
}
