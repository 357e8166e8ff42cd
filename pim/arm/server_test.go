package arm_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/arm"
)

const (
	alice = "a3bb8764-cb92-4276-9d2a-ca1e895e55ea"
	bob   = "3fbd929d-8c56-4462-851e-0eb9a7b3a2a5"
	name  = "fea7a502-9a96-4806-a26f-eee560e52045"

	production = "/subscriptions/dfa2a084-766f-4003-8ae1-c4aeb893a99f"
	role       = production + "/providers/Microsoft.Authorization/roleDefinitions/c8d4ff99-41c3-41a8-9f60-21dfdad59608"
	schedule   = production + "/providers/Microsoft.Authorization/RoleEligibilitySchedules/b1477448-2cc6-4ceb-93b4-54a202a89413"
	requestID  = production + "/providers/Microsoft.Authorization/RoleAssignmentScheduleRequests/" + name
	approvalID = "/providers/Microsoft.Authorization/roleAssignmentApprovals/488a6d0e-0a63-4946-86e3-1f5bbc934661"
	stageID    = "4135f961-be78-4005-8101-c72a5af307a2"

	listOfNone = `{"value":[]}`
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func contributor(scope string) pim.Assignment {
	return pim.Assignment{Kind: pim.AzureResource, Role: role, Scope: scope}
}

// tokens gives everybody a token that names them, but for those who have none.
type tokens map[string]pim.Code

func (f tokens) Person(_ context.Context, who string) (string, error) {
	if code, ok := f[who]; ok {
		return "", &pim.Error{Op: "person", Code: code}
	}
	return "token-of-" + who, nil
}

func (f tokens) App(context.Context) (string, error) { return "token-of-belay", nil }

// directory opens every group into Bob.
type directory struct {
	mu            sync.Mutex
	users, groups []string
	err           error
}

func (d *directory) Expand(_ context.Context, users, groups []string) ([]pim.Principal, []pim.ApproverGroup, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users, d.groups = users, groups
	return []pim.Principal{{ID: bob, Name: "Bob"}}, []pim.ApproverGroup{{ID: "g", Name: "Leads", Size: 1}}, d.err
}

// seen is a request as it arrived.
type seen struct{ method, target, auth, body, agent string }

// service is ARM on a TLS port of its own, and what arrived there.
type service struct {
	*httptest.Server
	mu   sync.Mutex
	list []seen
}

func serve(t *testing.T, h http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading a request: %v", err)
		}
		s.mu.Lock()
		s.list = append(s.list, seen{r.Method, r.RequestURI, r.Header.Get("Authorization"), string(body), r.Header.Get("User-Agent")})
		s.mu.Unlock()
		h(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // some tests break connections on purpose
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// says answers everything in the same way.
func says(status int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			return // the client may have gone away, which is what some tests are about
		}
	}
}

func (s *service) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.list...)
}

func (s *service) only(t *testing.T) seen {
	t.Helper()
	list := s.requests()
	if len(list) != 1 {
		t.Fatalf("%d requests arrived, want 1: %+v", len(list), list)
	}
	return list[0]
}

func (s *service) client(t *testing.T, change ...func(*arm.Options)) *arm.Client {
	t.Helper()
	o := arm.Options{BaseURL: s.URL, HTTP: &http.Client{Transport: recording{s.Client().Transport}}, Tokens: tokens{}, Approvers: &directory{}, Now: func() time.Time { return noon }}
	for _, c := range change {
		c(&o)
	}
	c, err := arm.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused is the *pim.Error in err, which must be there.
func refused(t *testing.T, err error) *pim.Error {
	t.Helper()
	var e *pim.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T) is no *pim.Error", err, err)
	}
	return e
}

// read decodes a file of testdata.
func read(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// example is a documented call.
type example struct {
	Method, URL string
	Body        json.RawMessage `json:"requestBody"`
	Status      int             `json:"responseStatus"`
	Answer      json.RawMessage `json:"responseBody"`
}

func documented(t *testing.T, file string) (*service, example) {
	t.Helper()
	var e example
	read(t, "examples/arm-"+file+".json", &e)
	if string(e.Answer) == "null" {
		e.Answer = nil
	}
	return serve(t, says(e.Status, nil, string(e.Answer))), e
}

func wish(scope string) pim.Activation {
	return pim.Activation{Assignment: contributor(scope), ID: name, Duration: 8 * time.Hour, Justification: "secret words",
		Ticket: pim.Ticket{Number: "CHG1", System: "Jira"}, Schedule: schedule, Condition: "a condition", ConditionVersion: "2.0"}
}

// operations are all calls, and what each is for.
var operations = map[string]func(context.Context, *arm.Client) error{
	"eligible": func(ctx context.Context, c *arm.Client) error { _, err := c.Eligible(ctx, alice); return err },
	"policy": func(ctx context.Context, c *arm.Client) error {
		_, err := c.Policy(ctx, alice, contributor(production))
		return err
	},
	"children": func(ctx context.Context, c *arm.Client) error {
		_, err := c.Children(ctx, alice, pim.EligibleAssignment{Assignment: contributor(production)})
		return err
	},
	"check": func(ctx context.Context, c *arm.Client) error { return c.Check(ctx, alice, wish(production)) },
	"activate": func(ctx context.Context, c *arm.Client) error {
		_, err := c.Activate(ctx, alice, wish(production))
		return err
	},
	"deactivate": func(ctx context.Context, c *arm.Client) error {
		return c.Deactivate(ctx, alice, pim.Deactivation{Assignment: contributor(production), ID: name, Justification: "secret words", Schedule: schedule})
	},
	"cancel": func(ctx context.Context, c *arm.Client) error { return c.Cancel(ctx, alice, requestID) },
	"review": func(ctx context.Context, c *arm.Client) error {
		return c.Review(ctx, bob, pim.Decision{Approval: approvalID, Stage: stageID, Result: pim.Approved, Justification: "I trust this person."})
	},
	"request":  func(ctx context.Context, c *arm.Client) error { _, err := c.Request(ctx, alice, requestID); return err },
	"mine":     func(ctx context.Context, c *arm.Client) error { _, err := c.Mine(ctx, alice); return err },
	"pending":  func(ctx context.Context, c *arm.Client) error { _, err := c.Pending(ctx, bob); return err },
	"approval": func(ctx context.Context, c *arm.Client) error { _, err := c.Approval(ctx, bob, approvalID); return err },
	"active": func(ctx context.Context, c *arm.Client) error {
		_, err := c.Active(ctx, alice, contributor(production))
		return err
	},
}

var writes = map[string]bool{"activate": true, "deactivate": true, "cancel": true, "review": true}
