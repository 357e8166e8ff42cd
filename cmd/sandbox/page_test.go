package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// openPage is the page of a sandbox that does not run.
func openPage(t *testing.T) (*sandbox, func(method, path, body string, header ...string) *httptest.ResponseRecorder) {
	t.Helper()
	s, err := open(t.TempDir(), "127.0.0.1:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	page := s.page()
	return s, func(method, path, body string, header ...string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = "127.0.0.1:8080"
		for i := 0; i < len(header); i += 2 {
			if header[i] == "Host" {
				r.Host = header[i+1]
			} else {
				r.Header.Set(header[i], header[i+1])
			}
		}
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		return w
	}
}

const asJSON = "application/json"

func TestPageLoadsOnlyItself(t *testing.T) {
	_, ask := openPage(t)
	index := ask(http.MethodGet, "/", "")
	if index.Code != http.StatusOK {
		t.Fatalf("GET / gives %d", index.Code)
	}
	policy := index.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy lets something in from elsewhere: %s", policy)
	}
	files := regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(index.Body.String(), -1)
	if len(files) < 6 {
		t.Errorf("the page names only %d files", len(files))
	}
	for _, f := range files {
		if got := ask(http.MethodGet, "/"+f[1], ""); got.Code != http.StatusOK {
			t.Errorf("GET %s gives %d", f[1], got.Code)
		}
	}
	if regexp.MustCompile(`(?i)<script>|\son\w+=|\sstyle=`).Match(index.Body.Bytes()) {
		t.Error("the page has a script or style within it, which its policy forbids")
	}
}

func TestPageFilesStandAlone(t *testing.T) {
	elsewhere := regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]`)
	modules := regexp.MustCompile(`from "\./([^"]+)"`)
	err := fs.WalkDir(pageFiles, "page", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/vendor/") {
			return err
		}
		text, err := fs.ReadFile(pageFiles, path)
		if err != nil {
			return err
		}
		if found := elsewhere.Find(bytes.ReplaceAll(text, []byte(`"http://www.w3.org/2000/svg"`), nil)); found != nil {
			t.Errorf("%s names another site: %s", path, found)
		}
		for _, m := range modules.FindAllSubmatch(text, -1) {
			if _, err := fs.Stat(pageFiles, "page/"+string(m[1])); err != nil {
				t.Errorf("%s imports %s, which is not there", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What is vendored is what its README says.
func TestPageRendererIsMicrosofts(t *testing.T) {
	script, err := pageFiles.ReadFile("page/vendor/adaptivecards.min.js")
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(script))
	for _, name := range []string{"README.md", "fetch.sh"} {
		text, err := os.ReadFile("page/vendor/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(sum)) {
			t.Errorf("%s does not name the sum %s of adaptivecards.min.js", name, sum)
		}
	}
}

func TestPageTenant(t *testing.T) {
	s, ask := openPage(t)
	var state struct {
		Now   time.Time
		Ahead float64
		Bot   string
		Audit []any
		Cast  []struct{ Key, Name, Slack string }
		Roles []struct{ Name string }
	}
	read := func() {
		t.Helper()
		got := ask(http.MethodGet, "/tenant/state", "")
		if err := json.Unmarshal(got.Body.Bytes(), &state); err != nil || got.Code != http.StatusOK {
			t.Fatalf("GET /tenant/state gives %d: %v", got.Code, err)
		}
	}
	read()
	if state.Audit == nil || len(state.Cast) != len(cast) || len(state.Roles) == 0 || state.Bot != s.urls[atBot] || state.Ahead != 0 {
		t.Errorf("the tenant is not as it was made: %+v", state)
	}
	before := state.Now
	if got := ask(http.MethodPost, "/tenant/clock", `{"advance":"8h"}`, "Content-Type", asJSON); got.Code != http.StatusOK {
		t.Fatalf("moving the clock gives %d: %s", got.Code, got.Body)
	}
	read()
	if state.Ahead != 8*3600 || state.Now.Sub(before) < 8*time.Hour {
		t.Errorf("after 8 h the clock is %v s ahead, at %v after %v", state.Ahead, state.Now, before)
	}
}

func TestPageTakesOrdersOnlyFromItself(t *testing.T) {
	s, ask := openPage(t)
	before := s.clock.Now()
	for name, c := range map[string]struct {
		path   string
		header []string
		want   int
	}{
		"a form of another site":  {"/tenant/clock", []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		"no content type":         {"/tenant/clock", nil, http.StatusUnsupportedMediaType},
		"another origin":          {"/tenant/clock", []string{"Content-Type", asJSON, "Origin", "http://evil.example"}, http.StatusForbidden},
		"a script of another tab": {"/tenant/clock", []string{"Content-Type", asJSON, "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"a rebound name":          {"/tenant/clock", []string{"Content-Type", asJSON, "Host", "evil.example:8080"}, http.StatusForbidden},
		"Slack, a rebound name":   {"/slack/command", []string{"Content-Type", asJSON, "Host", "evil.example:8080"}, http.StatusForbidden},
		"Teams, another origin":   {"/teams/message", []string{"Content-Type", asJSON, "Origin", "http://evil.example"}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(http.MethodPost, c.path, `{"advance":"1h"}`, c.header...); got.Code != c.want {
				t.Errorf("POST %s gives %d, not %d", c.path, got.Code, c.want)
			}
		})
	}
	for _, bad := range []string{``, `{}`, `{"advance":"-1h"}`, `{"advance":"8 hours"}`, `{"advance":"9999h"}`, `{"advance":"1h","more":1}`} {
		if got := ask(http.MethodPost, "/tenant/clock", bad, "Content-Type", asJSON); got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), `"error"`) {
			t.Errorf("moving the clock by %s gives %d: %s", bad, got.Code, got.Body)
		}
	}
	if got := s.clock.Now().Sub(before); got > time.Minute {
		t.Errorf("the clock was moved by %v", got)
	}
	if got := ask(http.MethodPut, "/tenant/clock", "{}"); got.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT gives %d", got.Code)
	}
	if got := ask(http.MethodGet, "/..%2fpage.go", ""); got.Code != http.StatusNotFound {
		t.Errorf("a file outside the page gives %d", got.Code)
	}
}
