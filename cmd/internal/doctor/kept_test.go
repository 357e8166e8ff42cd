package doctor

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/manifest"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/keyvault"
)

func TestFileSystems(t *testing.T) {
	for kind, want := range map[string]Verdict{"nfs": Fault, "smb": Fault, "cifs": Fault, "9p": Fault, "tmpfs": Unknown, "overlay": Unknown, "": OK} {
		if got := kept(kind); got.verdict != want || (got.mend == "") != (want == OK) {
			t.Errorf("%s: %+v", kind, got)
		}
	}
}

func TestKeyAge(t *testing.T) {
	at := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	v := &visit{now: func() time.Time { return at }}
	for made, want := range map[time.Time]Verdict{{}: Unknown, at.AddDate(-1, 0, 0): OK, at.AddDate(-2, -1, 0): Warning} {
		if got := v.aged(made); got.verdict != want {
			t.Errorf("%s: %+v", made, got)
		}
	}
}

// What the vault answers is told; a key file that no vault could open is not its fault.
func TestVaultIsAsked(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Verdict
	}{
		{nil, OK},
		{&keyvault.Error{Key: "https://contoso.vault.azure.net/keys/belay", Reason: keyvault.Forbidden}, Fault},
		{&store.KeyFileError{Reason: store.KeyPlain}, Unknown},
	} {
		v := &visit{vault: func() (*store.Keyset, error) { return nil, c.err }}
		if got := v.keyVault(); got.verdict != c.want {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}

// A proxy that is not there is named by its variable, and what it is called with is not told.
func TestProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{dial: dialing(t.Context())}
	t.Setenv("HTTPS_PROXY", "http://belay:canary@"+l.Addr().String())
	if !behindProxy(app.Config{}) {
		t.Error("the variable is not seen")
	}
	if got := v.proxy(); got.verdict != OK {
		t.Errorf("%+v", got)
	}
	l.Close()
	if got := v.proxy(); got.verdict != Fault || !strings.Contains(got.found, "HTTPS_PROXY") || strings.Contains(got.found+got.mend, "canary") {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]string{"proxy.example": "proxy.example:80", "https://proxy.example": "proxy.example:443", "socks5://p:99": "p:99", "http://": ""} {
		if got, err := proxyAddress(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

// While a Belay serves from here, somebody else at its public address is a fault.
func TestSomethingElseAnswers(t *testing.T) {
	dir, err := os.MkdirTemp("", "d") // short, for the socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "belay.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Belay-Error")
		if err := json.NewEncoder(w).Encode(app.SIEMLine{}); err != nil {
			t.Error(err)
		}
		w.Header().Set("Belay-Error", "none")
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	s, err := bolt.Open(filepath.Join(dir, "belay.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := newWorld(t, func(w *world) {
		answers("public", manifest.SlackEvents, http.StatusBadGateway, "")(w)
		w.cfg.Data = dir
	})
	found := w.examine()
	if got := found["address.belay"]; got.Verdict != Fault || !strings.Contains(got.Found, "/slack/events answers HTTP 502") || !strings.Contains(got.Mend, "listen") {
		t.Errorf("%+v", got)
	}
	if got := found["data.file"]; got.Verdict != OK || !strings.Contains(got.Found, "serves") {
		t.Errorf("%+v", got)
	}
}

// Whether the Belay at the public address is the one that serves from here, its keys tell.
func TestWhichBelayAnswers(t *testing.T) {
	ours, theirs := madeKeys(t), madeKeys(t)
	older := ours.Keys()[0].ID.String()
	if _, err := ours.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		there        *store.Keyset // nil: it does not say
		status       int
		here         *store.Keyset // nil: nobody serves
		hereErr      error
		lacks        string // of the Belay that serves, a key more
		address, now Verdict
	}{
		"this one":                              {there: ours, here: ours, address: OK, now: OK},
		"this one, and nobody serves here":      {there: ours, address: OK, now: OK},
		"this one, and the socket does not say": {there: ours, hereErr: errElsewhere, address: OK, now: OK},
		"another one":                           {there: theirs, here: ours, address: Fault, now: OK},
		"another one, and nobody serves":        {there: theirs, address: Unknown, now: OK},
		"one that does not say":                 {status: http.StatusNotFound, here: ours, address: Warning, now: OK},
		"one that does not say, nobody serves":  {status: http.StatusNotFound, address: Unknown, now: OK},
		"one that is asked too often":           {status: http.StatusTooManyRequests, here: ours, address: Unknown, now: OK},
		"the key file is another's":             {there: theirs, here: theirs, address: Unknown, now: Fault},
		"the key file is older":                 {there: ours, here: ours, lacks: "ffff", address: OK, now: Fault},
	} {
		t.Run(name, func(t *testing.T) {
			v := &visit{vault: func() (*store.Keyset, error) { return ours, nil }, database: func() error { return nil }}
			v.spool = func() ([]app.SIEMLine, bool, error) { return nil, c.here != nil, nil }
			v.cfg.Slack.AppID = "A"
			v.at = func(path string) (answer, error) {
				asked, proof := strings.CutPrefix(path, app.ProofPath)
				switch {
				case !proof:
					return answer{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {"POST"}}}, nil
				case c.there == nil:
					return answer{status: c.status}, nil
				}
				return answer{status: http.StatusOK, body: []byte(c.there.Proof(app.ProofOfAddress, asked) + "\n")}, nil
			}
			v.proof = func(asked string) (app.ProofLine, bool, error) {
				if c.here == nil {
					return app.ProofLine{}, false, c.hereErr
				}
				line := app.ProofLine{Proof: c.here.Proof(app.ProofOfKeys, asked), Keys: []string{older}}
				if c.lacks != "" {
					line.Keys = append(line.Keys, c.lacks)
				}
				return line, true, nil
			}
			if got := v.belayThere(); got.verdict != c.address || (got.mend == "") != (c.address == OK) {
				t.Errorf("%+v, want %s", got, c.address)
			}
			if got := v.keysOpen(); got.verdict != c.now || (got.mend == "") != (c.now == OK) {
				t.Errorf("%+v, want %s", got, c.now)
			}
		})
	}
}

func madeKeys(t *testing.T) *store.Keyset {
	t.Helper()
	keys, err := store.LoadOrCreateKeyFile(filepath.Join(t.TempDir(), "belay.keys"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// The Belay that serves says itself whether its store writes.
func TestServing(t *testing.T) {
	for name, c := range map[string]struct {
		served bool
		err    error
		status int
		want   Verdict
	}{
		"nobody serves":         {want: Unknown},
		"it does not say":       {served: true, err: errElsewhere, want: Unknown},
		"it is ready":           {served: true, status: http.StatusOK, want: OK},
		"its store is stuck":    {served: true, status: http.StatusServiceUnavailable, want: Fault},
		"it is somebody else's": {served: true, status: http.StatusNotFound, want: Warning},
		"it is not there":       {served: true, want: Warning},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/readyz" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			if c.status == 0 {
				server.Close()
			}
			v := &visit{now: time.Now, spool: func() ([]app.SIEMLine, bool, error) { return nil, c.served, c.err }}
			v.cfg.PrivateListen = strings.Replace(server.Listener.Addr().String(), "127.0.0.1", "", 1)
			v.ready(t.Context())
			if got := v.serving(); got.verdict != c.want || (got.mend == "") != (c.want == OK) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// One broken network is one fault and one line, not one for each service.
func TestNothingAnswersIsSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.down = []string{"login", "graph", "arm", "public", "bot-login", "slack", "openid", "connector"}
	})
	var all []Finding
	text, err := app.Render(w.cfg)
	w.must(err)
	file := filepath.Join(t.TempDir(), "belay.yaml")
	w.must(os.WriteFile(file, text, 0o600))
	cfg, err := app.Load(file, nil)
	w.must(err)
	all, err = Examine(t.Context(), cfg, w.opts)
	w.must(err)
	var page strings.Builder
	w.must(Print(&page, all))
	if n := strings.Count(page.String(), unlit.found); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, page.String())
	}
	if n := strings.Count(page.String(), "\n"); n > 40 {
		t.Errorf("%d lines:\n%s", n, page.String())
	}
	for _, check := range []string{"login.reach", "entra.write", "graph.read", "slack.token", "slack.channels", "bot.token", "teams.package", "registration.redirects"} {
		if n := strings.Count(page.String(), check); n != 1 {
			t.Errorf("%s is named %d times:\n%s", check, n, page.String())
		}
	}
}

// The address of a database is a secret only with a password in it.
func TestOnlySecretsAreHidden(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	dir := t.TempDir()
	for address, want := range map[string]Verdict{
		"postgres://belay@db.example.com/belay?sslmode=verify-full": OK,
		"postgresql://db.example.com/belay":                         OK,
		"postgres://belay:hunter2@db.example.com/belay":             Warning,
		"postgres://belay@db.example.com/belay?password=hunter2":    Warning,
		"host=db.example.com user=belay password=hunter2":           Warning,
	} {
		v := &visit{file: filepath.Join(dir, "belay.yaml"), files: map[string]string{}}
		v.cfg.Store.PostgresURL = app.Secret(address)
		for _, lies := range []string{"in the configuration", "in a file of its own"} {
			if lies == "in a file of its own" {
				v.file, v.files["store.postgres_url_file"] = "", v.file
			}
			path := filepath.Join(dir, "belay.yaml")
			if err := os.WriteFile(path, []byte(address), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
			if got := v.readers(); got.verdict != want {
				t.Errorf("%s, %s: %+v", address, lies, got)
			}
		}
	}
}

// Whether the network or the one host that is configured is at fault cannot be told.
func TestOneHostIsNotTheNetwork(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want Verdict
	}{
		{"it answers", nil, OK},
		{"it does not", errors.New("connection refused"), Unknown},
	} {
		v := &visit{login: func() (answer, error) { return answer{}, c.err }}
		v.cfg.Endpoints.Login = "https://login.example.com"
		v.silent = v.silence
		if got := v.networkReach(); got.verdict != c.want || strings.Contains(got.found, "login.example.com") != (c.want == Unknown) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if v.dark() {
			t.Errorf("%s: everything else is hidden", c.name)
		}
	}
}

// Of a PostgreSQL that can be read it is told what is in it; one fault has one place.
func TestPostgresIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want Verdict
		says string
	}{
		"sound":            {nil, OK, "of this version"},
		"another's keys":   {store.ErrWrongKeys, Fault, "do not open it"},
		"of a newer Belay": {&store.SchemaError{Stored: 3, Known: 2}, Fault, "Start that version"},
		"it does not go":   {errElsewhere, Fault, "docs/postgres.md"},
	} {
		v := &visit{database: func() error { return c.err }}
		if got := v.postgres(); got.verdict != c.want || !strings.Contains(got.found+" "+got.mend, c.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
