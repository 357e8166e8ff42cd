package web_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/adapters/web"
	"github.com/belaybot/belay/bot"
)

// The simulated Slack signs honest id tokens only. This one signs what it is told.
func TestForgedSlackTokens(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	const issuer = "https://slack.example"
	signed := func(m jwt.SigningMethod, key any, c jwt.MapClaims) string {
		t.Helper()
		token := jwt.NewWithClaims(m, c)
		token.Header["kid"] = "k"
		s, err := token.SignedString(key)
		must(t, err)
		return s
	}
	set := func(name string, v any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = v } }
	for _, c := range []struct {
		name   string
		change func(jwt.MapClaims)
		sign   func(jwt.MapClaims) string
		status int
	}{
		{name: "as it should be", status: http.StatusSeeOther},
		{name: "another issuer", change: set("iss", "https://evil.example"), status: http.StatusBadRequest},
		{name: "another client", change: set("aud", "evil"), status: http.StatusBadRequest},
		{name: "another nonce", change: set("nonce", "evil"), status: http.StatusBadRequest},
		{name: "no nonce", change: func(c jwt.MapClaims) { delete(c, "nonce") }, status: http.StatusBadRequest},
		{name: "expired", change: set("exp", time.Now().Add(-time.Minute).Unix()), status: http.StatusBadRequest},
		{name: "another user", change: set("https://slack.com/user_id", mallory.ID), status: http.StatusForbidden},
		{name: "the same user id in another workspace", change: set("https://slack.com/team_id", "T0EVIL"), status: http.StatusForbidden},
		{name: "no user", change: func(c jwt.MapClaims) { delete(c, "https://slack.com/user_id") }, status: http.StatusBadRequest},
		{name: "no workspace", change: set("https://slack.com/team_id", ""), status: http.StatusBadRequest},
		{name: "another key", sign: func(c jwt.MapClaims) string { return signed(jwt.SigningMethodRS256, other, c) }, status: http.StatusBadRequest},
		{name: "HS256 with the public key", sign: func(c jwt.MapClaims) string {
			return signed(jwt.SigningMethodHS256, key.N.Bytes(), c)
		}, status: http.StatusBadRequest},
		{name: "unsigned", sign: func(c jwt.MapClaims) string {
			return signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, c)
		}, status: http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			var nonce string
			answer := func(rw http.ResponseWriter, v any) {
				if err := json.NewEncoder(rw).Encode(v); err != nil {
					t.Error(err)
				}
			}
			mux := http.NewServeMux()
			mux.HandleFunc("GET /openid/connect/keys", func(rw http.ResponseWriter, _ *http.Request) {
				answer(rw, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "kid": "k",
					"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
					"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}})
			})
			mux.HandleFunc("POST /api/openid.connect.token", func(rw http.ResponseWriter, _ *http.Request) {
				claims := jwt.MapClaims{"iss": issuer, "aud": "slack-client", "sub": alice.ID, "nonce": nonce,
					"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
					"https://slack.com/user_id": alice.ID, "https://slack.com/team_id": alice.Tenant}
				if c.change != nil {
					c.change(claims)
				}
				sign := c.sign
				if sign == nil {
					sign = func(c jwt.MapClaims) string { return signed(jwt.SigningMethodRS256, key, c) }
				}
				answer(rw, map[string]any{"ok": true, "access_token": "xoxp-canary", "id_token": sign(claims)})
			})
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			w := newWorld(t, false, func(o *web.Options) { o.Slack.URL, o.Slack.Issuer = server.URL, issuer })
			b := w.browser()
			page := query(t, b.follow(b.press(w.offer(bot.Ticket{User: alice})), "/openid/connect/authorize"))
			nonce = page.Get("nonce")
			s := b.get(w.web.URL + web.SlackCallback + "?code=canary&state=" + page.Get("state"))
			if s.StatusCode != c.status {
				t.Errorf("got %d, want %d:\n%s", s.StatusCode, c.status, s.text)
			}
			w.nobody()
		})
	}
}
