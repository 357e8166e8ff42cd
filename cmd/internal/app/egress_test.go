package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// limited is a client for the configuration, and its transport.
func limited(c Config) (*http.Client, *egress) {
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	limitEgress(client, c, prometheus.NewRegistry())
	return client, client.Transport.(*egress)
}

func get(t *testing.T, client *http.Client, to string) error {
	t.Helper()
	resp, err := client.Get(to)
	if err == nil {
		err = resp.Body.Close()
	}
	return err
}

func TestOutsideCallsAreCounted(t *testing.T) {
	graph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }))
	defer graph.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	client, e := limited(Config{Entra: Entra{AzureResources: true}, Endpoints: Endpoints{Graph: graph.URL, ARM: gone.URL + "/"}})
	if err := get(t, client, graph.URL+"/v1.0/secret-id"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if get(t, client, gone.URL) == nil {
			t.Error("a server that is gone answers")
		}
	}
	if n := testutil.CollectAndCount(e.calls); n != 2 {
		t.Errorf("%d series", n)
	}
	if n := testutil.ToFloat64(e.calls.WithLabelValues("graph", other, "429")); n != 1 {
		t.Errorf("graph 429: %v", n)
	}
	if n := testutil.ToFloat64(e.calls.WithLabelValues("arm", other, "0")); n != 2 {
		t.Errorf("arm without answer: %v", n)
	}
}

// A server that nobody configured is never reached, however it is named.
func TestNoCallToAnotherHost(t *testing.T) {
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer other.Close()
	graph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to, ok := map[string]string{"/away": other.URL, "/back": "/"}[r.URL.Path]; ok {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}
	}))
	defer graph.Close()
	client, e := limited(Config{Slack: Slack{AppID: "A"}, Teams: Teams{AppID: "a"}, Endpoints: Endpoints{Graph: graph.URL, Login: "https://login.microsoftonline.com"}})
	at, err := url.Parse(graph.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"another port":          other.URL,
		"another scheme":        "https://" + at.Host + "/",
		"a user part":           "http://user@" + at.Host + "/",
		"a name for loopback":   strings.Replace(graph.URL, "127.0.0.1", "localhost", 1),
		"a host that begins so": "https://login.microsoftonline.com.evil.example/",
		"a host that ends so":   "https://evil-login.microsoftonline.com/",
		"plain http":            "http://login.microsoftonline.com/",
		"another port of it":    "https://login.microsoftonline.com:8443/",
		"anybody's own name":    "https://evil.trafficmanager.net/teams/",
		"the metadata service":  "http://169.254.169.254/metadata/identity/oauth2/token?canary",
		"a redirect away":       graph.URL + "/away",
		"a redirect back":       graph.URL + "/back", // the client under test would follow it
	} {
		err := get(t, client, to)
		var refused *EgressError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v, want an *EgressError", name, err)
			continue
		}
		if strings.Contains(refused.Error(), "canary") {
			t.Errorf("%s: the error repeats the address: %v", name, refused)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the other server was reached %d times", n)
	}
	if n := testutil.ToFloat64(e.refused); n != 12 {
		t.Errorf("%v refusals are counted, want 12", n)
	}
}

// Where calls may go is what the configuration says, and nothing else.
func TestEgressIsTheConfiguration(t *testing.T) {
	c := Config{Slack: Slack{AppID: "A"}, Teams: Teams{AppID: "a", ServiceHosts: []string{"SMBA.trafficmanager.net"}},
		Entra: Entra{AzureResources: true}, Endpoints: Endpoints{Login: "https://login.microsoftonline.com", Graph: "https://graph.microsoft.com/",
			ARM: "https://management.azure.com", Slack: "https://slack.com", BotOpenID: "https://login.botframework.com/v1/.well-known/openidconfiguration",
			BotLogin: "https://login.microsoftonline.com", MoreHosts: []string{"keys.example.com"}, Portal: "https://entra.microsoft.com"}}
	want := []string{"https://login.microsoftonline.com:443", "https://graph.microsoft.com:443", "https://management.azure.com:443", "https://slack.com:443",
		"https://hooks.slack.com:443", "https://hooks.slack-gov.com:443", "https://login.botframework.com:443", "https://smba.trafficmanager.net:443", "https://keys.example.com:443"}
	got := c.origins()
	for _, o := range want {
		if got[o] == "" {
			t.Errorf("%s is not open", o)
		}
		delete(got, o)
	}
	if len(got) > 0 {
		t.Errorf("open too: %v", got)
	}
	c.Slack.AppID, c.Teams.AppID, c.Entra.AzureResources, c.Endpoints.MoreHosts = "", "", false, nil
	if got := c.origins(); len(got) != 2 {
		t.Errorf("without chats and Azure: %v, want login and Graph", got)
	}
}

// A proxy does not widen what may be called, and is used for what may.
func TestEgressThroughAProxy(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.URL.Host) }))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := httpClient("")
	if err != nil {
		t.Fatal(err)
	}
	transport := client.Transport.(*http.Transport)
	if transport.Proxy == nil {
		t.Fatal("HTTPS_PROXY is not looked at")
	}
	transport.Proxy = http.ProxyURL(at)
	limitEgress(client, Config{Endpoints: Endpoints{Graph: "http://127.0.0.1:1"}}, prometheus.NewRegistry())
	if err := get(t, client, "http://127.0.0.1:1/x"); err != nil {
		t.Error(err)
	}
	if err := get(t, client, "http://evil.example/x"); !errors.As(err, new(*EgressError)) {
		t.Errorf("%v, want an *EgressError", err)
	}
	if strings.Join(asked, " ") != "127.0.0.1:1" {
		t.Errorf("the proxy was asked for %v", asked)
	}
}
