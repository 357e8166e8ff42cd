package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/belaybot/belay/pim"
)

// AccessAsUser is the one scope that Belay's registration offers, to Teams alone.
const AccessAsUser = "access_as_user"

// TeamsClients are the application ids of Teams: on phones and desktops, and on the web.
// Source: "Configure your app in Microsoft Entra ID" of the Teams documentation.
func TeamsClients() []string {
	return []string{"1fec8e78-bce4-4aaf-ab1b-5451cc387264", "5e3ce6c0-2b1f-4285-8d4b-75ee78787346"}
}

// Limits of what may call itself a token of single sign-on, and of asking for the
// keys that such tokens are signed with: whoever sends garbage must not make Belay
// ask each time.
const (
	assertionMaxBytes = 16 << 10
	keysPause         = time.Minute
)

// Exchange redeems the token that Teams got for a person's single sign-on, on their
// behalf, for a sign-in of their own. The token must be that person's, made for
// Belay by Teams; it is used once and kept nowhere. As with Redeem, nothing else is
// kept until keep is called.
//
// Errors are *pim.Error. CodeInvalid: the token proves nothing, or somebody else.
// CodeStepUp: Microsoft wants more proof first, see Claims. CodeSignIn: it does not
// take the token, or a policy stands in the way. The others are as for Redeem.
func (c *Client) Exchange(ctx context.Context, person, assertion string) (who pim.Identity, keep func(context.Context) error, err error) {
	const op = "exchange"
	if who, err = c.vouched(ctx, person, assertion); err != nil {
		return pim.Identity{}, nil, err
	}
	seen := &witness{Client: c.http}
	client, err := c.msal(&inMemory{}, seen)
	if err != nil {
		return pim.Identity{}, nil, refusal(op, err)
	}
	result, err := client.AcquireTokenOnBehalfOf(ctx, assertion, c.graph.scopes)
	if err := c.graph.granted(op, seen); err != nil {
		return pim.Identity{}, nil, err
	}
	if err != nil {
		return pim.Identity{}, nil, refusal(op, err)
	}
	g := grant{Person: who.ID, Account: result.Account.HomeAccountID, SignedIn: c.opts.Now().UTC()}
	if g.Cache, err = c.carried(g.Account, seen.refresh); err != nil {
		return pim.Identity{}, nil, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: err}
	}
	if g.Session, err = c.random(); err != nil {
		return pim.Identity{}, nil, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: err}
	}
	t := token{value: result.AccessToken, ends: result.ExpiresOn}
	return who, func(ctx context.Context) error { return c.keep(ctx, g, c.graph, t) }, nil
}

// carried is MSAL's cache with one refresh token in it. MSAL keeps what it gets on
// somebody's behalf under a hash of their token, and expects that token again; Belay
// goes on with the refresh token instead, as after every other sign-in. The names
// are MSAL's storage contract, the same in all its languages.
func (c *Client) carried(account, refresh string) (json.RawMessage, error) {
	u, err := url.Parse(c.opts.Login)
	if err != nil || account == "" || refresh == "" {
		return nil, errors.New("the sign-in service gave no refresh token")
	}
	host := strings.ToLower(u.Host)
	key := func(parts ...string) string { return strings.ToLower(strings.Join(parts, "-")) }
	return json.Marshal(map[string]map[string]map[string]string{
		"RefreshToken": {key(account, host, "RefreshToken", c.opts.ClientID): {"home_account_id": account, "environment": host,
			"credential_type": "RefreshToken", "client_id": c.opts.ClientID, "secret": refresh}},
		"AppMetadata": {key("AppMetadata", host, c.opts.ClientID): {"client_id": c.opts.ClientID, "environment": host}},
	})
}

// vouched proves a token of single sign-on: signature, issuer, time; that it is for
// Belay and no other, asked for by Teams, to act for the very person whose chat
// client brought it.
func (c *Client) vouched(ctx context.Context, person, raw string) (pim.Identity, error) {
	refuse := func(why string) (pim.Identity, error) {
		return pim.Identity{}, &pim.Error{Op: "single sign-on", Code: pim.CodeInvalid, Err: errors.New(why)}
	}
	switch {
	case c.opts.AppURI == "":
		return refuse("single sign-on is not configured")
	case len(raw) > assertionMaxBytes || strings.Count(raw, ".") != 2:
		return refuse("that is not a token")
	}
	v, err := c.assertions(ctx)
	if err != nil {
		return pim.Identity{}, err
	}
	t, err := v.Verify(ctx, raw)
	if err != nil {
		// The library's words quote claims of whoever made the token.
		if errors.As(err, new(*oidc.TokenExpiredError)) {
			return refuse("the token has expired")
		}
		return refuse("the token does not hold")
	}
	var claims struct {
		Tenant string `json:"tid"`
		ID     string `json:"oid"`
		Client string `json:"azp"`
		Scope  string `json:"scp"`
		Name   string `json:"name"`
		UPN    string `json:"preferred_username"`
	}
	if err := t.Claims(&claims); err != nil {
		return refuse("the claims cannot be read")
	}
	switch {
	case len(t.Audience) != 1 || t.Audience[0] != c.opts.ClientID && t.Audience[0] != c.opts.AppURI:
		return refuse("the token is for another application")
	case !strings.EqualFold(claims.Tenant, c.opts.Tenant):
		return refuse("the tenant is another one")
	case !slices.Contains(TeamsClients(), claims.Client):
		return refuse("another client than Teams asked for the token")
	case !slices.Contains(strings.Fields(claims.Scope), AccessAsUser):
		return refuse("the token does not let Belay act for anybody")
	case claims.ID == "" || !strings.EqualFold(claims.ID, person):
		return refuse("the token is another person's")
	}
	return pim.Identity{Tenant: c.opts.Tenant, Principal: pim.Principal{ID: claims.ID, Name: claims.Name, UPN: claims.UPN}}, nil
}

// assertions is the verifier of tokens of single sign-on. Its keys are its own: they
// are asked for seldom, whatever is sent.
func (c *Client) assertions(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	c.mu.Lock()
	v := c.asserted
	c.mu.Unlock()
	if v != nil {
		return v, nil
	}
	at, issuer := c.opts.Login+"/"+c.opts.Tenant+"/v2.0", c.opts.Issuer
	calls := oidc.ClientContext(ctx, c.http)
	if issuer != at {
		calls = oidc.InsecureIssuerURLContext(calls, issuer)
	}
	p, err := oidc.NewProvider(calls, at)
	var metadata struct {
		Keys string `json:"jwks_uri"`
	}
	if err == nil {
		err = p.Claims(&metadata)
	}
	if err != nil {
		return nil, &pim.Error{Op: "single sign-on", Code: pim.CodeUnavailable, Err: errors.New("the sign-in service does not tell its keys")}
	}
	rare := &http.Client{Timeout: callTime, CheckRedirect: c.http.CheckRedirect, Transport: &seldom{next: c.http.Transport, now: c.opts.Now}}
	v = oidc.NewVerifier(issuer, oidc.NewRemoteKeySet(oidc.ClientContext(ctx, rare), metadata.Keys),
		// The audience has two spellings, and is checked with the other claims.
		&oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: []string{oidc.RS256}, Now: c.opts.Now})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asserted == nil {
		c.asserted = v
	}
	return c.asserted, nil
}

// seldom lets one request through in a while. The library asks for the keys whenever
// a token names one that it does not know.
type seldom struct {
	next http.RoundTripper
	now  func() time.Time

	mu   sync.Mutex
	last time.Time
}

// RoundTrip passes the request on, or fails because one went lately.
func (s *seldom) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	now := s.now()
	lately := !s.last.IsZero() && now.Sub(s.last) < keysPause
	if !lately {
		s.last = now
	}
	s.mu.Unlock()
	if lately {
		return nil, errors.New("the keys were asked for a moment ago")
	}
	return s.next.RoundTrip(r)
}
