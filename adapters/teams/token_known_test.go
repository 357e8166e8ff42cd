package teams

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/adapters/teams/teamstest"
)

func until(at time.Time) func(jwt.MapClaims) {
	return func(c jwt.MapClaims) { c["exp"] = at.Unix() }
}

func TestTokenThatWasLetInIsLookedAtAgain(t *testing.T) {
	r := kindRig(t)
	long := r.Token(until(r.clock.now().Add(48*time.Hour)), teamstest.KeyCurrent)
	short := r.Token(until(r.clock.now().Add(time.Hour)), teamstest.KeyCurrent)
	n := 0
	expect := func(what, token string, status int) {
		t.Helper()
		n++
		if got := r.deliver(token, r.body(func(m map[string]any) { m["id"] = fmt.Sprint(n) })); got != status {
			t.Errorf("%s: %d, want %d", what, got, status)
		}
	}
	for range 2 {
		expect("the long one", long, http.StatusOK)
		expect("the short one", short, http.StatusOK)
	}
	if got := len(r.a.known.tokens); got != 2 {
		t.Fatalf("%d tokens are remembered", got)
	}
	parts := strings.Split(long, ".")
	expect("another's signature under it", parts[0]+"."+parts[1]+"."+strings.Split(short, ".")[2], http.StatusForbidden)
	n++
	if got := r.deliver(long, r.body(func(m map[string]any) { m["id"], m["serviceUrl"] = fmt.Sprint(n), "https://evil.example/" })); got != http.StatusForbidden {
		t.Errorf("for another service: %d", got)
	}
	r.clock.add(time.Hour + tokenLeeway + time.Second)
	expect("expired", short, http.StatusForbidden)
	expect("not expired", long, http.StatusOK)
	r.must(r.RotateKey())
	r.must(r.RotateKey())
	r.clock.add(keysRefresh)
	expect("its key is published no more", long, http.StatusForbidden)
}

func TestTokenThatWasLetInIsVerifiedAnewWhenItsKeyIsAnother(t *testing.T) {
	r := kindRig(t)
	token := r.Token(nil, teamstest.KeyCurrent)
	if got := r.deliver(token, r.body(nil)); got != http.StatusOK {
		t.Fatal(got)
	}
	for _, p := range r.a.known.tokens {
		mine := r.a.keys.keys[p.kid]
		for kid, k := range r.a.keys.keys {
			if kid != p.kid {
				mine.public = k.public
			}
		}
		r.a.keys.keys[p.kid] = mine
	}
	if got := r.deliver(token, r.body(func(m map[string]any) { m["id"] = "again" })); got != http.StatusForbidden {
		t.Errorf("let in by a key that did not sign it: %d", got)
	}
}

func TestOnlySoManyTokensAreRemembered(t *testing.T) {
	var k known
	now := time.Now()
	proofUntil := func(at time.Time) proof {
		return proof{claims: claims{RegisteredClaims: jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(at)}}}
	}
	k.keep("lasts", proofUntil(now.Add(time.Hour)), now)
	for n := range knownTokens - 1 {
		k.keep(fmt.Sprint(n), proofUntil(now.Add(-time.Hour)), now)
	}
	k.keep("one more", proofUntil(now.Add(time.Hour)), now)
	if _, ok := k.find("lasts"); !ok || len(k.tokens) != 2 {
		t.Errorf("the expired did not make room: %d are kept", len(k.tokens))
	}
	for n := range 3 * knownTokens {
		k.keep(fmt.Sprint(n), proofUntil(now.Add(time.Hour)), now)
		if len(k.tokens) > knownTokens {
			t.Fatalf("%d tokens are remembered", len(k.tokens))
		}
	}
}

// BenchmarkVerify is what a token costs that the connector has sent before.
func BenchmarkVerify(b *testing.B) {
	r := kindRig(b)
	header := http.Header{"Authorization": {"Bearer " + r.Token(nil, teamstest.KeyCurrent)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.a.verify(b.Context(), header); err != nil {
			b.Fatal(err)
		}
	}
}
