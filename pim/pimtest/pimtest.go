// Package pimtest simulates a Microsoft Entra tenant: the pages on which a
// person signs in, the token endpoint, and the parts of Microsoft Graph (v1.0, and
// beta for the approvals of directory roles) and of Azure Resource Manager that
// Privileged Identity Management needs. Tests and the sandbox run the real
// product against it.
//
// A [Tenant] is four HTTP handlers over one world. [Tenant.Login], [Tenant.Graph]
// and [Tenant.ARM] belong behind TLS, because Microsoft's libraries refuse plain
// http there; [Tenant.Browser] holds the pages for a person's browser and may be
// plain http on loopback. [Tenant.SetURLs] says where they ended up.
//
// The simulator refuses what Microsoft refuses, in Microsoft's words where they
// are known, and it never guesses: a route, option, member or value it does not
// know is reported through Options.Unhandled and answered 501 or 400. It is
// unkind by default (see [Unkind]): it throttles, loses answers, shows changes
// late and varies the letter case of enumerations, always in the same order for
// the same seed.
//
// Two clocks drive it. Business time (Options.Now) moves schedules, approvals
// and their ends; wall time (Options.WallNow) moves codes, tokens and cookies.
// All times are UTC.
//
// It imports nothing of the product and has its own wire types, so that a wrong
// JSON name cannot be wrong on both sides.
package pimtest

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options describe a tenant. Only TenantID is required.
type Options struct {
	TenantID string // a GUID
	App      App    // the client that is registered in the tenant

	Now     func() time.Time // business time; default time.Now
	WallNow func() time.Time // wall time; default time.Now

	// File, when set, keeps the whole world: people, roles, requests, audit log,
	// signing key, codes, refresh tokens and half-done sign-ins. It is replaced
	// atomically after every change and loaded by New, so that a killed process
	// goes on where it was. It holds secrets of the simulation: mode 0600.
	File string

	// Unhandled hears of everything the simulator does not know. It is called
	// with the tenant locked and must not call back into it. Tests pass a
	// function that fails the test.
	Unhandled func(string)

	Unkind      *Unkind         // nil: DefaultUnkind()
	TellIssuer  bool            // a browser comes back with iss, and the metadata says so (RFC 9207)
	MFAOptional bool            // offer "password only" where nothing demands MFA
	Expired     string          // status of a request nobody decided in 24 h, or ExpiredGone, ExpiredSilent; default "Failed"
	Key         *rsa.PrivateKey // signs tokens; nil: kept in the world, generated when first needed
}

// What may become of a request that nobody decided in 24 h, besides a status:
// Microsoft does not say.
const (
	ExpiredGone   = "gone"   // it cannot be read any more
	ExpiredSilent = "silent" // it still says PendingApproval, and cannot be decided
)

// App is an app registration and its service principal.
type App struct {
	ClientID     string
	Name         string // shown on the sign-in page; default "the app"
	PrincipalID  string // object id of the service principal; default derived from ClientID
	ClientSecret string
	Registration Registration
	Certificates []*x509.Certificate // accepted for private_key_jwt
	RedirectURIs []string            // matched byte for byte
	// Delegated permissions with admin consent. A bare name is one of Microsoft
	// Graph; another resource is written in full, such as
	// "https://management.azure.com/user_impersonation".
	Delegated   []string
	Application []string // application permissions of Microsoft Graph

	// URI is the Application ID URI, such as "api://botid-…". With it the app offers the
	// scope access_as_user, for which Clients may get tokens without anybody's consent.
	URI     string
	Clients []string // application ids
}

// URLs are the base URLs of the handlers, without a slash at the end.
type URLs struct {
	Login   string // https; the issuer is Login + "/{tenant}/v2.0"
	Browser string // where authorization_endpoint points
	Graph   string // https; next links point there
	ARM     string // the same
}

// Tenant is a simulated tenant. All its methods may be called concurrently.
type Tenant struct {
	opt Options

	mu     sync.Mutex
	w      *world
	loaded bool
	urls   URLs
	unkind Unkind
	faults []armedFault
	calls  int // calls of Graph and ARM, for throttling
	writes int // their writes that were done, for lost answers
	rng    *rand.Rand
	key    *rsa.PrivateKey

	manners   SignInManners
	wantsMFA  bool // a policy of conditional access: no tokens on behalf of whom without MFA
	armQuirks ARMQuirks
}

// New makes the tenant of opt, or goes on with the one kept in opt.File. It
// fails on options that cannot be, and on a file it cannot read.
func New(opt Options) (*Tenant, error) {
	if _, err := uuid.Parse(opt.TenantID); err != nil {
		return nil, fmt.Errorf("pimtest: TenantID %q is not a GUID", opt.TenantID)
	}
	opt.TenantID = strings.ToLower(opt.TenantID)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.WallNow == nil {
		opt.WallNow = time.Now
	}
	if opt.Unhandled == nil {
		opt.Unhandled = func(string) {}
	}
	if opt.Expired == statusPending {
		return nil, errors.New("pimtest: Expired cannot be the status of a request that still waits")
	}
	if opt.Expired == "" {
		opt.Expired = "Failed"
	}
	if opt.App.Name == "" {
		opt.App.Name = "the app"
	}
	if opt.App.PrincipalID == "" {
		opt.App.PrincipalID = derivedID(opt.TenantID, "service principal of "+opt.App.ClientID)
	}
	unkind := DefaultUnkind()
	if opt.Unkind != nil {
		unkind = opt.Unkind
	}
	t := &Tenant{opt: opt, unkind: *unkind, key: opt.Key, rng: rand.New(rand.NewPCG(unkind.Seed, 0))}
	var err error
	if t.w, t.loaded, err = loadWorld(opt.File); err != nil {
		return nil, fmt.Errorf("pimtest: %w", err)
	}
	if t.loaded && t.w.TenantID != opt.TenantID {
		return nil, errors.New("pimtest: the file holds another tenant")
	}
	t.w.TenantID = opt.TenantID
	return t, nil
}

// Loaded says that the world came from Options.File, so that seeding it again
// is not needed (it does no harm: people, groups, roles and eligibilities are
// matched by id).
func (t *Tenant) Loaded() bool { return t.loaded }

// SetURLs tells the tenant where its handlers are reached.
func (t *Tenant) SetURLs(u URLs) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, base := range []*string{&u.Login, &u.Browser, &u.Graph, &u.ARM} {
		*base = strings.TrimRight(*base, "/")
	}
	t.urls = u
}

// SetUnkind replaces the misbehaviour from now on; nil switches it all off.
func (t *Tenant) SetUnkind(u *Unkind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u == nil {
		u = Kind()
	}
	t.unkind = *u
}

// SignInManners is how the sign-in page misbehaves towards who asks for a fresh sign-in.
type SignInManners struct {
	Old        time.Duration // it answers as if the person had signed in that long ago
	NoAuthTime bool          // id tokens do not say when that was
}

// SetSignInManners replaces how the sign-in page behaves from now on.
func (t *Tenant) SetSignInManners(m SignInManners) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.manners = m
}

// Issuer is the issuer of the tenant's id tokens.
func (t *Tenant) Issuer() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.issuer()
}

func (t *Tenant) issuer() string { return t.urls.Login + "/" + t.opt.TenantID + "/v2.0" }

func (t *Tenant) tokenEndpoint() string {
	return t.urls.Login + "/" + t.opt.TenantID + "/oauth2/v2.0/token"
}

// do runs fn with the world locked and brought up to date, and keeps what it
// changed.
func (t *Tenant) do(fn func()) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	fn()
	return t.save()
}

// Tick brings the world up to date with the business clock. Every request does
// the same; a sandbox calls it after moving the clock. It returns the error of
// keeping the world in Options.File.
func (t *Tenant) Tick() error { return t.do(func() {}) }

func (t *Tenant) now() time.Time  { return t.opt.Now().UTC() }
func (t *Tenant) wall() time.Time { return t.opt.WallNow().UTC() }

// unhandled reports something the simulator does not know.
func (t *Tenant) unhandled(r *http.Request, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if r != nil {
		what = r.Method + " " + r.URL.Path + ": " + what
	}
	t.opt.Unhandled("pimtest: " + what)
}

// derivedID is a GUID that stays the same for the same tenant and name.
func derivedID(tenant, name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:pimtest:"+tenant+":"+name)).String()
}
