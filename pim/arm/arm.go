// Package arm speaks to Azure Resource Manager about Azure resource roles: what a
// person is eligible for, the rules of a role at a scope, activations, approvals,
// and what is active.
//
// Three identities never mix. A person's calls are made with that person's own
// token, an approver's with the approver's, and what Belay reads for itself with
// its own application token, which needs Reader where it is to see anything. Each
// call says whose it is when it begins (Client.as, Client.itself), and the token
// is put on the request in one place (bearer), for the configured host only.
//
// Microsoft's kit composes addresses, queries and bodies, and reads answers: here,
// unlike for Graph, its enums are plain strings and survive any letter case. What
// it cannot say (a filter of policy assignments, approvals, batches) is written on
// the same pipeline. The kit sends everything once, answers no challenge, and
// registers no resource provider.
//
// Nothing here is tried twice. Every error is a *pim.Error.
package arm

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Tokens gives access tokens for Azure Resource Manager, whose audience is not
// Graph's.
type Tokens interface {
	// Person gives a token that speaks as principal, an Entra object id. It is a
	// *pim.Error of CodeSignIn when there is no usable grant.
	Person(ctx context.Context, principal string) (string, error)
	// App gives Belay's own token, which can only read.
	App(ctx context.Context) (string, error)
}

// Approvers opens the users and groups that a policy names, by object id, into
// people: groups transitively, each person once, sorted by name. A list that
// cannot be read is an error. ARM knows ids only; the directory knows the people.
type Approvers interface {
	Expand(ctx context.Context, users, groups []string) ([]pim.Principal, []pim.ApproverGroup, error)
}

// Options says where Azure Resource Manager is and who speaks.
type Options struct {
	// BaseURL is ARM's root, such as https://management.azure.com. Plain http is
	// accepted for loopback only.
	BaseURL string
	// HTTP gives the transport (proxy, CA). Its time-out, cookie jar and redirect
	// policy are not used: each call has its own time-out, and no redirect is
	// ever followed. nil: Go's default transport.
	HTTP      *http.Client
	Tokens    Tokens
	Approvers Approvers
	// Now dates an activation that starts "now", and measures ages and
	// Retry-After dates. nil: time.Now.
	Now func() time.Time
	Log *slog.Logger // nil: discarded
	// PolicyAge is how old a remembered policy may be. 0: 15 minutes.
	PolicyAge time.Duration
}

// What calls may take.
const (
	callTime   = 10 * time.Second
	pageLimit  = 100  // pages of one list
	childLimit = 2000 // places to which one eligibility can be narrowed
)

// Client reads and writes assignments of Azure resource roles. It is safe for
// concurrent use.
type Client struct {
	base      *url.URL // without a trailing slash
	http      *http.Client
	tokens    Tokens
	approvers Approvers
	now       func() time.Time
	log       *slog.Logger

	rules memory[rules] // by scope and role
	// shape is how this service takes decisions, once one was taken; see Review.
	shape atomic.Pointer[shape]
}

type memory[T any] = wire.Memory[T]

// New checks o and makes a Client. It does not use the network.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.BaseURL, "/"))
	if err != nil {
		return nil, errors.New("arm: the base URL cannot be parsed")
	}
	if err := checkBase(base); err != nil {
		return nil, err
	}
	if o.Tokens == nil || o.Approvers == nil {
		return nil, errors.New("arm: a source of tokens and one of approvers are required")
	}
	c := &Client{base: base, tokens: o.Tokens, approvers: o.Approvers, now: o.Now, log: o.Log}
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
	c.http = &http.Client{
		Transport: &wire.Transport{Next: next},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	c.rules.Keep(cmp.Or(o.PolicyAge, 15*time.Minute), c.now)
	return c, nil
}

func checkBase(base *url.URL) error {
	switch {
	case base.Hostname() == "" || base.User != nil || base.Path != "" || base.RawQuery != "" || base.Fragment != "":
		return errors.New("arm: the base URL must be a scheme, a host and nothing else, such as https://management.azure.com")
	case base.Scheme == "https":
		return nil
	case base.Scheme == "http" && loopback(base.Hostname()):
		return nil
	}
	return errors.New("arm: the base URL must be https; plain http is accepted for loopback only")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
