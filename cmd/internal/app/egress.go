package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/belaybot/belay/adapters/slack"
	"github.com/belaybot/belay/adapters/teams"
)

// egress is the transport that every call to the outside passes. It lets calls out
// to the hosts of the configuration only, follows nobody's redirect, and counts
// what the services answer. Addresses are not looked at: which hosts there are is
// decided by the configuration alone, and behind a proxy Belay sees no others.
type egress struct {
	next    http.RoundTripper
	origins map[string]string // scheme, host and port → service
	tracer  trace.Tracer
	outside
}

// An EgressError is a call that was not made, because it would have left to a host
// that is not configured.
type EgressError struct {
	Host string // never more than the host: the rest may be a secret
	Err  error
}

// Error names the host and why.
func (e *EgressError) Error() string { return fmt.Sprintf("no call to %q: %v", e.Host, e.Err) }

// Unwrap gives the reason to errors.Is and errors.As.
func (e *EgressError) Unwrap() error { return e.Err }

// Why a call is not made.
var (
	errNotListed = errors.New("the host is not in the configuration")
	errUserPart  = errors.New("the address has a user part")
	errRedirect  = errors.New("redirects are not followed")
)

// limitEgress puts egress around the transport of client.
func limitEgress(client *http.Client, c Config, reg prometheus.Registerer) *egress {
	e := &egress{next: client.Transport, origins: c.origins(), tracer: noop.NewTracerProvider().Tracer(""), outside: newOutside(reg)}
	client.Transport = e
	return e
}

// origins are where calls may go, with the name under which they are counted.
func (c Config) origins() map[string]string {
	all := map[string]string{}
	add := func(service string, addresses ...string) {
		for _, address := range addresses {
			if u, err := url.Parse(address); err == nil && u.Host != "" {
				all[origin(u)] = service
			}
		}
	}
	hosts := func(service string, names []string) {
		for _, name := range names {
			add(service, "https://"+name)
			if u, err := url.Parse("http://" + name); err == nil && loopback(u.Hostname()) {
				add(service, "http://"+name)
			}
		}
	}
	hosts("other", c.Endpoints.MoreHosts)
	if c.Teams.AppID != "" {
		service := c.Teams.ServiceHosts
		if len(service) == 0 {
			service = teams.DefaultServiceHosts()
		}
		hosts("teams", service)
		add("bot_openid", c.Endpoints.BotOpenID)
		add("bot_login", c.Endpoints.BotLogin)
	}
	if c.Slack.AppID != "" {
		hosts("slack", slack.ResponseHosts())
		add("slack", c.Endpoints.Slack)
	}
	if c.azure() {
		add("arm", c.Endpoints.ARM)
	}
	add(telemetry, c.Telemetry.Endpoint)
	add("splunk", c.SIEM.Splunk.URL)
	add("azure_monitor", c.SIEM.Azure.Endpoint)
	add("webhook", c.SIEM.Webhook.URL)
	add("otlp", c.SIEM.OTLP.URL)
	if c.SIEM.Syslog.Address != "" {
		add("syslog", overTLS+c.SIEM.Syslog.Address)
	}
	add("graph", c.Endpoints.Graph)
	add("login", c.Endpoints.Login)
	return all
}

// origin is scheme, host and port as a browser compares them.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// RoundTrip implements http.RoundTripper.
func (e *egress) RoundTrip(r *http.Request) (*http.Response, error) {
	service, listed := e.origins[origin(r.URL)]
	var why error
	switch {
	case r.Response != nil: // net/http's word for: made of a redirect
		why = errRedirect
	case r.URL.User != nil:
		why = errUserPart
	case !listed:
		why = errNotListed
	}
	if why != nil {
		e.refused.Inc()
		if r.Body != nil {
			_ = r.Body.Close() // nothing was read of it
		}
		return nil, &EgressError{Host: r.URL.Hostname(), Err: why}
	}
	return e.measured(service, r)
}

// overTLS begins the origin of what is reached by TLS and not by HTTP.
const overTLS = "tls://"

// dialer opens connections that are not for HTTP, to the hosts of the configuration too. client is
// one that limitEgress was put around.
func dialer(client *http.Client) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		e, limited := client.Transport.(*egress)
		u, err := url.Parse(overTLS + address)
		if err != nil || !limited || e.origins[origin(u)] == "" {
			if limited {
				e.refused.Inc()
			}
			return nil, &EgressError{Host: address, Err: errNotListed}
		}
		return (&net.Dialer{Timeout: 15 * time.Second}).DialContext(ctx, network, address)
	}
}
