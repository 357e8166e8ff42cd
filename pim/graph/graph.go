// Package graph speaks to Microsoft Graph about Entra directory roles (Client) and
// PIM for Groups (Groups): what a person is eligible for, the rules of a role,
// activations, approvals, what is active, and what happened elsewhere. It is the
// only package that imports Microsoft's Go kit.
//
// Three identities never mix. A person's calls are made with that person's own
// token, an approver's with the approver's, and what Belay reads for itself with
// its own application token, which has read permissions only. Each call says
// whose it is when it begins (Client.as, Client.itself), and the token is put on
// the request in one place (bearer), for the configured host only.
//
// The kit composes addresses, queries and bodies and sends them. It is not asked
// to decode answers: it turns every enum whose letter case it does not expect
// into nil without an error, and Microsoft prints several cases. Answers are
// read from their raw JSON instead (answer.go).
//
// Nothing here is tried twice. Every error is a *pim.Error.
package graph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/microsoft/kiota-abstractions-go/authentication"
	kiota "github.com/microsoft/kiota-http-go"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Tokens gives access tokens for Microsoft Graph.
type Tokens interface {
	// Person gives a token that speaks as principal, an Entra object id. It is a
	// *pim.Error of CodeSignIn when there is no usable grant.
	Person(ctx context.Context, principal string) (string, error)
	// App gives Belay's own token, which can only read.
	App(ctx context.Context) (string, error)
}

// Options says where Graph is and who speaks.
type Options struct {
	// BaseURL is Graph's root without a version, such as
	// https://graph.microsoft.com. Plain http is accepted for loopback only.
	BaseURL string
	// HTTP gives the transport (proxy, CA). Its time-out, cookie jar and redirect
	// policy are not used: each call has its own time-out, and no redirect is
	// ever followed. nil: Go's default transport.
	HTTP   *http.Client
	Tokens Tokens
	// Now dates an activation that starts "now", and measures ages and
	// Retry-After dates. nil: time.Now.
	Now func() time.Time
	Log *slog.Logger // nil: discarded
	// PolicyAge is how old a remembered policy, group, account or role name may
	// be. 0: 15 minutes.
	PolicyAge time.Duration
}

// What one call may take.
const (
	callTime  = 10 * time.Second
	pageLimit = 500 // pages of one list; PIM gives 50 to 100 entries a page
)

// Client reads and writes directory role assignments. It is safe for concurrent use.
type Client struct {
	base   *url.URL // without a trailing slash
	http   *http.Client
	hosts  *authentication.AllowedHostsValidator
	tokens Tokens
	now    func() time.Time
	log    *slog.Logger

	rules    wire.Memory[rules]     // by role definition id
	groups   wire.Memory[group]     // by group id
	accounts wire.Memory[account]   // by user id
	names    wire.Memory[string]    // of roles, by role definition id
	defaults wire.Memory[[]subject] // under one key: who approves where a policy names nobody
	titles   wire.Memory[string]    // names of groups, by group id

	joined wire.Memory[[]identity]               // groups that can hold a role and have a person in them, by user id
	lent   wire.Memory[[]pim.EligibleAssignment] // directory roles that a group is eligible for, by group id
	audits wire.Memory[[]audit]                  // what PIM logged, by the time since when
}

// New checks o and makes a Client. It does not use the network.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.BaseURL, "/"))
	if err != nil {
		return nil, errors.New("graph: the base URL cannot be parsed")
	}
	if err := checkBase(base); err != nil {
		return nil, err
	}
	if o.Tokens == nil {
		return nil, errors.New("graph: no source of tokens")
	}
	hosts, err := authentication.NewAllowedHostsValidatorErrorCheck([]string{base.Hostname()})
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	c := &Client{base: base, hosts: hosts, tokens: o.Tokens, now: o.Now, log: o.Log}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	next := http.DefaultTransport
	if o.HTTP != nil && o.HTTP.Transport != nil {
		next = o.HTTP.Transport
	}
	// An explicit list of middleware: the kit's default one repeats writes,
	// compresses bodies, follows redirects, and comes in random order.
	c.http = &http.Client{
		Transport: kiota.NewCustomTransportWithParentTransport(&wire.Transport{Next: next}, kiota.NewParametersNameDecodingHandler()),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	age := cmp.Or(o.PolicyAge, 15*time.Minute)
	c.rules.Keep(age, c.now)
	c.groups.Keep(age, c.now)
	c.accounts.Keep(age, c.now)
	c.names.Keep(max(age, namesAge), c.now)
	c.defaults.Keep(age, c.now)
	c.titles.Keep(max(age, namesAge), c.now)
	c.lent.Keep(age, c.now)
	c.joined.Keep(min(age, joinedAge), c.now)
	c.audits.Keep(min(age, auditsAge), c.now)
	return c, nil
}

func checkBase(base *url.URL) error {
	switch {
	case base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return errors.New("graph: the base URL must be a scheme, a host and nothing secret, such as https://graph.microsoft.com")
	case base.Scheme == "https":
		return nil
	case base.Scheme == "http" && loopback(base.Hostname()):
		return nil
	}
	return errors.New("graph: the base URL must be https; plain http is accepted for loopback only")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
