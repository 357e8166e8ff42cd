package pimtest

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestActivationEnds(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	o := h.activate(a, activation(alice, roleOpen))
	mine := instancesPath + "/filterByCurrentUser(on='principal')"
	h.business.advance(time.Hour - time.Second)
	if rows := h.rows(a, mine); len(rows) != 1 {
		t.Errorf("ended early: %v", rows)
	}
	h.business.advance(30 * time.Minute)
	if rows := h.rows(a, mine); len(rows) != 0 {
		t.Errorf("did not end: %v", rows)
	}
	if _, got := h.get(a, requestsPath+"/"+o["id"].(string)); got["status"] != "Provisioned" {
		t.Errorf("the request of an ended activation: %v", got["status"])
	}
	log := h.Audit()
	last := log[len(log)-1]
	want := AuditEntry{
		ID: last.ID, Time: time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC), ActorKind: ByService,
		Activity: "Remove member from role (PIM activation expired)", Target: alice, Kind: kindRole, Role: roleOpen, Scope: "/", RequestID: o["id"].(string),
	}
	if d := cmp.Diff(want, last); d != "" {
		t.Error(d)
	}
}

// TestALongWhile sees that much that became due at once happens in its order.
func TestALongWhile(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	h.activate(a, activation(alice, roleApproved))
	h.activate(a, activation(alice, roleOpen, set("scheduleInfo", obj{
		"startDateTime": "2026-11-24T11:00:00Z", "expiration": obj{"type": "afterDuration", "duration": "PT2H"},
	})))
	before := len(h.Audit())
	h.business.advance(72 * time.Hour)
	h.must(h.Tick())
	var got []string
	for _, e := range h.Audit()[before:] {
		got = append(got, e.Time.Format("02 15:04 ")+e.Activity)
	}
	want := []string{
		"24 11:00 Add member to role completed (PIM activation)",
		"24 12:00 PIM activation request expired",
		"24 13:00 Remove member from role (PIM activation expired)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestGoesOnAfterAKill makes a new tenant of the file of another at a moment when
// everything is half-done, as after SIGKILL.
func TestGoesOnAfterAKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	keep := func(o *Options) { o.File, o.Key, o.Unkind = file, nil, &Unkind{LateInstance: 1} }
	h := newHarness(t, keep)
	a := h.as(alice)
	h.activate(a, activation(alice, roleOpen))
	pending := h.activate(a, activation(alice, roleApproved))["id"].(string)
	refresh := h.signIn(bob, nil)["refresh_token"]
	code := h.code(bob, nil)
	browser, err := NewBrowser()
	h.must(err)
	page := h.page(browser.Client, h.authorizeURL(nil))
	was := h.State()

	g := newHarness(t, keep)
	if !g.Loaded() {
		t.Fatal("a new world")
	}
	if d := cmp.Diff(was, g.State()); d != "" {
		t.Errorf("the world changed: %s", d)
	}
	if rows := g.rows(a, instancesPath+"/filterByCurrentUser(on='principal')"); len(rows) != 0 {
		t.Errorf("the first read shows the instance: %v", rows)
	}
	if rows := g.rows(a, instancesPath+"/filterByCurrentUser(on='principal')"); len(rows) != 1 {
		t.Errorf("the old access token, or the activation, is gone: %v", rows)
	}
	if status, o := g.post(refreshForm(refresh, nil)); status != http.StatusOK {
		t.Errorf("the refresh token is gone: %v", o)
	}
	_, o := g.post(codeForm(code, nil))
	if _, got := g.get(o["access_token"].(string), approvalPath+"/"+pending); got["id"] != pending {
		t.Errorf("the code or the approval is gone: %v", got)
	}
	flow := page[strings.Index(page, `name="flow" value="`)+len(`name="flow" value="`):]
	flow, _, _ = strings.Cut(flow, `"`)
	g.mu.Lock()
	if g.w.Flows[flow] == nil {
		t.Error("the half-done sign-in is gone")
	}
	g.mu.Unlock()

	info, err := os.Stat(file)
	g.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	rest, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".world-*"))
	g.must(err)
	if len(rest) != 0 {
		t.Errorf("left behind: %v", rest)
	}
	g.seed() // seeding again does no harm
	again := g.State()
	again.Audit, again.Now = was.Audit, was.Now
	if d := cmp.Diff(was, again); d != "" {
		t.Errorf("seeding again changed the world: %s", d)
	}
}

func TestAWorldThatCannotBeKeptIsNotPassedOver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, func(o *Options) { o.File = filepath.Join(dir, "world.json") })
	a := h.as(alice)
	h.must(os.RemoveAll(dir))
	h.wantRefused(a, http.MethodPost, requestsPath, activation(alice, roleOpen), 500, "InternalServerError")
	if status, o := h.post(refreshForm("x", nil)); status < 400 || o["error"] == nil {
		t.Errorf("the token endpoint: %d %v", status, o)
	}
	if err := h.AddUnit(unit, "Paris"); err == nil {
		t.Error("seeding went on")
	}
	h.must(os.Mkdir(dir, 0o700), h.AddUnit(unit, "Paris"))
	g := newHarness(t, func(o *Options) { o.File = filepath.Join(dir, "world.json") })
	if s := g.State(); len(s.Requests) != 1 {
		t.Errorf("what was done in between is lost: %v", s.Requests)
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	damaged, foreign, newer := filepath.Join(dir, "damaged"), filepath.Join(dir, "foreign"), filepath.Join(dir, "newer")
	for file, content := range map[string]string{
		damaged: `{"Version":1,`, foreign: `{"Version":1,"TenantID":"99999999-0000-4000-8000-000000000000"}`, newer: `{"Version":2}`,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, opt := range map[string]Options{
		"no tenant": {}, "a damaged file": {TenantID: tenantID, File: damaged}, "another tenant": {TenantID: tenantID, File: foreign},
		"a newer file": {TenantID: tenantID, File: newer}, "an expiry that waits": {TenantID: tenantID, Expired: "PendingApproval"},
	} {
		if _, err := New(opt); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if b, err := os.ReadFile(damaged); err != nil || string(b) != `{"Version":1,` {
		t.Error("a damaged file was overwritten")
	}
}

func TestSeedingRefuses(t *testing.T) {
	h := newHarness(t)
	for name, err := range map[string]error{
		"a user without a GUID":  h.AddUser(User{ID: "alice", Name: "Alice", UPN: "a@b"}),
		"a user without a name":  h.AddUser(User{ID: alice}),
		"a member that is none":  h.AddGroup(Group{ID: nestedGroup, Members: []string{"bob"}}),
		"a context that is none": h.AddRole(Role{ID: roleOpen, Policy: Policy{AuthContext: "mfa"}}),
		"an unknown person":      h.Eligible(tenantID, roleOpen, "/", time.Time{}, time.Time{}),
		"an unknown role":        h.Assign(alice, tenantID, "/"),
		"a scope that is none":   h.Assign(alice, roleOpen, "everywhere"),
		"an unknown session":     h.RevokeSessions(tenantID),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestStateHoldsNoSecrets(t *testing.T) {
	h := newHarness(t)
	o := h.signIn(alice, nil)
	h.activate(o["access_token"].(string), activation(alice, roleOpen))
	b, err := json.Marshal(h.State())
	h.must(err)
	for name, s := range map[string]string{"refresh token": o["refresh_token"].(string), "access token": o["access_token"].(string), "client secret": secret} {
		if strings.Contains(string(b), s) {
			t.Errorf("the state holds the %s", name)
		}
	}
}
