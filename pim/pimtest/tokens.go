package pimtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// graphResource is the audience of Graph's tokens; graphAppID is its other name.
const (
	graphResource = "https://graph.microsoft.com"
	graphAppID    = "00000003-0000-0000-c000-000000000000"
)

// signer is the tenant's signing key, made when it is first needed.
func (t *Tenant) signer() (*rsa.PrivateKey, error) {
	if t.key != nil {
		return t.key, nil
	}
	if t.w.Key != "" {
		der, err := base64.StdEncoding.DecodeString(t.w.Key)
		if err != nil {
			return nil, fmt.Errorf("the kept signing key: %w", err)
		}
		k, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("the kept signing key: %w", err)
		}
		key, ok := k.(*rsa.PrivateKey)
		if !ok {
			return nil, errors.New("the kept signing key is not RSA")
		}
		t.key = key
		return key, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	t.key, t.w.Key, t.w.dirty = key, base64.StdEncoding.EncodeToString(der), true
	return key, nil
}

func keyID(k *rsa.PublicKey) string {
	sum := sha256.Sum256(k.N.Bytes())
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}

// jwks is the key set that discovery publishes.
func (t *Tenant) jwks() (obj, error) {
	key, err := t.signer()
	if err != nil {
		return nil, err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return obj{"keys": []obj{{
		"kty": "RSA", "use": "sig", "kid": keyID(&key.PublicKey), "issuer": t.issuer(),
		"n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes()),
	}}}, nil
}

func (t *Tenant) sign(claims jwt.MapClaims) (string, error) {
	key, err := t.signer()
	if err != nil {
		return "", err
	}
	tok := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	tok.Header["kid"] = keyID(&key.PublicKey)
	return tok.SignedString(key)
}

// signIn is how a person signed in.
type signIn struct {
	User string
	AMR  []string // pwd, mfa
	ACRS []string // authentication contexts that were satisfied
	At   time.Time
}

// lifetime of an access token: 60 to 90 minutes, as Entra draws it.
func (t *Tenant) lifetime() time.Duration {
	return time.Hour + time.Duration(t.rng.IntN(1800))*time.Second
}

// base are the claims that all tokens share. Entra dates a token five minutes
// back.
func (t *Tenant) base(aud, iss string, life time.Duration) jwt.MapClaims {
	now := t.wall()
	return jwt.MapClaims{
		"aud": aud, "iss": iss, "tid": t.opt.TenantID,
		"iat": now.Add(-5 * time.Minute).Unix(), "nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(life).Unix(),
		"uti": strings.ReplaceAll(uuid.NewString(), "-", "")[:22],
	}
}

// accessToken makes a v1.0 access token, the kind Graph takes.
func (t *Tenant) accessToken(resource string, life time.Duration, more jwt.MapClaims) (string, error) {
	c := t.base(resource, "https://sts.windows.net/"+t.opt.TenantID+"/", life)
	c["appid"], c["appidacr"], c["ver"], c["app_displayname"] = t.opt.App.ClientID, "1", "1.0", t.opt.App.Name
	for k, v := range more {
		c[k] = v
	}
	return t.sign(c)
}

func (t *Tenant) userAccessToken(s signIn, resource string, scp, acrs, cc []string, life time.Duration) (string, error) {
	u := t.w.Users[s.User]
	more := jwt.MapClaims{
		"oid": u.ID, "sub": t.pairwise(u.ID), "idtyp": "user", "acr": "1", "amr": s.AMR,
		"scp": strings.Join(scp, " "), "name": u.Name, "unique_name": u.UPN, "upn": u.UPN, "wids": t.heldRoles(u.ID),
	}
	if len(acrs) > 0 {
		more["acrs"] = acrs
	}
	if len(cc) > 0 {
		more["xms_cc"] = cc
	}
	return t.accessToken(resource, life, more)
}

func (t *Tenant) appAccessToken(resource string, life time.Duration) (string, error) {
	id := t.opt.App.PrincipalID
	more := jwt.MapClaims{"oid": id, "sub": id, "idtyp": "app", "wids": append([]string{roleOfApplications}, t.opt.App.Registration.Roles...)}
	if resource == graphResource && len(t.opt.App.Application) > 0 {
		more["roles"] = t.opt.App.Application
	}
	return t.accessToken(resource, life, more)
}

// roleOfApplications stands in the token of every application.
const roleOfApplications = "0997a1d0-0d1d-4acb-b408-d5ca73121e90"

// idToken holds what the scopes entitle to: oid and the names come with profile,
// the address with email.
func (t *Tenant) idToken(s signIn, scopes []string, nonce string) (string, error) {
	u := t.w.Users[s.User]
	c := t.base(t.opt.App.ClientID, t.issuer(), time.Hour)
	c["sub"], c["ver"] = t.pairwise(u.ID), "2.0"
	if nonce != "" {
		c["nonce"] = nonce
	}
	if slices.Contains(t.opt.App.Registration.IDClaims, "auth_time") && !t.manners.NoAuthTime {
		c["auth_time"] = s.At.Unix()
	}
	if slices.Contains(scopes, "profile") {
		c["oid"], c["name"], c["preferred_username"] = u.ID, u.Name, u.UPN
	}
	if slices.Contains(scopes, "email") && u.Mail != "" {
		c["email"] = u.Mail
	}
	return t.sign(c)
}

// pairwise is the subject of a user for this client only.
func (t *Tenant) pairwise(user string) string {
	sum := sha256.Sum256([]byte(t.opt.App.ClientID + "\x00" + user))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// heldRoles are the role templates a user has active, which Entra writes into
// new tokens only.
func (t *Tenant) heldRoles(user string) []string {
	held := []string{}
	for id := range t.w.Roles {
		if t.w.holds(user, t.now(), id) {
			held = append(held, id)
		}
	}
	slices.Sort(held)
	return held
}

// caller is whom an access token speaks for.
type caller struct {
	who
	grants     []string // scp of a person, roles of an application
	amr        []string
	acrs       []string
	capability []string
}

// accessClaims are what a resource reads of an access token.
type accessClaims struct {
	jwt.RegisteredClaims
	OID   string   `json:"oid"`
	TID   string   `json:"tid"`
	IDTyp string   `json:"idtyp"`
	Scp   string   `json:"scp"`
	Roles []string `json:"roles"`
	AMR   []string `json:"amr"`
	ACRS  []string `json:"acrs"`
	CC    []string `json:"xms_cc"`
}

// tokenFault is why a bearer token is not taken. Graph and ARM have codes of their
// own for it.
type tokenFault struct{ why, text string }

const (
	tokenMissing  = "missing"
	tokenInvalid  = "invalid"
	tokenExpired  = "expired"
	tokenAudience = "audience"
	tokenTenant   = "tenant"
)

// readToken reads the bearer token of a call to a resource with one of these
// audiences.
func (t *Tenant) readToken(header string, audiences ...string) (c accessClaims, f *tokenFault) {
	scheme, raw, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(raw) == "" {
		return c, &tokenFault{tokenMissing, "Access token is empty."}
	}
	key, err := t.signer()
	if err != nil {
		return c, &tokenFault{tokenInvalid, "The signing key cannot be read: " + err.Error()}
	}
	_, err = jwt.ParseWithClaims(strings.TrimSpace(raw), &c, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(t.wall), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return c, &tokenFault{tokenExpired, "Lifetime validation failed, the token is expired."}
	case err != nil:
		return c, &tokenFault{tokenInvalid, "Invalid access token."}
	case !slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains([]string(c.Audience), a) }):
		return c, &tokenFault{tokenAudience, "Access token validation failure. Invalid audience."}
	case c.TID != t.opt.TenantID:
		return c, &tokenFault{tokenTenant, "Invalid tenant."}
	case c.IDTyp == "app":
		return c, nil
	}
	if u := t.w.Users[c.OID]; u == nil || u.Disabled {
		return c, &tokenFault{tokenInvalid, "The user account is disabled or deleted."}
	}
	return c, nil
}

// caller is whom the claims speak for.
func (c accessClaims) caller() caller {
	if c.IDTyp == "app" {
		return caller{who: who{c.OID, ByApplication}, grants: c.Roles}
	}
	return caller{who: who{c.OID, ByUser}, grants: strings.Fields(c.Scp), amr: c.AMR, acrs: c.ACRS, capability: c.CC}
}

// authenticate reads the bearer token of a Graph call.
func (t *Tenant) authenticate(header string) (caller, *GraphError) {
	c, f := t.readToken(header, graphResource)
	if f != nil {
		e := refusal("InvalidAuthenticationToken")
		e.Message = f.text
		return caller{}, e
	}
	return c.caller(), nil
}
