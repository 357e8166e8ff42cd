package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/web"
	"github.com/belaybot/belay/bot"
)

// The attacker signs in at Microsoft himself and sends the way back, with his code and his
// state, to somebody who is just linking: she would act as him. It ends at the browser.
func TestWayBackSentToSomebodyElse(t *testing.T) {
	w := newWorld(t, false, nil)
	attacker, victim := w.browser(), w.browser()
	victim.press(w.offer(bot.Ticket{User: alice})) // she has a session of her own
	atSlack := attacker.follow(attacker.press(w.offer(bot.Ticket{User: mallory})), "/openid/connect/authorize")
	w.page(victim.get(attacker.slack(atSlack, mallory.ID)), http.StatusForbidden, "another browser")
	atEntra := attacker.entra(attacker.toEntra(w.offer(bot.Ticket{User: mallory}), mallory.ID), malloryID)
	w.page(victim.get(atEntra), http.StatusForbidden, "another browser")
	w.page(attacker.get(atEntra), http.StatusBadRequest, "second time") // and he has lost it
	w.nobody()
}

// A state that the attacker was given is planted in the victim's trip, and hers in his: the
// state belongs to one browser and to one ticket.
func TestStatesAreNotExchanged(t *testing.T) {
	w := newWorld(t, false, nil)
	attacker, victim := w.browser(), w.browser()
	his := attacker.toEntra(w.offer(bot.Ticket{User: mallory}), mallory.ID)
	hers := victim.entra(victim.toEntra(w.offer(bot.Ticket{User: alice}), alice.ID), aliceID)
	planted, err := url.Parse(hers)
	must(t, err)
	q := planted.Query()
	q.Set("state", query(t, his).Get("state"))
	planted.RawQuery = q.Encode()
	w.page(victim.get(planted.String()), http.StatusForbidden, "another browser")
	w.page(attacker.get(hers), http.StatusForbidden, "another browser") // with her code and her state
	w.nobody()
}

// A session that somebody planted in the browser is none: only what Belay could have made counts.
func TestPlantedSession(t *testing.T) {
	w := newWorld(t, false, nil)
	for _, planted := range []string{"x", "fixed-by-the-attacker", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("=", 43)} {
		b := w.browser()
		u, err := url.Parse(w.web.URL)
		must(t, err)
		b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "belay", Value: planted, Path: "/"}})
		b.press(w.offer(bot.Ticket{User: alice}))
		if got := b.session(); got == planted || len(got) != 43 {
			t.Errorf("the session is %q after %q was planted", got, planted)
		}
	}
}

// The attacker's link of Teams, sent to a victim, stops at the object id that Teams vouched for,
// and the victim's account is not even kept.
func TestTeamsLinkSentToSomebodyElse(t *testing.T) {
	w := newWorld(t, false, nil)
	mallorysTeams := bot.User{Platform: bot.Teams, Tenant: tenantID, ID: malloryID, Name: "Mallory"}
	for _, ticket := range []bot.Ticket{{User: mallorysTeams}, {User: mallorysTeams, Expect: malloryID}} {
		victim, link := w.browser(), w.offer(ticket)
		page := victim.follow(victim.press(link), "/oauth2/v2.0/authorize")
		w.page(victim.get(victim.entra(page, aliceID)), http.StatusForbidden, "You signed in to Microsoft as Alice")
		if _, ok := w.linked(mallorysTeams); ok {
			t.Error("Mallory's Teams user is linked")
		}
		w.nobody()
	}
}

// What stands in the answer of a sign-in page is neither shown nor logged, whichever member
// carries it.
func TestScriptInEveryMemberOfAnAnswer(t *testing.T) {
	w := newWorld(t, false, nil)
	const evil = `"><script>alert(1)</script>`
	for _, member := range []string{"error", "error_description", "error_uri", "error_subcode", "code", "session_state", "iss", "admin_consent", evil} {
		for _, path := range []string{web.EntraCallback, web.SlackCallback} {
			b := w.browser()
			link := w.offer(bot.Ticket{User: alice})
			page := b.follow(b.press(link), "/openid/connect/authorize")
			if path == web.EntraCallback {
				page = b.toEntra(link, alice.ID)
			}
			back := url.Values{"state": {query(t, page).Get("state")}, "error": {"access_denied"}}
			if member == "code" || member == "iss" {
				back = url.Values{"state": back["state"], "code": {"1.made-up"}}
			}
			back.Set(member, evil)
			s := b.get(w.web.URL + path + "?" + back.Encode())
			if s.StatusCode < 400 || strings.Contains(s.text, "alert(1)") {
				t.Errorf("%s at %s: %d\n%s", member, path, s.StatusCode, s.text)
			}
		}
	}
	if strings.Contains(w.logs.String(), "alert(1)") {
		t.Error("it is in the log")
	}
	w.nobody()
}
