package keyvault_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/keyvault"
	"github.com/belaybot/belay/store/keyvault/vaulttest"
)

const (
	tenant = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"
	login  = "https://login.microsoftonline.com"
	host   = "belay-vault.vault.azure.net"
	keyURL = "https://" + host + "/keys/belay"
)

// credential gives one token, and remembers for what.
type credential struct {
	token string
	err   error
	asked []policy.TokenRequestOptions
}

func (c *credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.asked = append(c.asked, o)
	return azcore.AccessToken{Token: c.token, ExpiresOn: time.Now().Add(time.Hour)}, c.err
}

// world is a simulated vault under its real name, behind TLS.
type world struct {
	*testing.T
	sim    *vaulttest.Vault
	server *httptest.Server
	http   *http.Client
	cred   *credential
	file   string
}

func newWorld(t *testing.T, o vaulttest.Options) *world {
	t.Helper()
	if o.Tenant == "" {
		o.Tenant = tenant
	}
	o.Host, o.Unhandled = host, func(what string) { t.Error(what) }
	w := &world{T: t, sim: vaulttest.New(o), cred: &credential{token: "good"}, file: filepath.Join(t.TempDir(), "belay.keys")}
	w.server = httptest.NewUnstartedServer(w.sim)
	cert, pool := certificate(t, host, "elsewhere.example")
	w.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	w.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", w.server.Listener.Addr().String())
		}}}
	w.sim.NewVersion("belay")
	w.sim.Grant("good", "wrapkey", "unwrapkey")
	return w
}

func certificate(t *testing.T, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, pool
}

func (w *world) keyFile(key string) store.KeyFile {
	w.Helper()
	v, err := keyvault.New(keyvault.Options{Key: key, Login: login, Credential: w.cred, HTTP: w.http})
	if err != nil {
		w.Fatal(err)
	}
	return store.KeyFile{Path: w.file, Vault: v}
}

func (w *world) load(f store.KeyFile) *store.Keyset {
	w.Helper()
	k, err := f.LoadOrCreate(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return k
}

func (w *world) refused(err error, want keyvault.Reason, says string) {
	w.Helper()
	var e *keyvault.Error
	if !errors.As(err, &e) || e.Reason != want || !strings.Contains(err.Error(), says) {
		w.Errorf("got %v, want %s with %q", err, want, says)
	}
	if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), w.cred.token+"\"")) {
		w.Errorf("the error repeats what it must not: %v", err)
	}
}

// One unwrapping opens the key file; the token is asked for the vault's own resource, in
// the tenant that the vault names.
func TestOneUnwrapOpensTheKeyFile(t *testing.T) {
	w := newWorld(t, vaulttest.Options{})
	was := w.load(w.keyFile(keyURL))
	unwraps := w.sim.Calls("unwrapkey")
	now := w.load(w.keyFile(keyURL))
	if now.Pseudonym("a") != was.Pseudonym("a") || w.sim.Calls("unwrapkey") != unwraps+1 || w.sim.Calls("wrapkey") != 1 {
		t.Errorf("%d unwrappings, %d wrappings", w.sim.Calls("unwrapkey")-unwraps, w.sim.Calls("wrapkey"))
	}
	for _, o := range w.cred.asked {
		if len(o.Scopes) != 1 || o.Scopes[0] != "https://vault.azure.net/.default" || o.TenantID != tenant {
			t.Errorf("asked for %+v", o)
		}
	}
}

// After a new version of the vault's key, the old one opens and the new one wraps.
func TestNewVersionOfTheVaultsKey(t *testing.T) {
	w := newWorld(t, vaulttest.Options{})
	w.load(w.keyFile(keyURL))
	newer := w.sim.NewVersion("belay")
	k := w.load(w.keyFile(keyURL))
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(w.file)
	if err != nil || !bytes.Contains(raw, []byte(newer)) {
		t.Errorf("the newer version does not wrap (%v)", err)
	}
	w.load(w.keyFile(keyURL + "/" + newer))
}

// Every way in which the vault does not open the file at the start has its own sentence
// that says what to do, and changes nothing.
func TestVaultRefusesAtTheStart(t *testing.T) {
	cases := []struct {
		name string
		do   func(w *world)
		key  string
		want keyvault.Reason
		says string
	}{
		{"missing permission", func(w *world) { w.sim.Grant("good") }, "", keyvault.Forbidden, "Key Vault Crypto Service Encryption User"},
		{"may wrap only", func(w *world) { w.sim.Grant("good", "wrapkey") }, "", keyvault.Forbidden, "ForbiddenByRbac"},
		{"disabled key", func(w *world) { w.sim.Disable("belay", true) }, "", keyvault.Disabled, "--enabled true"},
		{"deleted key", func(w *world) { w.sim.Delete("belay") }, "", keyvault.NotFound, "az keyvault key recover"},
		{"another key of the vault", func(w *world) { w.sim.NewVersion("other") }, "https://" + host + "/keys/other", keyvault.OtherKey, "keys.vault_key"},
		{"a key of that name made anew", func(w *world) { w.remade() }, "", keyvault.WrongKey, "did not wrap it"},
		{"a version that is not there", func(w *world) { w.edited(strings.Repeat("0", 32)) }, "", keyvault.NotFound, strings.Repeat("0", 32)},
		{"vault down", func(w *world) { w.server.Close() }, "", keyvault.Unreachable, "does not answer"},
		{"answer lost", func(w *world) { w.sim.FailNext(vaulttest.Fault{Drop: true}) }, "", keyvault.Unreachable, "does not answer"},
		{"throttled", func(w *world) { w.sim.FailNext(vaulttest.Fault{Status: 429, Body: "canary"}) }, "", keyvault.Busy, "in a minute"},
		{"failing", func(w *world) { w.sim.FailNext(vaulttest.Fault{Status: 503, Body: "canary"}) }, "", keyvault.Unavailable, "HTTP 503"},
		{"no JSON", func(w *world) { w.sim.FailNext(vaulttest.Fault{Status: 200, Body: "<html>canary</html>"}) }, "", keyvault.Unavailable, "as a vault does"},
		{"endless", func(w *world) {
			w.sim.FailNext(vaulttest.Fault{Status: 200, Body: `{"value":"` + strings.Repeat("A", 1<<20) + `"}`})
		}, "", keyvault.Unavailable, "as a vault does"},
		{"firewall", func(w *world) {
			w.sim.FailNext(vaulttest.Fault{Status: 403, Body: `{"error":{"code":"Forbidden","message":"canary","innererror":{"code":"ForbiddenByFirewall"}}}`})
		}, "", keyvault.Firewall, "firewall"},
		{"token refused", func(w *world) { w.cred.token = "of somebody else" }, "", keyvault.NoSignIn, "keys.identity"},
		{"no token", func(w *world) { w.cred.err = errors.New("no identity here") }, "", keyvault.NoSignIn, "no identity here"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, vaulttest.Options{})
			w.load(w.keyFile(keyURL))
			c.do(w)
			before, err := os.ReadFile(w.file)
			if err != nil {
				t.Fatal(err)
			}
			key := c.key
			if key == "" {
				key = keyURL
			}
			_, err = w.keyFile(key).Load(t.Context())
			w.refused(err, c.want, c.says)
			if after, _ := os.ReadFile(w.file); !bytes.Equal(before, after) {
				t.Error("the key file was changed")
			}
		})
	}
}

// edited lets the file name another version of the key.
func (w *world) edited(version string) {
	w.Helper()
	v, err := keyvault.New(keyvault.Options{Key: keyURL, Login: login, Credential: w.cred, HTTP: w.http})
	if err != nil {
		w.Fatal(err)
	}
	w.file += ".other"
	w.load(store.KeyFile{Path: w.file, Vault: renamed{v, version}})
}

// renamed is a vault that says that another version wrapped.
type renamed struct {
	store.Vault
	version string
}

func (r renamed) Wrap(ctx context.Context, dataKey []byte) ([]byte, string, error) {
	wrapped, _, err := r.Vault.Wrap(ctx, dataKey)
	return append(bytes.Clone(dataKey), wrapped...), keyURL + "/" + r.version, err
}

func (r renamed) Unwrap(_ context.Context, _ string, wrapped []byte) ([]byte, error) {
	return wrapped[:32], nil
}

// remade lets the file hold what another key of the same version wrapped.
func (w *world) remade() {
	w.Helper()
	raw, err := os.ReadFile(w.file)
	if err != nil {
		w.Fatal(err)
	}
	at := bytes.Index(raw, []byte("/keys/belay/")) + len("/keys/belay/")
	w.edited(string(raw[at : at+32]))
}

// A vault that wraps and will not unwrap does not get the keys.
func TestDisabledKeyIsNotWrappedWith(t *testing.T) {
	w := newWorld(t, vaulttest.Options{})
	plain := store.KeyFile{Path: w.file}
	was := w.load(plain)
	w.sim.Disable("belay", true)
	w.refused(w.keyFile(keyURL).Wrap(t.Context()), keyvault.Disabled, "the old one is kept")
	if w.load(plain).Primary() != was.Primary() {
		t.Error("the keys are lost")
	}
	w.sim.Disable("belay", false)
	if err := w.keyFile(keyURL).Wrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sim.Disable("belay", true)
	w.refused(w.keyFile(keyURL).Unwrap(t.Context()), keyvault.Disabled, "KeyDisabled")
}

// What answers in the vault's place gets a token for the vault's resource, and for no other.
func TestChallengeOfAnotherResource(t *testing.T) {
	for _, resource := range []string{"https://graph.microsoft.com", "https://management.azure.com", "https://evil.example", "https://vault.azure.net.evil.example", "https://belay-vault.vault.azure.net"} {
		w := newWorld(t, vaulttest.Options{Resource: resource})
		_, err := w.keyFile(keyURL).LoadOrCreate(t.Context())
		w.refused(err, keyvault.Untrusted, "does not prove")
		if len(w.cred.asked) > 0 {
			t.Errorf("a token for %s was asked for", resource)
		}
	}
}

// No challenge makes the client panic.
func TestOddChallenges(t *testing.T) {
	for _, challenge := range []string{"Bearer", "Bearer x", `Bearer authorization="x" resource="https://vault.azure.net"`, `Bearer authorization= resource=`,
		`Basic realm="x"`, `Bearer authorization="https://login.microsoftonline.com" resource="https://vault.azure.net"`, `Bearer resource="://"`, `Bearer authorization="a/b/c/d/e",resource="https://vault.azure.net"`} {
		server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("WWW-Authenticate", challenge)
			rw.WriteHeader(http.StatusUnauthorized)
		}))
		cred := &credential{token: "good"}
		v, err := keyvault.New(keyvault.Options{Key: server.URL + "/keys/belay", Login: login, Credential: cred, HTTP: server.Client()})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = v.Wrap(t.Context(), make([]byte, 32))
		var e *keyvault.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", challenge, err)
		}
		server.Close()
	}
}

// A redirect is not followed: the token would go along.
func TestRedirectIsNotFollowed(t *testing.T) {
	w := newWorld(t, vaulttest.Options{})
	reached := false
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(other.Close)
	hop := httptest.NewTLSServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(hop.Close)
	v, err := keyvault.New(keyvault.Options{Key: hop.URL + "/keys/belay", Login: login, Credential: w.cred, HTTP: hop.Client()})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = v.Wrap(t.Context(), make([]byte, 32))
	w.refused(err, keyvault.Unavailable, "HTTP 307")
	if reached {
		t.Error("the redirect was followed")
	}
}

func TestCheck(t *testing.T) {
	const us, cn = "https://login.microsoftonline.us", "https://login.partner.microsoftonline.cn"
	for _, c := range []struct {
		key, login string
		ok         bool
	}{
		{keyURL, login, true},
		{keyURL + "/0123456789abcdef0123456789abcdef", login, true},
		{"https://belay.managedhsm.azure.net/keys/k", login, true},
		{"https://BELAY.Vault.azure.net/keys/k", login, true},
		{"https://belay.vault.usgovcloudapi.net/keys/k", us, true},
		{"https://belay.vault.azure.cn/keys/k", cn, true},
		{"https://127.0.0.1:8443/keys/k", "https://127.0.0.1:9999", true},
		{"", login, false},
		{"http://belay.vault.azure.net/keys/k", login, false},
		{"http://127.0.0.1/keys/k", login, false},
		{"https://belay.vault.azure.net/secrets/k", login, false},
		{"https://belay.vault.azure.net/keys/", login, false},
		{"https://belay.vault.azure.net/keys/k/notaversion", login, false},
		{"https://belay.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef/x", login, false},
		{"https://belay.vault.azure.net/keys/k?x=1", login, false},
		{"https://belay.vault.azure.net/keys/k?", login, false},
		{"https://belay.vault.azure.net/keys/k#x", login, false},
		{"https://u:p@belay.vault.azure.net/keys/k", login, false},
		{"https://belay.vault.azure.net:8443/keys/k", login, false},
		{"https://belay.vault.azure.net.evil.example/keys/k", login, false},
		{"https://evilvault.azure.net/keys/k", login, false},
		{"https://vault.azure.net/keys/k", login, false},
		{"https://a.b.vault.azure.net/keys/k", login, false},
		{"https://evil.example/keys/k", login, false},
		{"https://belay.vault.azure.net/keys/..%2fsecrets", login, false},
		{"https://belay.vault.azure.cn/keys/k", login, false},
		{"https://belay.vault.azure.net/keys/k", us, false},
		{"https://belay.vault.azure.net/keys/k", "https://login.evil.example", false},
	} {
		if err := keyvault.Check(c.key, c.login); (err == nil) != c.ok {
			t.Errorf("%s at %s: %v", c.key, c.login, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(keyURL)
	f.Add("https://belay.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef")
	f.Fuzz(func(t *testing.T, key string) {
		if keyvault.Check(key, login) != nil {
			return
		}
		rest, ok := strings.CutPrefix(key, "https://")
		if !ok {
			rest, ok = strings.CutPrefix(strings.ToLower(key), "https://")
		}
		at, _, _ := strings.Cut(rest, "/")
		at = strings.ToLower(at)
		name, _, _ := net.SplitHostPort(at)
		if name == "" {
			name = strings.Trim(at, "[]")
		}
		ip := net.ParseIP(name)
		if !ok || !strings.HasSuffix(at, ".vault.azure.net") && !strings.HasSuffix(at, ".managedhsm.azure.net") && name != "localhost" && (ip == nil || !ip.IsLoopback()) {
			t.Errorf("%q is accepted", key)
		}
	})
}
