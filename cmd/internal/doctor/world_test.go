package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/manifest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

const (
	tenantID = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"
	clientID = "b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5"
	operator = "a0000000-0000-4000-8000-000000000001"
	secret   = "the-client-secret-of-belay"

	configToken = "xoxe.xoxp-the-configuration-token"
)

// world is all that doctor looks at: what a test changes before it is built, and
// then what runs.
type world struct {
	t      *testing.T
	cfg    app.Config
	tenant pimtest.Options
	slack  slacktest.Options
	teams  teamstest.Options
	opts   Options

	asOperator bool // with a token of the operator
	// around is put around what a service answers with; by the name of its server.
	around map[string]func(http.Handler) http.Handler
	certs  map[string]tls.Certificate // of servers that have another than the usual one
	down   []string                   // servers that are closed
	trust  []tls.Certificate          // further authorities
	ready  func(*world)               // runs when everything is there

	keys  *store.Keyset // of the Belay at the public address
	entra *pimtest.Tenant
	ports map[string]net.Listener
	urls  map[string]string
	mu    sync.Mutex
	calls []string // "server method path"
}

// Keys are slow to make, and nothing here is about them.
var (
	tenantKey = sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return key
	})
	teamsFile = sync.OnceValue(func() []byte {
		dir, err := os.MkdirTemp("", "teams-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "teams.json")
		teams, err := teamstest.New(teamstest.Options{TenantID: tenantID, AppID: clientID, AppSecret: secret, File: file, Unhandled: func(string) {}})
		if err != nil {
			panic(err)
		}
		if err := teams.RotateKey(); err != nil { // so that it is written
			panic(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		return text
	})
)

// newWorld is a sound one: everything as the documentation says.
func newWorld(t *testing.T, change func(*world)) *world {
	t.Helper()
	unhandled := func(what string) { t.Errorf("a simulator does not know: %s", what) }
	dir := t.TempDir()
	w := &world{t: t, around: map[string]func(http.Handler) http.Handler{}, certs: map[string]tls.Certificate{}, ports: map[string]net.Listener{}, urls: map[string]string{}, asOperator: true,
		opts: Options{Limit: time.Minute, Now: time.Now}} // nothing is held up on a slow machine; what hangs says so
	w.tenant = pimtest.Options{TenantID: tenantID, Unkind: pimtest.Kind(), Key: tenantKey(), Unhandled: unhandled, App: pimtest.App{ClientID: clientID,
		ClientSecret: secret, Application: pim.ApplicationPermissions(), Registration: pimtest.Registration{IDClaims: []string{"auth_time"}, Packages: []string{"1.1.0", "1.0.0"}, Catalogue: true},
		Delegated: append(pim.DelegatedPermissions(pim.Graph), "https://management.azure.com/user_impersonation")}}
	w.slack = slacktest.Options{TeamID: "T0CONTOSO", AppID: "A0BELAY", BotToken: "xoxb-the-bot-token", SigningSecret: "the-signing-secret", ClientID: "contoso.belay", ClientSecret: "the-slack-client-secret",
		Scopes: manifest.SlackScopes(), ConfigToken: configToken, Unhandled: unhandled}
	w.teams = teamstest.Options{TenantID: tenantID, AppID: clientID, AppSecret: secret, File: filepath.Join(dir, "teams.json"), Unhandled: unhandled}
	w.must(os.WriteFile(w.teams.File, teamsFile(), 0o600))
	w.cfg = app.Config{Data: filepath.Join(dir, "data"),
		Entra: app.Entra{KeepSignIns: true, TenantID: tenantID, ClientID: clientID, ClientSecret: secret, AzureResources: true},
		Slack: app.Slack{AppID: "A0BELAY", TeamID: "T0CONTOSO", BotToken: "xoxb-the-bot-token", SigningSecret: "the-signing-secret",
			ClientID: "contoso.belay", ClientSecret: "the-slack-client-secret"},
		Teams: app.Teams{AppID: clientID}, Security: app.Security{Channels: []string{"slack:C0SECURITY"}}}
	w.must(os.Mkdir(w.cfg.Data, 0o700))
	database, keys := stored()
	w.must(os.WriteFile(w.cfg.Database(), database, 0o600))
	w.must(os.WriteFile(w.cfg.KeyFile(), keys, 0o600))
	var err error
	w.keys, err = store.LoadKeyFile(w.cfg.KeyFile())
	w.must(err)
	for _, name := range []string{"login", "graph", "arm", "public", "bot-login", "slack", "openid", "connector"} {
		w.listen(name)
	}
	w.cfg.PublicURL = w.urls["public"]
	w.cfg.Teams.ServiceURL, w.cfg.Teams.ServiceHosts = w.urls["connector"]+"/", []string{strings.TrimPrefix(w.urls["connector"], "http://")}
	w.cfg.Notices.Default = []string{"teams:" + teamsRoom}
	slack, err := manifest.Slack(manifest.App{Name: "Belay", PublicURL: w.cfg.PublicURL})
	w.must(err)
	w.slack.Manifest, w.opts.SlackManifest = string(slack), configToken
	w.tenant.App.RedirectURIs = []string{w.cfg.PublicURL + manifest.EntraCallback}
	w.cfg.Endpoints = app.Endpoints{Login: w.urls["login"], Graph: w.urls["graph"], ARM: w.urls["arm"], Slack: w.urls["slack"], BotLogin: w.urls["bot-login"],
		BotOpenID: w.urls["openid"] + "/v1/.well-known/openidconfiguration", CAFile: filepath.Join(dir, "ca.pem")}
	if change != nil {
		change(w)
	}
	w.simulate()
	if w.ready != nil {
		w.ready(w)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

var plain = []string{"slack", "openid", "connector"} // served without TLS, as on loopback they may be

// listen takes a port, so that everybody can be told of it before anybody answers.
func (w *world) listen(name string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.ports[name] = l
	scheme := "https"
	if slices.Contains(plain, name) {
		scheme = "http"
	}
	w.urls[name] = scheme + "://" + l.Addr().String()
}

// simulate starts everything.
func (w *world) simulate() {
	var err error
	w.entra, err = pimtest.New(w.tenant)
	w.must(err)
	w.entra.SetURLs(pimtest.URLs{Login: w.urls["login"], Graph: w.urls["graph"], ARM: w.urls["arm"], Browser: w.urls["login"]})
	w.must(w.entra.AddUser(pimtest.User{ID: operator, Name: "Olga Operator", UPN: "olga@contoso.example"}))
	workspace, err := slacktest.New(w.slack)
	w.must(err)
	workspace.Kind()
	workspace.AddChannel(slacktest.Channel{ID: "C0SECURITY", Name: "security", Private: true, BotIsMember: true})
	workspace.AddChannel(slacktest.Channel{ID: "C0ALL", Name: "all"})
	workspace.SetURL(w.urls["slack"])
	teams, err := teamstest.New(w.teams)
	w.must(err)
	teams.Kind()
	w.must(teams.AddChannel(teamstest.Channel{ID: teamsRoom, Name: "room", TeamID: "19:team@thread.tacv2", BotInstalled: true}))
	w.must(teams.AddChannel(teamstest.Channel{ID: teamsOther, Name: "other", TeamID: "19:other@thread.tacv2"}))
	teams.SetURLs(teamstest.URLs{Service: w.urls["connector"] + "/", OpenID: w.urls["openid"], Login: w.urls["bot-login"]})
	handlers := map[string]http.Handler{"login": w.entra.Login(), "graph": w.entra.Graph(), "arm": w.entra.ARM(), "public": w.public(),
		"bot-login": teams.Login(), "slack": workspace.API(), "openid": teams.OpenID(), "connector": teams.Connector()}
	var authority *x509.Certificate
	for name, h := range handlers {
		if around := w.around[name]; around != nil {
			h = around(h)
		}
		l := w.ports[name]
		if slices.Contains(w.down, name) {
			w.must(l.Close())
			continue
		}
		s := httptest.NewUnstartedServer(w.noting(name, h))
		w.must(s.Listener.Close())
		s.Listener = l
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // certificates that nobody trusts
		if slices.Contains(plain, name) {
			s.Start()
		} else {
			if cert, other := w.certs[name]; other {
				s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			}
			s.StartTLS()
			if _, other := w.certs[name]; !other {
				authority = s.Certificate()
			}
		}
		w.t.Cleanup(s.Close)
	}
	if _, err := os.Stat(w.cfg.Endpoints.CAFile); err != nil {
		if authority == nil { // every server is down
			_, cert := certified(w.t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), 0)
			authority = cert.Leaf
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw})
		for _, c := range w.trust {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})...)
		}
		w.must(os.WriteFile(w.cfg.Endpoints.CAFile, text, 0o600))
	}
	if w.asOperator && w.opts.Operator == "" {
		w.opts.Operator, err = w.entra.CLIToken(operator)
		w.must(err)
	}
}

// public answers as Belay does where the platforms call.
func (w *world) public() http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{manifest.SlackCommands, manifest.SlackInteractions, manifest.SlackOptions, manifest.SlackEvents, manifest.TeamsMessages} {
		mux.HandleFunc("POST "+path, func(http.ResponseWriter, *http.Request) { w.t.Errorf("a delivery to %s", path) })
	}
	mux.HandleFunc("GET "+app.ProofPath+"{challenge}", func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(rw, w.keys.Proof(app.ProofOfAddress, r.PathValue("challenge")))
	})
	return mux
}

func (w *world) noting(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token == "Bearer "+configToken {
			if name != "slack" || r.URL.Path != "/api/apps.manifest.export" {
				w.t.Errorf("%s is sent the configuration token", name)
			}
		} else if name != "graph" && w.opts.Operator != "" && strings.Contains(token, w.opts.Operator) ||
			name != "slack" && strings.HasPrefix(token, "Bearer xox") {
			w.t.Errorf("%s is sent another service's token", name)
		}
		w.mu.Lock()
		w.calls = append(w.calls, name+" "+r.Method+" "+r.URL.Path)
		w.mu.Unlock()
		next.ServeHTTP(rw, r)
	})
}

// examine asks doctor, and holds what is true of every report: each check speaks
// once, what is to be mended says how, and no secret is told.
func (w *world) examine() map[string]Finding {
	w.t.Helper()
	text, err := app.Render(w.cfg)
	w.must(err)
	file := filepath.Join(w.t.TempDir(), "belay.yaml")
	w.must(os.WriteFile(file, text, 0o600))
	cfg, err := app.Load(file, nil)
	w.must(err)
	w.opts.File = file
	all, err := Examine(w.t.Context(), cfg, w.opts)
	w.must(err)
	found := map[string]Finding{}
	for _, f := range all {
		if _, twice := found[f.Check]; twice {
			w.t.Errorf("%s speaks twice", f.Check)
		}
		if f.Found == "" || f.Looked == "" || (f.Mend == "") != (f.Verdict == OK) && f.Verdict != Unknown {
			w.t.Errorf("%+v", f)
		}
		found[f.Check] = f
	}
	told, err := json.Marshal(all)
	w.must(err)
	var page strings.Builder
	w.must(Print(&page, all))
	for _, hidden := range []string{secret, configToken, "the-bot-token", "the-signing-secret", "the-slack-client-secret", "eyJ", "PRIVATE"} {
		if strings.Contains(string(told), hidden) || strings.Contains(page.String(), hidden) {
			w.t.Errorf("the report holds %s", hidden)
		}
	}
	if w.t.Failed() {
		w.t.Log(page.String())
	}
	return found
}

// certified is a certificate that names itself its authority, for loopback, with its
// key, as PEM and as a server has it.
func certified(t *testing.T, from, until time.Time, bits int) (text []byte, cert tls.Certificate) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(until.UnixNano()), Subject: pkix.Name{CommonName: "belay"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	var public, private any
	if bits > 0 {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		public, private = &key.PublicKey, key
	} else {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public, private = &key.PublicKey, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return append(certPEM, keyPEM...), cert
}

// The conversations of the simulated Teams: the bot is in the first.
const (
	teamsRoom  = "19:room@thread.tacv2"
	teamsOther = "19:other@thread.tacv2"
)

// stored are the files of a store that Belay made.
var stored = sync.OnceValues(func() (database, keys []byte) {
	dir, err := os.MkdirTemp("", "store-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	set, err := store.LoadOrCreateKeyFile(filepath.Join(dir, "belay.keys"))
	if err != nil {
		panic(err)
	}
	s, err := bolt.Open(filepath.Join(dir, "belay.db"), bolt.Options{})
	if err == nil {
		err = store.CheckKeys(context.Background(), store.Seal(s, set))
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		panic(err)
	}
	if database, err = os.ReadFile(filepath.Join(dir, "belay.db")); err != nil {
		panic(err)
	}
	if keys, err = os.ReadFile(filepath.Join(dir, "belay.keys")); err != nil {
		panic(err)
	}
	return database, keys
})

// leads is a group of the simulated tenant.
const leads = "d0770000-0000-4000-8000-000000000008"

// ruled gives the world rules of notices, and what they may name.
func ruled(rules ...app.NoticeRule) func(*world) {
	return func(w *world) {
		w.cfg.Notices.Rules = rules
		ready := w.ready
		w.ready = func(w *world) {
			if ready != nil {
				ready(w)
			}
			w.must(w.entra.AddGroup(pimtest.Group{ID: leads, Name: "Leads"}))
			w.must(w.entra.AddRole(pimtest.Role{ID: "4a5d8f65-41da-4de4-8968-e035b65339cf", Name: "Reports Reader"}))
		}
	}
}
