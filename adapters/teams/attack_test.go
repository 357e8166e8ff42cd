package teams

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
)

// published is the key under a kid as the simulated connector publishes it.
func (r *rig) published(kid string) *rsa.PublicKey {
	r.t.Helper()
	key, err := r.a.keys.find(r.t.Context(), kid)
	r.must(err)
	return key.public
}

func kidOf(t testing.TB, token string) string {
	t.Helper()
	j, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	kid, _ := j.Header["kid"].(string)
	return kid
}

// A public key is no secret, whatever form of it somebody signs with; and what a
// header offers instead of a known key is not looked at.
func TestTokenSignedWithWhatIsPublic(t *testing.T) {
	r := kindRig(t)
	good := r.Token(nil, teamstest.KeyCurrent)
	kid := kidOf(t, good)
	public := r.published(kid)
	claims := jwt.MapClaims{}
	_, _, err := jwt.NewParser().ParseUnverified(good, claims)
	r.must(err)
	pkix, err := x509.MarshalPKIXPublicKey(public)
	r.must(err)
	pkcs1 := x509.MarshalPKCS1PublicKey(public)
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	r.must(err)
	asked := 0
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer evil.Close()
	sign := func(m jwt.SigningMethod, key any, header map[string]any) string {
		j := jwt.NewWithClaims(m, claims)
		j.Header["kid"] = kid
		for name, v := range header {
			j.Header[name] = v
		}
		s, err := j.SignedString(key)
		r.must(err)
		return s
	}
	b64 := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kty": "RSA", "kid": kid, "n": b64(own.N.Bytes()), "e": b64(big.NewInt(int64(own.E)).Bytes()), "endorsements": []string{"msteams"}}
	for name, token := range map[string]string{
		"HS256 with the modulus":  sign(jwt.SigningMethodHS256, public.N.Bytes(), nil),
		"HS256 with the PKIX DER": sign(jwt.SigningMethodHS256, pkix, nil),
		"HS256 with its PEM":      sign(jwt.SigningMethodHS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}), nil),
		"HS512 with PKCS #1":      sign(jwt.SigningMethodHS512, pkcs1, nil),
		"HS256 with nothing":      sign(jwt.SigningMethodHS256, []byte{}, nil),
		"a key in the header":     sign(jwt.SigningMethodRS256, own, map[string]any{"jwk": jwk}),
		"an address of keys":      sign(jwt.SigningMethodRS256, own, map[string]any{"jku": evil.URL, "x5u": evil.URL}),
		"a kid that is a URL":     sign(jwt.SigningMethodRS256, own, map[string]any{"kid": evil.URL}),
		"a kid that is a path":    sign(jwt.SigningMethodRS256, own, map[string]any{"kid": "../../" + kid}),
		"a kid that is a list":    sign(jwt.SigningMethodRS256, own, map[string]any{"kid": []string{kid}}),
		"a kid in capitals":       sign(jwt.SigningMethodRS256, own, map[string]any{"kid": strings.ToUpper(kid)}),
		"PS256":                   sign(jwt.SigningMethodPS256, own, nil),
		"RS384":                   sign(jwt.SigningMethodRS384, own, nil),
		"alg in another case":     strings.Replace(good, strings.Split(good, ".")[0], b64([]byte(`{"alg":"NONE","kid":"`+kid+`"}`)), 1),
		"alg twice":               strings.Replace(good, strings.Split(good, ".")[0], b64([]byte(`{"alg":"RS256","alg":"none","kid":"`+kid+`"}`)), 1),
		"a token of 100 KB":       strings.Replace(good, ".", "."+strings.Repeat("A", 100<<10), 1),
	} {
		if status := r.deliver(token, r.body(nil)); status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
	}
	if asked != 0 {
		t.Errorf("the forger's address was asked %d times", asked)
	}
	if c := r.Counts(); c.Keys != 1 || len(r.heard.take()) != 0 {
		t.Errorf("keys were asked for %d times", c.Keys)
	}
}

// However many keys that nobody knows are named at once, the connector's are asked for
// once, and who is honest is let in meanwhile.
func TestStormOfUnknownKeys(t *testing.T) {
	r := kindRig(t)
	honest := http.Header{"Authorization": {"Bearer " + r.Token(nil, teamstest.KeyCurrent)}}
	parts := strings.Split(r.Token(nil, teamstest.KeyCurrent), ".")
	var wg sync.WaitGroup
	for n := range 500 {
		wg.Go(func() {
			head := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"RS256","kid":"storm-%d"}`, n))
			if _, err := r.a.verify(t.Context(), http.Header{"Authorization": {"Bearer " + head + "." + parts[1] + "." + parts[2]}}); err == nil {
				t.Error("let in")
			}
			if n%50 == 0 {
				if _, err := r.a.verify(t.Context(), honest); err != nil {
					t.Errorf("an honest delivery in the storm: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if c := r.Counts(); c.Keys != 1 || c.Metadata != 1 {
		t.Errorf("500 unknown keys had them asked for %d times", c.Keys)
	}
}

// What a body says twice is read once: the person, tenant and channel that were checked
// are those that bot hears of.
func TestMembersThatAreThereTwice(t *testing.T) {
	r := kindRig(t)
	token := r.Token(nil, teamstest.KeyCurrent)
	other := "00000000-0000-4000-8000-00000000dead"
	var m map[string]json.RawMessage
	r.must(json.Unmarshal(r.body(nil), &m))
	whole := func(skip string) string {
		var all []string
		for name, v := range m {
			if name != skip {
				all = append(all, fmt.Sprintf("%q:%s", name, v))
			}
		}
		return strings.Join(all, ",")
	}
	alice := string(m["from"])
	mallory := strings.Replace(alice, aliceID, other, 1)
	foreign := strings.Replace(string(m["conversation"]), tenantID, other, 1)
	for name, body := range map[string]string{
		"person, another last":      fmt.Sprintf(`{"from":%s,%s,"from":%s}`, alice, whole("from"), mallory),
		"person, another first":     fmt.Sprintf(`{"from":%s,%s,"from":%s}`, mallory, whole("from"), alice),
		"person in capitals":        fmt.Sprintf(`{"FROM":%s,%s}`, mallory, whole("")),
		"person in capitals, last":  fmt.Sprintf(`{%s,"From":%s}`, whole(""), mallory),
		"object id twice":           fmt.Sprintf(`{%s,"from":{"id":"29:x","aadObjectId":%q,"AadObjectId":%q}}`, whole("from"), aliceID, other),
		"tenant twice, ours last":   fmt.Sprintf(`{%s,"conversation":%s,"conversation":%s}`, whole("conversation"), foreign, m["conversation"]),
		"tenant twice, ours first":  fmt.Sprintf(`{%s,"conversation":%s,"conversation":%s}`, whole("conversation"), m["conversation"], foreign),
		"channel twice":             fmt.Sprintf(`{%s,"channelId":"webchat"}`, whole("")),
		"service twice":             fmt.Sprintf(`{%s,"serviceUrl":"https://evil.example/"}`, whole("")),
		"service in capitals":       fmt.Sprintf(`{%s,"SERVICEURL":"https://evil.example/"}`, whole("")),
		"a person inside of a list": fmt.Sprintf(`{%s,"from":[%s]}`, whole("from"), alice),
	} {
		status := r.deliver(token, []byte(body))
		r.settled()
		for _, in := range r.heard.take() {
			last := aliceID
			if strings.HasSuffix(name, "another last") || strings.HasPrefix(name, "object id") {
				last = other
			}
			if in.User.ID != last || in.Principal != in.User.ID || in.User.Tenant != tenantID || !strings.Contains(in.At.Ref, in.User.ID) {
				t.Errorf("%s: %d, heard %+v", name, status, in)
			}
		}
		if refused := strings.HasPrefix(name, "channel") || name == "service twice" || strings.HasSuffix(name, "ours first") || strings.Contains(name, "list"); refused == (status == http.StatusOK) {
			t.Errorf("%s: %d", name, status)
		}
	}
	if c := r.Counts(); c.Connector != 0 {
		t.Errorf("the connector was called %d times", c.Connector)
	}
}

// FuzzToken sends headers that are not Teams'. Only the one good token is let in, and
// nothing makes the adapter ask for keys again.
func FuzzToken(f *testing.F) {
	r := kindRig(f)
	good := r.Token(nil, teamstest.KeyCurrent)
	parts := strings.Split(good, ".")
	f.Add("Bearer " + good)
	f.Add("bearer " + parts[0] + "." + parts[1] + ".")
	f.Add("Bearer " + r.Token(nil, teamstest.KeyNone))
	f.Add("Bearer " + r.Token(nil, teamstest.KeyHMAC))
	f.Add("Bearer eyJhbGciOiJub25lIn0.e30.")
	f.Add("Basic Og==")
	f.Fuzz(func(t *testing.T, header string) {
		_, err := r.a.verify(t.Context(), http.Header{"Authorization": {header}})
		scheme, raw, _ := strings.Cut(header, " ")
		if err == nil && (!strings.EqualFold(scheme, "Bearer") || raw != good) {
			// A signature's last character has bits that say nothing.
			if p := strings.Split(raw, "."); len(p) != 3 || p[0] != parts[0] || p[1] != parts[1] {
				t.Errorf("let in: %q", header)
			}
		}
		if n := r.Counts().Keys; n > 1 {
			t.Errorf("keys were asked for %d times", n)
		}
	})
}

// keysAnswer is a connector whose metadata and keys are what a test says.
type keysAnswer struct{ body []byte }

func (a keysAnswer) RoundTrip(req *http.Request) (*http.Response, error) {
	body := a.body
	if strings.HasSuffix(req.URL.Path, "/openidconfiguration") {
		body = []byte(`{"jwks_uri":"https://login.example/keys"}`)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Header: http.Header{}, Request: req}, nil
}

// FuzzKeys reads what may call itself the connector's keys.
func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","use":"sig","kid":"k","n":"` + strings.Repeat("_", 342) + `","e":"AQAB","endorsements":["msteams"]}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","kid":"k","n":"","e":""},{"kty":"RSA","kid":"","n":"AQAB","e":"AQ"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Add([]byte(`[1,2`))
	f.Fuzz(func(t *testing.T, body []byte) {
		k := newKeyring(&http.Client{Transport: keysAnswer{body}}, "https://login.example/openidconfiguration", false, time.Now)
		keys, err := k.fetch(t.Context())
		if err != nil {
			return
		}
		for kid, key := range keys {
			if bits := key.public.N.BitLen(); kid == "" || bits < 2048 || bits > 8192 || key.public.E < 3 || key.public.E%2 == 0 {
				t.Errorf("%q is used: %d bits, e=%d", kid, bits, key.public.E)
			}
		}
	})
}

// FuzzInvoke answers every invoke, whatever its value, with a status that Teams knows
// and JSON, and repeats no token.
func FuzzInvoke(f *testing.F) {
	r := signOnRig(f, true)
	r.heard.answers(bot.Reply{}, nil)
	f.Add(uint8(0), []byte(`{"action":{"type":"Action.Execute","verb":"approve","data":{"verb":"approve","id":"R"}}}`))
	f.Add(uint8(1), []byte(`{"queryText":"a","dataset":"field=role&id=F&verb=ask","queryOptions":{"top":15}}`))
	f.Add(uint8(0), []byte(`{"action":{"data":{"verb":"approve","id":"R"}},"authentication":{"id":"t","connectionName":"belay","token":"a.b.canary"}}`))
	f.Add(uint8(0), []byte(`{"authentication":{"id":"t","connectionName":"belay","token":"a.b.c","token":7,"ID":["x"]}}`))
	f.Add(uint8(2), []byte(`null`))
	names := []string{"adaptiveCard/action", "application/search", "signin/tokenExchange"}
	f.Fuzz(func(t *testing.T, name uint8, value []byte) {
		if !json.Valid(value) {
			return // decode lets nothing else through
		}
		d := delivery{value: value, user: bot.User{Platform: bot.Teams, Tenant: tenantID, ID: aliceID}}
		d.Name, d.Conversation = names[int(name)%len(names)], schema.ConversationAccount{ID: "a:1", ConversationType: "personal"}
		answer := r.a.invoke(context.Background(), &d)
		switch answer.status {
		case http.StatusOK, http.StatusNotImplemented:
		default:
			t.Errorf("%s %q is answered %d", d.Name, value, answer.status)
		}
		if len(answer.body) > 0 && !json.Valid(answer.body) {
			t.Errorf("%s %q is answered %q", d.Name, value, answer.body)
		}
		for _, in := range r.heard.take() {
			if in.User.ID != aliceID || in.Principal != aliceID {
				t.Errorf("%q is heard as %+v", value, in.User)
			}
		}
	})
}
