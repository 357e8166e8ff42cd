package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// printed is the JSON line in the shape that others build on.
type printed struct {
	Page  string `json:"page"`
	Bot   string `json:"bot"`
	Admin string `json:"admin"`
	Slack struct {
		API           string `json:"api"`
		SigningSecret string `json:"signing_secret"`
		TeamID        string `json:"team_id"`
		AppID         string `json:"app_id"`
		Users         map[string]struct {
			ID    string `json:"id"`
			Email string `json:"email"`
		} `json:"users"`
		Channels map[string]string `json:"channels"`
	} `json:"slack"`
	Teams struct {
		AppID          string `json:"app_id"`
		TenantID       string `json:"tenant_id"`
		Connector      string `json:"connector"`
		OpenIDMetadata string `json:"openid_metadata"`
		Users          map[string]struct {
			ID          string `json:"id"`
			AADObjectID string `json:"aad_object_id"`
		} `json:"users"`
		Channels map[string]string `json:"channels"`
	} `json:"teams"`
	Tenant struct {
		ID    string `json:"id"`
		Login string `json:"login"`
		Graph string `json:"graph"`
		ARM   string `json:"arm"`
		CA    string `json:"ca"`
		Audit string `json:"audit"`
		Clock string `json:"clock"`
	} `json:"tenant"`
}

// blanks names every member that the line left out or left empty.
func blanks(v any, at string) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			all = append(all, at)
		}
		for name, e := range v {
			all = append(all, blanks(e, at+"."+name)...)
		}
	case string:
		if v == "" {
			all = append(all, at)
		}
	default:
		all = append(all, at)
	}
	return all
}

// started runs the command until the test ends and gives its first line.
func started(t *testing.T, args ...string) (line []byte, rest func() (string, int)) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, in, t.Output())
		in.Close()
	}()
	t.Cleanup(stop)
	line, err := readLine(out)
	if err != nil {
		t.Fatalf("no line: %v", err)
	}
	return line, func() (string, int) {
		stop()
		more, err := io.ReadAll(out)
		if err != nil {
			t.Error(err)
		}
		return string(more), <-code
	}
}

// readLine reads one line, and no byte more than the writer gave with it.
func readLine(r io.Reader) (line []byte, err error) {
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(r, b); err != nil {
			return line, err
		}
		if line = append(line, b...); b[0] == '\n' {
			return line, nil
		}
	}
}

func TestJSONLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	line, rest := started(t, "--json", "--listen", "127.0.0.1:0", "--data", dir)
	var p printed
	var all, ours any
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if err := json.Unmarshal(line, &all); err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(p); err != nil || json.Unmarshal(text, &ours) != nil {
		t.Fatal(err)
	}
	for _, missing := range append(blanks(all, ""), blanks(ours, "")...) {
		t.Errorf("%s is missing or empty in %s", missing, line)
	}
	if len(p.Slack.Users) < 4 || len(p.Teams.Users) < 3 || p.Slack.Users["alice"].Email != "alice@contoso.example" || p.Teams.Users["bob"].AADObjectID == "" {
		t.Errorf("the people are %+v %+v", p.Slack.Users, p.Teams.Users)
	}
	pool, err := os.ReadFile(p.Tenant.CA)
	if err != nil || !bytes.Contains(pool, []byte("BEGIN CERTIFICATE")) {
		t.Errorf("ca: %v", err)
	}
	for _, base := range []string{p.Page + "/", p.Bot + "/", p.Teams.OpenIDMetadata, p.Tenant.Audit, p.Tenant.Clock} {
		resp, err := http.Get(base)
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}

	// The same directory is in use; a second command says so and spoils nothing.
	var out, errs bytes.Buffer
	if got := run(t.Context(), []string{"--json", "--listen", "127.0.0.1:0", "--data", dir}, &out, &errs); got != 1 || out.Len() > 0 ||
		!holds(errs.String(), "port", "is taken; stop what uses it, or choose another --data") {
		t.Errorf("a second sandbox on the same directory: %d %q %q", got, out.String(), errs.String())
	}
	if more, code := rest(); more != "" || code != 0 {
		t.Errorf("besides the line: %q, exit code %d", more, code)
	}

	// Afterwards it goes on: the same secrets, the same addresses but the page's.
	line, rest = started(t, "--json", "--listen", "127.0.0.1:0", "--data", dir)
	var again printed
	if err := json.Unmarshal(line, &again); err != nil {
		t.Fatal(err)
	}
	again.Page = p.Page
	a, aerr := json.Marshal(p)
	b, berr := json.Marshal(again)
	if aerr != nil || berr != nil || !bytes.Equal(a, b) {
		t.Errorf("the second time: %s\nthe first time: %s", b, a)
	}
	if _, code := rest(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// call makes a request of somebody who drives the sandbox.
func (w *world) call(method, url, body string, header ...string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.ctx(), method, url, strings.NewReader(body))
	w.must(err)
	for n := 0; n < len(header); n += 2 {
		if header[n] == "Host" {
			req.Host = header[n+1]
		}
		req.Header.Set(header[n], header[n+1])
	}
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	text, err := io.ReadAll(resp.Body)
	w.must(err)
	w.must(resp.Body.Close())
	return resp.StatusCode, string(text)
}

func TestAuditAndClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	audit, clock := w.urls[atAdmin]+"/audit", w.urls[atAdmin]+"/clock"
	if status, text := w.call("GET", audit, ""); status != 200 || strings.TrimSpace(text) != "[]" {
		t.Errorf("the log of a new tenant: %d %s", status, text)
	}
	before := w.clock.Now()
	for _, c := range []struct {
		body   string
		header []string
		status int
	}{
		{"", nil, 400},
		{"{", nil, 400},
		{"[]", nil, 400},
		{`null`, nil, 400},
		{`{}`, nil, 400},
		{`{"advance":""}`, nil, 400},
		{`{"advance":1}`, nil, 400},
		{`{"advance":"1 hour"}`, nil, 400},
		{`{"advance":"-1h"}`, nil, 400},
		{`{"advance":"0s"}`, nil, 400},
		{`{"advance":"9000h"}`, nil, 400},
		{`{"advance":"99999999999999h"}`, nil, 400},
		{`{"advance":"1h","to":"2027-01-01"}`, nil, 400},
		{`{"advance":"1h"} {"advance":"1h"}`, nil, 400},
		{`{"advance":"` + strings.Repeat("1", 4000) + `h"}`, nil, 400},
		{`{"advance":"1h"}`, []string{"Origin", "https://evil.example"}, 403},
		{`{"advance":"1h"}`, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{`{"advance":"1h"}`, []string{"Host", "evil.example"}, 403},
		{`{"advance":"1h"}`, []string{"Content-Type", "text/plain", "Origin", "null"}, 403},
	} {
		status, text := w.call("POST", clock, c.body, c.header...)
		if status != c.status {
			t.Errorf("%.60q %q: HTTP %d %s, want %d", c.body, c.header, status, text, c.status)
		}
		if moved := w.clock.Now().Sub(before); moved > time.Hour {
			t.Fatalf("%.60q %q: the clock moved by %v", c.body, c.header, moved)
		}
	}
	for _, kind := range []string{"", "application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded"} { // the last is what curl -d says
		at := w.clock.Now()
		status, text := w.call("POST", clock, `{"advance":"1h"}`, "Content-Type", kind)
		if moved := w.clock.Now().Sub(at); status != 200 || !strings.Contains(text, "now") || moved < time.Hour || moved > time.Hour+time.Minute {
			t.Errorf("%q: HTTP %d %s, the clock moved by %v", kind, status, text, moved)
		}
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH"} {
		if status, _ := w.call(method, clock, `{"advance":"1h"}`); status != 405 {
			t.Errorf("%s: HTTP %d", method, status)
		}
	}
	if status, _ := w.call("POST", audit, `[]`); status != 405 {
		t.Errorf("the log can be written: HTTP %d", status)
	}

	alice := w.who("alice")
	alice.linksSlack()
	alice.asks("reports 1h figures")
	alice.reads("Reports Reader is active")
	_, text := w.call("GET", audit, "")
	var log []struct {
		Time      time.Time `json:"time"`
		Actor     string    `json:"actor"`
		ActorKind string    `json:"actorKind"`
		Activity  string    `json:"activity"`
		Target    string    `json:"target"`
	}
	w.must(json.Unmarshal([]byte(text), &log))
	if len(log) == 0 || log[0].Actor != alice.OID || log[0].ActorKind != "user" || log[0].Target != alice.OID || !strings.Contains(log[0].Activity, requested) || log[0].Time.Before(before.Add(4*time.Hour)) {
		t.Errorf("the log says %s", text)
	}
}

func TestStoryFlag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for n, words := range [][]string{{"Every step held."}, {"Every step held.", "before ("}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"--story", "--data", dir}, &out, &errs); code != 0 || errs.Len() > 0 || !holds(out.String(), words...) {
			t.Errorf("time %d: exit code %d\n%s%s", n+1, code, out.String(), errs.String())
		}
	}
}

func TestRefusedToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	dir := func(content string, names ...string) string {
		d := t.TempDir()
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(d, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	for name, c := range map[string]struct {
		args  []string
		code  int
		words string
	}{
		"a taken port":           {[]string{"--listen", taken.Addr().String()}, 1, "the page cannot be served; choose another address with --listen"},
		"no address":             {[]string{"--listen", "nonsense"}, 1, "choose another address with --listen"},
		"an unknown option":      {[]string{"--jason"}, 2, "--jason"},
		"an argument too many":   {[]string{"story"}, 2, "story"},
		"a file for a directory": {[]string{"--listen", "127.0.0.1:0", "--data", filepath.Join(dir("", "x"), "x")}, 1, "the data directory cannot be made"},
		"damaged":                {[]string{"--listen", "127.0.0.1:0", "--data", dir("{", "sandbox.json")}, 1, "is damaged; choose another --data or remove the directory"},
		"a damaged tenant":       {[]string{"--listen", "127.0.0.1:0", "--data", dir("{", "tenant.json")}, 1, "tenant.json"},
		"a damaged Slack":        {[]string{"--listen", "127.0.0.1:0", "--data", dir("{", "slack.json")}, 1, "slack.json"},
		"a damaged Teams":        {[]string{"--listen", "127.0.0.1:0", "--data", dir("{", "teams.json")}, 1, "teams.json"},
		"a damaged certificate":  {[]string{"--listen", "127.0.0.1:0", "--data", dir("x", "tls.pem", "tls.key")}, 1, "certificate"},
	} {
		if c.args[0] == "--listen" && len(c.args) == 2 {
			c.args = append(c.args, "--data", t.TempDir())
		}
		var out, errs bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		code := run(ctx, c.args, &out, &errs)
		cancel()
		if code != c.code || !strings.Contains(errs.String(), c.words) || out.Len() > 0 || strings.Contains(errs.String(), "goroutine") {
			t.Errorf("%s: exit code %d\n%s%s\nwant %d and %q", name, code, out.String(), errs.String(), c.code, c.words)
		}
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, &errs); code != 0 || !holds(out.String(), "--story", "--json", "--listen", "--data") {
		t.Errorf("--help: %d %s%s", code, out.String(), errs.String())
	}
}
