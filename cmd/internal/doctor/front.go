package doctor

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/manifest"
)

// renewed is when a TLS certificate should have been renewed by itself.
const renewed = 14 * 24 * time.Hour

// fronts prepares the looks at the public address.
func (v *visit) fronts(ctx context.Context) {
	v.front = v.asks(ctx, nil, http.MethodHead, strings.TrimRight(v.cfg.PublicURL, "/")+"/")
	v.at = func(path string) (answer, error) {
		return v.ask(ctx, http.MethodGet, strings.TrimRight(v.cfg.PublicURL, "/")+path, "")
	}
}

func (v *visit) address() says {
	if strings.HasPrefix(v.cfg.PublicURL, "http://") {
		return ok("plain http on loopback: for trying out")
	}
	const mend = "Renew the certificate of the proxy in front of Belay."
	const nobody = "browsers, Slack and Microsoft will hardly trust it either"
	a, err := v.front()
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fault("its certificate has ended", mend)
	case errors.As(err, new(x509.HostnameError)):
		return fault("its certificate is for another name than that of public_url: "+nobody, "Get a certificate for the name in public_url, or correct public_url.")
	case err != nil && untrusted(err):
		return fault("its certificate is not trusted on this machine: "+nobody, mend+" It has to send the certificates between its own and the authority's too.")
	case err != nil || a.tls == nil || len(a.tls.PeerCertificates) == 0:
		return unsure(unseen, mendUnseen)
	}
	until := a.tls.PeerCertificates[0].NotAfter
	found := "its certificate ends on " + until.UTC().Format(time.DateOnly)
	if until.Sub(v.now()) < renewed {
		return warn(found, mend)
	}
	return ok(found)
}

const (
	unseen     = "it is not reached from here; Slack, Microsoft and people reach it from elsewhere"
	mendUnseen = "Open it in a browser outside."
)

// called are the paths that the platforms are told to call.
func (v *visit) called() (all []string) {
	if hasSlack(v.cfg) {
		all = append(all, manifest.SlackCommands, manifest.SlackInteractions, manifest.SlackOptions, manifest.SlackEvents)
	}
	if hasTeams(v.cfg) {
		all = append(all, manifest.TeamsMessages)
	}
	return all
}

// belayThere looks whether this Belay answers where the platforms call. It sends no delivery: where
// Belay takes one, it answers a read with 405 and says that it takes POST. Which Belay it is, the
// answer to a challenge tells.
func (v *visit) belayThere() says {
	for _, path := range v.called() {
		a, err := v.at(path)
		switch {
		case err != nil:
			return unsure(unseen, mendUnseen)
		case a.status == http.StatusMethodNotAllowed && strings.Contains(a.header.Get("Allow"), http.MethodPost):
			continue
		}
		found := fmt.Sprintf("%s answers HTTP %d, which is not Belay", path, a.status)
		if _, served, err := v.spool(); err != nil || !served {
			return unsure(found+"; none serves from this data directory", "Ask again when belay serve runs, on the machine where it does.")
		}
		return fault(found, mendProxy)
	}
	return v.thisBelay()
}

const mendProxy = "Let the proxy pass every path to the address in listen, unchanged; or correct public_url."

// thisBelay looks whether the Belay at the public address has the keys of this one.
func (v *visit) thisBelay() says {
	if v.offline {
		return notAsked
	}
	keys, err := v.vault()
	if err != nil {
		return unsure("a Belay answers where the platforms call; whether it is this one cannot be told without its keys", "Mend data.keys and data.vault first, if one is at fault.")
	}
	asked := strings.ToLower(rand.Text())
	a, err := v.at(app.ProofPath + asked)
	if err != nil {
		return unsure(unseen, mendUnseen)
	}
	here := v.servedKeys(keys)
	switch proof := strings.TrimSpace(string(a.body)); {
	case a.status == http.StatusOK && hmac.Equal([]byte(proof), []byte(keys.Proof(app.ProofOfAddress, asked))):
		return ok("this Belay answers where the platforms call")
	case a.status == http.StatusTooManyRequests:
		return unsure("a Belay answers where the platforms call, and was asked too often which one it is", "Try again in a minute.")
	case here.verdict == Fault:
		return unsure("a Belay answers where the platforms call; whether it is this one cannot be told with these keys", "Mend data.opens first.")
	case here.verdict != OK && a.status == http.StatusOK:
		return unsure("another Belay answers where the platforms call, or one with other keys; "+here.found, "Ask again when belay serve runs, on the machine where it does.")
	case a.status == http.StatusOK:
		return fault("another Belay answers where the platforms call: it has other keys than the one that serves from here", mendProxy)
	case here.verdict == OK:
		return warn(fmt.Sprintf("a Belay answers where the platforms call, and does not say which one it is: HTTP %d", a.status),
			"Let the proxy pass every path, "+app.ProofPath+" too. If it does, another Belay answers there, of an older version.")
	}
	return unsure(fmt.Sprintf("a Belay answers where the platforms call, and does not say which one it is: HTTP %d", a.status), "Ask again when belay serve of this version runs, on the machine where it does.")
}
