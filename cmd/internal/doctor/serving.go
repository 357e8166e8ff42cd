package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
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
