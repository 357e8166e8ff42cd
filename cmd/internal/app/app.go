// Package app is the wiring that Belay's commands and its end-to-end tests share:
// the configuration, and Open and Run, which make a running Belay of it. Wiring is
// plain constructor calls; nothing here decides anything.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/belaybot/belay/adapters/slack"
	"github.com/belaybot/belay/adapters/teams"
	"github.com/belaybot/belay/adapters/web"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/arm"
	"github.com/belaybot/belay/pim/graph"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// Options are what a command or a test adds to the configuration.
type Options struct {
	Now     func() time.Time // business time (DESIGN: two clocks); nil: the wall clock
	Log     *slog.Logger
	Public  net.Listener // nil: Config.Listen
	Private net.Listener // nil: Config.PrivateListen
	Stdout  io.Writer    // for siem.file.path: -; nil: os.Stdout
}

// App is a Belay that is open but does not serve yet.
type App struct {
	cfg     Config
	log     *slog.Logger
	store   driver
	owner   string      // names this process in leases
	sealed  store.Store // the store, as everything but its own health sees it
	keys    *store.Keyset
	trail   *trail.Trail
	now     func() time.Time        // business time
	finders map[pim.Kind]bot.Finder // for commands that read Entra's audit log
	people  *signin.Client
	links   *bot.Links
	bot     *bot.Bot
	members func(ctx context.Context, group string) ([]string, error)
	targets []Destination // of the audit trail
	feeds   []*feed.Feed
	slack   *slack.Adapter
	teams   *teams.Adapter
	metrics *prometheus.Registry
	tracer  trace.Tracer
	spans   *spans
	tokens  ownTokens
	public  http.Handler
	on, in  net.Listener  // public and private
	ctl     net.Listener  // for commands; nil: they cannot reach this process
	outside *http.Client  // reaches the configured hosts, and no others
	rotated chan struct{} // hears of a rotation of the keys; nil: nobody serves
}

// handler breaks the circle between the adapters, which call the bot, and the
// bot, which shows cards through the adapters.
type handler struct{ bot *bot.Bot }

// Handle passes on to the bot, which is there before anything is served.
func (h *handler) Handle(ctx context.Context, in bot.Inbound) (bot.Reply, bot.Later) {
	return h.bot.Handle(ctx, in)
}

// Open opens the store and wires everything together. It reaches nothing but the
// file system and the listening addresses. Close it if it is not run.
func Open(cfg Config, o Options) (_ *App, err error) {
	a, err := openStore(context.Background(), cfg, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.on == nil {
		if a.on, err = net.Listen("tcp", cfg.Listen); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	if a.in == nil {
		if a.in, err = net.Listen("tcp", cfg.PrivateListen); err != nil {
			return nil, fmt.Errorf("private_listen: %w", err)
		}
	}
	if !cfg.Entra.KeepSignIns {
		if err := a.dropSignIns(context.Background()); err != nil {
			return nil, err
		}
	}
	a.rotated = make(chan struct{}, 1)
	a.ctl, err = a.listenControl()
	return a, err
}

// openStore is Open without listening: for commands where nobody serves.
func openStore(ctx context.Context, cfg Config, o Options) (_ *App, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = slog.New(redact{o.Log.Handler()})
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	client, err := httpClient(cfg.Endpoints.CAFile)
	if err != nil {
		return nil, err
	}
	keyFile, err := cfg.keyFile(client)
	if err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, log: o.Log, owner: cfg.owner(), metrics: prometheus.NewRegistry(), on: o.Public, in: o.Private,
		now: func() time.Time { return business(o.Now) }}
	commits := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "belay", Name: "commit_seconds",
		Help: "Time of a commit to disk.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16)})
	a.metrics.MustRegister(commits)
	measureProcess(a.metrics)
	a.tokens = newOwnTokens(a.metrics)
	a.store, a.keys, err = cfg.openDatabase(ctx, client, keyFile, func(_ int, d time.Duration) { commits.Observe(d.Seconds()) })
	if err != nil {
		a.store = nil // not an interface that holds none
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	a.measureStore()
	a.sealed = trail.Recording(store.Seal(counted(mortal(a.store), a.metrics), a.keys))
	if err := store.CheckKeys(ctx, a.sealed); err != nil {
		if errors.Is(err, store.ErrWrongKeys) {
			return nil, fmt.Errorf("the key file %s: %w", keyFile.Path, err)
		}
		return nil, err
	}
	if a.sealed, err = store.Migrate(ctx, a.sealed, bot.Migrations()...); err != nil {
		return nil, err
	}
	a.trail, err = trail.New(trail.Options{Store: a.sealed, Signer: a.keys.Signer("audit checkpoints"), Owner: a.owner, Now: o.Now,
		Keep: cfg.Audit.Keep, KeepTexts: cfg.Audit.KeepTexts, Log: a.log})
	if err != nil {
		return nil, err
	}
	if err := a.noteKeys(ctx, foundKeys); err != nil {
		return nil, err
	}
	a.watchTrail()
	out := limitEgress(client, cfg, a.metrics)
	if a.tracer, a.spans, err = newTracer(cfg.Telemetry, client, a.owner, a.metrics, a.log); err != nil {
		return nil, err
	}
	out.tracer = a.tracer
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if err := a.openFeeds(client, o.Stdout); err != nil {
		return nil, err
	}
	client.Transport = mortalTransport(client.Transport)
	a.outside = client
	return a, a.wire(client, o.Now)
}

func (a *App) wire(client *http.Client, now func() time.Time) error {
	cfg, keys, sealed := a.cfg, a.keys, a.sealed
	credential, err := cfg.Credential()
	if err != nil {
		return fmt.Errorf("entra: %w", err)
	}
	people, err := signin.New(signin.Options{Store: sealed, Key: func(p string) string { return keys.Pseudonym("grant", p) },
		Login: cfg.Endpoints.Login, Tenant: cfg.Entra.TenantID, ClientID: cfg.Entra.ClientID, Credential: credential,
		Resource: cfg.Entra.GraphResource, AzureResource: cfg.Entra.ARMResource, AppURI: cfg.Teams.signOn(), MaxAge: cfg.Entra.SessionMaxAge, Fleeting: !cfg.Entra.KeepSignIns, On: cfg.Features(), HTTP: client, Log: a.log,
		Ended: func(tx store.Tx, person, why string) error {
			at := business(now)
			return a.trail.Append(tx, trail.Event{At: at, Kind: trail.Ended, Outcome: trail.OK, Actor: trail.Actor{Platform: "belay"}, Subject: person, Reason: why})
		}})
	if err != nil {
		return err
	}
	roles, err := graph.New(graph.Options{BaseURL: cfg.Endpoints.Graph, HTTP: client, Tokens: countedTokens{people, "graph", a.tokens}, Now: now,
		PolicyAge: cfg.Entra.PolicyMaxAge, Log: a.log})
	if err != nil {
		return err
	}
	groups := roles.Groups()
	pillars := map[pim.Kind]bot.Pillar{pim.EntraRole: roles, pim.Group: groups}
	finders := map[pim.Kind]bot.Finder{pim.EntraRole: roles, pim.Group: groups}
	if cfg.azure() {
		resources, err := arm.New(arm.Options{BaseURL: cfg.Endpoints.ARM, HTTP: client, Tokens: countedTokens{people.Resource(pim.AzureResource), "arm", a.tokens}, Approvers: roles,
			Now: now, PolicyAge: cfg.Entra.PolicyMaxAge, Log: a.log})
		if err != nil {
			return err
		}
		pillars[pim.AzureResource], finders[pim.AzureResource] = resources, resources
	}
	h := &handler{}
	chats, profiles := map[bot.Platform]bot.Chat{}, map[bot.Platform]bot.Profiles{}
	if cfg.Slack.AppID != "" {
		secrets := []string{string(cfg.Slack.SigningSecret)}
		if cfg.Slack.NextSigningSecret != "" {
			secrets = append(secrets, string(cfg.Slack.NextSigningSecret))
		}
		a.slack, err = slack.New(slack.Options{SigningSecrets: secrets, BotToken: string(cfg.Slack.BotToken), AppID: cfg.Slack.AppID,
			Teams: []string{cfg.Slack.TeamID}, APIBase: cfg.Endpoints.Slack, HTTP: client, Handler: h, Log: a.log,
			Stranger: func(ctx context.Context, u bot.User, why string) { h.bot.Stranger(ctx, u, why) }})
		if err != nil {
			return err
		}
		chats[bot.Slack], profiles[bot.Slack] = a.slack, a.slack
	}
	if cfg.Teams.AppID != "" {
		if a.teams, err = a.newTeams(client, h); err != nil {
			return err
		}
		chats[bot.Teams] = a.teams
	}
	links := bot.NewLinks(bot.LinkOptions{Store: sealed, Pseudonym: keys.Pseudonym, Trail: a.trail, PublicURL: cfg.PublicURL, Profiles: profiles,
		Directory: roles, Mapped: cfg.Slack.Users, EachTime: !cfg.Entra.KeepSignIns, Log: a.log,
		Taken: func(tx store.Tx, holder, tried bot.Link) error { return h.bot.LinkTried(tx, holder, tried) },
		SignedIn: func(ctx context.Context, principal string, t bot.Ticket) error {
			return h.bot.SignedIn(ctx, principal, t)
		}})
	pages, err := web.New(web.Options{PublicURL: cfg.PublicURL, Links: links, SignIn: people, HTTP: client, PerMinute: cfg.Limits.PagesPerMinute, Log: a.log,
		Slack: web.SlackSignIn{URL: cfg.Endpoints.Slack, Issuer: strings.TrimRight(cfg.Endpoints.Slack, "/"), Team: cfg.Slack.TeamID,
			ClientID: cfg.Slack.ClientID, ClientSecret: string(cfg.Slack.ClientSecret)}})
	if err != nil {
		return err
	}
	quiet, err := cfg.Requests.quiet()
	if err != nil {
		return fmt.Errorf("requests.quiet %w", err)
	}
	unusual, err := cfg.Alerts.rules(cfg.Security.BreakGlass)
	if err != nil {
		return err
	}
	var hints <-chan struct{}
	if p, ok := a.store.(*postgres.Store); ok {
		hints = p.Hints()
	}
	var signOn bot.Exchanger
	if cfg.Teams.signOn() != "" {
		signOn = people
	}
	view := &postureView{cfg: cfg, groups: roles, read: a.snapshot, trend: a.trend, now: a.now}
	a.bot, err = bot.New(bot.Options{Posture: view, AccessReviews: cfg.accessReviews(roles), RemindReviews: cfg.Reviews.remind(), EachTime: !cfg.Entra.KeepSignIns, SingleSignOn: signOn, Store: sealed, Pseudonym: keys.Pseudonym, Trail: a.trail, Pillars: pillars, Finders: finders, GroupRoles: roles.GroupRoles,
		Acknowledge: cfg.Requests.acknowledge, Presence: cfg.Approval.fresh, WarnBefore: cfg.Requests.WarnBefore, Quiet: quiet, Alerts: unusual, Accounts: roles, Drift: cfg.drifting(roles), Directory: roles, Grants: people, Links: links, Chats: chats, Profiles: profiles, Notices: cfg.Routing(), Members: roles.Members, Portal: cfg.Endpoints.Portal,
		Now: now, Owner: a.owner, Hints: hints, Reads: rate.Limit(float64(cfg.Entra.ReadsPerMinute) / 60),
		Limits: bot.Limits{PerMinute: cfg.Limits.ActsPerMinute, Burst: cfg.Limits.ActsBurst, TenantPerMinute: cfg.Limits.TenantActsPerMinute}, Log: a.log, Metrics: bot.NewMetrics(a.metrics), Tracer: a.tracer})
	if err != nil {
		return err
	}
	h.bot, a.people, a.links, a.finders, a.members = a.bot, people, links, finders, roles.Members
	mux := http.NewServeMux()
	if a.slack != nil {
		a.slack.Register(mux)
	}
	if a.teams != nil {
		a.teams.Register(mux)
	}
	mux.Handle("/link/", pages)
	mux.Handle("/signin/", pages)
	mux.Handle("GET "+ProofPath+"{challenge}", proofs(keys))
	a.public = newGate(newFront(guarded(mux, a.log), a.tracer, a.metrics), cfg, a.metrics)
	return nil
}

// business is the time of an event: the injected clock's, or the wall's.
func business(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}

func (a *App) newTeams(client *http.Client, h bot.Handler) (*teams.Adapter, error) {
	t := a.cfg.Teams
	own, err := a.cfg.BotCredential()
	if err != nil {
		return nil, err
	}
	token, err := own.Application(a.cfg.Endpoints.BotLogin, a.cfg.Entra.TenantID, t.AppID, client)
	if err != nil {
		return nil, fmt.Errorf("teams: %w", err)
	}
	return teams.New(teams.Options{AppID: t.AppID, TenantID: a.cfg.Entra.TenantID, Credential: countedCredential{token, a.tokens}, Scope: t.Scope,
		OpenIDMetadata: a.cfg.Endpoints.BotOpenID, Issuer: t.Issuer, ServiceHosts: t.ServiceHosts, ServiceURL: t.ServiceURL,
		AllowHTTP:    true, // for loopback only; every other host is refused by the configuration's check and by the adapter
		SingleSignOn: t.signOn(), HTTP: client, Handler: h, Log: a.log})
}

func credentialOf(token, certificate string, secret Secret) (signin.Credential, error) {
	c := signin.Credential{TokenFile: token, Secret: string(secret)}
	if certificate != "" {
		pem, err := os.ReadFile(certificate)
		if err != nil {
			return c, fmt.Errorf("certificate_file cannot be read: %w", err)
		}
		c.Certificate = pem
	}
	return c, nil
}

// httpClient is the one transport to the outside, around which limitEgress is put.
// Each user of it sets its own time-out and follows no redirect.
func httpClient(caFile string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.MaxIdleConnsPerHost = 64 // as many as presses that are answered at once in a rush
	t.ResponseHeaderTimeout = 15 * time.Second
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("endpoints.ca_file cannot be read: %w", err)
		}
		pool, err := authorities(pem)
		if err != nil {
			return nil, fmt.Errorf("endpoints.ca_file %w", err)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: t, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// Addr is where the public listener really listens.
func (a *App) Addr() net.Addr { return a.on.Addr() }

// PrivateAddr is where the private listener really listens.
func (a *App) PrivateAddr() net.Addr { return a.in.Addr() }

// Close gives back what Open took, for an App that is not run.
func (a *App) Close() error {
	var errs []error
	for _, l := range []net.Listener{a.on, a.in, a.ctl} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	errs = append(errs, a.endTraces())
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends, then stops in order: no new deliveries, the answers
// under way, the calls under way, the store. What is not done by then is on disk
// and goes on at the next start.
func (a *App) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	// The bot outlives the listeners, so that what was acknowledged last is begun.
	life, stopBot := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBot()
	g.Go(func() error { return a.bot.Run(life) })
	g.Go(func() error { a.resealAfterRotations(gctx); return nil })
	g.Go(func() error { a.runFeeds(gctx); return nil })
	g.Go(func() error { a.watchPosture(gctx); return nil })
	g.Go(func() error { a.watchDrift(gctx); return nil })
	public, private := server(a.public, a.log), server(a.privatePages(), a.log)
	serve := func(s *http.Server, l net.Listener) func() error {
		return func() error {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}
	}
	g.Go(serve(public, netutil.LimitListener(a.on, a.cfg.Limits.Connections)))
	g.Go(serve(private, a.in))
	control := &http.Server{Handler: a.control(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	if a.ctl != nil {
		g.Go(serve(control, a.ctl))
	}
	g.Go(func() error {
		<-gctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.StopTimeout)
		defer cancel()
		errs := []error{public.Shutdown(stop)}
		if a.slack != nil {
			errs = append(errs, a.slack.Close(stop))
		}
		if a.teams != nil {
			errs = append(errs, a.teams.Close(stop))
		}
		stopBot()
		return errors.Join(append(errs, private.Shutdown(stop), control.Shutdown(stop))...)
	})
	a.log.Info("Belay serves", "public", a.on.Addr().String(), "private", a.in.Addr().String())
	trailed := make(chan error, 1)
	chaining, stopChain := context.WithCancel(context.WithoutCancel(ctx))
	go func() { trailed <- a.trail.Run(chaining) }()
	err := g.Wait()
	stopChain() // last of all, so that what was done at the very end is chained
	return errors.Join(err, <-trailed, a.endTraces(), a.store.Close())
}
