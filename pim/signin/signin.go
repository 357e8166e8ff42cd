// Package signin keeps people's own Microsoft Entra sign-ins, and Belay's.
//
// A person signs in with a browser: AuthURL is where they are sent, Redeem turns
// the code they bring back into a verified identity and something to keep. What
// is kept (a grant) holds a refresh token and no access token; the store seals
// it. Person then gives an access token for exactly that person, silently, until
// the session has reached its greatest age or Microsoft ends it. Nothing here
// knows chat: who may be signed in for whom is decided by the caller, between
// Redeem and keep.
//
// Why an age of our own: Entra does not end the refresh tokens of a confidential
// client when a password changes, and they live 90 days.
//
// A token is for one service. Person's are for Graph; Resource gives those for
// another one, by the same sign-in. A step-up for one service is a sign-in with its
// scopes and its claims; the others follow silently.
//
// App is Belay's own token. It has read permissions only, and no path leads from
// it to a person's token.
package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// DefaultMaxAge is how long a sign-in lasts unless the operator says otherwise.
const DefaultMaxAge = 12 * time.Hour

// Scopes are the delegated permissions that Belay asks a person for, without
// the resource they belong to. All need an administrator's consent. MSAL adds
// openid, profile and offline_access. What is off by default adds its own where it is on.
func Scopes(on ...pim.Feature) []string { return pim.DelegatedPermissions(pim.Graph, on...) }

// AzureScopes are the delegated permissions of Azure Resource Manager. An
// administrator may leave them out: everything else works without.
func AzureScopes() []string { return pim.DelegatedPermissions(pim.ARM) }

// Options are what a Client needs. Login, Tenant, ClientID, Credential, Store and
// Key have no default.
type Options struct {
	Store store.Store
	// Key is the store key of a person's grant; it holds no personal identifier.
	Key func(principal string) string

	Login      string // base URL such as https://login.microsoftonline.com; https, because MSAL refuses anything else
	Tenant     string // Entra tenant id
	ClientID   string // application (client) id
	Credential Credential

	// Issuer is what id tokens name as theirs; Login/Tenant/v2.0 when empty.
	Issuer string
	// Resource is the audience of the tokens, https://graph.microsoft.com when
	// empty. It is not derived from the URL that Graph is called at.
	Resource string
	// AzureResource is that of the tokens for Azure Resource Manager,
	// https://management.azure.com when empty.
	AzureResource string

	// AppURI is the Application ID URI of Belay's registration, for single sign-on in
	// Teams; without it Exchange refuses everything.
	AppURI string

	// Ended is called within the transaction that drops a person's sign-in, with a code
	// of why; nil: nobody wants to know.
	Ended func(tx store.Tx, person, why string) error

	// On are the features whose permissions people are asked for too.
	On []pim.Feature

	MaxAge time.Duration // DefaultMaxAge when 0
	// Fleeting keeps no sign-in: each is in memory only, for ActTime at the most.
	Fleeting bool

	HTTP   *http.Client     // its Transport is used; redirects, time and size are limited here
	Now    func() time.Time // wall clock; time.Now when nil
	Random io.Reader        // crypto/rand when nil
	Log    *slog.Logger
}

// Client signs people in and hands out tokens. It is safe for concurrent use.
type Client struct {
	opts   Options
	http   *http.Client
	cred   confidential.Credential
	app    azcore.TokenCredential
	shelf  shelf
	graph  *audience
	azure  *audience
	front  confidential.Client // knows the sign-in page; holds no tokens
	flight singleflight.Group  // one refresh per session at a time

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	tells    bool                  // the sign-in service tells who it is when a browser comes back (RFC 9207)
	asserted *oidc.IDTokenVerifier // of tokens of single sign-on
	sessions map[string]*session   // by grant.Session: what lives in memory only
}

// New checks the options without calling anybody.
func New(o Options) (*Client, error) {
	if o.Store == nil || o.Key == nil || o.Tenant == "" || o.ClientID == "" {
		return nil, errors.New("sign-in: store, key, tenant and client id are required")
	}
	o.Login = strings.TrimRight(o.Login, "/")
	if u, err := url.Parse(o.Login); err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" {
		return nil, fmt.Errorf("sign-in: %q is not an https URL without a path", o.Login)
	}
	if o.Resource == "" {
		o.Resource = "https://graph.microsoft.com"
	}
	if o.AzureResource == "" {
		o.AzureResource = "https://management.azure.com"
	}
	if o.Issuer == "" {
		o.Issuer = o.Login + "/" + o.Tenant + "/v2.0"
	}
	if o.MaxAge <= 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.Fleeting {
		o.MaxAge = min(o.MaxAge, ActTime)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ended == nil {
		o.Ended = func(store.Tx, string, string) error { return nil }
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	c := &Client{opts: o, http: limited(o.HTTP), sessions: map[string]*session{},
		graph: newAudience(o.Resource, Scopes(o.On...)), azure: newAudience(o.AzureResource, AzureScopes())}
	c.shelf = stored{c.bucket(), o.Key}
	if o.Fleeting {
		c.shelf = &fleeting{now: o.Now, grants: map[string]*held{}}
	}
	var err error
	if c.cred, err = o.Credential.people(o.Login); err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	if c.app, err = o.Credential.app(o.Login, o.Tenant, o.ClientID, c.http); err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	if c.front, err = c.msal(nil, c.http); err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	return c, nil
}

// msal makes one MSAL client. MSAL replaces its whole memory from the cache at
// every call, so there is one client per session and never one for two people.
func (c *Client) msal(kept cache.ExportReplace, client httpDoer) (confidential.Client, error) {
	return confidential.New(c.opts.Login+"/"+c.opts.Tenant, c.opts.ClientID, c.cred,
		confidential.WithCache(kept),
		confidential.WithHTTPClient(client),
		// Without cp1 Entra leaves authentication contexts out of the token, and
		// PIM goes on refusing it.
		confidential.WithClientCapabilities([]string{"cp1"}),
		// Instance discovery asks login.microsoftonline.com whether a host may be
		// trusted. MSAL skips that question for Microsoft's own hosts; any other
		// host comes from the operator's configuration and is unknown there.
		confidential.WithInstanceDiscovery(false),
	)
}

// AuthURL is where the person's browser is sent, to sign in for the service that
// a.Kind names: a challenge is met by a token of the service that made it. Errors are *pim.Error:
// CodeUnavailable when the sign-in service does not tell where its page is.
func (c *Client) AuthURL(ctx context.Context, a pim.Authorization) (string, error) {
	claims, err := challenge(a.Claims)
	if err != nil {
		return "", &pim.Error{Op: "authorize", Code: pim.CodeInvalid, Err: err}
	}
	scopes := c.audience(a.Kind).scopes
	page, err := c.front.AuthCodeURL(ctx, c.opts.ClientID, a.Redirect, scopes,
		confidential.WithClaims(claims), confidential.WithLoginHint(a.Hint))
	if err != nil {
		return "", refusal("authorize", err)
	}
	u, err := url.Parse(page)
	if err != nil {
		return "", &pim.Error{Op: "authorize", Code: pim.CodeUnavailable, Err: errors.New("the address of the sign-in page cannot be read")}
	}
	// MSAL sends only the scopes it is given, and neither state, nonce nor PKCE.
	sum := sha256.Sum256([]byte(a.Verifier))
	q := u.Query()
	q.Set("scope", strings.Join(append([]string{"openid", "profile", "offline_access"}, scopes...), " "))
	q.Set("response_mode", "query")
	q.Set("state", a.State)
	q.Set("nonce", a.Nonce)
	q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	q.Set("code_challenge_method", "S256")
	switch {
	case a.Fresh: // and Redeem looks whether it was one
		q.Set("prompt", "login")
		q.Set("max_age", "0")
	case a.Choose:
		q.Set("prompt", "select_account")
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// challenge checks a claims challenge and takes the client capabilities out of
// it, which MSAL adds itself: it panics on "null" and refuses a second xms_cc.
func challenge(claims string) (string, error) {
	if claims == "" {
		return "", nil
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(claims), &members); err != nil || members == nil {
		return "", errors.New("the claims challenge is not a JSON object")
	}
	switch token := members["access_token"].(type) {
	case nil:
		delete(members, "access_token")
	case map[string]any:
		delete(token, "xms_cc")
	default:
		return "", errors.New("the claims challenge asks for an access_token that is not a JSON object")
	}
	b, err := json.Marshal(members)
	return string(b), err
}
