package signin

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
)

// FuzzTokenRefusal: no answer of the token endpoint brings Belay down, is without a
// code, or gets a sentence of it into an error text.
func FuzzTokenRefusal(f *testing.F) {
	for _, body := range []string{`{"error":"invalid_grant","error_description":"AADSTS50173: …","error_codes":[50173],"correlation_id":"aaaaaaaa-0000-4000-8000-00000000000a","suberror":"bad_token"}`,
		`{"error":"interaction_required","claims":"{\"access_token\":{}}","error_codes":[50076]}`, `{"error":"consent_required"}`, `{"error":"invalid_client"}`, `{}`, `[]`, `<html>`, ``, `{"error":7}`,
		`{"error":"x","error_codes":[-1,99999999999]}`} {
		f.Add(400, body, "30")
	}
	f.Add(503, "", "Wed, 21 Oct 2026 07:28:00 GMT")
	f.Add(429, `{"error":"temporarily_unavailable"}`, "99999999999999999999")
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		e := read("sign-in", &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(bytes.NewReader([]byte(body)))})
		if e.Code == "" || e.After < 0 || e.After.Seconds() > 3600 || e.Code == pim.CodeStepUp && status >= 500 {
			t.Errorf("%+v", e)
		}
		if text := e.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\"{<") || len(text) > 500 {
			t.Errorf("the error text is %q", text)
		}
	})
}

// FuzzWitness: reading along what a token endpoint grants changes nothing of what
// the library reads, and remembers no scope without a token.
func FuzzWitness(f *testing.F) {
	f.Add(200, `{"access_token":"a","scope":"x y"}`)
	f.Add(200, `{"scope":"x"}`)
	f.Add(400, `{"access_token":"a"}`)
	f.Add(200, `{`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		w := &witness{Client: &http.Client{Transport: answers{status, body}}}
		req, err := http.NewRequest(http.MethodPost, "https://login.example/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != body {
			t.Errorf("%q became %q (%v)", body, got, err)
		}
		if w.granted != "" && !w.answered || w.answered && (status != http.StatusOK || !strings.Contains(body, "access_token") && !strings.Contains(strings.ToLower(body), `\u00`) && !strings.Contains(strings.ToLower(body), "access_token")) {
			t.Errorf("%d %q: granted %q", status, body, w.granted)
		}
	})
}

type answers struct {
	status int
	body   string
}

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}
