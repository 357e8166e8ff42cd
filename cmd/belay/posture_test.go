package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/posture"
)

const (
	posTenant = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"
	posClient = "b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5"
	posGA     = "62e90394-69f5-4237-9190-012177145e10"
	posUA     = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	posOwner  = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	posRoot   = "/providers/Microsoft.Management/managementGroups/" + posTenant
)

// person is a made-up object id.
func person(n int) string { return fmt.Sprintf("a0000000-0000-4000-8000-%012d", n) }

// read is a tenant that posture reads, and a configuration for it.
type read struct {
	*pimtest.Tenant
	t    *testing.T
	file string
}

func newRead(t *testing.T, more string, without ...string) *read {
	t.Helper()
	granted := slices.DeleteFunc(pim.ApplicationPermissions(), func(p string) bool { return slices.Contains(without, p) })
	tenant, err := pimtest.New(pimtest.Options{TenantID: posTenant, Unkind: &pimtest.Unkind{EnumCase: true, PageSize: 2},
		Unhandled: func(s string) { t.Errorf("the tenant does not know %s", s) },
		App:       pimtest.App{ClientID: posClient, ClientSecret: "a-client-secret-of-belay", Application: granted}})
	if err != nil {
		t.Fatal(err)
	}
	r := &read{Tenant: tenant, t: t, file: filepath.Join(t.TempDir(), "belay.yaml")}
	login, graph, arm := httptest.NewTLSServer(tenant.Login()), httptest.NewTLSServer(tenant.Graph()), httptest.NewTLSServer(tenant.ARM())
	var trusted bytes.Buffer
	for _, s := range []*httptest.Server{login, graph, arm} {
		t.Cleanup(s.Close)
		r.must(pem.Encode(&trusted, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	}
	tenant.SetURLs(pimtest.URLs{Login: login.URL, Graph: graph.URL, ARM: arm.URL})
	dir := filepath.Dir(r.file)
	ca := filepath.Join(dir, "ca.pem")
	r.must(os.WriteFile(ca, trusted.Bytes(), 0o600))
	text := fmt.Sprintf(config, "127.0.0.1:0", "127.0.0.1:0", filepath.Join(dir, "data"))
	text = strings.Replace(text, "canary-entra-secret", "a-client-secret-of-belay", 1) +
		fmt.Sprintf("  login: %s\n  graph: %s\n  arm: %s\n  ca_file: %s\n", login.URL, graph.URL, arm.URL, ca) + more
	r.must(os.WriteFile(r.file, []byte(text), 0o600))
	return r
}

func (r *read) must(errs ...error) {
	r.t.Helper()
	for _, err := range errs {
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// strong is a policy of which nothing is to be said.
func strong() pimtest.Policy {
	return pimtest.Policy{MaxDuration: 2 * time.Hour, MFA: true, Justification: true, Approval: true, Approvers: []string{person(1), person(2)}, EligibleExpires: true}
}

// people makes n of them, and the roles of a sound tenant with two accounts for emergencies.
func (r *read) people(n int) {
	for i := 1; i <= n; i++ {
		r.must(r.AddUser(pimtest.User{ID: person(i), Name: fmt.Sprintf("Person %d", i), UPN: fmt.Sprintf("p%d@contoso.com", i)}))
	}
	r.must(r.AddRole(pimtest.Role{ID: posGA, Name: "Global Administrator", Policy: strong()}), r.AddRole(pimtest.Role{ID: posUA, Name: "User Administrator", Policy: strong()}),
		r.Assign(person(1), posGA, "/"), r.Assign(person(2), posGA, "/"), r.Eligible(person(3), posGA, "/", time.Now().Add(-time.Hour), time.Now().Add(1000*time.Hour)),
		r.AddResource(pimtest.Resource{ID: posRoot, Name: "Tenant Root Group"}),
		r.AddAzureRole(pimtest.AzureRole{ID: posOwner, Name: "Owner", Actions: []string{"*"}}), r.GrantReader(posRoot))
}

const emergencies = "security: {break_glass: [a0000000-0000-4000-8000-000000000001, a0000000-0000-4000-8000-000000000002]}\n"

func (r *read) belay(want int, args ...string) (out, said string) {
	r.t.Helper()
	var o, e bytes.Buffer
	if got := run(r.t.Context(), append(args, "--config", r.file), nil, &o, &e); got != want {
		r.t.Fatalf("%s exits %d, want %d: %s%s", strings.Join(args, " "), got, want, o.String(), e.String())
	}
	return o.String(), e.String()
}

// A sound tenant: exit code 0, and nothing but what is clear.
func TestPostureOfASoundTenant(t *testing.T) {
	r := newRead(t, emergencies)
	r.people(3)
	out, said := r.belay(exitOK, "posture", "--fail-on", "low")
	if !strings.Contains(out, "Nothing was found") || !strings.Contains(out, "3 standing, 1 eligible") {
		t.Errorf("%s%s", out, said)
	}
	if strings.Contains(out, "UNSEEN") || !strings.Contains(said, "there is no trend, because there is no store here") {
		t.Errorf("%s%s", out, said)
	}
}

// weaken makes the tenant weak in several ways.
func (r *read) weaken() {
	weak := strong()
	weak.MaxDuration, weak.MFA = 8*time.Hour, false
	const robot = "40000000-0000-4000-8000-000000000001"
	r.must(r.AddUser(pimtest.User{ID: person(9), Name: "=Gus", UPN: "gus_fabrikam.com#EXT#@contoso.com", Guest: true}),
		r.AddServicePrincipal(robot, "Robot"), r.AssignAzure(robot, posOwner, posRoot), r.Assign(person(9), posGA, "/"),
		r.AddRole(pimtest.Role{ID: posUA, Name: "User Administrator", Policy: weak}), r.Eligible(person(3), posUA, "/", time.Now().Add(-200*24*time.Hour), time.Time{}))
}

// A weak tenant in each format; the exit code is that of the worst, from the severity on
// that was asked for.
func TestPostureOfAWeakTenant(t *testing.T) {
	r := newRead(t, emergencies)
	r.people(3)
	r.weaken()
	out, said := r.belay(exitDiffers, "posture")
	for _, want := range []string{"[standing-privileged]", "[guest-privileged]", "application Robot: Owner at management group Tenant Root Group", "User Administrator: 8 hours", "[stale-eligibility]"} {
		if !strings.Contains(out, want) {
			t.Errorf("the text lacks %q:\n%s", want, out)
		}
	}
	if !strings.Contains(said, "findings of severity high or above: ") {
		t.Error(said)
	}
	r.belay(exitOK, "posture", "--fail-on", "never")

	out, _ = r.belay(exitDiffers, "posture", "--format", "json")
	var report posture.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Worst() != posture.High || report.Tenant != posTenant || len(report.Numbers.Roles) < 3 {
		t.Errorf("%v: %s", err, out)
	}

	out, _ = r.belay(exitDiffers, "posture", "--format", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) < 5 || !strings.Contains(out, "'=Gus") {
		t.Errorf("%v: %s", err, out)
	}

	page := filepath.Join(t.TempDir(), "report.html")
	r.belay(exitDiffers, "posture", "--format", "html", "-o", page)
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), `<article class="high" id="guest-privileged">`) {
		t.Errorf("%v: %s", err, html)
	}
	for _, outside := range []string{"<script", "src=", "@import", "url("} {
		if strings.Contains(string(html), outside) {
			t.Errorf("the page needs something from outside: %s", outside)
		}
	}
}

// Without a permission the report says which, and the exit code says that something was
// not seen, which is not success.
func TestPostureWithoutAPermission(t *testing.T) {
	r := newRead(t, emergencies, "LicenseAssignment.Read.All", "AccessReview.Read.All")
	r.people(3)
	out, said := r.belay(exitUnseen, "posture")
	if !strings.Contains(out, "UNSEEN  Cannot see whether the tenant has a licence for PIM, because permission LicenseAssignment.Read.All is missing.  [no-licence]") ||
		!strings.Contains(said, "checks that could not be made in full: 1") {
		t.Errorf("%s%s", out, said)
	}
	out, _ = r.belay(exitDiffers, "checklist", "--format", "json")
	var list struct{ Answers []posture.Answer }
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Answers) != 10 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, a := range list.Answers {
		want := map[string]posture.Reply{"licence": posture.CannotSee, "reviews": posture.CannotSee, "siem": posture.No}[a.ID]
		if want == "" {
			want = posture.Yes
		}
		if a.Answer != want {
			t.Errorf("%+v", a)
		}
	}
	for _, format := range []string{"text", "csv", "html"} {
		if out, _ := r.belay(exitDiffers, "checklist", "--format", format); !strings.Contains(out, "AccessReview.Read.All") {
			t.Errorf("%s: %s", format, out)
		}
	}
}

// A place of Azure that Belay may not read is named, and nothing below it is taken for good.
func TestPostureWithoutReader(t *testing.T) {
	r := newRead(t, emergencies+"posture: {azure_scopes: [/subscriptions/50000000-0000-4000-8000-000000000001]}\n")
	r.people(3)
	r.must(r.AddResource(pimtest.Resource{ID: "/subscriptions/50000000-0000-4000-8000-000000000001", Name: "Elsewhere"}))
	out, _ := r.belay(exitUnseen, "posture", "--format", "json")
	if !strings.Contains(out, "because permission Reader is missing") || slices.Contains(cleared(t, out), "azure-high-scope") {
		t.Error(out)
	}
}

func cleared(t *testing.T, out string) []string {
	t.Helper()
	var report posture.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	return report.Clear
}
