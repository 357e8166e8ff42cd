package pimtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// example is a documented example of Graph.
type example struct {
	Method         string
	URL            string
	RequestBody    any
	ResponseStatus int
	ResponseBody   obj
}

func readExample(t *testing.T, name string) example {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "examples", "graph-v1.0-"+name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var e example
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestGroupExamples plays every documented example of PIM for Groups against a
// tenant with the people and groups of the documentation, and compares the
// answer: status, members, and every value that does not depend on the day.
func TestGroupExamples(t *testing.T) {
	const (
		person  = "3cce9d87-3986-4f19-8335-7ed075408ca2"
		asker   = "c277c8cb-6bb7-42e5-a17f-0add9a718151"
		owner   = "56f2d212-e49c-42e3-8298-0188e5bef094"
		group   = "2b5ed229-4072-478d-9504-a047ebd4b07d"
		pending = "d5f0ad2e-6b34-401b-b6da-0c8fc2c5a3fc"
	)
	h := newHarness(t)
	for i, id := range []string{person, asker, owner} {
		name := string(rune('p' + i))
		h.must(h.AddUser(User{ID: id, Name: name, UPN: name + "@contoso.com"}))
	}
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		h.must(err)
		return v
	}
	h.must(
		h.AddGroup(Group{ID: group, Name: "Documented"}),
		h.AddGroup(Group{ID: pending, Name: "Pending"}),
		h.SetGroupPolicy(pending, "member", Policy{Approval: true, Approvers: []string{bob}}),
		h.EligibleInGroup(person, group, "member", at("2023-08-18T00:33:48.8Z"), time.Time{}),
		h.EligibleInGroup(owner, group, "owner", at("2023-09-06T18:18:03.917Z"), time.Time{}),
		h.EligibleInGroup(asker, pending, "member", time.Time{}, time.Time{}),
	)
	h.join(h.inGroups(asker), obj{
		"action": "SelfActivate", "principalId": asker, "accessId": "member", "groupId": pending, "justification": "Activate access",
		"scheduleInfo": obj{"expiration": obj{"type": "AfterDuration", "duration": "PT8H"}}, "ticketInfo": obj{"ticketNumber": "09876"},
	})

	tried := map[string]bool{}
	play := func(name, token string, change ...func(example)) {
		t.Helper()
		tried["graph-v1.0-"+name+".json"] = true
		e := readExample(t, name)
		for _, c := range change {
			c(e)
		}
		status, got := h.call(token, e.Method, strings.TrimPrefix(e.URL, "https://graph.microsoft.com"), e.RequestBody)
		if status != e.ResponseStatus {
			t.Errorf("%s: %d %v", name, status, got)
			return
		}
		want := []any{e.ResponseBody}
		have := []any{got}
		if list, ok := e.ResponseBody["value"].([]any); ok {
			want, have = list, got["value"].([]any)
		}
		if len(want) != len(have) {
			t.Errorf("%s: %d entities, want %d: %v", name, len(have), len(want), have)
			return
		}
		for i := range want {
			compare(t, name, want[i].(obj), have[i].(obj))
		}
	}
	play("group-list-eligibilityscheduleinstances", h.asApp())
	// The page shows what was given with an end.
	h.must(h.EligibleInGroup(person, group, "member", at("2022-04-12T14:44:50.287Z"), at("2027-04-10T00:00:00Z")))
	play("group-eligibilityscheduleinstances-filterbycurrentuser", h.inGroups(person))
	play("group-assignmentrequest-selfActivate", h.inGroups(person))
	play("group-assignmentrequests-filterbycurrentuser-pending", h.inGroups(asker))
	h.business.advance(2 * time.Hour)
	h.must(h.AssignInGroup(person, group, "member"))
	play("group-assignmentscheduleinstances-filterbycurrentuser", h.inGroups(person))

	// An administrator's assignment is not for this product: it is loud.
	e := readExample(t, "group-assignmentrequest-adminAssign")
	tried["graph-v1.0-group-assignmentrequest-adminAssign.json"] = true
	h.wantRefused(h.inGroups(erin), http.MethodPost, groupRequests, e.RequestBody, http.StatusNotImplemented, "NotImplemented")
	if len(h.takeUnhandled()) != 1 {
		t.Error("adminAssign was not reported")
	}

	files, err := filepath.Glob(filepath.Join("testdata", "examples", "graph-v1.0-group-*.json"))
	h.must(err)
	for _, f := range files {
		if !tried[filepath.Base(f)] {
			t.Errorf("%s was not played", f)
		}
	}
}

// compare wants every member of the documented entity in the answer, spelt as the
// service spells it, with the same value where that is fixed.
func compare(t *testing.T, name string, want, have obj) {
	t.Helper()
	varies := []string{"id", "targetScheduleId", "assignmentScheduleId", "eligibilityScheduleId", "endDateTime", "startDateTime"}
	for _, m := range slices.Sorted(maps.Keys(want)) {
		w := want[m]
		m = strings.Replace(m, "TIme", "Time", 1) // a slip of the page
		v, ok := have[m]
		switch w := w.(type) {
		case obj:
			if inner, isObj := v.(obj); isObj {
				compare(t, name+"."+m, w, inner)
				continue
			}
		case string:
			if s, isText := v.(string); isText && (strings.EqualFold(s, w) || slices.Contains(varies, m)) {
				continue
			}
		case nil:
			if ok {
				continue
			}
		default:
			if v == w {
				continue
			}
		}
		// The service writes the moment of the day, the context in a member of its
		// own, and no start while a request waits.
		if strings.HasSuffix(m, "DateTime") && ok || m == "@odata.type" {
			continue
		}
		t.Errorf("%s: %s is %v, want %v", name, m, v, w)
	}
}
