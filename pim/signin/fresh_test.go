package signin_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
)

// newFreshWorld is a tenant whose registration asks for auth_time or, as Entra does by
// default, does not.
func newFreshWorld(t *testing.T, claims ...string) *world {
	t.Helper()
	w := newWorld(t)
	w.move(pimtest.Options{TenantID: tenantID, WallNow: w.now, Unhandled: func(s string) { t.Error(s) },
		App: pimtest.App{ClientID: clientID, ClientSecret: secret, RedirectURIs: []string{redirect}, Delegated: signin.Scopes(),
			Application: []string{"User.Read.All"}, Registration: pimtest.Registration{IDClaims: claims}}})
	return w
}

func (w *world) fresh() pim.Authorization {
	a := authorization()
	a.Fresh, a.Since = true, w.now()
	return a
}

func TestFreshSignInIsAskedFor(t *testing.T) {
	w := newFreshWorld(t, "auth_time")
	a := w.fresh()
	a.Choose, a.Hint = true, "alice@contoso.example"
	page, err := w.client.AuthURL(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	if q := query(t, page); q.Get("prompt") != "login" || q.Get("max_age") != "0" || q.Get("login_hint") != a.Hint {
		t.Errorf("asked with prompt %q, max_age %q", q.Get("prompt"), q.Get("max_age"))
	}
	a.Fresh, a.Choose = false, false
	if page, err = w.client.AuthURL(context.Background(), a); err != nil || query(t, page).Has("prompt") || query(t, page).Has("max_age") {
		t.Errorf("every other sign-in asks for it too: %s, %v", page, err)
	}
}

func TestFreshSignInIsProven(t *testing.T) {
	w := newFreshWorld(t, "auth_time")
	a := w.fresh()
	who, keep, err := w.client.Redeem(context.Background(), w.code(aliceID, a), a)
	if err != nil {
		t.Fatal(err)
	}
	if d := who.SignedIn.Sub(a.Since); d < -2*time.Second || d > time.Minute {
		t.Errorf("signed in %v after it was begun", d)
	}
	if err := keep(context.Background()); err != nil || !w.live(aliceID) {
		t.Errorf("kept: %v", err)
	}
}

// A sign-in page that answers with a session which is there already, or does not say when
// its person signed in, gives nobody a sign-in; the one that Bob has is left as it is.
func TestOldSignInIsNoFreshOne(t *testing.T) {
	for name, c := range map[string]struct {
		claims  []string
		manners pimtest.SignInManners
		taken   bool
	}{
		"an hour ago":                     {[]string{"auth_time"}, pimtest.SignInManners{Old: time.Hour}, false},
		"three minutes ago":               {[]string{"auth_time"}, pimtest.SignInManners{Old: 3 * time.Minute}, false},
		"within the skew of clocks":       {[]string{"auth_time"}, pimtest.SignInManners{Old: 30 * time.Second}, true},
		"in half an hour":                 {[]string{"auth_time"}, pimtest.SignInManners{Old: -30 * time.Minute}, false},
		"the claim is left out":           {[]string{"auth_time"}, pimtest.SignInManners{NoAuthTime: true}, false},
		"the registration does not ask":   {nil, pimtest.SignInManners{}, false},
		"the registration asks for other": {[]string{"email"}, pimtest.SignInManners{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFreshWorld(t, c.claims...)
			w.signIn(w.client, bobID, authorization())
			before := w.grantText()
			w.tenant.SetSignInManners(c.manners)
			a := w.fresh()
			_, keep, err := w.client.Redeem(context.Background(), w.code(bobID, a), a)
			if c.taken {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			w.refused(err, pim.CodeNotFresh)
			if keep != nil {
				t.Error("there is something to keep")
			}
			if !w.live(bobID) || w.grantText() != before {
				t.Error("the sign-in that was there changed")
			}
			// No other sign-in asks for that proof.
			w.signIn(w.client, bobID, authorization())
		})
	}
}

// What an id token may call auth_time, and whether that proves anything.
func TestForgedAuthTime(t *testing.T) {
	f, w := newForger(t), newWorld(t)
	client := w.restart(func(o *signin.Options) { o.Login, o.HTTP = f.server.URL, f.server.Client() })
	now := time.Now()
	for name, c := range map[string]struct {
		value any
		code  pim.Code
	}{
		"now":              {now.Unix(), ""},
		"an hour ago":      {now.Add(-time.Hour).Unix(), pim.CodeNotFresh},
		"tomorrow":         {now.Add(24 * time.Hour).Unix(), pim.CodeNotFresh},
		"zero":             {0, pim.CodeNotFresh},
		"negative":         {-1, pim.CodeNotFresh},
		"text":             {"now", pim.CodeNotFresh},
		"digits in quotes": {jwt.NewNumericDate(now).String(), pim.CodeNotFresh},
		"a fraction":       {float64(now.Unix()) + 0.5, pim.CodeNotFresh},
		"milliseconds":     {now.UnixMilli(), pim.CodeNotFresh},
		"beyond all time":  {1e18, pim.CodeNotFresh},
		"a list":           {[]int64{now.Unix()}, pim.CodeNotFresh},
		"null":             {nil, pim.CodeNotFresh},
	} {
		t.Run(name, func(t *testing.T) {
			f.change = func(m jwt.MapClaims) { m["auth_time"] = c.value }
			a := authorization()
			a.Fresh, a.Since = true, now
			_, keep, err := client.Redeem(context.Background(), "code", a)
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
			if _, _, err := client.Redeem(context.Background(), "code", authorization()); err != nil {
				t.Errorf("a plain sign-in minds it: %v", err)
			}
		})
	}
	f.change = func(m jwt.MapClaims) { m["auth_time"] = now.Unix() }
	a := authorization()
	a.Fresh = true // begun by nobody
	if _, _, err := client.Redeem(context.Background(), "code", a); pim.CodeOf(err) != pim.CodeNotFresh || !strings.Contains(err.Error(), "begun") {
		t.Errorf("without a beginning: %v", err)
	}
}
