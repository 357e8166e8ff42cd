// Package teams is Belay's Microsoft Teams adapter. It receives the activities
// that the Bot Connector delivers to POST /api/messages, turns them into
// bot.Inbound, and shows what bot answers as Adaptive Cards; it implements
// bot.Chat for everything that bot says on its own.
//
// The wire types, the request parsing, the conversation references and the
// connector's URLs are those of github.com/infracloudio/msbotbuilder-go. Its
// token validation, token acquisition and HTTP client are replaced through its
// own interfaces, because v0.2.5 accepts tokens without an expiry or without an
// endorsement for Teams, panics on unexpected claims, never refreshes its keys
// early, can only use a multi-tenant bot's secret, and loses the id of what it
// posts.
//
// A delivery passes, in this order: the token (token.go, keys.go), the size and
// shape of the body (activity.go), the binding of token and body, the tenant and
// the person (receive.go), the replay cache (replay.go). Only then does
// bot.Handler hear of it. What it answers is shown by answer.go and invoke.go.
package teams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/belaybot/belay/bot"
)

// The public cloud's endpoints; sovereign clouds and tests set their own.
const (
	DefaultScope          = "https://api.botframework.com/.default"
	DefaultOpenIDMetadata = "https://login.botframework.com/v1/.well-known/openidconfiguration"
	DefaultIssuer         = "https://api.botframework.com"
	DefaultServiceURL     = "https://smba.trafficmanager.net/teams/"
)

// DefaultServiceHosts are the hosts from which Teams serves bots: public, GCC,
// GCC High and DoD. Never a wildcard: anybody can register a name under
// trafficmanager.net.
func DefaultServiceHosts() []string {
	return []string{
		"smba.trafficmanager.net",
		"smba.infra.gcc.teams.microsoft.com",
		"smba.infra.gov.teams.microsoft.us",
		"smba.infra.dod.teams.microsoft.us",
	}
}

// Options are what the adapter needs. AppID, TenantID, Credential and Handler
// have no default.
type Options struct {
	AppID      string                 // the bot's application id, without "28:"
	TenantID   string                 // the only tenant that is served
	Credential azcore.TokenCredential // the bot's own identity towards the connector
	Scope      string                 // of the connector's token; DefaultScope

	OpenIDMetadata string   // DefaultOpenIDMetadata
	Issuer         string   // DefaultIssuer
	ServiceHosts   []string // exact hosts, with the port where it is not the scheme's; DefaultServiceHosts
	ServiceURL     string   // for a conversation from which nothing was heard yet; made from the first of ServiceHosts
	AllowHTTP      bool     // plain http, for loopback only

	// SingleSignOn is the Application ID URI for which clients may get a token of their
	// person; empty: people sign in with their browsers only.
	SingleSignOn string

	HTTP    *http.Client // redirects are never followed; no timeout means 10 seconds
	Handler bot.Handler
	Now     func() time.Time // wall time; time.Now
	Log     *slog.Logger
	Name    string // what the app is called in Teams; "Belay"
}

// Adapter is the Teams side of Belay: an http.Handler for POST /api/messages and
// a bot.Chat. All its methods may be used concurrently.
type Adapter struct {
	opts   Options
	http   *http.Client
	hosts  hosts
	keys   *keyring
	known  known
	seen   *replays
	jobs   *jobs
	places *places
	wait   func(context.Context, time.Duration) error // before an answer is tried again
}

var _ bot.Chat = (*Adapter)(nil)

// New checks the options and makes an adapter. It reaches nothing. The error
// names every fault.
func New(o Options) (*Adapter, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("teams: "+format, args...)) }
	for _, must := range []struct{ name, value string }{{"AppID", o.AppID}, {"TenantID", o.TenantID}} {
		if strings.TrimSpace(must.value) == "" {
			fault("%s is empty", must.name)
		} else if !safeID(must.value) {
			fault("%s is not an id", must.name)
		}
	}
	if o.Credential == nil {
		fault("Credential is missing")
	}
	if o.Handler == nil {
		fault("Handler is missing")
	}
	o.Scope = or(o.Scope, DefaultScope)
	o.OpenIDMetadata = or(o.OpenIDMetadata, DefaultOpenIDMetadata)
	o.Issuer = or(o.Issuer, DefaultIssuer)
	o.Name = or(o.Name, "Belay")
	if len(o.ServiceHosts) == 0 {
		o.ServiceHosts = DefaultServiceHosts()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := checkFetchURL(o.OpenIDMetadata, o.AllowHTTP); err != nil {
		fault("OpenIDMetadata: %w", err)
	}
	allowed, err := newHosts(o.ServiceHosts, o.AllowHTTP)
	if err != nil {
		fault("ServiceHosts: %w", err)
	} else {
		o.ServiceURL = or(o.ServiceURL, allowed.firstURL(o.ServiceHosts[0]))
		if _, err := allowed.check(o.ServiceURL); err != nil {
			fault("ServiceURL: %w", err)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	client := noRedirects(o.HTTP)
	return &Adapter{
		opts:   o,
		http:   client,
		hosts:  allowed,
		keys:   newKeyring(client, o.OpenIDMetadata, o.AllowHTTP, o.Now),
		seen:   newReplays(o.Now),
		jobs:   newJobs(o.Log),
		places: newPlaces(o.ServiceURL),
		wait:   pause,
	}, nil
}

// Register adds the adapter's one route to mux.
func (a *Adapter) Register(mux *http.ServeMux) { mux.Handle("POST /api/messages", a) }

// Close refuses further deliveries with 503 and waits for the answers that are
// still being shown. When ctx ends first they are cut off, and its error is
// returned.
func (a *Adapter) Close(ctx context.Context) error { return a.jobs.close(ctx) }

// botID is the bot's account id in every conversation.
func (a *Adapter) botID() string { return "28:" + a.opts.AppID }

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// noRedirects is a copy of c that gives a redirect back as the answer: a token
// must not follow one to another host.
func noRedirects(c *http.Client) *http.Client {
	var own http.Client
	if c != nil {
		own = *c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Timeout == 0 {
		own.Timeout = 10 * time.Second
	}
	return &own
}

// checkFetchURL accepts https, and http on loopback where that is allowed.
func checkFetchURL(raw string, allowHTTP bool) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return errors.New("not an absolute URL")
	}
	if u.Scheme == "https" || u.Scheme == "http" && allowHTTP && loopback(u.Hostname()) {
		return nil
	}
	return errors.New("https is needed")
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
