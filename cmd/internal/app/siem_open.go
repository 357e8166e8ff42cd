package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/adapters/siem/target"
	"github.com/belaybot/belay/store/trail/feed"
)

// Destination is one place that the audit trail is delivered to.
type Destination struct {
	Name string // as it is called in siem
	Host string // and port, if its address names one; empty for a file
	Target
}

// Target is what delivers there, and looks whether it can.
type Target interface {
	feed.Target
	Check(ctx context.Context) (target.Checked, error)
}

// Destinations are the targets that are configured. client is as Outside gives it.
func (c Config) Destinations(client *http.Client, stdout io.Writer) (all []Destination, err error) {
	f := target.Format{Source: siem.Source{Tenant: c.Entra.TenantID}, Texts: c.SIEM.Texts}
	if info, ok := debug.ReadBuildInfo(); ok {
		f.Source.Version = info.Main.Version
	}
	s := c.SIEM
	switch s.File.Path {
	case "":
	case target.Standard:
		all = append(all, Destination{"file", "", &target.Stream{Format: f, To: stdout}})
	default:
		all = append(all, Destination{"file", "", &target.File{Format: f, Path: s.File.Path}})
	}
	if s.Syslog.Address != "" {
		conf, err := c.syslogTLS()
		if err != nil {
			return nil, err
		}
		all = append(all, Destination{"syslog", s.Syslog.Address, &target.Syslog{Format: f, Address: s.Syslog.Address, TLS: conf, Dial: dialer(client)}})
	}
	if s.Splunk.URL != "" {
		all = append(all, Destination{"splunk", hostOf(s.Splunk.URL), &target.Splunk{Format: f, HTTP: client, URL: s.Splunk.URL, Token: string(s.Splunk.Token), Index: s.Splunk.Index, Acks: s.Splunk.Acknowledge}})
	}
	if s.Azure.Endpoint != "" {
		own, err := c.Credential()
		if err != nil {
			return nil, fmt.Errorf("entra: %w", err)
		}
		token, err := own.Application(c.Endpoints.Login, c.Entra.TenantID, c.Entra.ClientID, client)
		if err != nil {
			return nil, fmt.Errorf("siem.azure: %w", err)
		}
		all = append(all, Destination{"azure", hostOf(s.Azure.Endpoint), &target.Azure{Format: f, HTTP: client, Endpoint: s.Azure.Endpoint, Rule: s.Azure.Rule, Stream: s.Azure.Stream, Credential: token, Scope: s.Azure.Scope}})
	}
	if s.Webhook.URL != "" {
		secrets := []string{string(s.Webhook.Secret)}
		if s.Webhook.NextSecret != "" {
			secrets = append(secrets, string(s.Webhook.NextSecret))
		}
		all = append(all, Destination{"webhook", hostOf(s.Webhook.URL), &target.Webhook{Format: f, HTTP: client, URL: s.Webhook.URL, Secrets: secrets}})
	}
	if s.OTLP.URL != "" {
		all = append(all, Destination{"otlp", hostOf(s.OTLP.URL), &target.OTLP{Format: f, HTTP: client, URL: s.OTLP.URL, Header: string(s.OTLP.Header)}})
	}
	return all, nil
}

// hostOf is the host of an address, which may hold a secret besides.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "" // Validate has refused it
	}
	return u.Host
}

func (c Config) syslogTLS() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, ca := range []struct {
		path, file string
		only       bool
	}{{"siem.syslog.ca_file", c.SIEM.Syslog.CAFile, true}, {"endpoints.ca_file", c.Endpoints.CAFile, false}} {
		if ca.file == "" {
			continue
		}
		pem, err := os.ReadFile(ca.file)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read: %w", ca.path, err)
		}
		if conf.RootCAs, err = authorities(pem); ca.only && err == nil {
			conf.RootCAs = x509.NewCertPool()
			conf.RootCAs.AppendCertsFromPEM(pem)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %w", ca.path, err)
		}
		break
	}
	if file := c.SIEM.Syslog.CertificateFile; file != "" {
		cert, err := tls.LoadX509KeyPair(file, file)
		if err != nil {
			return nil, errors.New("siem.syslog.certificate_file cannot be used")
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}

// openFeeds makes a feed of each target. It reaches nothing.
func (a *App) openFeeds(client *http.Client, stdout io.Writer) (err error) {
	if a.targets, err = a.cfg.Destinations(client, stdout); err != nil || len(a.targets) == 0 {
		return err
	}
	count := func(name, help string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "belay", Name: "siem_" + name, Help: help}, []string{"target"})
		a.metrics.MustRegister(c)
		return c
	}
	delivered := count("delivered_total", "Events of the audit trail that a target took from this process.")
	refused := count("refused_total", "Events that a target refused and that were parked by this process.")
	failed := count("failures_total", "Deliveries that a target did not take, and that are made again.")
	a.metrics.MustRegister(standings{a})
	for _, d := range a.targets {
		n, p, x := delivered.WithLabelValues(d.Name), refused.WithLabelValues(d.Name), failed.WithLabelValues(d.Name)
		f, err := feed.New(feed.Options{Name: d.Name, Target: d.Target, Store: a.sealed, Trail: a.trail, Owner: a.owner, Now: a.now, FromNow: !a.cfg.SIEM.History, Log: a.log,
			Delivered: func(events int) { n.Add(float64(events)) }, Parked: p.Inc, Failed: x.Inc})
		if err != nil {
			return err
		}
		a.feeds = append(a.feeds, f)
	}
	return nil
}

// runFeeds delivers until ctx ends.
func (a *App) runFeeds(ctx context.Context) {
	var all sync.WaitGroup
	for _, f := range a.feeds {
		all.Go(func() { f.Run(ctx) })
	}
	all.Wait()
}

// standings are where the targets stand, as metrics that are read when they are asked for: every
// replica says the same.
type standings struct{ a *App }

var (
	siemWaiting = prometheus.NewDesc("belay_siem_waiting", "Events of the audit trail that a target does not have yet; -1: the store cannot be read.", []string{"target"}, nil)
	siemOldest  = prometheus.NewDesc("belay_siem_oldest_seconds", "How long ago the oldest event happened that a target does not have yet; 0: it has all.", []string{"target"}, nil)
	siemParked  = prometheus.NewDesc("belay_siem_parked", "Events that a target refused and that are parked.", []string{"target"}, nil)
	siemLost    = prometheus.NewDesc("belay_siem_lost", "Events that were dropped from the audit trail before a target took them.", []string{"target"}, nil)
	siemDown    = prometheus.NewDesc("belay_siem_down_seconds", "For how long a target has taken nothing of what it was sent; 0: it works.", []string{"target"}, nil)
)

// Describe implements prometheus.Collector.
func (standings) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{siemWaiting, siemOldest, siemParked, siemLost, siemDown} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s standings) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, d := range s.a.targets {
		gauge := func(of *prometheus.Desc, v float64) {
			to <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, v, d.Name)
		}
		st, err := feed.Stand(ctx, s.a.sealed, s.a.trail, d.Name, false)
		if err != nil {
			gauge(siemWaiting, -1)
			continue
		}
		since := func(t time.Time) float64 {
			if t.IsZero() {
				return 0
			}
			return max(0, s.a.now().Sub(t).Seconds())
		}
		gauge(siemWaiting, float64(st.Waiting))
		gauge(siemOldest, since(st.Oldest))
		gauge(siemParked, float64(st.Refused))
		gauge(siemLost, float64(st.Lost))
		gauge(siemDown, since(st.Since))
	}
}
