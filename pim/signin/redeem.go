package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/belaybot/belay/pim"
)

// Redeem turns the code that a browser brought back into a proven identity. a is
// what AuthURL was called with, and the token that comes with it is for the service
// that a.Kind names. Nothing is kept until keep is called; a caller
// that does not want this identity just drops it.
//
// Errors are *pim.Error. CodeSignIn: the code is used up, too old or not ours.
// CodeInvalid: the id token is not what was asked for. CodeNotFresh: a fresh sign-in was
// asked for, and this is an older one. CodeForbidden: an
// administrator has not agreed to all permissions. CodeStepUp: more proof is
// needed. CodeUnavailable, CodeThrottled, CodeInvalidClientConfig as their names
// say.
func (c *Client) Redeem(ctx context.Context, code string, a pim.Authorization) (who pim.Identity, keep func(context.Context) error, err error) {
	const op = "redeem"
	claims, err := challenge(a.Claims)
	if err != nil {
		return who, nil, &pim.Error{Op: op, Code: pim.CodeInvalid, Err: err}
	}
	if err := c.answeredBy(ctx, a.Issuer); err != nil {
		return who, nil, err
	}
	memory := &inMemory{}
	seen := &witness{Client: c.http}
	client, err := c.msal(memory, seen)
	if err != nil {
		return who, nil, refusal(op, err)
	}
	of := c.audience(a.Kind)
	result, err := client.AcquireTokenByAuthCode(ctx, code, a.Redirect, of.scopes,
		confidential.WithChallenge(a.Verifier), confidential.WithClaims(claims))
	if err := of.granted(op, seen); err != nil {
		return who, nil, err
	}
	if err != nil {
		return who, nil, refusal(op, err)
	}
	if who, err = c.verify(ctx, result.IDToken.RawToken, a.Nonce); err != nil {
		return pim.Identity{}, nil, err
	}
	if err := a.Proves(who, c.opts.Now()); err != nil {
		return pim.Identity{}, nil, err
	}

	g := grant{Person: who.ID, Account: result.Account.HomeAccountID, SignedIn: c.opts.Now().UTC(), Cache: memory.data}
	if g.Session, err = c.random(); err != nil {
		return pim.Identity{}, nil, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: err}
	}
	t := token{value: result.AccessToken, ends: result.ExpiresOn}
	return who, func(ctx context.Context) error { return c.keep(ctx, g, of, t) }, nil
}

// verify proves an id token: signature, issuer, audience, time, nonce, tenant.
func (c *Client) verify(ctx context.Context, raw, nonce string) (pim.Identity, error) {
	refuse := func(err error) (pim.Identity, error) {
		return pim.Identity{}, &pim.Error{Op: "id token", Code: pim.CodeInvalid, Err: err}
	}
	v, err := c.idTokens(ctx)
	if err != nil {
		return pim.Identity{}, err
	}
	t, err := v.Verify(oidc.ClientContext(ctx, c.http), raw)
	if err != nil {
		return refuse(err)
	}
	if nonce == "" || subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(nonce)) != 1 {
		return refuse(errors.New("the nonce is another one"))
	}
	var claims struct {
		Tenant string          `json:"tid"`
		ID     string          `json:"oid"`
		Name   string          `json:"name"`
		UPN    string          `json:"preferred_username"`
		Mail   string          `json:"email"`
		At     json.RawMessage `json:"auth_time"`
	}
	if err := t.Claims(&claims); err != nil {
		return refuse(errors.New("the claims cannot be read"))
	}
	if !strings.EqualFold(claims.Tenant, c.opts.Tenant) {
		return refuse(errors.New("the tenant is another one"))
	}
	if claims.ID == "" {
		return refuse(errors.New("there is no object id"))
	}
	return pim.Identity{Tenant: c.opts.Tenant, Principal: pim.Principal{
		ID: claims.ID, Name: claims.Name, UPN: claims.UPN, Mail: claims.Mail}, SignedIn: authTime(claims.At)}, nil
}

// authTime reads the claim of that name: whole seconds. Anything else is as if it were
// not there, which is enough for a sign-in that need not be fresh.
func authTime(raw json.RawMessage) time.Time {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// answeredBy holds that the answer which the browser brought is this sign-in service's
// (RFC 9207): what another one was asked is not to be redeemed here. Where the service says
// that it tells who it is, it must.
func (c *Client) answeredBy(ctx context.Context, issuer string) error {
	refuse := func(why string) error {
		return &pim.Error{Op: "redeem", Code: pim.CodeInvalid, Err: errors.New(why)}
	}
	if issuer != "" && issuer != c.opts.Issuer {
		return refuse("another sign-in service answered")
	}
	if _, err := c.idTokens(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	tells := c.tells
	c.mu.Unlock()
	if tells && issuer == "" {
		return refuse("the answer does not say which sign-in service it is from")
	}
	return nil
}

// idTokens is the verifier of id tokens. The sign-in service tells its keys when
// it is first asked, so that Belay starts without it.
func (c *Client) idTokens(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	c.mu.Lock()
	v := c.verifier
	c.mu.Unlock()
	if v != nil {
		return v, nil
	}
	at, issuer := c.opts.Login+"/"+c.opts.Tenant+"/v2.0", c.opts.Issuer
	if issuer != at {
		ctx = oidc.InsecureIssuerURLContext(ctx, issuer) // the operator's word for it
	}
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, c.http), at)
	var metadata struct {
		Tells bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err == nil {
		err = p.Claims(&metadata)
	}
	if err != nil {
		return nil, &pim.Error{Op: "id token", Code: pim.CodeUnavailable, Err: errors.New("the sign-in service does not tell its keys")}
	}
	v = p.Verifier(&oidc.Config{ClientID: c.opts.ClientID, SupportedSigningAlgs: []string{oidc.RS256}, Now: c.opts.Now})
	c.mu.Lock()
	c.verifier, c.tells = v, metadata.Tells
	c.mu.Unlock()
	return v, nil
}
