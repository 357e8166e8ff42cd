package pimtest

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// An id token says when its person signed in where the registration asks for it, and goes
// on saying so when it is renewed.
func TestAuthTime(t *testing.T) {
	h := newHarness(t)
	if c := claimsOf(t, h.signIn(alice, nil)["id_token"]); c["auth_time"] != nil {
		t.Errorf("unasked: %v", c["auth_time"])
	}
	h = newHarness(t, func(o *Options) { o.App.Registration.IDClaims = []string{"auth_time"} })
	at := float64(h.wallClock.now().Unix())
	o := h.signIn(alice, map[string]string{"prompt": "login", "max_age": "0"})
	if c := claimsOf(t, o["id_token"]); c["auth_time"] != at {
		t.Errorf("signed in at %v, the token says %v", at, c["auth_time"])
	}
	h.wallClock.advance(time.Hour)
	status, o := h.post(url.Values{"client_id": {clientID}, "client_secret": {secret}, "grant_type": {"refresh_token"},
		"refresh_token": {o["refresh_token"].(string)}, "scope": {graphScopes}})
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, o)
	}
	if c := claimsOf(t, o["id_token"]); c["auth_time"] != at {
		t.Errorf("renewed an hour later, the token says %v", c["auth_time"])
	}
}

func TestSignInManners(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.App.Registration.IDClaims = []string{"auth_time"} })
	fresh := map[string]string{"prompt": "login", "max_age": "0"}
	h.SetSignInManners(SignInManners{Old: time.Hour})
	if c := claimsOf(t, h.signIn(alice, fresh)["id_token"]); c["auth_time"] != float64(h.wallClock.now().Add(-time.Hour).Unix()) {
		t.Errorf("an old session says %v", c["auth_time"])
	}
	h.SetSignInManners(SignInManners{NoAuthTime: true})
	if c := claimsOf(t, h.signIn(alice, fresh)["id_token"]); c["auth_time"] != nil {
		t.Errorf("left out, it says %v", c["auth_time"])
	}
	h.SetSignInManners(SignInManners{})
	if c := claimsOf(t, h.signIn(alice, fresh)["id_token"]); c["auth_time"] != float64(h.wallClock.now().Unix()) {
		t.Errorf("afterwards it says %v", c["auth_time"])
	}
}

// The page says that a sign-in is asked for anew; a greatest age must be one.
func TestSignInAgainIsSaid(t *testing.T) {
	h := newHarness(t)
	for name, c := range map[string]struct {
		change map[string]string
		want   string
	}{
		"prompt":       {map[string]string{"prompt": "login"}, "Sign in again"},
		"greatest age": {map[string]string{"max_age": "0"}, "Sign in again"},
		"an hour":      {map[string]string{"max_age": "3600"}, "Sign in"},
		"plain":        {nil, "Sign in"},
	} {
		resp, err := http.Get(h.authorizeURL(c.change))
		h.must(err)
		buf := new(bytes.Buffer)
		_, err = buf.ReadFrom(resp.Body)
		h.must(err)
		h.must(resp.Body.Close())
		if !strings.Contains(buf.String(), "<h1>"+c.want+"</h1>") {
			t.Errorf("%s: %s", name, buf)
		}
	}
	for _, age := range []string{"-1", "soon", "1.5"} {
		b, err := NewBrowser()
		h.must(err)
		to, err := b.SignIn(t.Context(), h.authorizeURL(map[string]string{"max_age": age}), alice)
		if err != nil || to.Query().Get("error") != "invalid_request" {
			t.Errorf("%s: %v, %v", age, to, err)
		}
	}
}
