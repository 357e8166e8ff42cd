package teams

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/infracloudio/msbotbuilder-go/connector/auth"
	"github.com/infracloudio/msbotbuilder-go/schema"
)

const (
	channel       = "msteams"
	tokenMaxBytes = 8 << 10
	tokenLeeway   = 5 * time.Minute
)

// refusal is why a delivery is not let in. It is for the log only: the caller
// hears 403 and nothing else. It never holds any part of the token.
type refusal string

// Error is the operator's view.
func (r refusal) Error() string { return string(r) }

// token is a connector token whose signature, issuer, audience and times hold. As
// the library's TokenValidator it then binds itself to the activity that came
// with it; so the body is parsed only for somebody who is authenticated.
type token struct {
	serviceURL string
	key        signingKey
	id         string // application id it was made for
}

var _ auth.TokenValidator = token{}

type claims struct {
	jwt.RegisteredClaims
	ServiceURL string `json:"serviceurl"`
}

// verify checks the Authorization header. The error is a refusal, or errNoKeys
// when the connector's keys cannot be had.
func (a *Adapter) verify(ctx context.Context, header http.Header) (token, error) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return token{}, refusal("no single Authorization header")
	}
	scheme, raw, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return token{}, refusal("no bearer token")
	}
	if len(raw) > tokenMaxBytes || strings.Count(raw, ".") != 2 {
		return token{}, refusal("not a token")
	}
	c, key, err := a.signed(ctx, raw)
	switch {
	case errors.Is(err, errNoKeys):
		return token{}, err
	case err != nil:
		return token{}, tokenRefusal(err)
	case len(c.Audience) != 1:
		return token{}, refusal("token for several audiences")
	case c.ServiceURL == "":
		return token{}, refusal("token without serviceurl")
	}
	return token{serviceURL: c.ServiceURL, key: key, id: a.opts.AppID}, nil
}

// signed gives the claims of a token whose signature and claims hold, and the key that the
// connector has for it now.
func (a *Adapter) signed(ctx context.Context, raw string) (claims, signingKey, error) {
	rules := []jwt.ParserOption{
		jwt.WithValidMethods([]string{"RS256"}),
		jwt.WithIssuer(a.opts.Issuer),
		jwt.WithAudience(a.opts.AppID),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(tokenLeeway),
		jwt.WithTimeFunc(a.opts.Now),
	}
	if p, ok := a.known.find(raw); ok {
		key, err := a.keys.find(ctx, p.kid)
		switch {
		case err != nil:
			return p.claims, key, err
		case key.public.Equal(p.public):
			return p.claims, key, jwt.NewValidator(rules...).Validate(&p.claims)
		}
	}
	var p proof
	var key signingKey
	_, err := jwt.NewParser(rules...).ParseWithClaims(raw, &p.claims, func(j *jwt.Token) (_ any, err error) {
		p.kid, _ = j.Header["kid"].(string)
		if p.kid == "" || len(p.kid) > 256 {
			return nil, errUnknownKey
		}
		key, err = a.keys.find(ctx, p.kid)
		p.public = key.public
		return key.public, err
	})
	if err == nil {
		a.known.keep(raw, p, a.opts.Now())
	}
	return p.claims, key, err
}

// tokenRefusal names the kind of fault without quoting the token.
func tokenRefusal(err error) refusal {
	for _, kind := range []error{
		errUnknownKey, jwt.ErrTokenMalformed, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenExpired,
		jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience,
	} {
		if errors.Is(err, kind) {
			return refusal(kind.Error())
		}
	}
	return refusal("token is not valid")
}

// AuthenticateRequest binds the token to the activity: the same service URL, and
// a key that is endorsed for the activity's channel.
func (t token) AuthenticateRequest(_ context.Context, act schema.Activity, _ string, _ auth.CredentialProvider, _ string) (auth.ClaimsIdentity, error) {
	if t.id == "" {
		return nil, refusal("token was not verified")
	}
	if !sameServiceURL(t.serviceURL, act.ServiceURL) {
		return nil, refusal("serviceurl of the token is another one")
	}
	if act.ChannelID != channel || !t.key.endorses(act.ChannelID) {
		return nil, refusal("key is not endorsed for the channel")
	}
	return auth.NewClaimIdentity(map[string]any{"aud": t.id, "serviceurl": t.serviceURL}, true), nil
}
