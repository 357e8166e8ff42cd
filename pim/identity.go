package pim

import "log/slog"

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
}
