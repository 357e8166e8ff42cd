package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// Nothing secret, and nothing that people wrote, is in Belay's log, in the bytes
// of its files, or in its metrics, after all that can be done was done and much
// of it went wrong.
func TestCanaries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secrets := map[string]string{"entra_secret": "canary-entra-9f2b", "slack_token": "xoxb-canary-slack-77aa", "slack_signing": "canarysigning0123456789abcdef", "slack_client": "canary-client-51c0"}
	text, err := json.Marshal(secrets)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sandbox.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	wires := &tap{secrets: map[string]string{}}
	w := runPrepared(t, dir, manners{}, func(w *world) {
		for i, v := range w.servers {
			switch v.name {
			case atLogin, atSlack, atBotLogin, atConnector, atGraph, atARM:
				w.servers[i].pages = wires.on(v.pages)
			}
		}
	})
	w.tap, wires.belay = wires, w.urls[atBot]
	for name, secret := range secrets {
		wires.keep(name, secret)
	}
	w.logs.allow("an act could not be done")
	alice, bob, carol, dave := w.who("alice"), w.who("bob"), w.who("carol"), w.who("dave")
	urls := []string{}
	link := func(url string) string { urls = append(urls, url[strings.LastIndex(url, "/")+1:]); return url }

	alice.types("link")
	url := link(alice.slackURL())
	w.fails(1, isCode, pimtest.Fault{Status: 400, Body: `{"error":"invalid_grant","error_description":"AADSTS70000: canary-description-aa12"}`})
	alice.stopped(url, http.StatusBadRequest, "Microsoft did not accept this sign-in")
	dave.stopped(url, http.StatusForbidden, "another Slack user")
	alice.signsIn(url)
	alice.reads("You are linked")
	carol.types("link")
	carol.signsIn(link(carol.slackURL()))
	carol.reads("You are linked")

	w.fails(1, isActivate, pimtest.Fault{Status: 400, Body: `{"error":{"code":"Odd","message":"canary-message-bb34"}}`})
	alice.asks("user admin 1h canary-justification-refused")
	alice.reads(userAdmin + " was not activated")
	alice.asks("user admin 1h canary-justification-denied")
	carol.presses("deny", "Alice Adams asks for "+userAdmin)
	if out := carol.sends(carol.form("Reason"), map[string]string{"reason": "canary-reason-cc56"}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the reason was not taken: %+v", out)
	}
	alice.reads(userAdmin+" was denied", "canary-reason-cc56")
	w.fails(1, isActivate, pimtest.Fault{Status: 503, Body: `canary-body-dd78`})
	w.fails(1, isDecision, pimtest.Fault{Drop: true, AfterWrite: true})
	alice.asks("user admin 1h canary-justification-approved")
	alice.until("10s", userAdmin+" waits for approval", "canary-justification-approved")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin, "canary-justification-approved")
	bob.signsIn(link(bob.teamsURL()))
	alice.until("10s", userAdmin+" is active", "canary-justification-approved")
	alice.types("groups admin 1h canary-justification-groups")
	if out := alice.sends(alice.form("Ticket number"), map[string]string{"ticket": "canary-ticket-ee90"}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.signsIn(link(alice.slackURL()))
	alice.reads(groups + " is active")
	w.pass("6m")
	for _, list := range []func(*http.Request) bool{isRoleMenu, isGroupMenu, isAzureMenu} {
		w.fails(1, list, pimtest.Fault{Status: 500, Body: "canary-body-ff12"})
	}
	alice.types("canary-command 1h x")
	alice.writes("/elevate canary-command 1h x")
	alice.sees("canary-command")
	if got := w.delivers("/slack/interactions", []byte("payload=canary-payload")); got.Status != http.StatusBadRequest {
		t.Errorf("HTTP %d", got.Status)
	}
	w.pass("2h")
	alice.reads(userAdmin + " has ended")
	alice.types("unlink")
	alice.reads("Your sign-in is forgotten")

	resp, err := http.Get("http://" + w.app.PrivateAddr().String() + "/metrics")
	w.must(err)
	var metrics strings.Builder
	w.must(resp.Write(&metrics))
	w.must(resp.Body.Close())
	if !strings.Contains(metrics.String(), "belay_outside_refused_total 0") { // everything needed is open
		t.Fatalf("the metrics are %s", metrics.String())
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 3}, denied: {"carol": 1}, approved: {"bob": 1}})
	w.end()

	for _, what := range []string{"code", "state", "nonce", "code_verifier", "client_secret", "refresh_token", "access_token", "id_token", "authorization", "cookie", "slack_signing"} {
		if !slices.Contains(slices.Collect(maps.Values(wires.secrets)), what) {
			t.Errorf("no %s crossed a wire: this test looks for nothing", what)
		}
	}
	for _, url := range urls {
		wires.keep("one-time link", url)
	}
	found := 0
	leaks := func(where, what string) {
		t.Helper()
		for secret, kind := range wires.secrets {
			if strings.Contains(what, secret) {
				found++
				t.Errorf("%s holds a secret: %s", where, kind)
			}
		}
	}
	if !strings.Contains(wires.pages.String(), "You are signed in") || !strings.Contains(wires.pages.String(), "another Slack user") {
		t.Error("no page of Belay's was seen")
	}
	leaks("a page", wires.pages.String())
	tokens := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10}`)
	shared := func(where, what string) {
		t.Helper()
		leaks(where, what)
		for _, secret := range append(urls, "canary", alice.upn(), "Alice Adams", "/actions/", "/commands/", "Bearer ey") {
			if at := strings.Index(what, secret); at >= 0 {
				t.Errorf("%s holds %q: %q", where, secret, what[max(0, at-200):min(len(what), at+200)])
			}
		}
		if token := tokens.FindString(what); token != "" {
			t.Errorf("%s holds a token: %s…", where, token)
		}
	}
	shared("the log", w.logs.String())
	shared("the metrics", metrics.String())
	files := 0
	w.must(filepath.WalkDir(filepath.Join(dir, "belay"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		bytes, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		shared(filepath.Base(path), string(bytes))
		for _, p := range cast {
			if strings.Contains(string(bytes), p.OID) || p.Slack != "" && strings.Contains(string(bytes), p.Slack) {
				t.Errorf("%s names %s", filepath.Base(path), p.Name)
			}
		}
		if info, err := d.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v (%v)", filepath.Base(path), info.Mode().Perm(), err)
		}
		return nil
	}))
	t.Logf("%d secrets crossed the wires; %d were found in the log, the pages, the metrics and %d files", len(wires.secrets), found, files)
	if files < 2 {
		t.Errorf("Belay keeps %d files, want its store and its keys", files)
	}
	w.stolen(filepath.Join(dir, "belay", "belay.db"), append(urls, "canary", alice.upn(), "Alice Adams", "justification", "refreshtoken", userAdmin, groups))
}

// stolen takes the database without its key file. It opens with no other keys, and says nothing
// by itself: not a word that was said, whichever way it may be written, and not one value that
// was not sealed.
func (w *world) stolen(database string, words []string) {
	w.t.Helper()
	dir := w.t.TempDir()
	content, err := os.ReadFile(database)
	w.must(err)
	copied := filepath.Join(dir, "belay.db")
	w.must(os.WriteFile(copied, content, 0o600))
	for _, word := range words {
		for form, text := range map[string]string{"as it is": word, "in base64": base64.StdEncoding.EncodeToString([]byte(word))[:len(word)/3*4],
			"in hexadecimal": hex.EncodeToString([]byte(word)), "escaped": url.QueryEscape(word)} {
			if strings.Contains(strings.ToLower(string(content)), strings.ToLower(text)) {
				w.t.Errorf("the stolen database holds %q %s", word, form)
			}
		}
	}
	raw, err := bolt.Open(copied, bolt.Options{})
	w.must(err)
	defer raw.Close()
	keys, err := store.LoadOrCreateKeyFile(filepath.Join(dir, "belay.keys"))
	w.must(err)
	sealed := store.Seal(raw, keys)
	if err := store.CheckKeys(w.t.Context(), sealed); !errors.Is(err, store.ErrWrongKeys) {
		w.t.Errorf("it opens with other keys: %v", err)
	}
	records := 0
	w.must(raw.View(w.t.Context(), func(tx store.Tx) error {
		names, err := tx.(store.BucketLister).Buckets()
		for _, name := range names {
			if err := tx.Scan(name, nil, nil, func(key, value []byte) error {
				records++
				if len(value) < 34 || utf8.Valid(value) || json.Valid(value) {
					w.t.Errorf("the record %q in %s is not sealed", key, name)
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return err
	}))
	var found *store.VerifyError
	if err := store.Verify(w.t.Context(), sealed); !errors.As(err, &found) || len(found.Faults)+found.More != records || records < 20 {
		w.t.Errorf("%d records, and other keys do not open: %v", records, err)
	}
}
