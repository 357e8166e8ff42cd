package graph_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

// What administrators change, in both pillars; what people do themselves, what came to
// nothing and Azure's are none of it.
func TestEdits(t *testing.T) {
	byBob := `,"initiatedBy":{"app":null,"user":{"id":"` + bob + `","displayName":"Bob","userPrincipalName":"bob@contoso.com"}}`
	ofRole := `,"targetResources":[{"id":"x","displayName":"User Administrator","type":"Role","modifiedProperties":[{"displayName":"RoleDefinitionOriginId","newValue":"\"` + role + `\""}]}`
	toAlice := `,{"id":"` + alice + `","type":"User"}]`
	ofGroup := `,"targetResources":[{"id":"x","displayName":"Member","type":"Role","modifiedProperties":[]},{"id":"` + alice + `","type":"User"},{"id":"` + group + `","displayName":"Break glass","type":"Group"}]`
	const r, g = "RoleManagement", "GroupManagement"
	s := serve(t, says(200, nil, list(
		logged("e2", r, "Add eligible member to role in PIM completed (permanent)", "success", "2026-11-23T12:02:00Z", byBob+ofRole+toAlice),
		logged("e1", r, "Update role setting in PIM", "success", "2026-11-23T12:01:00Z", byBob+ofRole+"]"),
		logged("e3", r, "ADD MEMBER TO ROLE in PIM completed (timebound)", "success", "2026-11-23T12:03:00Z", byBob+ofRole+toAlice),
		logged("e4", r, "Remove member from role in PIM completed (permanent)", "success", "2026-11-23T12:04:00Z", byBob+ofRole+toAlice),
		logged("e5", r, "Remove eligible member from role in PIM completed (timebound)", "success", "2026-11-23T12:05:00Z", byBob+ofRole+toAlice),
		logged("e6", r, "Add member to role outside of PIM (permanent)", "success", "2026-11-23T12:06:00Z", byBob+ofRole+toAlice),
		logged("g1", g, "Add eligible member to role in PIM completed (permanent)", "success", "2026-11-23T12:00:00Z", byBob+ofGroup),
		logged("n1", r, "Add member to role completed (PIM activation)", "success", "2026-11-23T12:00:00Z", byBob+ofRole+toAlice),
		logged("n2", r, "Update role setting in PIM", "failure", "2026-11-23T12:00:00Z", byBob+ofRole+"]"),
		logged("n3", "ResourceManagement", "Update role setting in PIM", "success", "2026-11-23T12:00:00Z", byBob+ofRole+"]"),
		logged("n4", r, "Update role setting in PIM", "success", "2026-11-23T11:59:30Z", byBob+ofRole+"]"), // before
	)))
	c := s.client(t)
	got, err := c.Edits(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	var want []pim.Trace
	for i, what := range []pim.TraceKind{pim.TraceSettings, pim.TraceAssigned, pim.TraceAssigned, pim.TraceRemoved, pim.TraceRemoved, pim.TraceAssigned} {
		w := pim.Trace{ID: "e" + string(rune('1'+i)), At: noon.Add(time.Duration(i+1) * time.Minute), What: what, Principal: alice, By: pim.Principal{ID: bob, Name: "Bob", UPN: "bob@contoso.com"},
			Assignment: pim.Assignment{Kind: pim.EntraRole, Role: role}, RoleName: "User Administrator"}
		if what == pim.TraceSettings {
			w.Principal = ""
		}
		want = append(want, w)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	ofGroups, err := c.Groups().Edits(t.Context(), noon)
	if err != nil || len(ofGroups) != 1 || ofGroups[0].What != pim.TraceAssigned || ofGroups[0].Assignment != member() {
		t.Errorf("groups: %+v %v", ofGroups, err)
	}
}
