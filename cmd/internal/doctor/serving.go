package doctor

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
)

// ready asks the private page of a Belay on this machine. It takes no way that leaves the machine.
func (v *visit) ready(ctx context.Context) {
	v.readiness = sync.OnceValues(func() (answer, error) {
		host, port, err := net.SplitHostPort(v.cfg.PrivateListen)
		if err != nil {
			return answer{}, err
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		here := *v
		transport := &http.Transport{DisableKeepAlives: true}
		here.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		return here.ask(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", "")
	})
}

// proves prepares to ask the Belay that serves from here for a proof of its keys.
func (v *visit) proves(ctx context.Context) {
	v.proof = func(challenge string) (line app.ProofLine, served bool, err error) {
		served, err = app.Ask(ctx, v.cfg, "/keys/prove", app.ProofInput{Challenge: challenge}, func(raw json.RawMessage) error { return json.Unmarshal(raw, &line) })
		return line, served, err
	}
}

// servedKeys holds the keys of the file against those of the Belay that serves from here.
func (v *visit) servedKeys(keys *store.Keyset) says {
	asked := strings.ToLower(rand.Text())
	line, served, err := v.proof(asked)
	switch {
	case err != nil:
		return unsure("the Belay that serves does not say", "Give both the same version.")
	case !served:
		return unsure("none serves from this data directory", "Ask where one serves, and as its account.")
	case !hmac.Equal([]byte(line.Proof), []byte(keys.Proof(app.ProofOfKeys, asked))):
		return fault("the key file is not that of the Belay that serves: it would open nothing after the next start", "Put the file "+v.cfg.KeyFile()+" back from your backup before Belay is started anew.")
	}
	has := map[string]bool{}
	for _, k := range keys.Keys() {
		has[k.ID.String()] = true
	}
	for _, id := range line.Keys {
		if !has[id] {
			return fault("the key file lacks the key "+id+" of the Belay that serves: it is an older copy", "Put the newest copy of "+v.cfg.KeyFile()+" back before Belay is started anew.")
		}
	}
	return ok("they are those of the Belay that serves")
}

func (v *visit) serving() says {
	_, served, err := v.spool()
	switch {
	case err != nil:
		return unsure("the Belay that serves does not say", "Give both the same version.")
	case !served:
		return unsure("none serves from this data directory", "Nothing has to be done before the first start. Ask where one serves, and as its account.")
	}
	a, err := v.readiness()
	switch {
	case err != nil:
		return warn("it serves, and its private page is not where private_listen says", "Start it anew with this configuration.")
	case a.status == http.StatusOK:
		return ok("it serves, and its store writes")
	case a.status == http.StatusServiceUnavailable:
		return fault("it serves, and its store does not write", "See data.space and data.database, and the log.")
	}
	return warn(fmt.Sprintf("it serves, and something else answers at private_listen: HTTP %d", a.status), "Start it anew with this configuration.")
}
