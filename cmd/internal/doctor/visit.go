package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
)

// visit is one examination. Each of its functions asks once, however many checks
// want to know.
type visit struct {
	cfg     app.Config
	file    string
	files   map[string]string
	offline bool // nothing outside is reached
	now     func() time.Time
	http    *http.Client
	limit   time.Duration
	lookAt  string // the command that shows the registration

	ownToken, azureToken, botToken     func() (string, error)
	login, botLogin, graph, arm, slack func() (answer, error)
	ownClaims                          func() (claims, error)
	application                        func() (application, error)
	grants                             func() ([]grant, error)
	slackSelf                          func() (slackSelf, error)
	metadata                           func() (metadata, error)
	front, keys, slackBot, collects    func() (answer, error)
	database                           func() error
	there                              func(path string) (bool, error) // whether an object of the directory is there
	definitions                        func() ([]string, error)        // ids and names of Entra's roles, in small letters
	targets                            func() ([]destination, error)
	page                               func() (answer, error) // what the Bot Connector says of itself
	vault                              func() (*store.Keyset, error)
	silent                             func() []string // the hosts outside, when none answers
	dial                               func(address string) error
	at                                 func(path string) (answer, error)  // of the public address
	armAt                              func(scope string) (answer, error) // one read there as Belay
	slackAsks                          func(method string, arguments url.Values) (answer, error)
	slackManifest, slackSignIn         func() (answer, error)
	mayManifest                        bool // there is a token to read it with
	member                             func(conversation string) (answer, error)
	readiness                          func() (answer, error)
	packages                           func() ([]string, error) // versions of the Teams app
	proof                              func(challenge string) (line app.ProofLine, served bool, err error)
	seal                               func(*store.Keyset) error
	spool                              func() (lines []app.SIEMLine, served bool, err error)
}

// answer is what a service said.
type answer struct {
	status int
	header http.Header
	body   []byte
	tls    *tls.ConnectionState
	dated  bool
	off    time.Duration // how much this clock is ahead of the service's; the travel cannot explain it
}

// maxAnswer is more than any answer that is read here.
const maxAnswer = 1 << 20

func newVisit(ctx context.Context, cfg app.Config, o Options) (*visit, error) {
	client, err := cfg.Outside()
	if err != nil {
		return nil, err
	}
	credential, err := cfg.Credential()
	if err != nil {
		return nil, err
	}
	v := &visit{cfg: cfg, file: o.File, files: o.Files, offline: o.Offline, now: o.Now, http: client, limit: o.Limit}
	v.ownToken = v.tokenOf(ctx, credential, cfg.Endpoints.Login, cfg.Entra.ClientID, cfg.Entra.GraphResource+"/.default")
	v.azureToken = v.tokenOf(ctx, credential, cfg.Endpoints.Login, cfg.Entra.ClientID, cfg.Entra.ARMResource+"/.default")
	v.ownClaims = sync.OnceValues(func() (claims, error) {
		token, err := v.ownToken()
		if err != nil {
			return claims{}, err
		}
		return read(token)
	})
	discovery := "/" + cfg.Entra.TenantID + "/v2.0/.well-known/openid-configuration"
	v.login = v.asks(ctx, nil, http.MethodGet, strings.TrimRight(cfg.Endpoints.Login, "/")+discovery)
	v.graph = v.asks(ctx, v.ownToken, http.MethodGet, v.graphAt("/v1.0/roleManagement/directory/roleAssignmentScheduleInstances?$top=1&$select=id"))
	v.armAt = func(scope string) (answer, error) {
		token, err := v.azureToken()
		if err != nil {
			return answer{}, &noToken{err}
		}
		return v.ask(ctx, http.MethodGet, strings.TrimRight(cfg.Endpoints.ARM, "/")+scope+
			"/providers/Microsoft.Authorization/roleAssignmentScheduleInstances?api-version=2020-10-01&$filter="+url.QueryEscape("atScope()"), token)
	}
	v.arm = sync.OnceValues(func() (answer, error) { return v.armAt("") })
	v.collects = v.asks(ctx, nil, http.MethodGet, cfg.Telemetry.Endpoint)
	v.database = func() error { return cfg.ProbeDatabase(ctx, client) }
	v.vault = sync.OnceValues(func() (*store.Keyset, error) { return cfg.ProbeKeys(ctx) })
	v.seal = func(keys *store.Keyset) error { return cfg.ProbeSeal(ctx, client, keys) }
	v.proves(ctx)
	v.fronts(ctx)
	v.ready(ctx)
	v.registration(ctx, o.Operator)
	v.named(ctx, o.Operator)
	v.siem(ctx)
	if hasSlack(cfg) {
		v.workspace(ctx, o.SlackManifest)
	}
	if hasTeams(cfg) {
		own, err := cfg.BotCredential()
		if err != nil {
			return nil, err
		}
		v.botToken = v.tokenOf(ctx, own, cfg.Endpoints.BotLogin, cfg.Teams.AppID, cfg.Teams.Scope)
		v.botLogin = v.asks(ctx, nil, http.MethodGet, strings.TrimRight(cfg.Endpoints.BotLogin, "/")+discovery)
		v.connector(ctx)
		v.membership(ctx)
		v.catalogue(ctx, o.Operator)
	}
	v.dial = dialing(ctx)
	v.silent = sync.OnceValue(v.silence)
	return v, nil
}

func (v *visit) graphAt(path string) string {
	return strings.TrimRight(v.cfg.Endpoints.Graph, "/") + path
}

// tokenOf asks for an application's token. Its errors are *pim.Error.
func (v *visit) tokenOf(ctx context.Context, c signin.Credential, login, client, scope string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		source, err := c.Application(login, v.cfg.Entra.TenantID, client, v.http)
		if err != nil {
			return "", err
		}
		t, err := source.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		return t.Token, err
	})
}

// asks makes a call, with a token when there is one.
func (v *visit) asks(ctx context.Context, token func() (string, error), method, address string) func() (answer, error) {
	return sync.OnceValues(func() (answer, error) {
		bearer := ""
		if token != nil {
			var err error
			if bearer, err = token(); err != nil {
				return answer{}, &noToken{err}
			}
		}
		return v.ask(ctx, method, address, bearer)
	})
}

func (v *visit) ask(ctx context.Context, method, address, bearer string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return answer{}, err
	}
	return v.send(req, bearer)
}

// post asks with a form.
func (v *visit) post(ctx context.Context, address string, form url.Values) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.send(req, "")
}

func (v *visit) send(req *http.Request, bearer string) (answer, error) {
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	sent := v.now()
	resp, err := v.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	back := v.now()
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header, tls: resp.TLS}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		if age, err := strconv.Atoi(resp.Header.Get("Age")); err == nil { // a cache on the way
			date = date.Add(time.Duration(age) * time.Second)
		}
		a.dated, a.off = true, ahead(sent, back, date)
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return a, err
}

// ahead is how far this clock is in front of one that said date between sent and
// back; less than nothing: behind it. Date has whole seconds. What the travel may
// have taken is not counted.
func ahead(sent, back, date time.Time) time.Duration {
	switch {
	case sent.After(date.Add(time.Second)):
		return sent.Sub(date.Add(time.Second))
	case back.Before(date):
		return back.Sub(date)
	}
	return 0
}

// noToken is a call that was not made for want of a token.
type noToken struct{ err error }

// Error says so.
func (e *noToken) Error() string { return "there was no token for it: " + e.err.Error() }

// Unwrap gives why.
func (e *noToken) Unwrap() error { return e.err }

// decode reads the JSON of a good answer.
func (a answer) decode(into any) error {
	if a.status != http.StatusOK {
		return &refused{a.status, a.code()}
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return errors.New("its answer cannot be read")
	}
	return nil
}

// code is Microsoft's name of a refusal.
func (a answer) code() string {
	var body struct {
		Error struct{ Code string }
	}
	if json.Unmarshal(a.body, &body) != nil {
		return ""
	}
	return body.Error.Code
}

// refused is an answer that is not 200.
type refused struct {
	status int
	code   string
}

// Error names the status and Microsoft's code, never the text.
func (e *refused) Error() string {
	return strings.TrimSpace(fmt.Sprintf("it answers HTTP %d %s", e.status, e.code))
}

const (
	mendAuthority = "Put the certificate of the authority that signed it, such as a TLS-inspecting proxy's, into endpoints.ca_file."
	mendRoute     = "Check the address in endpoints, DNS, the firewall and HTTPS_PROXY on this machine."
)

// untrusted says whether a service answered with a certificate that is not trusted.
func untrusted(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError))
}

// unreached says why a service gave no answer: in fixed words, because the errors of
// the network repeat addresses.
func (v *visit) unreached(err error) says {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, new(*noToken)):
		return unsure("it was not asked, because Belay has no token for it", "Mend entra.token first.")
	case untrusted(err):
		return fault("its certificate is not trusted on this machine", mendAuthority)
	case v.dark():
		return unlit
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fault(fmt.Sprintf("it did not answer within %s", v.limit), mendRoute)
	}
	return fault("it cannot be reached", mendRoute)
}

// reached is the verdict on a service that only has to be there.
func (v *visit) reached(contact func() (answer, error)) says {
	a, err := contact()
	switch {
	case err != nil:
		return v.unreached(err)
	case a.status == http.StatusOK:
		return ok("it answers")
	case a.status == http.StatusTooManyRequests || a.status >= 500:
		return unsure(fmt.Sprintf("it answers HTTP %d", a.status), "Try again in a minute.")
	}
	return fault(fmt.Sprintf("it answers HTTP %d", a.status), "Check entra.tenant_id and the address in endpoints.")
}

// The clock may be off by this much. Slack signs for five minutes, and tokens are
// taken with as much leeway.
const (
	clockWarning = 2 * time.Minute
	clockFault   = 5 * time.Minute
)

func (v *visit) clock(contact func() (answer, error)) says {
	a, err := contact()
	if err != nil {
		return unsure("the service was not reached", "")
	}
	if !a.dated {
		return unsure("the service does not say what time it is", "")
	}
	where := "ahead of"
	if a.off < 0 {
		where = "behind"
	}
	off := a.off.Abs().Round(time.Second)
	found := fmt.Sprintf("this clock is %s %s the service's", off, where)
	const mend = "Have this machine's clock set by NTP: signatures and tokens are refused when it is off."
	switch {
	case off > clockFault:
		return fault(found, mend)
	case off > clockWarning:
		return warn(found, mend)
	}
	return ok("they agree")
}

// refusals is what to do about Entra's own numbers, where they say what is wrong.
//
// Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
var refusals = map[string]string{
	"AADSTS90002":   "Set entra.tenant_id to the directory's id, and endpoints to the cloud that it is in.",
	"AADSTS700016":  "The directory does not know that application: correct its id (entra.client_id, teams.app_id) or entra.tenant_id.",
	"AADSTS7000215": "Give the secret's value, which the portal shows once, and not its id; or make a new one (docs/install.md, step 2).",
	"AADSTS7000222": "The secret has ended: make a new one (docs/install.md, step 2).",
	"AADSTS700027":  "Add the certificate to the registration, or give the one that is there (docs/install.md, step 2).",
	"AADSTS70021":   mendTrust,
	"AADSTS700211":  mendTrust,
	"AADSTS700212":  mendTrust,
	"AADSTS700213":  mendTrust,
}

const mendTrust = "The registration does not trust that token: compare issuer, subject and audience of its federated credential with the platform's (docs/install.md, step 2)."

// tokenTrouble is the verdict on a token that was not given.
func (v *visit) tokenTrouble(err error, mend string) says {
	var e *pim.Error
	if !errors.As(err, &e) {
		return unsure("it cannot be asked for", mend)
	}
	if e.Code == pim.CodeUnavailable || e.Code == pim.CodeThrottled {
		return unsure("Entra could not be asked", "Mend what keeps it from being reached, and try again.")
	}
	for _, number := range strings.Fields(e.Service) {
		mend = cmp.Or(refusals[number], mend)
	}
	return fault("Entra refuses it: "+cmp.Or(e.Service, string(e.Code)), mend)
}

// printable is text in one line, without anything that a terminal acts upon.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
}
