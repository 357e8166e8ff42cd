package pimtest

import (
	"crypto/sha1" // x5t is defined over SHA-1 (RFC 7517)
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// assertionType is the only client_assertion_type there is.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticateClient checks that the caller of the token endpoint is the
// registered client: by secret in the form or in Basic, or by a JWT that one of
// its certificates signed.
func (t *Tenant) authenticateClient(r *http.Request, form url.Values) *signInError {
	app := t.opt.App
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if u, p, ok := r.BasicAuth(); ok {
		user, err1 := url.QueryUnescape(u)
		pass, err2 := url.QueryUnescape(p)
		if err1 != nil || err2 != nil || secret != "" || (id != "" && id != user) {
			return fault("invalid_request", 9002313, "Invalid request. The client authenticated in more than one way.")
		}
		id, secret = user, pass
	}
	assertion := form.Get("client_assertion")
	switch {
	case id == "" && assertion == "":
		return fault("invalid_request", 900144, "The request body must contain the following parameter: 'client_id'.")
	case id != "" && !strings.EqualFold(id, app.ClientID):
		return fault("unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory.", id)
	case secret != "" && assertion != "":
		return fault("invalid_request", 9002313, "Invalid request. The client authenticated in more than one way.")
	case assertion != "":
		return t.checkAssertion(form.Get("client_assertion_type"), assertion)
	case secret == "":
		return fault("invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case app.ClientSecret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(app.ClientSecret)) != 1:
		return fault("invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ClientID)
	case !app.Registration.SecretUntil.IsZero() && t.wall().After(app.Registration.SecretUntil):
		return fault("invalid_client", 7000222, "The provided client secret keys for app '%s' are expired.", app.ClientID)
	}
	return nil
}

func (t *Tenant) checkAssertion(kind, assertion string) *signInError {
	if kind != assertionType {
		return fault("invalid_request", 900144, "The request body must contain the following parameter: 'client_assertion_type'.")
	}
	var c jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(assertion, &c, func(tok *jwt.Token) (any, error) {
		cert := t.certificate(tok.Header)
		if cert == nil {
			return nil, errors.New("the certificate is not registered")
		}
		if now := t.wall(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			return nil, errors.New("the certificate is not valid now")
		}
		return cert.PublicKey, nil
	}, jwt.WithValidMethods([]string{"PS256", "RS256"}), jwt.WithTimeFunc(t.wall), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired) || errors.Is(err, jwt.ErrTokenNotValidYet):
		return fault("invalid_client", 700024, "Client assertion is not within its valid time range.")
	case err != nil:
		return fault("invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not registered on application, or the signature is wrong.")
	case c.Issuer != t.opt.App.ClientID || c.Subject != t.opt.App.ClientID:
		return fault("invalid_client", 700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
	case len(c.Audience) != 1 || (c.Audience[0] != t.tokenEndpoint() && c.Audience[0] != t.issuer()):
		return fault("invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.")
	}
	return nil
}

// certificate finds the registered certificate that a JWT header names by its
// thumbprint. Microsoft's libraries encode it in either base64.
func (t *Tenant) certificate(header map[string]any) *x509.Certificate {
	for _, cert := range t.opt.App.Certificates {
		s1, s2 := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
		for name, sum := range map[string][]byte{"x5t": s1[:], "x5t#S256": s2[:]} {
			named, _ := header[name].(string)
			named = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(named), "=")
			if named != "" && named == base64.RawURLEncoding.EncodeToString(sum) {
				return cert
			}
		}
	}
	return nil
}
