package graph_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

// The person and the group of Microsoft's examples.
const (
	docPerson = "3cce9d87-3986-4f19-8335-7ed075408ca2"
	docGroup  = "2b5ed229-4072-478d-9504-a047ebd4b07d"
)

func docMember(group string) pim.Assignment {
	return pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: group}
}

// Every documented answer that holds a request for a group.
func TestDocumentedGroupRequests(t *testing.T) {
	created, start := day(2023, 2, 7, 7, 5, 53, 789_561_400), day(2023, 2, 7, 7, 5, 55, 340_452_700)
	const schedule = docGroup + "_member_6aacaee8-4089-4048-9510-3119367fc943"
	for file, want := range map[string]pim.Request{
		"graph-v1.0-group-assignmentrequest-selfActivate": {ID: "6aacaee8-4089-4048-9510-3119367fc943", Assignment: docMember(docGroup), Justification: "Activate assignment."},
		"graph-v1.0-group-assignmentrequest-adminAssign": {ID: "34e963f6-150f-cf79-678c-6fcaf978bb49", Assignment: docMember("68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"),
			Justification: "Assign active member access."},
	} {
		want.Principal, want.Status, want.Schedule, want.RoleName = docPerson, "Provisioned", schedule, "Member"
		want.Created, want.Start, want.Duration = created, start, 2*time.Hour
		var doc example
		read(t, "examples/"+file+".json", &doc)
		got, err := doc.serve(t).client(t).Groups().Request(t.Context(), docPerson, want.ID)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// What Activate sends is what the documentation sends, but for the milliseconds of
// a time.
func TestDocumentedGroupActivation(t *testing.T) {
	var doc example
	read(t, "examples/graph-v1.0-group-assignmentrequest-selfActivate.json", &doc)
	s := doc.serve(t)
	got, err := s.client(t).Groups().Activate(t.Context(), docPerson, pim.Activation{Assignment: docMember(docGroup),
		Justification: "Activate assignment.", Start: day(2023, 2, 8, 7, 43, 0, 0), Duration: 2 * time.Hour})
	if err != nil || got.Status.Phase() != pim.PhaseInForce {
		t.Fatalf("%+v, %v", got, err)
	}
	var want, sent any
	for text, v := range map[string]*any{strings.ReplaceAll(string(doc.Body), "00.000Z", "00Z"): &want, s.only(t).body: &sent} {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("body (-documented +sent):\n%s", diff)
	}
}

// The documented list of requests, as one's own and as what waits for a decision.
func TestDocumentedGroupLists(t *testing.T) {
	const person, group = "c277c8cb-6bb7-42e5-a17f-0add9a718151", "d5f0ad2e-6b34-401b-b6da-0c8fc2c5a3fc"
	want := []pim.Request{{ID: "12345", Principal: person, Status: "PendingApproval", Assignment: docMember(group), Justification: "Activate access",
		Ticket: pim.Ticket{Number: "09876"}, Created: day(2022, 2, 26, 8, 0, 0, 0), Start: day(2022, 4, 1, 8, 0, 0, 0), Duration: 8 * time.Hour, RoleName: "Member"}}
	var doc example
	read(t, "examples/graph-v1.0-group-assignmentrequests-filterbycurrentuser-pending.json", &doc)
	got, err := doc.serve(t).client(t).Groups().Mine(t.Context(), person)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mine (-want +got):\n%s", diff)
	}
	s := serve(t, groupsNamed(map[string]string{group: "Operators"}, says(200, nil, string(doc.Answer))))
	if got, err = s.client(t).Groups().Pending(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	want[0].ScopeName = "Operators"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
}

func TestDocumentedGroupInstances(t *testing.T) {
	var doc example
	read(t, "examples/graph-v1.0-group-assignmentscheduleinstances-filterbycurrentuser.json", &doc)
	active, err := doc.serve(t).client(t).Groups().Active(t.Context(), docPerson, docMember(docGroup))
	if err != nil {
		t.Fatal(err)
	}
	const id = "lAPpYvVpN0KRkAEhdxReEJ2SvT9WjGJEhR4OuaezoqU-1"
	if diff := cmp.Diff([]pim.Instance{{ID: id, Schedule: id, Principal: docPerson, Assignment: docMember(docGroup)}}, active); diff != "" {
		t.Errorf("active (-want +got):\n%s", diff)
	}
	for file, until := range map[string]time.Time{
		"graph-v1.0-group-eligibilityscheduleinstances-filterbycurrentuser": day(2024, 4, 10, 0, 0, 0, 0),
		"graph-v1.0-group-list-eligibilityscheduleinstances":                {}, // of two people
	} {
		read(t, "examples/"+file+".json", &doc)
		s := serve(t, groupsNamed(map[string]string{docGroup: "Operators"}, says(200, nil, string(doc.Answer))))
		got, err := s.client(t).Groups().Eligible(t.Context(), docPerson)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if diff := cmp.Diff([]pim.EligibleAssignment{{Assignment: docMember(docGroup), RoleName: "Member", ScopeName: "Operators", Until: until}}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// Stages are documented below another path; the object is the same.
func TestDocumentedStages(t *testing.T) {
	want := pim.Approval{ID: reqID, Stages: []pim.Stage{{ID: "d4fa4045-4716-436d-aec5-57b0a713f095", Status: "InProgress", AssignedToMe: true, Result: pim.NotReviewed}}}
	var list, whole, one, update example
	read(t, "examples/graph-v1.0-approval-list-stages.json", &list)
	read(t, "examples/graph-v1.0-approval-get.json", &whole)
	read(t, "examples/graph-v1.0-approvalstage-get.json", &one)
	read(t, "examples/graph-v1.0-approvalstage-update.json", &update)
	var inner struct{ Stages json.RawMessage }
	if err := json.Unmarshal(whole.Answer, &inner); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]string{
		"a list": string(list.Answer), "inlined": `{"value":` + string(inner.Stages) + `}`, "one": `{"value":[` + string(one.Answer) + `]}`,
	} {
		got, err := serve(t, says(200, nil, answer)).client(t).Groups().Approval(t.Context(), bob, reqID)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	s := update.serve(t)
	if err := s.client(t).Groups().Review(t.Context(), bob, pim.Decision{Approval: reqID, Stage: alice, Result: pim.Approved, Justification: "OK"}); err != nil {
		t.Fatal(err)
	}
	var documented, sent map[string]any
	if err := json.Unmarshal(update.Body, &documented); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(s.only(t).body), &sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(documented, sent); diff != "" {
		t.Errorf("body (-documented +sent):\n%s", diff)
	}
}

// The documented entries of the audit log: PIM's is read, those of other services
// are passed over.
func TestDocumentedAudits(t *testing.T) {
	for file, want := range map[string][]pim.Trace{
		"graph-v1.0-directoryaudit-list": nil,
		"graph-v1.0-directoryaudit-get":  nil,
		"graph-v1.0-directoryaudit-pim-activation-expired": {{
			ID: "PIM_cc22d319-0000-0000-0000-000000000000_00000000-0000-0000-0000-000000000000_134331936526770240",
			At: day(2026, 9, 6, 18, 40, 52, 677_024_000), What: pim.TraceEnded, Request: "61998d6f-fcf3-400a-9d40-cbfa74a3bfbd",
			Principal:  "d96ea738-3b95-4ae7-9e19-78a083066d5b",
			Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"}, RoleName: "Directory Readers"}},
	} {
		var doc example
		read(t, "examples/"+file+".json", &doc)
		c := serve(t, says(200, nil, string(doc.Answer))).client(t)
		got, err := c.Traces(t.Context(), day(2018, 1, 1, 0, 0, 0, 0))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		if got, err := c.Groups().Traces(t.Context(), day(2018, 1, 1, 0, 0, 0, 0)); err != nil || got != nil {
			t.Errorf("%s: of groups %+v, %v", file, got, err)
		}
	}
}

// The documented membership is printed without an id: such a group cannot be asked
// about, and one's own eligibilities are given without it, together with the error.
func TestDocumentedMemberOf(t *testing.T) {
	var doc example
	read(t, "examples/graph-v1.0-user-list-transitivememberof.json", &doc)
	w := newWorld(t)
	w.answers[mineList] = list(eligibility(alice, role, "/", "null"))
	w.answers[groupsOf(alice)] = string(doc.Answer)
	got, err := w.client(t).Eligible(t.Context(), alice)
	if pim.CodeOf(err) != pim.CodeUnavailable || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
