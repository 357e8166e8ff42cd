package doctor

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/belaybot/belay/cmd/internal/app"
)

// network is the check that tells one broken network from many broken services.
const network = "network"

// unlit is the verdict of every check that a broken network hides.
var unlit = unsure("not looked at, because nothing outside answers", "Mend "+network+" first.")

// contacts are the first words with each service, for which no token is needed.
func (v *visit) contacts() map[string]func() (answer, error) {
	all := map[string]func() (answer, error){v.cfg.Endpoints.Login: v.login}
	if hasSlack(v.cfg) {
		all[v.cfg.Endpoints.Slack] = v.slack
	}
	if hasTeams(v.cfg) {
		all[v.cfg.Endpoints.BotLogin], all[v.cfg.Endpoints.BotOpenID] = v.botLogin, v.page
	}
	return all
}

// silence is the hosts of the services when none at all was reached. A certificate that is not
// trusted is an answer.
func (v *visit) silence() []string {
	hosts := map[string]bool{}
	for at, contact := range v.contacts() {
		u, err := url.Parse(at)
		if err != nil {
			return nil
		}
		if hosts[u.Host] {
			continue
		}
		if _, err := contact(); err == nil || untrusted(err) {
			return nil
		}
		hosts[u.Host] = true
	}
	return slices.Sorted(maps.Keys(hosts))
}

// dark says that nothing outside answers. Of one host it cannot be told from that host's own trouble.
func (v *visit) dark() bool { return len(v.silent()) > 1 }

func (v *visit) networkReach() says {
	hosts := v.silent()
	switch {
	case len(hosts) == 0:
		return ok("something outside answers")
	case !v.dark(): // the network, or that one service
		return unsure(hosts[0]+" does not answer, and nothing else outside is configured", mendRoute)
	}
	return fault("none of "+strings.Join(hosts, ", ")+" answers", mendRoute)
}

// behindProxy says whether the environment names a proxy for calls to the outside.
func behindProxy(app.Config) bool {
	p := httpproxy.FromEnvironment()
	return p.HTTPSProxy != "" || p.HTTPProxy != ""
}

// proxy looks whether the proxy that the environment names is there. What it lets through
// is seen by the other checks.
func (v *visit) proxy() says {
	const mend = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment of Belay."
	p := httpproxy.FromEnvironment()
	var all []says
	for name, text := range map[string]string{"HTTPS_PROXY": p.HTTPSProxy, "HTTP_PROXY": p.HTTPProxy} {
		if text == "" {
			continue
		}
		at, err := proxyAddress(text)
		if err == nil {
			err = v.dial(at)
		}
		if err != nil {
			all = append(all, fault("the proxy of "+name+" cannot be reached", mend))
			continue
		}
		all = append(all, ok("the proxy of "+name+" answers"))
	}
	return worst(all)
}

// dialing opens a connection and closes it.
func dialing(ctx context.Context) func(address string) error {
	return func(address string) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// proxyAddress is host and port of a proxy, whose scheme may be left out as in curl.
func proxyAddress(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "", errors.New("it is no address")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}
