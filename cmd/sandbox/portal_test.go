package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim/pimtest"
)

// What is done in the portal is done by the tenant's rules, and nowhere else.
func TestPortal(t *testing.T) {
	s, ask := openPage(t)
	deed := func(want int, body string) string {
		t.Helper()
		got := ask(http.MethodPost, "/tenant/portal", body, "Content-Type", asJSON)
		if got.Code != want {
			t.Fatalf("%s gives %d: %s", body, got.Code, got.Body)
		}
		return got.Body.String()
	}
	role := func(as, do, more string) string {
		return fmt.Sprintf(`{"as":%q,"do":%q,"kind":"role","role":%q,"scope":"/","duration":"1h"%s}`, as, do, roleUsers, more)
	}
	for want, bodies := range map[int][]string{
		http.StatusBadRequest: {``, `{}`, `{"as":"mallory","do":"activate"}`, `{"as":"alice","do":"promote"}`, `{"as":"alice","do":"activate","more":1}`,
			`{"as":"alice","do":"activate","duration":"long"}`},
		http.StatusConflict: {role("dave", "activate", ""), `{"as":"bob","do":"approve","request":"00000000-0000-4000-8000-000000000000"}`},
	} {
		for _, body := range bodies {
			if said := deed(want, body); !strings.Contains(said, `"error"`) {
				t.Errorf("%s is refused without a sentence: %s", body, said)
			}
		}
	}
	if got := ask(http.MethodPost, "/tenant/portal", role("alice", "activate", ""), "Content-Type", "text/plain"); got.Code != http.StatusUnsupportedMediaType {
		t.Errorf("a form of another site gives %d", got.Code)
	}
	deed(http.StatusOK, role("alice", "activate", `,"reason":"a colleague is locked out"`))
	request := s.tenant.State().Requests[0]
	if request.Status != "PendingApproval" || request.Justification != "a colleague is locked out" {
		t.Fatalf("the tenant holds %+v", request)
	}
	decide := func(as, do string) string { return fmt.Sprintf(`{"as":%q,"do":%q,"request":%q}`, as, do, request.ID) }
	deed(http.StatusConflict, decide("alice", "approve"))
	deed(http.StatusConflict, decide("dave", "approve"))
	deed(http.StatusOK, decide("bob", "approve"))
	deed(http.StatusConflict, decide("carol", "deny")) // the first decision won
	held := s.tenant.State().Active
	if last := held[len(held)-1]; last.Principal != cast[0].OID || last.Role != roleUsers {
		t.Errorf("active is %+v", held)
	}
	for _, e := range s.tenant.Audit() {
		if e.ActorKind == pimtest.ByApplication {
			t.Errorf("an application wrote %q", e.Activity)
		}
	}
}
