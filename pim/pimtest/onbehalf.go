package pimtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// jwtBearer is the grant type by which an app that was given a person's token gets
// another one on their behalf.
const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// The one scope that an app offers, and the policy that SetMFAPolicy switches.
const (
	accessAsUser = "access_as_user"
	mfaPolicy    = "b0dac01d-0000-4000-8000-00000000c0de"
)

// SetMFAPolicy switches a policy of conditional access: without MFA nobody gets a
// token for a resource, nor does an app get one on their behalf.
func (t *Tenant) SetMFAPolicy(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wantsMFA = on
}

// ClientToken is the token for App.URI that one of App.Clients gets for a person who
// is signed in there: what Teams sends to a bot for single sign-on. amr is how they
// signed in. edit, when not nil, may change the claims before they are signed.
func (t *Tenant) ClientToken(user, client string, amr []string, edit func(claims map[string]any)) (signed string, err error) {
	kept := t.do(func() { signed, err = t.clientToken(user, client, amr, edit) })
	return signed, errors.Join(err, kept)
}

func (t *Tenant) clientToken(user, client string, amr []string, edit func(map[string]any)) (string, error) {
	u := t.w.Users[user]
	switch {
	case t.opt.App.URI == "":
		return "", errors.New("pimtest: AADSTS500011: the app has no Application ID URI")
	case !slices.Contains(t.opt.App.Clients, client):
		return "", fmt.Errorf("pimtest: AADSTS65001: the client %s is not authorized in advance", client)
	case u == nil || u.Disabled:
		return "", errors.New("pimtest: AADSTS50057: the user account is disabled or not there")
	}
	c := t.base(t.opt.App.ClientID, t.issuer(), t.lifetime())
	maps.Copy(c, jwt.MapClaims{"ver": "2.0", "azp": client, "azpacr": "0", "scp": accessAsUser, "oid": u.ID, "sub": t.pairwise(u.ID),
		"name": u.Name, "preferred_username": u.UPN, "amr": amr})
	if edit != nil {
		edit(c)
	}
	return t.sign(c)
}

// assertion are the claims of a token that an app brings for another one.
type assertion struct {
	jwt.RegisteredClaims
	OID string   `json:"oid"`
	TID string   `json:"tid"`
	Scp string   `json:"scp"`
	AMR []string `json:"amr"`
}

// onBehalfOf gives an app a token of the person whose token for the app it brings.
func (t *Tenant) onBehalfOf(form url.Values, asked scopes, claims claimsRequest) (obj, *signInError) {
	if form.Get("requested_token_use") != "on_behalf_of" {
		return nil, fault("invalid_request", 900144, "The request body must contain the following parameter: 'requested_token_use'.")
	}
	if form.Get("assertion") == "" {
		return nil, fault("invalid_request", 900144, "The request body must contain the following parameter: 'assertion'.")
	}
	key, err := t.signer()
	if err != nil {
		return nil, fault("server_error", 90033, "%v", err)
	}
	var a assertion
	_, err = jwt.ParseWithClaims(form.Get("assertion"), &a, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(t.wall), jwt.WithExpirationRequired(), jwt.WithIssuer(t.issuer()))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, fault("invalid_grant", 500133, "Assertion is not within its valid time range. Ensure that the access token is not expired before using it for user assertion, or request a new token.")
	case err != nil || a.TID != t.opt.TenantID:
		return nil, fault("invalid_grant", 50013, "Assertion failed signature validation.")
	case !slices.Contains([]string{t.opt.App.ClientID, t.opt.App.URI}, strings.Join(a.Audience, " ")):
		return nil, fault("invalid_grant", 500131, "Assertion audience does not match the Client app presenting the assertion.")
	case a.Scp == "":
		return nil, fault("invalid_grant", 50013, "Assertion is an app-only token, which cannot be used for on-behalf-of.")
	}
	if e := t.stillGood(a.OID, t.wall(), time.Time{}); e != nil {
		return nil, e
	}
	if (t.wantsMFA || claims.MFA) && !slices.Contains(a.AMR, "mfa") || len(claims.ACRS) > 0 {
		return nil, policyInTheWay()
	}
	return t.userTokens(signIn{User: a.OID, AMR: a.AMR, At: t.wall()}, asked, nil, claims.CC, "", form.Get("client_info") != "")
}

// policyInTheWay is how conditional access asks an app in the middle for more proof:
// the person has to sign in with these claims.
func policyInTheWay() *signInError {
	e := fault("interaction_required", 50076, "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.")
	e.status = http.StatusBadRequest
	e.suberror = "basic_action"
	if b, err := json.Marshal(obj{"access_token": obj{"capolids": obj{"essential": true, "values": []string{mfaPolicy}}}}); err == nil {
		e.claims = string(b)
	}
	return e
}
