package siem_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/adapters/siem/siemtest"
	"github.com/belaybot/belay/store/trail"
)

// schema is OCSF's own, of the version that events are of.
func schema(t *testing.T) *siemtest.Schema {
	t.Helper()
	s := siemtest.OCSF()
	if s.Version != siem.Version || len(s.Classes) < 7 {
		t.Fatalf("the schema is of version %s, with %d classes", s.Version, len(s.Classes))
	}
	return s
}

// kinds are all that store/trail names, read from its source.
func kinds(t *testing.T) (all []trail.Kind) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../../store/trail/event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) == 0 {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == "Kind" {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, trail.Kind(s))
		}
		return true
	})
	if len(all) < 17 {
		t.Fatalf("only %v", all)
	}
	return all
}

const (
	alice = "11111111-1111-4111-8111-111111111111"
	bob   = "22222222-2222-4222-8222-222222222222"
)

// full has everything that an event can have.
func full(k trail.Kind) siem.Line {
	return siem.Line{Index: 7, Event: trail.Event{ID: "0197b1f2-0000-7000-8000-000000000001", At: time.Date(2026, 11, 23, 12, 0, 0, 5e6, time.UTC), Kind: k, Outcome: trail.OK,
		Actor: trail.Actor{Principal: bob, Platform: "slack", Tenant: "T0CONTOSO", User: "U0BOB"}, Token: bob, Subject: alice, Request: "0197b1f2-0000-7000-8000-00000000000a",
		Held: "94fb3b52-0000-4000-8000-000000000000", Verb: "approve", From: "pending approval", To: "scheduled", Reason: "decided", Ref: "ref-1",
		Role: &trail.Role{Kind: "entra-role", ID: "fe930be7", Name: "User Administrator", Scope: "/"}, More: map[string]string{"duration": "PT1H"}},
		Texts: map[string]string{"actor": "Bob Brown", "justification": "locked out", "reason": "go ahead", "ticket": "INC-42", "subject": "Alice Adams"}, Erased: []string{"note"}}
}

// Every kind of event becomes what OCSF's schema wants of its class, with all it can
// hold and with next to nothing. A new kind needs a row in the table.
func TestOCSFFitsTheSchema(t *testing.T) {
	s := schema(t)
	from := siem.Source{Version: "v1.2.3", Tenant: "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"}
	seen := map[int]bool{}
	for _, k := range kinds(t) {
		poor := siem.Line{Loose: true, Event: trail.Event{ID: "x", At: time.Unix(1, 0), Kind: k}}
		lines := []siem.Line{full(k), poor}
		for _, o := range []trail.Outcome{trail.No, trail.Failed, trail.Unknown} {
			l := full(k)
			l.Outcome, l.Texts = o, nil
			lines = append(lines, l)
		}
		for _, to := range [][2]string{{"pending approval", "active"}, {"active", "ended"}, {"active", "active"}, {"", "canceled"}} {
			l := full(k)
			l.From, l.To = to[0], to[1]
			bare := l
			bare.Role, bare.Subject = nil, ""
			lines = append(lines, l, bare)
		}
		for _, l := range lines {
			e := from.OCSF(l)
			if seen[e.ClassUID] = true; e.ClassUID == 0 {
				t.Errorf("%s stands in no row of the table: say in ocsf_table.go what it is in OCSF", k)
			}
			raw, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if bad := s.Faults(raw); len(bad) > 0 {
				t.Errorf("%s: %s\n%s", k, strings.Join(bad, "; "), raw)
			}
		}
	}
	for uid := range s.Classes {
		if n, _ := strconv.Atoi(uid); n != 0 && !seen[n] {
			t.Errorf("no event is of class %s", uid)
		}
	}
	raw, err := json.Marshal(from.OCSF(full("of.tomorrow")))
	if err != nil {
		t.Fatal(err)
	}
	if bad := s.Faults(raw); len(bad) > 0 || !strings.Contains(string(raw), `"type_uid":99,`) {
		t.Errorf("an unknown kind: %v\n%s", bad, raw)
	}
}

// The schema's test finds what is wrong: each of these is a fault that it names.
func TestTheSchemaIsChecked(t *testing.T) {
	s := schema(t)
	raw, err := json.Marshal(siem.Source{}.OCSF(full(trail.SignedIn)))
	if err != nil {
		t.Fatal(err)
	}
	if bad := s.Faults(raw); len(bad) > 0 {
		t.Fatal(bad)
	}
	for from, want := range map[string]string{
		`"type_uid":300201|"type_uid":300202`:          "type_uid",
		`"category_uid":3|"category_uid":6`:            "category",
		`"activity_id":1|"activity_id":42`:             "activity_id is 42",
		`"severity_id":1|"severity_id":6`:              "severity_id",
		`"service":{"name":"Belay"}|"unmapped":{}`:     "wants one of [service dst_endpoint]",
		`"time":1795435200005|"time":"today"`:          "should be long_t",
		`"message":|"massage":`:                        "has no massage",
		`"version":"1.8.0",|`:                          "wants version",
		`"class_name":"Authentication"|"class_name":1`: "is called",
	} {
		old, now, _ := strings.Cut(from, "|")
		if !strings.Contains(string(raw), old) {
			t.Fatalf("%s is not in %s", old, raw)
		}
		if bad := s.Faults([]byte(strings.Replace(string(raw), old, now, 1))); !strings.Contains(strings.Join(bad, "; "), want) {
			t.Errorf("%s: %v", from, bad)
		}
	}
}

// What each kind is in OCSF, as the facts have it, and that who did what to whom is told.
func TestOCSFMeanings(t *testing.T) {
	for _, test := range []struct {
		kind     trail.Kind
		from, to string
		outcome  trail.Outcome
		typ      int
		severity int
		status   int
	}{
		{trail.Asked, "", "", trail.OK, 300401, 1, 1},
		{trail.Decided, "", "", trail.OK, 300403, 1, 1},
		{trail.Refused, "", "", trail.No, 300403, 2, 2},
		{trail.Press, "", "", trail.No, 300403, 2, 2},
		{trail.Sent, "", "", trail.Unknown, 300403, 2, 0},
		{trail.Moved, "pending approval", "active", trail.OK, 300501, 1, 1},
		{trail.Moved, "active", "ended", trail.OK, 300502, 1, 1},
		{trail.Moved, "active", "active", trail.Unknown, 300403, 2, 0},
		{trail.Moved, "submitting", "canceled", trail.OK, 300404, 1, 1},
		{trail.Linked, "", "", trail.OK, 300101, 1, 1},
		{trail.Unlinked, "", "", trail.OK, 300106, 1, 1},
		{trail.SignedIn, "", "", trail.OK, 300201, 1, 1},
		{trail.Ended, "", "", trail.OK, 300202, 1, 1},
		{trail.NotMe, "", "", trail.OK, 200401, 4, 1},
		{trail.TurnedAway, "", "", trail.No, 300201, 3, 2},
	} {
		l := full(test.kind)
		l.From, l.To, l.Outcome = test.from, test.to, test.outcome
		if e := (siem.Source{}).OCSF(l); e.TypeUID != test.typ || e.SeverityID != test.severity || e.StatusID != test.status {
			t.Errorf("%s %s: type %d, severity %d, status %d", test.kind, test.to, e.TypeUID, e.SeverityID, e.StatusID)
		}
	}
	e := siem.Source{}.OCSF(full(trail.Decided))
	if e.Actor.User.UID != bob || e.Actor.User.UIDAlt != "U0BOB" || e.Entity.Name != "User Administrator" || e.Unmapped["subject"] != alice || e.Unmapped["token"] != bob ||
		e.Metadata.EventCode != "request.decided" || *e.Metadata.Sequence != 7 || e.Comment != "locked out" {
		t.Errorf("%+v", e)
	}
	l := full(trail.Moved)
	l.To = "active"
	if e := (siem.Source{}).OCSF(l); e.User.UID != alice || e.Privileges[0] != "User Administrator" || e.Resources[0].UID != "/" {
		t.Errorf("%+v", e)
	}
	for verb, activity := range map[string]int{"audit export": 2, "audit erase": 4, "links revoke-all": 4, "keys rotate": 3} {
		l := siem.Line{Event: trail.Event{Kind: trail.Operator, Outcome: trail.OK, Verb: verb, Actor: trail.Actor{Platform: "operator", User: "root@host-1"}}}
		if e := (siem.Source{}).OCSF(l); e.ActivityID != activity || e.API.Operation != verb || e.SrcEndpoint.Hostname != "host-1" || e.Actor.User.Name != "root@host-1" {
			t.Errorf("%q: %+v", verb, e)
		}
	}
	l = full(trail.Asked)
	l.Loose, l.Texts = true, nil
	raw, err := json.Marshal(siem.Source{}.OCSF(l))
	if err != nil || strings.Contains(string(raw), "sequence") || strings.Contains(string(raw), "Bob") {
		t.Errorf("%v %s", err, raw)
	}
}
