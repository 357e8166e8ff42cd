package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
)

const (
	tenantID  = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"
	belayApp  = "b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5"
	appSecret = "a-client-secret-of-the-bench"
	appURI    = "api://botid-" + belayApp
	slackTeam = "T0CONTOSO"
	slackApp  = "A0BELAY"
	signing   = "a-signing-secret-of-the-bench"
	botToken  = "xoxb-bench"                           //nolint:gosec // of the simulated Slack
	roleID    = "fe930be7-5e62-47db-91af-98c3a49a38b1" // User Administrator: a decision needs no fresh sign-in
	ownRole   = "4a5d8f65-41da-4de4-8968-e035b65339cf" // Reports Reader: what approvers may activate themselves
)

// approvers is how many people decide. Each may do so much in a minute.
const approvers = 100

// world is everything around Belay, in this process: a tenant with sign-in and Graph, and
// a Slack and a Teams that take whatever they are sent.
type world struct {
	dir, config   string
	addr, private string // of Belay
	profiles      string // where it serves its profiles
	tenant        *pimtest.Tenant
	http          *http.Client
	urls          map[string]string
	key           *rsa.PrivateKey // of the Bot Framework
	servers       []*http.Server

	hangs   atomic.Bool   // Graph takes calls and does not answer
	resumed chan struct{} // closed when the world is closed
	seen    sync.Map      // path of a call to Graph → when it was first made
	posts   atomic.Int64  // numbers what Slack and Teams took
	calls   atomic.Int64  // that Graph took
}

// newWorld makes the surroundings and the configuration that names them.
func (b *bench) newWorld() (w *world, err error) {
	w = &world{addr: free(), private: free(), urls: map[string]string{}, resumed: make(chan struct{})}
	if w.dir, err = os.MkdirTemp(b.work, "world-"); err != nil {
		return nil, err
	}
	ca, cert, err := authority(w.dir)
	if err != nil {
		return nil, err
	}
	w.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if w.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	scopes := append(signin.Scopes(), signin.AzureScopes()...)
	w.tenant, err = pimtest.New(pimtest.Options{TenantID: tenantID, Unkind: pimtest.Kind(), Unhandled: func(string) {},
		App: pimtest.App{ClientID: belayApp, Name: "Belay", ClientSecret: appSecret, Delegated: scopes, Application: pim.ApplicationPermissions(),
			URI: appURI, Clients: signin.TeamsClients()}})
	if err != nil {
		return nil, err
	}
	for name, h := range map[string]http.Handler{"login": w.tenant.Login(), "graph": w.watched(w.tenant.Graph()), "arm": w.tenant.ARM(),
		"botlogin": http.HandlerFunc(w.botLogin), "slack": http.HandlerFunc(w.slack), "teams": http.HandlerFunc(w.connector), "openid": http.HandlerFunc(w.openID)} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
		w.servers = append(w.servers, s)
		w.urls[name] = "http://" + l.Addr().String()
		if name == "login" || name == "graph" || name == "arm" || name == "botlogin" {
			s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
			w.urls[name] = "https://" + l.Addr().String()
			go func() { _ = s.ServeTLS(l, "", "") }() // until it is closed
			continue
		}
		go func() { _ = s.Serve(l) }() // until it is closed
	}
	w.tenant.SetURLs(pimtest.URLs{Login: w.urls["login"], Browser: w.urls["login"], Graph: w.urls["graph"], ARM: w.urls["arm"]})
	w.config = filepath.Join(w.dir, "belay.yaml")
	if err := os.MkdirAll(filepath.Join(w.dir, "data"), 0o700); err != nil {
		return nil, err
	}
	return w, os.WriteFile(w.config, w.yaml(), 0o600)
}

// yaml is what an operator would write, with limits that nobody meets.
func (w *world) yaml() []byte {
	u := w.urls
	return fmt.Appendf(nil, `public_url: http://%s
listen: %s
private_listen: %s
data: %s
log_level: warn
entra: {tenant_id: %s, client_id: %s, client_secret: %s, azure_resources: false}
slack: {app_id: %s, team_id: %s, bot_token: %s, signing_secret: %s, client_id: "1.2", client_secret: unused-by-the-bench}
teams: {app_id: %s, client_secret: %s, service_hosts: ["%s"], service_url: "%s/"}
endpoints:
  login: %s
  graph: %s
  arm: %s
  slack: %s
  bot_openid: %s/v1/.well-known/openidconfiguration
  bot_login: %s
  ca_file: %s
limits: {acts_per_minute: 6000, acts_burst: 6000, tenant_acts_per_minute: 600000, concurrent: 1024}
`, w.addr, w.addr, w.private, filepath.Join(w.dir, "data"), tenantID, belayApp, appSecret, slackApp, slackTeam, botToken, signing,
		belayApp, appSecret, strings.TrimPrefix(u["teams"], "http://"), u["teams"], u["login"], u["graph"], u["arm"], u["slack"], u["openid"], u["botlogin"], filepath.Join(w.dir, "ca.pem"))
}

func (w *world) close() {
	close(w.resumed)
	for _, s := range w.servers {
		_ = s.Close() // nobody listens to it any more
	}
}

// watched notes when a call was made, and answers it unless Graph hangs.
func (w *world) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		w.seen.LoadOrStore(r.Method+" "+r.URL.Path, time.Now())
		if w.hangs.Load() {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-w.resumed:
			}
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// slack takes every call of the Web API and of a response URL.
func (w *world) slack(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	n := w.posts.Add(1)
	rw.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(rw, `{"ok":true,"ts":"1790000000.%06d","message_ts":"1790000000.%06d","channel":"D0BENCH","view":{"id":"V%d","hash":"h%d"}}`, n%1000000, n%1000000, n, n)
}

// connector takes every activity.
func (w *world) connector(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	rw.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(rw, `{"id":"1:%d"}`, w.posts.Add(1))
}

// botLogin gives the bot its own token.
func (w *world) botLogin(rw http.ResponseWriter, r *http.Request) {
	at := w.urls["botlogin"] + "/" + tenantID
	rw.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "openid-configuration") {
		fmt.Fprintf(rw, `{"issuer":"%s/v2.0","authorization_endpoint":"%s/authorize","token_endpoint":"%s/token"}`, at, at, at)
		return
	}
	fmt.Fprint(rw, `{"token_type":"Bearer","access_token":"of-the-bot","expires_in":3600}`)
}

// keyID names the one key of the Bot Framework.
const keyID = "bench"

// openID announces that key, where Belay and both peers look for it.
func (w *world) openID(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	if !strings.HasSuffix(r.URL.Path, "/keys") {
		fmt.Fprintf(rw, `{"issuer":"https://api.botframework.com","jwks_uri":"%s/v1/.well-known/keys","id_token_signing_alg_values_supported":["RS256"]}`, w.urls["openid"])
		return
	}
	e := binary.BigEndian.AppendUint32(nil, uint32(w.key.E))[1:]
	_ = json.NewEncoder(rw).Encode(map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "kid": keyID, "endorsements": []string{"msteams"},
		"n": base64.RawURLEncoding.EncodeToString(w.key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(e)}}}) // whoever asked may have gone
}

// authority makes a certificate authority for loopback, and a certificate of it.
func authority(dir string) (*x509.CertPool, tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	now := time.Now()
	self := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Belay bench (loopback only)"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, tls.Certificate{}, errors.New("the certificate cannot be read")
	}
	return pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.WriteFile(filepath.Join(dir, "ca.pem"), text, 0o600)
}

// guid is the n-th of a kind.
func guid(kind byte, n int) string { return fmt.Sprintf("%c0000000-0000-4000-8000-%012d", kind, n) }

// people fills the tenant: who approves, who may ask, and for what.
func (w *world) people(requesters int) error {
	var deciders []string
	for n := range approvers {
		id := guid('a', n)
		deciders = append(deciders, id)
		if err := w.tenant.AddUser(pimtest.User{ID: id, Name: fmt.Sprintf("Approver %d", n), UPN: fmt.Sprintf("approver%d@contoso.example", n), Mail: fmt.Sprintf("approver%d@contoso.example", n)}); err != nil {
			return err
		}
	}
	err := errors.Join(
		w.tenant.AddRole(pimtest.Role{ID: roleID, Name: "User Administrator", Policy: pimtest.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true, Approvers: deciders}}),
		w.tenant.AddRole(pimtest.Role{ID: ownRole, Name: "Reports Reader", Policy: pimtest.Policy{MaxDuration: 8 * time.Hour, Justification: true}}))
	for _, id := range deciders {
		err = errors.Join(err, w.tenant.Eligible(id, ownRole, "/", time.Time{}, time.Time{}))
	}
	for n := range requesters {
		id := guid('b', n)
		err = errors.Join(err, w.tenant.AddUser(pimtest.User{ID: id, Name: fmt.Sprintf("Requester %d", n), UPN: fmt.Sprintf("requester%d@contoso.example", n)}),
			w.tenant.Eligible(id, roleID, "/", time.Time{}, time.Time{}))
	}
	return err
}

// signIn signs every approver in, as single sign-on would, and keeps that in the store.
func (w *world) signIn(ctx context.Context, s *seeder) error {
	people, err := signin.New(signin.Options{Store: s.store, Key: func(p string) string { return s.keys.Pseudonym("grant", p) }, Login: w.urls["login"], Tenant: tenantID,
		ClientID: belayApp, Credential: signin.Credential{Secret: appSecret}, AppURI: appURI, HTTP: w.http})
	if err != nil {
		return err
	}
	for n := range approvers {
		id := guid('a', n)
		token, err := w.tenant.ClientToken(id, signin.TeamsClients()[0], []string{"pwd", "mfa"}, nil)
		if err != nil {
			return err
		}
		_, keep, err := people.Exchange(ctx, id, token)
		if err == nil {
			err = keep(ctx)
		}
		if err != nil {
			return fmt.Errorf("approver %d cannot sign in: %w", n, err)
		}
	}
	return nil
}
