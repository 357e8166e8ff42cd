package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
)

// pending is a world in which Alice waits for Bob, in Teams, or Carol, in Slack;
// all three are signed in, so that only the checks of a delivery stand between a
// forged press and the tenant.
func pending(t *testing.T) (w *world, id string) {
	t.Helper()
	w = newWorld(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	bob.linksTeams()
	carol.linksSlack()
	alice.asks("user admin 1h reset a password")
	id = alice.requestID("cancel", userAdmin+" waits for approval")
	bob.sees("Alice Adams asks for " + userAdmin)
	carol.reads("Alice Adams asks for " + userAdmin)
	return w, id
}

// stillPending holds that nothing came of what was refused, and that the real
// press still works.
func (w *world) stillPending() {
	w.t.Helper()
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	w.who("carol").reads("Alice Adams asks for "+userAdmin, "You can decide this")
	w.who("bob").taps("Approve", "Alice Adams asks for "+userAdmin)
	w.who("alice").reads(userAdmin+" is active", "Approved by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}

func TestForgedInSlack(t *testing.T) {
	t.Parallel()
	w, id := pending(t)
	good := w.who("carol").pressing("approve", id)
	secret, now := w.kept.SlackSigning, time.Now()
	for name, c := range map[string]struct {
		path   string
		secret string
		at     time.Time
		body   []byte
		edit   func(http.Header)
		status int
	}{
		"another secret":               {secret: "0123456789abcdef0123456789abcdef", status: 401},
		"no secret at all":             {secret: "-", status: 401},
		"five minutes and a bit old":   {at: now.Add(-301 * time.Second), status: 401},
		"five minutes and a bit ahead": {at: now.Add(310 * time.Second), status: 401},
		"not signed":                   {edit: func(h http.Header) { h.Del("X-Slack-Signature") }, status: 401},
		"no time":                      {edit: func(h http.Header) { h.Del("X-Slack-Request-Timestamp") }, status: 401},
		"another time": {edit: func(h http.Header) {
			h.Set("X-Slack-Request-Timestamp", "1700000000")
		}, status: 401},
		"two signatures": {edit: func(h http.Header) { h.Add("X-Slack-Signature", h.Get("X-Slack-Signature")) }, status: 401},
		"another version": {edit: func(h http.Header) {
			h.Set("X-Slack-Signature", "v1="+strings.TrimPrefix(h.Get("X-Slack-Signature"), "v0="))
		}, status: 401},
		"capital letters":         {edit: func(h http.Header) { h.Set("X-Slack-Signature", strings.ToUpper(h.Get("X-Slack-Signature"))) }, status: 401},
		"half a signature":        {edit: func(h http.Header) { h.Set("X-Slack-Signature", h.Get("X-Slack-Signature")[:35]) }, status: 401},
		"payload in the query":    {path: "/slack/interactions?" + string(good), body: []byte("ssl_check=1"), status: 400},
		"query beside the body":   {path: "/slack/interactions?x=1", status: 400},
		"compressed":              {edit: func(h http.Header) { h.Set("Content-Encoding", "gzip") }, status: 415},
		"not a form":              {edit: func(h http.Header) { h.Set("Content-Type", "application/json") }, status: 400},
		"two payloads":            {body: append(append(bytes.Clone(good), '&'), good...), status: 400},
		"no payload":              {body: []byte("x=1"), status: 400},
		"empty":                   {body: []byte{}, status: 400},
		"not text":                {body: []byte("payload=%ff%fe"), status: 400},
		"a NUL":                   {body: []byte(strings.ReplaceAll(string(good), "approve", "approve%00")), status: 400},
		"an escaped NUL":          {body: []byte(strings.ReplaceAll(string(good), "approve", "approve%5Cu0000")), status: 400},
		"deep":                    {body: []byte("payload=" + strings.Repeat("[", 5000)), status: 400},
		"no JSON":                 {body: []byte("payload=%7B"), status: 400},
		"a list":                  {body: []byte("payload=%5B%5D"), status: 400},
		"another kind":            {body: []byte(strings.ReplaceAll(string(good), "block_actions", "shortcut")), status: 400},
		"too much":                {body: append(bytes.Clone(good), bytes.Repeat([]byte("x"), 300<<10)...), status: 413},
		"for another app":         {body: []byte(strings.ReplaceAll(string(good), slackApp, "A0OTHER")), status: 403},
		"nobody's":                {body: []byte(strings.ReplaceAll(string(good), w.who("carol").Slack, "")), status: 400},
		"a press as a command":    {path: "/slack/commands", status: 400},
		"a press as a search":     {path: "/slack/options", status: 400},
		"a press as an event":     {path: "/slack/events", status: 400},
		"a path that is not ours": {path: "/slack/other", status: 404},
	} {
		if c.path == "" {
			c.path = "/slack/interactions"
		}
		if c.body == nil {
			c.body = good
		}
		if c.at.IsZero() {
			c.at = now
		}
		switch c.secret {
		case "":
			c.secret = secret
		case "-":
			c.secret = ""
		}
		header := slacktest.Sign(c.secret, c.at, c.body)
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		if c.edit != nil {
			c.edit(header)
		}
		got, err := w.slack.Deliver(w.ctx(), c.path, header, c.body)
		w.must(err)
		if got.Status != c.status {
			t.Errorf("%s: HTTP %d, want %d", name, got.Status, c.status)
		}
		if strings.Contains(string(got.Body), "v0=") {
			t.Errorf("%s: the answer holds a signature", name)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		req, err := http.NewRequestWithContext(w.ctx(), method, w.urls[atBot]+"/slack/interactions", bytes.NewReader(good))
		w.must(err)
		resp, err := http.DefaultClient.Do(req)
		w.must(err)
		w.must(resp.Body.Close())
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s is answered HTTP %d", method, resp.StatusCode)
		}
	}
	w.stillPending()
}

func TestStrangersInSlack(t *testing.T) {
	t.Parallel()
	w, _ := pending(t)
	alice := w.who("alice")
	command := func(edit func(url.Values)) slacktest.Answer {
		v := url.Values{"team_id": {slackTeam}, "channel_id": {alice.dm()}, "user_id": {alice.Slack}, "user_name": {"alice"}, "command": {"/elevate"},
			"text": {"status"}, "api_app_id": {slackApp}, "response_url": {"https://hooks.slack.com/commands/1"}, "trigger_id": {"1.2.3"}}
		edit(v)
		return w.delivers("/slack/commands", []byte(v.Encode()))
	}
	for name, c := range map[string]struct {
		edit  func(url.Values)
		words string
	}{
		"the same user id in another workspace": {func(v url.Values) { v.Set("team_id", "T0EVIL") }, "does not serve this workspace"},
		"a shared channel":                      {func(v url.Values) { v.Set("is_ext_shared_channel", "true") }, "not used in shared channels"},
		"nobody known":                          {func(v url.Values) { v.Set("user_id", "U0NOBODY") }, ""},
	} {
		got := command(c.edit)
		if got.Status != http.StatusOK || !strings.Contains(string(got.Body), c.words) || strings.Contains(string(got.Body), "reset a password") {
			t.Errorf("%s: HTTP %d %s\nwant %q", name, got.Status, got.Body, c.words)
		}
	}
	if got := command(func(url.Values) {}); !strings.Contains(string(got.Body), "reset a password") {
		t.Errorf("Alice herself is answered: %s", got.Body)
	}
	w.logs.allow("an answer could not be shown in Slack", "an act could not be done") // to somebody who is in no workspace
	w.stillPending()
}

// The same bytes again, at once or late, do nothing a second time.
func TestReplayedInSlack(t *testing.T) {
	t.Parallel()
	w, id := pending(t)
	alice, carol := w.who("alice"), w.who("carol")
	body := carol.pressing("approve", id)
	header := slacktest.Sign(w.kept.SlackSigning, time.Now(), body)
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	for range 5 {
		got, err := w.slack.Deliver(w.ctx(), "/slack/interactions", header, body)
		w.must(err)
		if got.Status != http.StatusOK {
			t.Errorf("HTTP %d", got.Status)
		}
	}
	alice.reads(userAdmin+" is active", "Approved by Carol Clark")
	w.pass("1h1m")
	alice.reads(userAdmin + " has ended")
	// The role is asked for again: the old press must not approve the new request.
	alice.asks("user admin 1h reset another password")
	carol.reads("Alice Adams asks for "+userAdmin, "another password")
	for _, again := range []http.Header{header, slacktest.Sign(w.kept.SlackSigning, time.Now().Add(time.Minute), body)} {
		again.Set("Content-Type", "application/x-www-form-urlencoded")
		if _, err := w.slack.Deliver(w.ctx(), "/slack/interactions", again, body); err != nil {
			t.Error(err)
		}
	}
	carol.reads("Carol Clark already approved this, so your press changed nothing.")
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}, approved: {"carol": 1}})
}

func TestForgedInTeams(t *testing.T) {
	t.Parallel()
	w, id := pending(t)
	bob := w.who("bob")
	good := bob.invoking("approve", id)
	claim := func(name string, value any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
	}
	body := func(edit func(map[string]any)) []byte {
		var a map[string]any
		w.must(json.Unmarshal(good, &a))
		edit(a)
		b, err := json.Marshal(a)
		w.must(err)
		return b
	}
	tenant := func(id string) func(map[string]any) {
		return func(a map[string]any) {
			a["channelData"].(map[string]any)["tenant"] = map[string]string{"id": id}
			a["conversation"].(map[string]any)["tenantId"] = id
		}
	}
	from := func(oid any) func(map[string]any) {
		return func(a map[string]any) { a["from"].(map[string]any)["aadObjectId"] = oid }
	}
	past, future := time.Now().Add(-time.Hour).Unix(), time.Now().Add(time.Hour).Unix()
	for name, c := range map[string]struct {
		edit   func(jwt.MapClaims)
		key    teamstest.KeyChoice
		raw    string
		body   []byte
		status int
	}{
		"no token":                      {raw: "-", status: 403},
		"not a token":                   {raw: "a.b.c", status: 403},
		"a very long token":             {raw: strings.Repeat("a", 20<<10), status: 403},
		"a key that is not published":   {key: teamstest.KeyUnknown, status: 403},
		"another key under a good name": {key: teamstest.KeyImposter, status: 403},
		"endorsed for another channel":  {key: teamstest.KeyWebchat, status: 403},
		"HS256 with the public key":     {key: teamstest.KeyHMAC, status: 403},
		"not signed":                    {key: teamstest.KeyNone, status: 403},
		"expired":                       {edit: claim("exp", past), status: 403},
		"no expiry":                     {edit: claim("exp", nil), status: 403},
		"not valid yet":                 {edit: claim("nbf", future), status: 403},
		"another issuer":                {edit: claim("iss", "https://sts.windows.net/"+tenantID+"/"), status: 403},
		"for another bot":               {edit: claim("aud", "00000000-0000-4000-8000-000000000000"), status: 403},
		"no service URL":                {edit: claim("serviceurl", nil), status: 403},
		"another service URL":           {edit: claim("serviceurl", "https://evil.trafficmanager.net/"), status: 403},
		"the body's service URL is another one": {body: body(func(a map[string]any) {
			a["serviceUrl"] = "https://evil.trafficmanager.net/"
		}), status: 403},
		"an evil service URL in both": {edit: claim("serviceurl", "https://evil.trafficmanager.net/"), body: body(func(a map[string]any) {
			a["serviceUrl"] = "https://evil.trafficmanager.net/"
		}), status: 403},
		"another tenant":       {body: body(tenant("11111111-1111-4111-8111-111111111111")), status: 403},
		"no tenant":            {body: body(tenant("")), status: 403},
		"nobody":               {body: body(from("")), status: 403},
		"somebody odd":         {body: body(from("../../bob")), status: 403},
		"for another bot's id": {body: body(func(a map[string]any) { a["recipient"] = map[string]string{"id": "28:other"} }), status: 403},
		"another channel":      {body: body(func(a map[string]any) { a["channelId"] = "webchat" }), status: 403},
		"no JSON":              {body: []byte("{"), status: 400},
		"a list":               {body: []byte("[]"), status: 400},
		"empty":                {body: []byte{}, status: 400},
		"too much":             {body: append(bytes.Clone(good), bytes.Repeat([]byte(" "), 300<<10)...), status: 413},
	} {
		if c.body == nil {
			c.body = good
		}
		token := w.teams.Token(c.edit, c.key)
		switch c.raw {
		case "":
		case "-":
			token = ""
		default:
			token = c.raw
		}
		status, answer, err := w.teams.Deliver(w.ctx(), token, c.body)
		w.must(err)
		if status != c.status {
			t.Errorf("%s: HTTP %d, want %d", name, status, c.status)
		}
		if len(answer) > 0 {
			t.Errorf("%s: the answer says %s", name, answer)
		}
	}
	w.stillPending()
}

func TestReplayedInTeams(t *testing.T) {
	t.Parallel()
	w, id := pending(t)
	alice, bob := w.who("alice"), w.who("bob")
	body, token := bob.invoking("approve", id), w.teams.Token(nil, teamstest.KeyCurrent)
	var first []byte
	for n := range 5 {
		status, answer, err := w.teams.Deliver(w.ctx(), token, body)
		w.must(err)
		if n == 0 {
			first = answer
		}
		if status != http.StatusOK || !bytes.Equal(first, answer) {
			t.Errorf("delivery %d: HTTP %d %s, the first was answered %s", n+1, status, answer, first)
		}
	}
	alice.reads(userAdmin+" is active", "Approved by Bob Brown")
	if got := bob.forgesTap("approve", id); !strings.Contains(got, "Bob Brown already approved this") { // the same deed under a new id
		t.Errorf("Bob is told: %s", got)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}
