package pim

import (
	"errors"
	"log/slog"
	"time"
)

// Authorization is one trip of a person's browser to Microsoft's sign-in page
// and back: OAuth 2.0 authorization code with PKCE (RFC 7636) and the nonce of
// OpenID Connect. It holds secrets of that trip and never reaches a log.
type Authorization struct {
	State    string // comes back with the code; one-time, unguessable
	Nonce    string // comes back inside the id token
	Verifier string // PKCE code verifier, 43 to 128 characters; only its hash travels with the browser
	Redirect string // where the browser comes back to; the same for the page and for the code
	Claims   string // claims challenge as a JSON object; empty: none
	Kind     Kind   // the pillar whose service challenged: the claims are for a token of that service; empty: Graph's
	Hint     string // the account to offer, a user principal name; empty: none
	Choose   bool   // ask which account, even where only one is signed in
	Issuer   string // who answered, as the browser came back with it (RFC 9207); empty: it was not told

	// Fresh asks for a sign-in that is made now, whoever is signed in already, and takes
	// no other one: none from before Since, which is when this trip began.
	Fresh bool
	Since time.Time
}

// freshSkew is by how much Microsoft's clock may differ from this one.
const freshSkew = time.Minute

// Proves says whether who's sign-in is as fresh as a asks for. Only Microsoft's own word
// counts, which the id token holds; what the sign-in page was asked is no proof. Errors
// are *Error with CodeNotFresh.
func (a Authorization) Proves(who Identity, now time.Time) error {
	no := func(why string) error { return &Error{Op: "fresh sign-in", Code: CodeNotFresh, Err: errors.New(why)} }
	switch {
	case !a.Fresh:
		return nil
	case a.Since.IsZero():
		return no("no fresh sign-in was begun")
	case who.SignedIn.IsZero():
		return no("the id token does not say when its person signed in: the optional claim auth_time is missing")
	case who.SignedIn.Before(a.Since.Add(-freshSkew)):
		return no("it was answered with an older sign-in")
	case who.SignedIn.After(now.Add(freshSkew)):
		return no("the id token's auth_time lies in the future")
	}
	return nil
}

// LogValue hides the secrets.
func (Authorization) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// String hides the secrets.
func (Authorization) String() string { return "REDACTED" }

// GoString hides the secrets.
func (Authorization) GoString() string { return "REDACTED" }

// Identity is who signed in: Tenant and ID are proven, the names are what
// Microsoft's token called the person.
type Identity struct {
	Tenant string // Entra tenant id
	Principal
	SignedIn time.Time // when the person last proved who they are; zero: the token does not tell
}
