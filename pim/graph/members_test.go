package graph_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

// Everybody in a group is listed, disabled accounts apart, as Belay itself and once for a
// while; a group that is not there, or may not be read, is an error and never an empty list.
func TestMembers(t *testing.T) {
	const leads, empty, hidden = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002", "aaaaaaaa-0000-0000-0000-000000000003"
	w := newWorld(t)
	w.group(leads, "Leads", user(bob, "Bob", ""), user(carol, "Carol", `,"accountEnabled":false`))
	w.group(empty, "Empty")
	w.group(hidden, "Hidden")
	w.refuse["/v1.0/groups/"+hidden] = 403
	w.refuse["/v1.0/groups/aaaaaaaa-0000-0000-0000-00000000dead"] = 404
	c := w.client(t)
	for range 2 {
		got, err := c.Members(t.Context(), leads)
		if diff := cmp.Diff([]string{bob}, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	calls := w.requests()
	if len(calls) != 2 {
		t.Errorf("%d calls were made", len(calls))
	}
	for _, r := range calls {
		if r.auth != "Bearer token-of-belay" {
			t.Errorf("%s was asked with %q", r.target, r.auth)
		}
	}
	if got, err := c.Members(t.Context(), empty); err != nil || len(got) != 0 {
		t.Errorf("an empty group: %q, %v", got, err)
	}
	for id, want := range map[string]pim.Code{hidden: pim.CodeForbidden, "aaaaaaaa-0000-0000-0000-00000000dead": pim.CodeNotFound, "../me": pim.CodeInvalid} {
		if got, err := c.Members(t.Context(), id); pim.CodeOf(err) != want {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
}
