package teams

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/adapters/teams/teamstest"
)

// body is a message of Alice's as Teams sends it, changed by edit.
func (r *rig) body(edit func(map[string]any)) []byte {
	r.t.Helper()
	raw, err := r.MessageBody("Alice", "", "status")
	r.must(err)
	if edit == nil {
		return raw
	}
	var m map[string]any
	r.must(json.Unmarshal(raw, &m))
	edit(m)
	raw, err = json.Marshal(m)
	r.must(err)
	return raw
}

func (r *rig) deliver(token string, body []byte) int {
	r.t.Helper()
	status, answer, err := r.Deliver(context.Background(), token, body)
	r.must(err)
	if status != http.StatusOK && len(answer) > 0 {
		r.t.Errorf("%d tells the caller %q", status, answer)
	}
	return status
}

func TestTokenThatIsNotTeamsIsRefused(t *testing.T) {
	r := kindRig(t)
	claim := func(name string, value any) string {
		return r.Token(func(c jwt.MapClaims) {
			if value == nil {
				delete(c, name)
			} else {
				c[name] = value
			}
		}, teamstest.KeyCurrent)
	}
	now := r.clock.now()
	good := r.Token(nil, teamstest.KeyCurrent)
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"none at all":             "",
		"alg none":                r.Token(nil, teamstest.KeyNone),
		"HS256 with the modulus":  r.Token(nil, teamstest.KeyHMAC),
		"unknown kid":             r.Token(nil, teamstest.KeyUnknown),
		"known kid, another key":  r.Token(nil, teamstest.KeyImposter),
		"endorsed for webchat":    r.Token(nil, teamstest.KeyWebchat),
		"another issuer":          claim("iss", "https://sts.windows.net/"+tenantID+"/"),
		"no issuer":               claim("iss", nil),
		"another audience":        claim("aud", tenantID),
		"several audiences":       claim("aud", []string{appID, "other"}),
		"audience is no string":   claim("aud", 7),
		"no audience":             claim("aud", nil),
		"expired":                 claim("exp", now.Add(-tokenLeeway-time.Second).Unix()),
		"no expiry":               claim("exp", nil),
		"not valid yet":           claim("nbf", now.Add(tokenLeeway+time.Second).Unix()),
		"no serviceurl":           claim("serviceurl", nil),
		"serviceurl is no string": claim("serviceurl", 7),
		"another serviceurl":      claim("serviceurl", "https://smba.trafficmanager.net/amer/"),
		"altered claims":          parts[0] + "." + parts[1] + "A." + parts[2],
		"no signature":            parts[0] + "." + parts[1] + ".",
		"four parts":              good + ".x",
		"dots only":               strings.Repeat(".", 7000),
		"too long":                good + strings.Repeat("A", tokenMaxBytes),
		"garbage":                 "a.b.c",
	} {
		if status := r.deliver(token, r.body(nil)); status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
	}
	if got := r.heard.take(); len(got) != 0 {
		t.Errorf("the handler heard %+v", got)
	}
	if c := r.Counts(); c.Metadata != 1 || c.Keys != 1 || c.Connector != 0 {
		t.Errorf("the adapter called out %+v", c)
	}
	for name, token := range map[string]string{
		"as it is":           good,
		"just expired":       claim("exp", now.Add(-tokenLeeway+time.Second).Unix()),
		"valid in a moment":  claim("nbf", now.Add(tokenLeeway-time.Second).Unix()),
		"audience in a list": claim("aud", []string{appID}),
	} {
		if status := r.deliver(token, r.body(func(m map[string]any) { m["id"] = name })); status != http.StatusOK {
			t.Errorf("%s: %d", name, status)
		}
	}
	r.settled()
	if strings.Contains(r.log.String(), parts[1][:20]) {
		t.Error("a token reached the log")
	}
}

func TestAuthorizationHeaderMustBeOneBearer(t *testing.T) {
	r := kindRig(t)
	good := r.Token(nil, teamstest.KeyCurrent)
	for name, header := range map[string]http.Header{
		"absent":       {},
		"basic":        {"Authorization": {"Basic " + good}},
		"bare":         {"Authorization": {good}},
		"two":          {"Authorization": {"Bearer " + good, "Bearer " + good}},
		"two in one":   {"Authorization": {"Bearer " + good + " " + good}},
		"spaces first": {"Authorization": {"Bearer  " + good}},
	} {
		if _, err := r.a.verify(t.Context(), header); err == nil {
			t.Errorf("%s was let in", name)
		}
	}
	if _, err := r.a.verify(t.Context(), http.Header{"Authorization": {"bearer " + good}}); err != nil {
		t.Errorf("the scheme in lower case: %v", err)
	}
}

func TestServiceURLMustBeTheTokens(t *testing.T) {
	r := kindRig(t)
	service := ""
	r.body(func(m map[string]any) { service = m["serviceUrl"].(string) })
	host := strings.TrimPrefix(strings.TrimSuffix(service, "/emea/"), "http://")
	n := 0
	try := func(claim, activity string) int {
		n++
		token := r.Token(func(c jwt.MapClaims) { c["serviceurl"] = claim }, teamstest.KeyCurrent)
		return r.deliver(token, r.body(func(m map[string]any) { m["serviceUrl"], m["id"] = activity, fmt.Sprint(n) }))
	}
	for _, u := range []string{ // the same in both, so only the list of hosts can refuse them
		"https://smba.trafficmanager.net/emea/", // a good host, but not of this adapter
		"https://evil.trafficmanager.net/emea/",
		"https://" + host + "/emea/x/../..",
		"http://" + host + "@evil.example/",
		"http://user:pw@" + host + "/emea/",
		"http://" + host + ".evil.example/",
		"http://" + host + "0/emea/",
		"http://127.0.0.1:1/emea/",
		"http://" + host + "/emea/?a=b",
		"http://" + host + "/emea/#x",
		"http://" + host + "%2f@evil.example/",
		`http://` + host + `\@evil.example/`,
		"//" + host + "/emea/",
		"ftp://" + host + "/emea/",
		"http://", "", " ",
	} {
		if status := try(u, u); status != http.StatusForbidden {
			t.Errorf("%q: %d", u, status)
		}
	}
	if status := try(service, service+"x"); status != http.StatusForbidden {
		t.Errorf("another path: %d", status)
	}
	if len(r.heard.take()) != 0 || r.Counts().Tokens != 0 {
		t.Error("something was done all the same")
	}
	for _, u := range []string{service, strings.TrimSuffix(service, "/"), strings.Replace(service, "/emea", "/EMEA", 1)} {
		if status := try(service, u); status != http.StatusOK {
			t.Errorf("%q: %d", u, status)
		}
	}
}

func TestDeliveryOfAnotherTenantPersonOrBotIsRefused(t *testing.T) {
	r := kindRig(t)
	token := r.Token(nil, teamstest.KeyCurrent)
	set := func(value any, path ...string) func(map[string]any) {
		return func(m map[string]any) {
			for _, name := range path[:len(path)-1] {
				m = m[name].(map[string]any)
			}
			m[path[len(path)-1]] = value
		}
	}
	other := "00000000-0000-4000-8000-00000000dead"
	for name, edit := range map[string]func(map[string]any){
		"conversation of another tenant": set(other, "conversation", "tenantId"),
		"channel data of another tenant": set(map[string]any{"tenant": map[string]any{"id": other}}, "channelData"),
		"no tenant": func(m map[string]any) {
			delete(m, "channelData")
			delete(m["conversation"].(map[string]any), "tenantId")
		},
		"no object id":         set("", "from", "aadObjectId"),
		"strange object id":    set("../../x", "from", "aadObjectId"),
		"another bot":          set("28:"+other, "recipient", "id"),
		"no recipient":         set(map[string]any{}, "recipient"),
		"another channel":      set("webchat", "channelId"),
		"no channel":           set("", "channelId"),
		"no conversation":      set("", "conversation", "id"),
		"strange conversation": set("a/../../b", "conversation", "id"),
	} {
		if status := r.deliver(token, r.body(edit)); status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
	}
	for name, body := range map[string][]byte{
		"empty": nil, "no JSON": []byte("{"), "a list": []byte("[]"), "null": []byte("null"),
		"bad UTF-8":      append([]byte(`{"type":"message","text":"`), 0xff, '"', '}'),
		"deep":           []byte(strings.Repeat(`{"value":`, 20000)),
		"from is a list": r.body(set([]int{1}, "from")),
	} {
		if status := r.deliver(token, body); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status := r.deliver(token, bytes.Repeat([]byte(" "), bodyMaxBytes+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", status)
	}
	if got := r.heard.take(); len(got) != 0 {
		t.Errorf("the handler heard %+v", got)
	}
}

func TestKeysAreReadAgainAfterARotation(t *testing.T) {
	r := kindRig(t)
	n := 0
	try := func(k teamstest.KeyChoice) int {
		n++
		return r.deliver(r.Token(nil, k), r.body(func(m map[string]any) { m["id"] = fmt.Sprint(n) }))
	}
	expect := func(k teamstest.KeyChoice, status, fetched int) {
		t.Helper()
		if got := try(k); got != status {
			t.Errorf("answered %d, want %d", got, status)
		}
		if got := r.Counts().Keys; got != fetched {
			t.Errorf("fetched %d times, want %d", got, fetched)
		}
	}
	expect(teamstest.KeyCurrent, 200, 1)
	r.must(r.RotateKey())
	expect(teamstest.KeyPrevious, 200, 1)
	expect(teamstest.KeyCurrent, 403, 1) // within five minutes nobody makes Belay fetch again
	r.clock.add(keysThrottle)
	expect(teamstest.KeyCurrent, 200, 2)
	for range 5 {
		expect(teamstest.KeyUnknown, 403, 2)
	}
	r.clock.add(keysThrottle)
	expect(teamstest.KeyUnknown, 403, 3)
	expect(teamstest.KeyUnknown, 403, 3)
	r.clock.add(keysRefresh)
	expect(teamstest.KeyCurrent, 200, 4)
}

func TestKeysOutliveAnOutageForADay(t *testing.T) {
	r := kindRig(t)
	n := 0
	try := func() int {
		n++
		return r.deliver(r.Token(nil, teamstest.KeyCurrent), r.body(func(m map[string]any) { m["id"] = fmt.Sprint(n) }))
	}
	r.front.fail("openid", true)
	if got := try(); got != http.StatusServiceUnavailable {
		t.Errorf("without keys: %d", got)
	}
	r.front.fail("openid", false)
	if got := try(); got != http.StatusServiceUnavailable {
		t.Errorf("asked again at once: %d", got)
	}
	r.clock.add(keysRetry)
	if got := try(); got != http.StatusOK {
		t.Errorf("keys are there again: %d", got)
	}
	r.front.fail("openid", true)
	r.clock.add(keysMaxAge - time.Second)
	if got := try(); got != http.StatusOK {
		t.Errorf("within a day: %d", got)
	}
	r.clock.add(time.Second)
	if got := try(); got != http.StatusServiceUnavailable {
		t.Errorf("after a day: %d", got)
	}
}

func TestKeysAreFetchedOnceByMany(t *testing.T) {
	r := kindRig(t)
	token := http.Header{"Authorization": {"Bearer " + r.Token(nil, teamstest.KeyCurrent)}}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if _, err := r.a.verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if c := r.Counts(); c.Metadata != 1 || c.Keys != 1 {
		t.Errorf("fetched %+v", c)
	}
}

func TestWeakKeysAreNotUsed(t *testing.T) {
	for name, k := range map[string][2]string{
		"empty": {"", ""}, "short": {"AQAB", "AQAB"}, "even exponent": {strings.Repeat("_", 342), "AQAA"},
		"exponent one": {strings.Repeat("_", 342), "AQ"}, "no base64": {"***", "AQAB"}, "huge exponent": {strings.Repeat("_", 342), "AQABAQAB"},
	} {
		if _, ok := rsaKey(k[0], k[1]); ok {
			t.Errorf("%s is used", name)
		}
	}
	if _, ok := rsaKey(strings.Repeat("_", 342), "AQAB"); !ok {
		t.Error("2048 bits are not used")
	}
}
