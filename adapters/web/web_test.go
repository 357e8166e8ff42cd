package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/web"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/store/trail"
)

func TestFirstSlackLink(t *testing.T) {
	w := newWorld(t, false, nil)
	link, b := w.offer(bot.Ticket{User: alice}), w.browser()
	for range 2 { // scanners and previews follow links, and use nothing up
		w.page(b.get(link), http.StatusOK, "Alice &lt;b&gt;Adams&lt;/b&gt;")
		if s := b.send(http.MethodHead, link, nil); s.StatusCode != http.StatusOK || len(s.Cookies()) > 0 {
			t.Errorf("HEAD: %d, cookies %v", s.StatusCode, s.Cookies())
		}
	}
	first := b.press(link)
	slackPage := b.follow(first, "/openid/connect/authorize")
	if c := first.Cookies(); len(c) != 1 || c[0].Name != "belay" || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Secure {
		t.Errorf("cookies %v", c)
	}
	if q := query(t, slackPage); q.Get("scope") != "openid" || q.Get("team") != "T0SIMULATED" || q.Get("nonce") == "" {
		t.Errorf("Slack was asked %v", q)
	}
	page := b.follow(b.get(b.slack(slackPage, alice.ID)), "/oauth2/v2.0/authorize")
	if q := query(t, page); q.Get("prompt") != "select_account" || q.Get("state") == query(t, slackPage).Get("state") || q.Get("nonce") == query(t, slackPage).Get("nonce") {
		t.Errorf("Microsoft was asked %v", q)
	}
	back := b.entra(page, aliceID)
	if w.live(aliceID) {
		t.Error("live before the browser is back")
	}
	end := b.get(back)
	w.page(end, http.StatusOK, "alice@contoso.example")
	if c := end.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("the session's cookie was not removed: %v", c)
	}
	if l, ok := w.linked(alice); !ok || l.Principal.ID != aliceID || !w.live(aliceID) || len(w.resumed) != 1 {
		t.Errorf("linked %+v, live %t, resumed %d times", l, w.live(aliceID), len(w.resumed))
	}
	w.page(b.get(link), http.StatusBadRequest, "used already")
	w.page(b.press(link), http.StatusBadRequest, "used already")
	w.page(b.get(back), http.StatusBadRequest, "second time")
}

func TestTeamsNeedsNoSlack(t *testing.T) {
	w := newWorld(t, true, func(o *web.Options) { o.Slack = web.SlackSignIn{} })
	b := w.browser()
	s := b.press(w.offer(bot.Ticket{User: teamsA, Expect: aliceID}))
	if c := s.Cookies(); len(c) != 1 || c[0].Name != "__Host-belay" || !c[0].Secure || c[0].Path != "/" || c[0].Domain != "" {
		t.Errorf("cookies %v", c)
	}
	w.page(b.get(b.entra(b.follow(s, "/oauth2/v2.0/authorize"), aliceID)), http.StatusOK, "You are signed in")
	if l, ok := w.linked(teamsA); !ok || l.Principal.ID != aliceID || !w.live(aliceID) {
		t.Errorf("linked %+v", l)
	}
	// A Slack user cannot link where Sign in with Slack is not configured.
	w.page(b.press(w.offer(bot.Ticket{User: alice})), http.StatusInternalServerError, "Something went wrong")
}

func TestLinkOpenedByAnotherSlackUser(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser() // Alice's, and Mallory sent her his link
	page := b.follow(b.press(w.offer(bot.Ticket{User: mallory})), "/openid/connect/authorize")
	w.page(b.get(b.slack(page, alice.ID)), http.StatusForbidden, "another Slack user")
	w.nobody()
}

func TestMicrosoftsPageSentToSomebodyElse(t *testing.T) {
	w := newWorld(t, false, nil)
	page := w.browser().toEntra(w.offer(bot.Ticket{User: mallory}), mallory.ID)
	victim := w.browser() // without a session, or with one of her own
	w.page(victim.get(victim.entra(page, aliceID)), http.StatusForbidden, "another browser")
	w.nobody()

	page = w.browser().toEntra(w.offer(bot.Ticket{User: mallory}), mallory.ID)
	victim.press(w.offer(bot.Ticket{User: alice}))
	w.page(victim.get(victim.entra(page, aliceID)), http.StatusForbidden, "another browser")
	w.nobody()
}

func TestFinishedWithAnotherAccount(t *testing.T) {
	w := newWorld(t, false, nil)
	for name, ticket := range map[string]bot.Ticket{"first link": {User: alice}, "Teams": {User: teamsA, Expect: aliceID}} {
		t.Run(name, func(t *testing.T) {
			b, link := w.browser(), w.offer(ticket)
			var page string
			if ticket.Expect == "" {
				page = b.toEntra(link, alice.ID)
			} else {
				page = b.follow(b.press(link), "/oauth2/v2.0/authorize")
			}
			w.page(b.get(b.entra(page, malloryID)), http.StatusForbidden, "Mallory")
			w.nobody()
			w.page(b.get(link), http.StatusOK, "Continue") // the right person may still use it
		})
	}
}

func TestStateIsUsedOnce(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser()
	back := b.entra(b.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID), aliceID)
	var wg sync.WaitGroup
	results := make([]seen, 8)
	for i := range results {
		wg.Go(func() { results[i] = b.get(back) })
	}
	wg.Wait()
	won := 0
	for _, s := range results {
		if s.StatusCode == http.StatusOK {
			won++
		} else {
			w.page(s, http.StatusBadRequest, "second time")
		}
	}
	if won != 1 || len(w.resumed) != 1 {
		t.Errorf("%d of %d callbacks succeeded, %d went on; want exactly one", won, len(results), len(w.resumed))
	}
}

func TestLateStates(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser()
	link := w.offer(bot.Ticket{User: alice})
	back := b.entra(b.toEntra(link, alice.ID), aliceID)
	w.wait(bot.TicketTime)
	w.page(b.get(back), http.StatusBadRequest, "expired")
	w.page(b.get(link), http.StatusBadRequest, "expired")
	w.page(b.press(link), http.StatusBadRequest, "expired")
	w.nobody()
}

func TestInjectedCode(t *testing.T) {
	w := newWorld(t, false, nil)
	// Mallory has a code of Alice's trip and puts it into his own.
	victim, attacker := w.browser(), w.browser()
	stolen := query(t, victim.entra(victim.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID), aliceID)).Get("code")
	own := attacker.entra(attacker.toEntra(w.offer(bot.Ticket{User: mallory}), mallory.ID), malloryID)
	u, err := url.Parse(own)
	must(t, err)
	q := u.Query()
	q.Set("code", stolen)
	u.RawQuery = q.Encode()
	w.page(attacker.get(u.String()), http.StatusBadRequest, "did not accept")
	w.nobody()
}

func TestCancelled(t *testing.T) {
	w := newWorld(t, false, nil)
	b, link := w.browser(), w.offer(bot.Ticket{User: alice})
	page := b.follow(b.press(link), "/openid/connect/authorize")
	w.page(b.get(b.slack(page, "")), http.StatusBadRequest, "cancelled")
	w.page(b.get(b.entra(b.toEntra(link, alice.ID), "")), http.StatusBadRequest, "cancelled")
	w.nobody()
	w.page(b.get(b.entra(b.toEntra(link, alice.ID), aliceID)), http.StatusOK, "You are signed in")
}

func TestErrorsFromMicrosoftsPage(t *testing.T) {
	w := newWorld(t, false, nil)
	const evil = `AADSTS65004: <script>alert(1)</script>"><img src=x onerror=alert(1)>`
	for code, want := range map[string]struct {
		status int
		words  string
	}{
		"access_denied":           {http.StatusBadRequest, "cancelled"},
		"consent_required":        {http.StatusForbidden, "admin consent"},
		"interaction_required":    {http.StatusBadRequest, "more proof"},
		"temporarily_unavailable": {http.StatusServiceUnavailable, "not answering"},
		"<script>alert(1)</script>" + strings.Repeat("x", 100): {http.StatusInternalServerError, "app registration"},
	} {
		b := w.browser()
		page := b.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID)
		back := w.web.URL + web.EntraCallback + "?" + url.Values{"state": {query(t, page).Get("state")}, "error": {code}, "error_description": {evil}}.Encode()
		// Without a state of ours nothing of it is looked at.
		w.page(w.browser().get(strings.Replace(back, "state=", "state=x", 1)), http.StatusBadRequest, "out of order")
		s := b.get(back)
		w.page(s, want.status, want.words)
		for _, bad := range []string{"<script", "<img", "alert(1)"} {
			if strings.Contains(s.text, bad) {
				t.Errorf("%s: %q is on the page", code, bad)
			}
		}
		w.page(b.get(back), http.StatusBadRequest, "second time")
	}
	if !strings.Contains(w.logs.String(), "AADSTS65004") {
		t.Error("the operator does not see Microsoft's number")
	}
	w.nobody()
}

func TestBadReturns(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser()
	for _, path := range []string{web.SlackCallback, web.EntraCallback} {
		for _, q := range []string{"", "?state=x", "?code=x", "?state=a&state=b&code=c", "?state=%zz", "?a;b", "?state=" + strings.Repeat("x", 9000)} {
			w.page(b.get(w.web.URL+path+q), http.StatusBadRequest, "begin again")
		}
		if s := b.send(http.MethodPost, w.web.URL+path+"?state=x&code=y", nil); s.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, s.StatusCode)
		}
	}
	page := b.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID)
	w.page(b.get(w.web.URL+web.EntraCallback+"?state="+query(t, page).Get("state")), http.StatusBadRequest, "begin again")
	// Slack's state at Microsoft's callback would skip Slack.
	page = b.follow(b.press(w.offer(bot.Ticket{User: alice})), "/openid/connect/authorize")
	w.page(b.get(w.web.URL+web.EntraCallback+"?code=x&state="+query(t, page).Get("state")), http.StatusBadRequest, "out of order")
	w.page(b.get(w.links.URL("no-such-link")), http.StatusNotFound, "not known")
	w.nobody()
}

func TestHeadUsesNoStateUp(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser()
	back := b.entra(b.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID), aliceID)
	if s := b.send(http.MethodHead, back, nil); s.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("HEAD of a callback: %d", s.StatusCode)
	}
	w.page(b.get(back), http.StatusOK, "You are signed in")
}

func TestAnotherSitesForm(t *testing.T) {
	w := newWorld(t, false, nil)
	b, link := w.browser(), w.offer(bot.Ticket{User: alice})
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		s := b.send(http.MethodPost, link, nil, headers...)
		w.page(s, http.StatusForbidden, "Another site")
		if len(s.Cookies()) > 0 {
			t.Error("another site's form got a session")
		}
	}
	b.follow(b.send(http.MethodPost, link, nil, "Sec-Fetch-Site", "same-origin"), "/openid/connect/authorize")
}

func TestTwoTabs(t *testing.T) {
	w := newWorld(t, false, nil)
	b, link := w.browser(), w.offer(bot.Ticket{User: alice})
	one, two := b.toEntra(link, alice.ID), b.toEntra(link, alice.ID)
	backOne, backTwo := b.entra(one, aliceID), b.entra(two, aliceID)
	w.page(b.get(backOne), http.StatusOK, "You are signed in")
	w.page(b.get(backTwo), http.StatusBadRequest, "used already")
}

func TestGuestAndOtherAddress(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser()
	w.slack.AddUser(slacktest.User{ID: alice.ID, Name: "alice", Email: "alice@contoso.example", Guest: true})
	w.page(b.get(b.entra(b.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID), aliceID)), http.StatusForbidden, "Guests")
	w.slack.AddUser(slacktest.User{ID: alice.ID, Name: "alice", Email: "alice@elsewhere.example"})
	w.page(b.get(b.entra(b.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID), aliceID)), http.StatusForbidden, "e-mail address")
	w.nobody()
}

func TestStepUp(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser()
	w.page(b.get(b.entra(b.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID), aliceID)), http.StatusOK, "You are signed in")
	before, err := w.signIn.Person(context.Background(), aliceID)
	must(t, err)

	link := w.offer(bot.Ticket{User: alice, Expect: aliceID, Claims: stepUp, Request: "r1", Intent: "i1"})
	page := b.follow(b.press(link), "/oauth2/v2.0/authorize")
	if q := query(t, page); !strings.Contains(q.Get("claims"), `"c1"`) || !strings.Contains(q.Get("claims"), "cp1") || q.Get("login_hint") != "alice@contoso.example" || q.Has("prompt") {
		t.Errorf("Microsoft was asked %v", q)
	}
	w.page(b.get(b.entra(page, aliceID)), http.StatusOK, "You are signed in")
	if got := w.resumed[len(w.resumed)-1]; got.Request != "r1" || got.Intent != "i1" {
		t.Errorf("what went on is %+v", got)
	}
	after, err := w.signIn.Person(context.Background(), aliceID)
	must(t, err)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(after, ".")[1])
	must(t, err)
	if before == after || !strings.Contains(string(payload), `"acrs":["c1"]`) {
		t.Errorf("the next token is %s", payload)
	}
	w.secret(before)
	w.secret(after)
}

func TestMicrosoftDoesNotAnswer(t *testing.T) {
	w := newWorld(t, false, nil)
	b, link := w.browser(), w.offer(bot.Ticket{User: teamsA})
	down := func(r *http.Request) bool { return r.Method == http.MethodGet }
	w.tenant.FailNext(down, pimtest.Fault{Status: 503})
	w.page(b.press(link), http.StatusServiceUnavailable, "not answering")
	back := b.entra(b.follow(b.press(link), "/oauth2/v2.0/authorize"), aliceID)
	w.tenant.FailNext(func(r *http.Request) bool { return r.Method == http.MethodPost }, pimtest.Fault{Drop: true})
	w.page(b.get(back), http.StatusServiceUnavailable, "not answering")
	w.nobody()
	// The link still works when the trouble is over.
	w.page(b.get(b.entra(b.follow(b.press(link), "/oauth2/v2.0/authorize"), aliceID)), http.StatusOK, "You are signed in")
}

func TestHeadersAndPolicy(t *testing.T) {
	w := newWorld(t, true, nil)
	b := w.browser()
	link, used := w.offer(bot.Ticket{User: alice}), w.offer(bot.Ticket{User: teamsA, Expect: aliceID})
	back := b.entra(b.follow(b.press(used), "/oauth2/v2.0/authorize"), aliceID)
	w.tenant.FailNext(func(r *http.Request) bool { return r.Method == http.MethodPost }, pimtest.Fault{Status: 503})
	for name, s := range map[string]seen{
		"a link": b.get(link), "on to Slack": b.press(link), "a link nobody knows": b.get(w.links.URL("no-such-link")),
		"Microsoft is down": b.get(back), "a state that is used": b.get(back), "another browser": w.browser().get(back),
		"back with nothing": b.get(w.web.URL + web.EntraCallback), "back with an error": b.get(w.web.URL + web.SlackCallback + "?error=x&state=y"),
		"another site's form": b.send(http.MethodPost, link, nil, "Origin", "https://evil.example"),
		"no such page":        b.get(w.web.URL + "/nothing"), "no such method": b.send(http.MethodDelete, link, nil), "a scanner": b.send(http.MethodHead, back, nil),
	} {
		h := s.Header
		for header, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			"X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000"} {
			if h.Get(header) != want {
				t.Errorf("%s: %s is %q, want %q", name, header, h.Get(header), want)
			}
		}
		for _, c := range s.Cookies() {
			if c.Name != "__Host-belay" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge > int(bot.TicketTime.Seconds()) {
				t.Errorf("%s: the cookie %v", name, c)
			}
		}
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' https:;"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %q", name, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") || strings.Contains(s.text, "<script") || strings.Contains(s.text, " style=") || strings.Contains(s.text, "onerror=") {
			t.Errorf("%s: the page needs more than its policy gives: %s", name, csp)
		}
	}
	s := b.get(link)
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(s.text)
	if style == nil {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	if !strings.Contains(s.Header.Get("Content-Security-Policy"), "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Error("the policy does not name the style that is on the page")
	}
	if s.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(s.text, `<html lang="en">`) {
		t.Error("not a page")
	}
}

// One link, and one browser, opens so many pages in a minute. What is refused uses
// nothing up, and guesses at links cost the real ones nothing.
func TestPagesAreLimited(t *testing.T) {
	w := newWorld(t, false, func(o *web.Options) { o.PerMinute = 3 })
	b, link := w.browser(), w.offer(bot.Ticket{User: alice})
	page := b.follow(b.press(link), "/openid/connect/authorize")
	b.get(link)
	b.get(link)
	for _, s := range []seen{b.get(link), b.press(link)} {
		w.page(s, http.StatusTooManyRequests, "Too fast: nothing was done. Try again in")
		if s.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	w.page(b.get(w.offer(bot.Ticket{User: alice})), http.StatusOK, "Continue")
	for range 10 {
		w.page(w.browser().get(w.links.URL("a-guess")), http.StatusNotFound, "not known")
	}
	// The browser's own limit is another one: the sign-in that was begun goes on.
	last := b.entra(b.follow(b.get(b.slack(page, alice.ID)), "/oauth2/v2.0/authorize"), aliceID)
	b.get(w.web.URL + web.EntraCallback + "?state=x")
	b.get(w.web.URL + web.EntraCallback + "?state=x")
	w.page(b.get(last), http.StatusTooManyRequests, "Too fast")
	w.nobody()
	state := query(t, last).Get("state")
	hop, _, err := w.links.Take(context.Background(), bot.StepEntra, state, b.session())
	if err != nil || hop.State == "" {
		t.Errorf("the state was used up by what was refused: %v", err)
	}
}

// Every attack as a chat user's name, and as what goes on after the sign-in.
func TestTextsOnPagesAreInert(t *testing.T) {
	w := newWorld(t, false, nil)
	b := w.browser()
	elements := regexp.MustCompile(`<[^>]*>`)
	plain := elements.FindAllString(b.get(w.offer(bot.Ticket{User: bot.User{Platform: bot.Slack, Tenant: "T", ID: "U", Name: "x"}, What: "x"})).text, -1)
	for _, attack := range bottest.Attacks {
		s := b.get(w.offer(bot.Ticket{User: bot.User{Platform: bot.Slack, Tenant: "T", ID: "U", Name: attack.Text}, What: attack.Text}))
		w.page(s, http.StatusOK, "Continue")
		if got := elements.FindAllString(s.text, -1); strings.Join(got, "") != strings.Join(plain, "") {
			t.Errorf("%s: the page has other elements: %q", attack.Name, got)
		}
		if hidden := bottest.Hidden(s.text); hidden != "" {
			t.Errorf("%s: the page shows %q", attack.Name, hidden)
		}
		if len(s.text) > 20_000 {
			t.Errorf("%s: the page has %d bytes", attack.Name, len(s.text))
		}
		if want := bot.Clean(attack.Text); len(want) < 600 && utf8.ValidString(attack.Text) && !strings.Contains(html.UnescapeString(s.text), want) {
			t.Errorf("%s: it cannot be read as it was written", attack.Name)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	links := bot.NewLinks(bot.LinkOptions{PublicURL: "https://belay.example"})
	for public, ok := range map[string]bool{
		"https://belay.example": true, "https://belay.example/": true, "http://127.0.0.1:8080": true, "http://localhost:8080": true,
		"http://belay.example": false, "https://belay.example/path": false, "belay.example": false, "": false, "ftp://belay.example": false,
	} {
		_, err := web.New(web.Options{PublicURL: public, Links: links, SignIn: nobodySignsIn{}})
		if (err == nil) != ok {
			t.Errorf("%q: %v", public, err)
		}
	}
	if _, err := web.New(web.Options{PublicURL: "https://belay.example", Links: links}); err == nil {
		t.Error("no SignIn, and no error")
	}
}

// nobodySignsIn is a SignIn that refuses.
type nobodySignsIn struct{}

func (nobodySignsIn) AuthURL(context.Context, pim.Authorization) (string, error) {
	return "", &pim.Error{Op: "authorize", Code: pim.CodeInvalidClientConfig}
}

func (nobodySignsIn) Redeem(context.Context, string, pim.Authorization) (pim.Identity, func(context.Context) error, error) {
	return pim.Identity{}, nil, &pim.Error{Op: "redeem", Code: pim.CodeInvalidClientConfig}
}

func TestBelayItselfIsRefused(t *testing.T) {
	w := newWorld(t, false, func(o *web.Options) { o.SignIn = nobodySignsIn{} })
	b := w.browser()
	w.page(b.press(w.offer(bot.Ticket{User: teamsA})), http.StatusInternalServerError, "Tell your administrator")
}

func TestSlackDoesNotAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"503":       func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) },
		"HTML":      func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("<html>canary")) }, //nolint:errcheck // a test's server
		"too long":  func(rw http.ResponseWriter, _ *http.Request) { rw.Write(make([]byte, 1<<20)) },    //nolint:errcheck // a test's server
		"cut short": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"redirect": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://127.0.0.1:1/", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			t.Cleanup(server.Close)
			w := newWorld(t, false, func(o *web.Options) { o.Slack.URL = server.URL })
			b := w.browser()
			page := b.follow(b.press(w.offer(bot.Ticket{User: alice})), "/openid/connect/authorize")
			w.page(b.get(w.web.URL+web.SlackCallback+"?code=canary&state="+query(t, page).Get("state")), http.StatusServiceUnavailable, "not answering")
			w.nobody()
		})
	}
}

// What another sign-in service answered is redeemed nowhere: neither at Slack nor at Microsoft.
func TestAnotherServicesAnswer(t *testing.T) {
	w := newWorld(t, false, nil)
	b, link := w.browser(), w.offer(bot.Ticket{User: alice})
	with := func(back, issuer string) string { return back + "&iss=" + url.QueryEscape(issuer) }
	page := b.follow(b.press(link), "/openid/connect/authorize")
	w.page(b.get(with(b.slack(page, alice.ID), "https://evil.example")), http.StatusBadRequest, "Slack did not confirm")
	w.page(b.get(with(b.entra(b.toEntra(link, alice.ID), aliceID), "https://evil.example")), http.StatusBadRequest, "could not be verified")
	w.page(b.get(with(b.entra(b.toEntra(link, alice.ID), aliceID), w.tenant.Issuer())+"&iss=x"), http.StatusBadRequest, "begin again")
	w.nobody()
	w.page(b.get(with(b.entra(b.toEntra(link, alice.ID), aliceID), w.tenant.Issuer())), http.StatusOK, "You are signed in")
}

// What Slack or Microsoft refused, and what they did not sign, is on record with whose
// sign-in it was to be; that they do not answer, and that a person changed their mind, is not.
func TestWhatWasRefusedIsOnRecord(t *testing.T) {
	w := newWorld(t, false, nil)
	victim, attacker := w.browser(), w.browser()
	stolen := query(t, victim.entra(victim.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID), aliceID)).Get("code")
	own := attacker.entra(attacker.toEntra(w.offer(bot.Ticket{User: mallory}), mallory.ID), malloryID)
	attacker.get(strings.Replace(own, url.QueryEscape(query(t, own).Get("code")), url.QueryEscape(stolen), 1))
	attacker.get(w.web.URL + web.EntraCallback + "?state=forged&code=x")
	page := attacker.toEntra(w.offer(bot.Ticket{User: mallory}), mallory.ID)
	attacker.get(w.web.URL + web.EntraCallback + "?error=unauthorized_client&state=" + url.QueryEscape(query(t, page).Get("state")))
	page = attacker.follow(attacker.press(w.offer(bot.Ticket{User: mallory})), "/openid/connect/authorize")
	attacker.get(w.web.URL + web.SlackCallback + "?code=made-up&state=" + url.QueryEscape(query(t, page).Get("state")))
	attacker.get(attacker.slack(attacker.follow(attacker.press(w.offer(bot.Ticket{User: mallory})), "/openid/connect/authorize"), "")) // cancelled
	var got []string
	must(t, w.trail.Read(t.Context(), 0, func(r trail.Record) error {
		got = append(got, fmt.Sprintf("%s %s of %s", r.Kind, r.Reason, r.More["user"]))
		return nil
	}))
	want := []string{"person.turned-away code-refused of U0MALLORY", "person.turned-away unknown-state of ", "person.turned-away entra-refused of U0MALLORY", "person.turned-away slack-not-verified of U0MALLORY"}
	if !slices.Equal(got, want) {
		t.Errorf("the trail holds %q, want %q", got, want)
	}
}
