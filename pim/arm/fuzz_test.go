package arm_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/arm"
)

// canned is an Azure that answers everything in the same way, and is asked nothing
// elsewhere.
type canned struct {
	t      *testing.T
	status int
	body   []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "management.azure.example" {
		c.t.Errorf("a call left for %s", r.URL.Host)
	}
	return &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(c.body))), Request: r}, nil
}

// FuzzAnswer: no answer of Azure's brings Belay down, leads it to another host, or
// makes it believe something that has no name; a refusal has a code and no sentence.
func FuzzAnswer(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(files) < 10 {
		f.Fatal(len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var doc struct{ ResponseBody, Body json.RawMessage }
		if err := json.Unmarshal(b, &doc); err != nil {
			f.Fatal(err)
		}
		f.Add(200, []byte(doc.ResponseBody))
		f.Add(400, []byte(doc.Body))
	}
	f.Add(200, []byte(`{"value":[],"nextLink":"https://evil.example/"}`))
	f.Add(201, []byte(`{"properties":null}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			status = 200
		}
		c, err := arm.New(arm.Options{BaseURL: "https://management.azure.example", HTTP: &http.Client{Transport: canned{t, status, body}}, Tokens: tokens{}, Approvers: &directory{},
			Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		check := func(op string, err error) bool {
			if err == nil {
				return true
			}
			var e *pim.Error
			if !errors.As(err, &e) || e.Code == "" {
				t.Errorf("%s: %v", op, err)
			} else if text := e.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r{") || len(text) > 500 {
				t.Errorf("%s: the error text is %q", op, text)
			}
			return false
		}
		ctx, a := t.Context(), contributor(production)
		if list, err := c.Eligible(ctx, alice); check("eligible", err) {
			for _, e := range list {
				if e.Role == "" || e.Scope == "" || e.Kind != pim.AzureResource {
					t.Errorf("%+v", e)
				}
			}
		}
		if r, err := c.Request(ctx, alice, requestID); check("request", err) && (r.ID == "" || r.Status == "" || r.Duration < 0) {
			t.Errorf("%+v", r)
		}
		if r, err := c.Activate(ctx, alice, wish(production)); check("activate", err) && (r.ID == "" || r.Status == "") {
			t.Errorf("%+v", r)
		}
		if p, err := c.Policy(ctx, alice, a); check("policy", err) && p.MaxDuration <= 0 {
			t.Errorf("%+v", p)
		}
		_, err = c.Mine(ctx, alice)
		check("mine", err)
		_, err = c.Pending(ctx, alice)
		check("pending", err)
		_, err = c.Active(ctx, alice, a)
		check("active", err)
		_, err = c.Approval(ctx, alice, approvalID)
		check("approval", err)
	})
}
