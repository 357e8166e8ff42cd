package signin_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
)

// forger is a sign-in service that answers with any id token a test wants, which
// the simulated tenant rightly never does.
type forger struct {
	server *httptest.Server
	key    *rsa.PrivateKey
	sign   func(jwt.MapClaims) string
	change func(jwt.MapClaims)
	scope  string
}

func newForger(t *testing.T) *forger {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{key: key}
	f.sign = func(c jwt.MapClaims) string { return f.signed(t, jwt.SigningMethodRS256, key, c) }
	b64 := base64.RawURLEncoding.EncodeToString
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /"+tenantID+"/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		base := f.server.URL + "/" + tenantID
		answer(w, map[string]any{"issuer": base + "/v2.0", "authorization_endpoint": base + "/authorize",
			"token_endpoint": base + "/token", "jwks_uri": base + "/keys", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	})
	mux.HandleFunc("GET /"+tenantID+"/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "kid": "k",
			"n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}})
	})
	mux.HandleFunc("POST /"+tenantID+"/token", func(w http.ResponseWriter, _ *http.Request) {
		c := jwt.MapClaims{"iss": f.server.URL + "/" + tenantID + "/v2.0", "aud": clientID, "tid": tenantID, "oid": aliceID, "sub": "s",
			"nonce": "the-nonce", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
		if f.change != nil {
			f.change(c)
		}
		answer(w, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": "eyJcanary", "refresh_token": "0.Acanary",
			"scope": f.scope, "id_token": f.sign(c)})
	})
	f.server = httptest.NewTLSServer(mux)
	t.Cleanup(f.server.Close)
	f.scope = "openid profile"
	for _, s := range signin.Scopes() {
		f.scope += " https://graph.microsoft.com/" + s
	}
	return f
}

func (f *forger) signed(t *testing.T, m jwt.SigningMethod, key any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(m, c)
	token.Header["kid"] = "k"
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestForgedIDTokens(t *testing.T) {
	f, w := newForger(t), newWorld(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, v any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = v } }
	drop := func(name string) func(jwt.MapClaims) { return func(c jwt.MapClaims) { delete(c, name) } }
	honest := f.sign
	for _, c := range []struct {
		name   string
		change func(jwt.MapClaims)
		sign   func(jwt.MapClaims) string
		code   pim.Code // empty: accepted
	}{
		{name: "as it should be"},
		{name: "another issuer", change: set("iss", "https://login.microsoftonline.com/evil/v2.0"), code: pim.CodeInvalid},
		{name: "another client", change: set("aud", "another-client"), code: pim.CodeInvalid},
		{name: "another tenant", change: set("tid", "22222222-0000-4000-8000-000000000002"), code: pim.CodeInvalid},
		{name: "no tenant", change: drop("tid"), code: pim.CodeInvalid},
		{name: "another nonce", change: set("nonce", "x"), code: pim.CodeInvalid},
		{name: "no nonce", change: drop("nonce"), code: pim.CodeInvalid},
		{name: "no object id", change: drop("oid"), code: pim.CodeInvalid},
		{name: "claims of another type", change: set("oid", 7), code: pim.CodeUnavailable},
		{name: "expired", change: set("exp", time.Now().Add(-time.Minute).Unix()), code: pim.CodeInvalid},
		{name: "not valid yet", change: set("nbf", time.Now().Add(time.Hour).Unix()), code: pim.CodeInvalid},
		{name: "another key", sign: func(c jwt.MapClaims) string { return f.signed(t, jwt.SigningMethodRS256, other, c) }, code: pim.CodeInvalid},
		{name: "HS256 with the public key", sign: func(c jwt.MapClaims) string {
			return f.signed(t, jwt.SigningMethodHS256, f.key.N.Bytes(), c)
		}, code: pim.CodeInvalid},
		{name: "unsigned", sign: func(c jwt.MapClaims) string {
			return f.signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, c)
		}, code: pim.CodeInvalid},
		{name: "none at all", sign: func(jwt.MapClaims) string { return "" }, code: pim.CodeUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.change, f.sign = c.change, honest
			if c.sign != nil {
				f.sign = c.sign
			}
			client := w.restart(func(o *signin.Options) { o.Login, o.HTTP = f.server.URL, f.server.Client() })
			_, keep, err := client.Redeem(context.Background(), "code", authorization())
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			w.refused(err, c.code)
			if keep != nil {
				t.Error("there is something to keep")
			}
		})
	}
}

func TestDeclinedPermission(t *testing.T) {
	f, w := newForger(t), newWorld(t)
	client := w.restart(func(o *signin.Options) { o.Login, o.HTTP = f.server.URL, f.server.Client() })
	const declined = "RoleAssignmentSchedule.ReadWrite.Directory"
	f.scope = strings.Replace(f.scope, "https://graph.microsoft.com/"+declined, "", 1)
	_, _, err := client.Redeem(context.Background(), "code", authorization())
	if e := w.refused(err, pim.CodeForbidden); !strings.Contains(e.Error(), declined) {
		t.Errorf("the operator does not learn which permission: %v", e)
	}
}
