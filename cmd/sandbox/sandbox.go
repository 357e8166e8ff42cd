package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/manifest"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
)

// sandbox is the real product with everything outside it simulated.
type sandbox struct {
	dir    string
	kept   *kept
	clock  *clock
	ca     *authority
	tenant *pimtest.Tenant
	slack  *slacktest.Workspace
	teams  *teamstest.Teams
	app    *app.App
	serve  func(context.Context) error // the product, where that is not app alone
	calls  tally
	done   answered
	signOn bool // Teams signs people in by itself
	// compares says that the tenant is compared with what was accepted.
	compares bool
	log      *slog.Logger

	servers []served
	urls    map[string]string // by the name of the listener

	certificate string // as of manners
}

// served is one listener of the sandbox and what it answers.
type served struct {
	name   string
	tls    bool
	listen net.Listener
	pages  http.Handler
}

// names of the listeners. Each simulated service has an origin of its own, as in
// the world.
const (
	atPage      = "page"
	atBot       = "bot"
	atPrivate   = "private"
	atAdmin     = "admin"
	atSlack     = "slack"
	atConnector = "connector"
	atOpenID    = "openid"
	atBotLogin  = "bot-login"
	atLogin     = "login"
	atSignIn    = "sign-in"
	atGraph     = "graph"
	atARM       = "arm"
)

// manners say how unkind the simulated services are. The zero value is a
// demonstration: kind throughout. Tests ask for the unkind worlds.
type manners struct {
	tenant *pimtest.Unkind
	slack  slacktest.Unkind
	teams  teamstest.Unkind
	signOn []string // how people are signed in at Teams, such as pwd and mfa; none: no single sign-on
	apart  bool     // and their clients bring their tokens only when a test has them do it
	// compares has Belay read the tenant again and again, and compare it with what was
	// accepted: in the demonstration, and where a test is about that.
	compares bool
	// certificate is what Belay proves itself to Entra with instead of a secret: a PEM
	// file with its key, and what Entra knows of it.
	certificate string
	registered  []*x509.Certificate
}

// open makes or reopens the sandbox that lives in dir.
func open(dir, listen string, logs io.Writer) (*sandbox, error) {
	return openWith(dir, listen, logs, manners{})
}

func openWith(dir, listen string, logs io.Writer, m manners) (*sandbox, error) {
	return openLogged(dir, listen, logger(logs, slog.LevelInfo), m)
}

func logger(to io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
}

func openLogged(dir, listen string, log *slog.Logger, m manners) (*sandbox, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	s := &sandbox{dir: dir, urls: map[string]string{}, log: log}
	if err := s.build(listen, m); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// build changes no world before every port was had: another sandbox that runs in
// the same directory holds them.
func (s *sandbox) build(listen string, m manners) (err error) {
	if s.kept, err = loadKept(filepath.Join(s.dir, "sandbox.json")); err != nil {
		return err
	}
	s.clock = &clock{kept: s.kept}
	if s.ca, err = loadAuthority(s.dir); err != nil {
		return err
	}
	for _, name := range []string{atPage, atBot, atPrivate, atAdmin, atSlack, atConnector, atOpenID, atBotLogin, atLogin, atSignIn, atGraph, atARM} {
		if err := s.listen(name, listen); err != nil {
			return err
		}
	}
	if err := s.kept.save(); err != nil {
		return err
	}
	if err := s.simulate(m); err != nil {
		return err
	}
	return s.wire()
}

// listen takes the port that this listener had before, so that what was said
// with its address stays true.
func (s *sandbox) listen(name, page string) error {
	address := fmt.Sprintf("127.0.0.1:%d", s.kept.Ports[name])
	if name == atPage {
		address = page
		if err := onLoopback(page); err != nil {
			return err
		}
	}
	l, err := bind(address)
	if err != nil && name != atPage && s.kept.Ports[name] != 0 {
		return fmt.Errorf("port %d of this sandbox is taken; stop what uses it, or choose another --data: %w", s.kept.Ports[name], err)
	}
	if err != nil {
		return fmt.Errorf("the page cannot be served; choose another address with --listen: %w", err)
	}
	secure := name == atLogin || name == atGraph || name == atARM || name == atBotLogin
	scheme := "http"
	if secure {
		scheme = "https"
	}
	addr := l.Addr().(*net.TCPAddr)
	if !addr.IP.IsLoopback() { // "localhost" can be given another meaning
		return errors.Join(errListen, l.Close())
	}
	s.kept.Ports[name] = addr.Port
	s.urls[name] = fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(addr.IP.String(), fmt.Sprint(addr.Port)))
	s.servers = append(s.servers, served{name: name, tls: secure, listen: l})
	return nil
}

// bind opens a listener. A port that is to be remembered is taken from below those
// that systems hand to outgoing connections, so that it is free again after a restart.
func bind(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "0" {
		return net.Listen("tcp", address)
	}
	for range 100 {
		port := strconv.Itoa(18000 + rand.IntN(14000))
		if _, given := ports.LoadOrStore(port, true); given {
			continue
		}
		if l, err := net.Listen("tcp", net.JoinHostPort(host, port)); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", address)
}

// ports are those that this process has given to a sandbox: they stay its own while it
// is stopped, though another one starts then.
var ports sync.Map

var errListen = errors.New("the page cannot be served; choose another address with --listen: " +
	"one of loopback, such as 127.0.0.1:8080, since whoever reaches the page can act as anybody on it")

// onLoopback refuses an address that others reach.
func onLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errListen
	}
	return nil
}

// simulate makes the worlds outside the product.
func (s *sandbox) simulate(m manners) (err error) {
	s.signOn, s.certificate, s.compares = len(m.signOn) > 0, m.certificate, m.compares
	unhandled := func(what string) { s.log.Error("the sandbox does not simulate this", "what", what) }
	if m.tenant == nil {
		m.tenant = pimtest.Kind()
	}
	s.tenant, err = pimtest.New(pimtest.Options{TenantID: tenantID, Now: s.clock.Now, Unkind: m.tenant, Unhandled: unhandled,
		File: filepath.Join(s.dir, "tenant.json"),
		App: pimtest.App{ClientID: belayApp, Name: "Belay", PrincipalID: belayItself, ClientSecret: s.kept.EntraSecret, Certificates: m.registered,
			RedirectURIs: []string{s.urls[atBot] + "/signin/entra/callback"}, Delegated: delegated(), Application: application(),
			URI: manifest.AppURI(belayApp), Clients: signin.TeamsClients(), Registration: pimtest.Registration{IDClaims: []string{"auth_time"}}}})
	if err != nil {
		return fmt.Errorf("the sandbox's tenant is damaged; choose another --data or remove the directory: %w", err)
	}
	s.tenant.SetURLs(pimtest.URLs{Login: s.urls[atLogin], Browser: s.urls[atSignIn], Graph: s.urls[atGraph], ARM: s.urls[atARM]})
	if err := seedTenant(s.tenant, s.clock.Now()); err != nil {
		return err
	}
	s.slack, err = slacktest.New(slacktest.Options{TeamID: slackTeam, TeamName: "Contoso", TeamDomain: "contoso", AppID: slackApp,
		BotToken: s.kept.SlackToken, SigningSecret: s.kept.SlackSigning, ClientID: "contoso.belay", ClientSecret: s.kept.SlackClient, Scopes: manifest.SlackScopes(),
		App: s.urls[atBot], File: filepath.Join(s.dir, "slack.json"), Unhandled: unhandled, Unkind: m.slack})
	if err != nil {
		return err
	}
	if m.slack == (slacktest.Unkind{}) {
		s.slack.Kind()
	}
	s.slack.SetURL(s.urls[atSlack])
	seedSlack(s.slack)
	var clients *teamstest.SignOn
	if s.signOn {
		clients = &teamstest.SignOn{Resource: manifest.AppURI(belayApp), Token: func(id string) string {
			if m.apart {
				return ""
			}
			token, err := s.tenant.ClientToken(id, signin.TeamsClients()[0], m.signOn, nil)
			if err != nil {
				s.log.Error("Teams gets no token", "error", err)
			}
			return token
		}}
	}
	s.teams, err = teamstest.New(teamstest.Options{TenantID: tenantID, AppID: belayApp, AppSecret: s.kept.EntraSecret, Certificates: m.registered, App: s.urls[atBot], SignOn: clients,
		File: filepath.Join(s.dir, "teams.json"), Unhandled: unhandled, Unkind: m.teams})
	if err != nil {
		return err
	}
	if m.teams == (teamstest.Unkind{}) {
		s.teams.Kind()
	}
	s.teams.SetURLs(teamstest.URLs{Service: s.urls[atConnector] + "/", OpenID: s.urls[atOpenID], Login: s.urls[atBotLogin]})
	return seedTeams(s.teams)
}

// config is what an operator would write for these surroundings.
func (s *sandbox) config() app.Config {
	connector := s.urls[atConnector]
	entra, teams := app.Secret(s.kept.EntraSecret), app.Secret("")
	if s.certificate != "" {
		entra, teams = "", entra
	}
	return app.Config{
		PublicURL: s.urls[atBot], Listen: "127.0.0.1:0", PrivateListen: "127.0.0.1:0", Data: filepath.Join(s.dir, "belay"), LogLevel: "info", StopTimeout: 20 * time.Second,
		Entra: app.Entra{TenantID: tenantID, ClientID: belayApp, ClientSecret: entra, CertificateFile: s.certificate, SessionMaxAge: 12 * time.Hour, KeepSignIns: true,
			PolicyMaxAge: time.Minute, ReadsPerMinute: 600, GraphResource: "https://graph.microsoft.com", AzureResources: true, ARMResource: "https://management.azure.com"},
		Requests: app.Requests{WarnBefore: 10 * time.Minute, Acknowledge: []app.Acknowledgement{{Roles: []string{"Finance Vault"},
			Text: "I know that every owner of the vault is reported to the auditors."}}},
		Approval: app.Approval{Presence: "session", EveryTime: []string{"most-privileged"}},
		Slack: app.Slack{AppID: slackApp, TeamID: slackTeam, BotToken: app.Secret(s.kept.SlackToken), SigningSecret: app.Secret(s.kept.SlackSigning),
			ClientID: "contoso.belay", ClientSecret: app.Secret(s.kept.SlackClient)},
		Teams: app.Teams{AppID: belayApp, ClientSecret: teams, SingleSignOn: s.signOn, ServiceHosts: []string{connector[len("http://"):]}, ServiceURL: connector + "/",
			Issuer: "https://api.botframework.com", Scope: "https://api.botframework.com/.default"},
		Endpoints: app.Endpoints{Login: s.urls[atLogin], Graph: s.urls[atGraph], ARM: s.urls[atARM], Slack: s.urls[atSlack],
			BotOpenID: s.urls[atOpenID] + "/v1/.well-known/openidconfiguration", BotLogin: s.urls[atBotLogin], Portal: "https://entra.microsoft.com", CAFile: s.ca.path()},
		// The story, and tests, do in a second what people do in an hour.
		Limits: app.Limits{ActsPerMinute: 6000, ActsBurst: 6000, TenantActsPerMinute: 60000, PagesPerMinute: 6000, Concurrent: 128, Connections: 2048},
		Notices: app.Notices{Default: []string{"slack:" + slackOps, "teams:" + teamsOps}, Rules: []app.NoticeRule{
			{Name: "no news", Roles: []string{"Message Center Reader"}, Silent: true},
			{Name: "every hour in one card", Events: []string{"asked", "approved", "denied", "activated", "extended", "ended", "failed"},
				To: []string{"slack:" + slackDigest, "teams:" + teamsDigest}, Digest: "hourly", Continue: true}}},
		Posture: app.Posture{Digest: "none", AzureScopes: []string{azureContoso}}, // and no day's numbers: its days pass in seconds
		Security: app.Security{Channels: []string{"slack:" + slackSecurity, "teams:" + teamsSecurity}, Viewers: []string{viewers},
			BreakGlass: []string{breakGlass}},
		Alerts:  s.alerts(),
		Drift:   s.drift(),
		Reviews: app.Reviews{Enabled: true, RemindBefore: []string{"72h", "24h"}},
	}
}

// wire puts the product among the simulated services and gives each listener
// what it answers.
func (s *sandbox) wire() (err error) {
	cfg := s.config()
	if faults := cfg.Validate(); len(faults) > 0 {
		return &app.ConfigError{Faults: faults}
	}
	told := cfg // Belay is handed its listeners; a command has to know where they are
	told.Listen, told.PrivateListen = strings.TrimPrefix(s.urls[atBot], "http://"), strings.TrimPrefix(s.urls[atPrivate], "http://")
	if err := writeConfig(filepath.Join(s.dir, "belay.yaml"), told); err != nil {
		return err
	}
	var public, private net.Listener
	for n := range s.servers {
		v := &s.servers[n]
		switch v.name {
		case atBot:
			public = v.listen
		case atPrivate:
			private = v.listen
		case atPage:
			v.pages = s.page()
		case atAdmin:
			v.pages = s.admin()
		case atSlack:
			v.pages = s.slack.API()
		case atConnector:
			v.pages = s.teams.Connector()
		case atOpenID:
			v.pages = s.teams.OpenID()
		case atBotLogin:
			v.pages = s.teams.Login()
		case atLogin:
			v.pages = s.tenant.Login()
		case atSignIn:
			v.pages = s.tenant.Browser()
		case atGraph:
			v.pages = s.calls.count(s.tenant.Graph())
		case atARM:
			v.pages = s.calls.count(s.tenant.ARM())
		}
	}
	if s.app, err = app.Open(cfg, app.Options{Now: s.clock.Now, Log: s.log, Public: public, Private: private}); err != nil {
		return err
	}
	return s.keepSample()
}

// handlers are those that answer right now.
type handlers struct {
	mu   sync.RWMutex
	over bool
}

// begin says whether one more may answer; it then unlocks mu for reading when it has.
func (h *handlers) begin() bool {
	h.mu.RLock()
	if h.over {
		h.mu.RUnlock()
		return false
	}
	return true
}

// end waits for all of them, and lets no other one begin.
func (h *handlers) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
}

// run serves until ctx ends. The simulated services outlive the product, whose
// last calls still find them.
func (s *sandbox) run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	stopped := make(chan struct{})
	var answering handlers // a closed server does not wait for them
	defer answering.end()
	for _, v := range s.servers {
		if v.pages == nil {
			continue // the product's own listeners
		}
		pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if answering.begin() {
				defer answering.mu.RUnlock()
				v.pages.ServeHTTP(w, r)
			}
		})
		server := &http.Server{Handler: pages, ReadHeaderTimeout: 5 * time.Minute, // of a connection, from its first moment: clients keep spare ones
			ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
		if v.tls {
			server.TLSConfig = s.ca.config()
		}
		g.Go(func() error {
			var err error
			if v.tls {
				err = server.ServeTLS(v.listen, "", "")
			} else {
				err = server.Serve(v.listen)
			}
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		})
		g.Go(func() error {
			<-stopped
			return server.Close() // a browser that waits for news holds its connection
		})
	}
	g.Go(func() error {
		defer close(stopped)
		if s.serve != nil {
			return s.serve(gctx)
		}
		return s.app.Run(gctx)
	})
	return g.Wait()
}

// close gives back what open took, for a sandbox that does not run.
func (s *sandbox) close() {
	if s.app != nil {
		if err := s.app.Close(); err != nil {
			s.log.Error("closing", "error", err)
		}
	}
	for _, v := range s.servers {
		if err := v.listen.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Error("closing", "listener", v.name, "error", err)
		}
	}
}
