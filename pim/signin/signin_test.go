package signin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
)

func TestAuthURL(t *testing.T) {
	w := newWorld(t)
	a := authorization()
	a.Claims, a.Hint, a.Choose = `{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["cp1"]}}}`, "alice@contoso.example", true
	page, err := w.client.AuthURL(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, page)
	for name, want := range map[string]string{
		"client_id": clientID, "response_type": "code", "response_mode": "query", "redirect_uri": redirect,
		"state": "the-state", "nonce": "the-nonce", "code_challenge_method": "S256", "login_hint": a.Hint, "prompt": "select_account",
		// BASE64URL(SHA-256 of 43 times "v"), worked out with openssl
		"code_challenge": "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if strings.Contains(page, a.Verifier) {
		t.Error("the verifier travels with the browser")
	}
	scopes := strings.Fields(q.Get("scope"))
	if len(scopes) != 3+len(signin.Scopes()) || !strings.Contains(q.Get("scope"), "https://graph.microsoft.com/RoleAssignmentSchedule.ReadWrite.Directory") {
		t.Errorf("scope = %q", q.Get("scope"))
	}
	var got map[string]map[string]any
	if err := json.Unmarshal([]byte(q.Get("claims")), &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "map[access_token:map[acrs:map[essential:true value:c1] xms_cc:map[values:[cp1]]]]" {
		t.Errorf("claims = %v", got)
	}
	for _, bad := range []string{"null", "[]", `"x"`, "{", `{"access_token":"x"}`} {
		a.Claims = bad
		if _, err := w.client.AuthURL(context.Background(), a); pim.CodeOf(err) != pim.CodeInvalid {
			t.Errorf("claims %s: %v", bad, err)
		}
	}
}

func TestSignInOutlivesTheProcess(t *testing.T) {
	w := newWorld(t)
	if w.live(aliceID) {
		t.Fatal("live before the sign-in")
	}
	_, err := w.client.Person(context.Background(), aliceID)
	w.refused(err, pim.CodeSignIn)

	w.signIn(w.client, aliceID, authorization())
	first := w.person(w.client, aliceID)
	if c := claims(t, first); c.OID != aliceID || c.Type != "user" || !strings.Contains(c.Scp, "RoleAssignmentSchedule.ReadWrite.Directory") {
		t.Errorf("the token is for %+v", c)
	}
	if again := w.person(w.client, aliceID); again != first || w.wire.count() != 1 {
		t.Errorf("the token in memory was not used: %d token requests", w.wire.count())
	}

	after := w.restart(nil)
	second := w.person(after, aliceID)
	if c := claims(t, second); second == first || c.OID != aliceID || len(c.CC) == 0 {
		t.Errorf("after the restart: the same token %t, %+v", second == first, c)
	}
	// Entra rotated the refresh token; a third process goes on with the new one.
	if third := w.person(w.restart(nil), aliceID); third == second {
		t.Error("the third process shares a token")
	}
	if ok, err := after.Live(context.Background(), bobID); ok || err != nil {
		t.Errorf("Bob never signed in: %t, %v", ok, err)
	}
}

func TestNothingIsKeptUnasked(t *testing.T) {
	w := newWorld(t)
	a := authorization()
	if _, _, err := w.client.Redeem(context.Background(), w.code(aliceID, a), a); err != nil {
		t.Fatal(err)
	}
	if w.live(aliceID) {
		t.Error("the sign-in was kept")
	}
}

func TestStoredGrantHoldsNoAccessToken(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	check := func(access string) {
		t.Helper()
		text := w.grantText()
		for _, bad := range []string{access, "AccessToken", "IdToken", "eyJ"} {
			if strings.Contains(text, bad) {
				t.Errorf("%.12q… is in the stored grant", bad)
			}
		}
		if !strings.Contains(text, `"RefreshToken"`) || !strings.Contains(text, "0.A") {
			t.Error("the refresh token is not in the stored grant, so this test sees nothing")
		}
	}
	check(w.person(w.client, aliceID))
	check(w.person(w.restart(nil), aliceID))
	err := w.raw.View(context.Background(), func(tx store.Tx) error {
		return tx.Scan("grants", nil, nil, func(key, value []byte) error {
			for _, s := range []string{"0.A", "refresh", aliceID} {
				if strings.Contains(string(key)+string(value), s) {
					t.Errorf("%q is readable on the disk", s)
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStepUpTokenIsTheOneUsedNext(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	if c := claims(t, w.person(w.client, aliceID)); len(c.ACRS) > 0 {
		t.Fatalf("a plain sign-in has %v", c.ACRS)
	}
	a := authorization()
	a.Claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	w.signIn(w.client, aliceID, a)
	before := w.wire.count()
	if c := claims(t, w.person(w.client, aliceID)); fmt.Sprint(c.ACRS) != "[c1]" || fmt.Sprint(c.CC) != "[cp1]" || w.wire.count() != before {
		t.Errorf("after the step-up: acrs %v, xms_cc %v, %d more token requests", c.ACRS, c.CC, w.wire.count()-before)
	}
}

func TestSessionHasAGreatestAge(t *testing.T) {
	w := newWorld(t)
	w.client = w.restart(func(o *signin.Options) { o.MaxAge = 2 * time.Hour })
	w.signIn(w.client, aliceID, authorization())
	w.wait(2*time.Hour - time.Minute)
	if !w.live(aliceID) {
		t.Error("over before its time")
	}
	w.wait(time.Minute)
	if w.live(aliceID) {
		t.Error("live at its greatest age")
	}
	_, err := w.client.Person(context.Background(), aliceID)
	w.refused(err, pim.CodeSignIn)
	w.signIn(w.client, aliceID, authorization())
	if !w.live(aliceID) {
		t.Error("a new sign-in does not begin a new session")
	}
}

func TestRevokedSession(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	w.signIn(w.client, bobID, authorization())
	if err := w.tenant.RevokeSessions(aliceID); err != nil {
		t.Fatal(err)
	}
	w.wait(90 * time.Minute) // the tokens in memory are over
	_, err := w.client.Person(context.Background(), aliceID)
	if e := w.refused(err, pim.CodeSignIn); e.Service != "invalid_grant AADSTS50173" {
		t.Errorf("Service = %q", e.Service)
	}
	if w.live(aliceID) {
		t.Error("the dead sign-in was kept")
	}
	if !w.live(bobID) || claims(t, w.person(w.client, bobID)).OID != bobID {
		t.Error("Bob lost his sign-in with Alice's")
	}
	if !strings.Contains(w.logs.String(), "AADSTS50173") {
		t.Error("the operator was not told")
	}
}

func TestRefusals(t *testing.T) {
	oauth := func(status int, body string) pimtest.Fault {
		return pimtest.Fault{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
	}
	throttled := oauth(429, `{"error":"temporarily_unavailable","error_description":"canary"}`)
	throttled.Header.Set("Retry-After", "17")
	for _, c := range []struct {
		name    string
		fault   pimtest.Fault
		refresh pim.Code // what Person says
		redeem  pim.Code // what Redeem says
		kept    bool     // the grant survives the refusal of its refresh
	}{
		{"grant revoked", oauth(400, `{"error":"invalid_grant","error_description":"canary","error_codes":[50173],"suberror":"bad_token"}`), pim.CodeSignIn, pim.CodeSignIn, false},
		{"inactive", oauth(400, `{"error":"invalid_grant","error_codes":[700082]}`), pim.CodeSignIn, pim.CodeSignIn, false},
		{"user disabled", oauth(400, `{"error":"invalid_grant","error_codes":[50057]}`), pim.CodeSignIn, pim.CodeSignIn, false},
		{"blocked by policy", oauth(400, `{"error":"invalid_grant","error_codes":[53003],"suberror":"message_only"}`), pim.CodeSignIn, pim.CodeSignIn, false},
		{"consent withdrawn", oauth(400, `{"error":"invalid_grant","error_codes":[65001],"suberror":"consent_required"}`), pim.CodeSignIn, pim.CodeForbidden, false},
		{"MFA wanted", oauth(400, `{"error":"invalid_grant","error_codes":[50076],"suberror":"basic_action","claims":"{\"access_token\":{}}"}`), pim.CodeStepUp, pim.CodeStepUp, true},
		{"interaction wanted", oauth(400, `{"error":"interaction_required","error_codes":[50079]}`), pim.CodeStepUp, pim.CodeStepUp, true},
		{"secret expired", oauth(401, `{"error":"invalid_client","error_codes":[7000222]}`), pim.CodeInvalidClientConfig, pim.CodeInvalidClientConfig, true},
		{"not our client", oauth(400, `{"error":"unauthorized_client","error_codes":[700016]}`), pim.CodeInvalidClientConfig, pim.CodeInvalidClientConfig, true},
		{"throttled", throttled, pim.CodeThrottled, pim.CodeThrottled, true},
		{"temporarily unavailable", oauth(400, `{"error":"temporarily_unavailable"}`), pim.CodeUnavailable, pim.CodeUnavailable, true},
		{"server error", oauth(503, `canary`), pim.CodeUnavailable, pim.CodeUnavailable, true},
		{"an HTML page", oauth(400, `<html>canary</html>`), pim.CodeUnavailable, pim.CodeUnavailable, true},
		{"200 that is not JSON", oauth(200, `canary eyJcanary`), pim.CodeUnavailable, pim.CodeUnavailable, true},
		{"200 without a token", oauth(200, `{"token_type":"Bearer","expires_in":3600}`), pim.CodeUnavailable, pim.CodeUnavailable, true},
		{"a redirect", pimtest.Fault{Status: 302, Header: http.Header{"Location": {"https://canary.example/"}}}, pim.CodeUnavailable, pim.CodeUnavailable, true},
		{"2 MiB", oauth(200, `{"access_token":"`+strings.Repeat("canary", 350_000)+`"}`), pim.CodeUnavailable, pim.CodeUnavailable, true},
		{"no answer", pimtest.Fault{Drop: true}, pim.CodeUnavailable, pim.CodeUnavailable, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.signIn(w.client, aliceID, authorization())
			w.signIn(w.client, bobID, authorization())
			process := w.restart(nil)
			w.tenant.FailNext(onToken, c.fault)
			before := w.wire.count()
			_, err := process.Person(context.Background(), aliceID)
			e := w.refused(err, c.refresh)
			if after, _ := e.RetryAfter(); c.refresh == pim.CodeThrottled && after != 17*time.Second {
				t.Errorf("Retry-After %v, want 17 s", after)
			}
			if e.Code == pim.CodeStepUp && c.name == "MFA wanted" && e.Claims != `{"access_token":{}}` {
				t.Errorf("Claims = %q", e.Claims)
			}
			if n := w.wire.count() - before; n != 1 {
				t.Errorf("%d token requests, want one and no retry", n)
			}
			if w.live(aliceID) != c.kept {
				t.Errorf("live afterwards: %t, want %t", !c.kept, c.kept)
			}
			if c.kept { // and goes on when the trouble is over
				w.person(process, aliceID)
			}
			if claims(t, w.person(process, bobID)).OID != bobID {
				t.Error("Bob is affected")
			}

			a := authorization()
			code := w.code(aliceID, a)
			w.tenant.FailNext(onToken, c.fault)
			_, keep, err := process.Redeem(context.Background(), code, a)
			w.refused(err, c.redeem)
			if keep != nil {
				t.Error("there is something to keep")
			}
		})
	}
}

func TestCodeOfSomebodyElsesTrip(t *testing.T) {
	w := newWorld(t)
	redeem := func(code string, change func(*pim.Authorization)) error {
		a := authorization()
		if change != nil {
			change(&a)
		}
		_, keep, err := w.client.Redeem(context.Background(), code, a)
		if err != nil && keep != nil {
			t.Error("there is something to keep")
		}
		return err
	}
	w.refused(redeem(w.code(aliceID, authorization()), func(a *pim.Authorization) { a.Verifier = strings.Repeat("w", 43) }), pim.CodeSignIn)
	w.refused(redeem(w.code(aliceID, authorization()), func(a *pim.Authorization) { a.Nonce = "another" }), pim.CodeInvalid)
	w.refused(redeem(w.code(aliceID, authorization()), func(a *pim.Authorization) { a.Nonce = "" }), pim.CodeInvalid)
	w.refused(redeem("1.made-up", nil), pim.CodeSignIn)
	code := w.code(aliceID, authorization())
	if err := redeem(code, nil); err != nil {
		t.Fatal(err)
	}
	w.refused(redeem(code, nil), pim.CodeSignIn) // a code works once
}

func TestOneRefreshForAllWhoWait(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	process, before := w.restart(nil), w.wire.count()
	w.wire.hold, w.wire.held = make(chan struct{}), make(chan struct{}, 1)
	gaveUp, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	tokens, errs := make([]string, 8), make([]error, 8)
	impatient := make(chan outcome, 1)
	go func() { impatient <- ask(gaveUp, process) }()
	w.underWay(impatient)
	for i := range tokens {
		wg.Go(func() { tokens[i], errs[i] = process.Person(context.Background(), aliceID) })
	}
	cancel()
	close(w.wire.hold)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if token != tokens[0] {
			t.Error("two tokens for one refresh")
		}
	}
	if n := w.wire.count() - before; n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	if o := <-impatient; o.err != nil {
		w.refused(o.err, pim.CodeUnavailable)
	}
}

// outcome is what Person answered for Alice.
type outcome struct {
	token string
	err   error
}

func ask(ctx context.Context, c *signin.Client) outcome {
	token, err := c.Person(ctx, aliceID)
	return outcome{token, err}
}

// underWay waits until a refresh is on the wire; an answer before that means that
// nobody asked.
func (w *world) underWay(done chan outcome) {
	w.t.Helper()
	select {
	case <-w.wire.held:
	case o := <-done:
		w.t.Fatalf("answered without a refresh: %v", o.err)
	}
}

func TestForgottenWhileRefreshing(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	w.client = w.restart(nil)
	w.wire.hold, w.wire.held = make(chan struct{}), make(chan struct{}, 1)
	done := make(chan outcome, 1)
	go func() { done <- ask(context.Background(), w.client) }()
	w.underWay(done)
	if err := w.client.Forget(context.Background(), aliceID); err != nil {
		t.Fatal(err)
	}
	close(w.wire.hold)
	w.refused((<-done).err, pim.CodeSignIn)
	if w.live(aliceID) {
		t.Error("the refresh brought the forgotten sign-in back")
	}
	if err := w.client.Forget(context.Background(), aliceID); err != nil {
		t.Errorf("nothing to forget: %v", err)
	}
}

// hooked is a store in which something happens just before an update.
type hooked struct {
	store.Store
	before func()
}

func (h *hooked) Update(ctx context.Context, fn func(store.Tx) error) error {
	if f := h.before; f != nil {
		h.before = nil
		f()
	}
	return h.Store.Update(ctx, fn)
}

func TestForgottenJustBeforeTheRefreshIsStored(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	h := &hooked{Store: w.store, before: func() {
		if err := w.client.Forget(context.Background(), aliceID); err != nil {
			t.Error(err)
		}
	}}
	_, err := w.restart(func(o *signin.Options) { o.Store = h }).Person(context.Background(), aliceID)
	w.refused(err, pim.CodeSignIn)
	if w.live(aliceID) {
		t.Error("the refresh brought the forgotten sign-in back")
	}
}

func TestSignedInAnewWhileRefreshing(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	w.client = w.restart(nil)
	a := authorization()
	a.Claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	_, keep, err := w.client.Redeem(context.Background(), w.code(aliceID, a), a)
	if err != nil {
		t.Fatal(err)
	}
	w.wire.hold, w.wire.held = make(chan struct{}), make(chan struct{}, 1)
	done := make(chan outcome, 1)
	go func() { done <- ask(context.Background(), w.client) }()
	w.underWay(done)
	if err := keep(context.Background()); err != nil {
		t.Fatal(err)
	}
	close(w.wire.hold)
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	for _, token := range []string{r.token, w.person(w.client, aliceID)} {
		if c := claims(t, token); fmt.Sprint(c.ACRS) != "[c1]" {
			t.Error("the older session's refresh hides the fresh sign-in")
		}
	}
}

func TestForgetAll(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, aliceID, authorization())
	w.signIn(w.client, bobID, authorization())
	other := w.restart(nil)
	w.person(other, bobID)
	if n, err := w.client.ForgetAll(context.Background(), "revoked for everybody"); n != 2 || err != nil {
		t.Errorf("forgot %d, %v; want 2", n, err)
	}
	for _, c := range []*signin.Client{w.client, other} { // another process has tokens in memory
		_, err := c.Person(context.Background(), bobID)
		w.refused(err, pim.CodeSignIn)
	}
}

func TestSecretsHideThemselves(t *testing.T) {
	w := newWorld(t)
	cred := signin.Credential{Secret: secret, Certificate: []byte("canary")}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "cred", cred, "trip", authorization())
	w.noCanary(fmt.Sprintf("%v %+v %#v %s %v %+v %#v", cred, cred, cred, cred, authorization(), authorization(), authorization()))
	w.noCanary(b.String())
	if !strings.Contains(b.String(), "REDACTED") {
		t.Error("nothing was logged")
	}
}
