// Package slack puts Belay into Slack: it hears slash commands, buttons and
// modals over HTTP and shows cards and forms through the Web API.
//
// A delivery is verified on its raw bytes, made into a bot.Inbound, handed to
// the bot.Handler and acknowledged at once. Whatever needs the network (opening
// a modal, an ephemeral message, a Later) runs in the background after the
// acknowledgement, because Slack gives three seconds for it. Cards become Block
// Kit (card.go), forms become modals (form.go, fields.go); show.go decides where an
// answer is seen, home.go keeps the Home tab. The adapter stores nothing: a button
// carries a verb and an id, a modal carries its form's id in private_metadata.
package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

// Options are what an Adapter needs to know.
type Options struct {
	SigningSecrets      []string     // the current one, and the next one during a rotation
	BotToken            string       // xoxb-…, sent to APIBase only
	AppID               string       // A…; a delivery for another app is refused
	Teams               []string     // ids of the workspaces that are served
	EnterpriseID        string       // serves every workspace of this Enterprise organisation; may be empty
	APIBase             string       // default https://slack.com; "/api/" is appended
	AllowSharedChannels bool         // serve people of Teams in channels shared with other organisations
	HTTP                *http.Client // its transport is used; time-out and redirects are set here
	Handler             bot.Handler
	// Stranger hears of somebody of another organisation who was refused; may be nil.
	Stranger func(ctx context.Context, u bot.User, why string)
	Now      func() time.Time // the wall clock; default time.Now
	Log      *slog.Logger     // default: nothing is logged
}

// Adapter is Slack as bot sees it: a bot.Chat and bot.Profiles, and the HTTP
// endpoints that Slack calls. It is safe for concurrent use.
type Adapter struct {
	opts    Options
	base    *url.URL // of the Web API, without path
	api     *slackgo.Client
	plain   *http.Client // without the token, for response URLs
	replays *replays
	reached *reached                                   // whom an address belongs to
	members *reached                                   // whether a user id is a full member's
	pause   func(context.Context, time.Duration) error // between two tries; a test may shorten it

	ctx      context.Context // ends when Close gives up waiting
	cancel   context.CancelFunc
	mu       sync.Mutex
	closing  bool
	slots    chan struct{} // bounds what runs after the acknowledgement
	patience time.Duration // how long an act waits for one of them
	running  sync.WaitGroup
}

var (
	_ bot.Chat     = (*Adapter)(nil)
	_ bot.Profiles = (*Adapter)(nil)
)

const (
	callTime  = 10 * time.Second // one call of the Web API
	handTime  = 2500 * time.Millisecond
	rushTime  = 300 * time.Millisecond // handTime and this are within Slack's three seconds
	laterTime = time.Minute
	maxSlots  = 128
)

// New makes an adapter. The error names everything that is wrong with o.
func New(o Options) (*Adapter, error) {
	if o.APIBase == "" {
		o.APIBase = "https://slack.com"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	base, err := o.check()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport
	if o.HTTP != nil && o.HTTP.Transport != nil {
		transport = o.HTTP.Transport
	}
	plain := &http.Client{
		Transport:     transport,
		Timeout:       callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a := &Adapter{
		opts: o, base: base, plain: plain,
		replays: newReplays(), reached: newReached(), members: newReached(), pause: wait,
		slots: make(chan struct{}, maxSlots), patience: rushTime,
	}
	a.api = slackgo.New("",
		slackgo.OptionAPIURL(base.String()+"/api/"),
		slackgo.OptionHTTPClient(&caller{http: plain, base: base, token: o.BotToken}))
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a, nil
}

// check finds all faults of o, and the base URL of the Web API.
func (o Options) check() (*url.URL, error) {
	var faults []error
	if len(o.SigningSecrets) == 0 {
		faults = append(faults, errors.New("slack: a signing secret is required"))
	}
	for _, s := range o.SigningSecrets {
		if len(s) < 16 {
			faults = append(faults, errors.New("slack: a signing secret is empty or too short to be one"))
		}
	}
	if o.BotToken == "" {
		faults = append(faults, errors.New("slack: the bot token is required"))
	}
	if o.AppID == "" {
		faults = append(faults, errors.New("slack: the app id is required"))
	}
	if len(o.Teams) == 0 && o.EnterpriseID == "" || slices.Contains(o.Teams, "") {
		faults = append(faults, errors.New("slack: name the team ids that are served, or an enterprise id"))
	}
	if o.Handler == nil {
		faults = append(faults, errors.New("slack: a handler is required"))
	}
	base, err := url.Parse(strings.TrimSuffix(o.APIBase, "/"))
	switch {
	case err != nil || base.Host == "" || base.Path != "" || base.RawQuery != "" || base.User != nil:
		faults = append(faults, fmt.Errorf("slack: %q is no base URL such as https://slack.com", o.APIBase))
	case base.Scheme == "http" && loopback(base.Hostname()), base.Scheme == "https":
	default:
		faults = append(faults, fmt.Errorf("slack: %q has to begin with https", o.APIBase))
	}
	return base, errors.Join(faults...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Routes is a handler for the four endpoints alone.
func (a *Adapter) Routes() http.Handler {
	mux := http.NewServeMux()
	a.Register(mux)
	return mux
}

// Register adds the endpoints that Slack calls to mux.
func (a *Adapter) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /slack/commands", a.verified(a.once(a.serveCommand)))
	mux.HandleFunc("POST /slack/interactions", a.verified(a.once(a.serveInteraction)))
	mux.HandleFunc("POST /slack/options", a.verified(a.serveOptions))
	mux.HandleFunc("POST /slack/events", a.verified(a.once(a.serveEvent)))
}

// Close refuses new deliveries and waits for what runs after acknowledgements.
// When ctx ends first, that is stopped and ctx's error returned.
func (a *Adapter) Close(ctx context.Context) error {
	a.mu.Lock()
	a.closing = true
	a.mu.Unlock()
	done := make(chan struct{})
	go func() {
		a.running.Wait()
		close(done)
	}()
	defer a.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// admit takes a place in the background before the handler is called, so that
// an act is refused whole rather than answered by nothing. In a rush it waits for one
// for as long as Slack's three seconds allow.
func (a *Adapter) admit() (release func(), ok bool) {
	a.mu.Lock()
	closing := a.closing
	if !closing {
		a.running.Add(1)
	}
	a.mu.Unlock()
	if closing {
		return nil, false
	}
	release = func() {
		<-a.slots
		a.running.Done()
	}
	select {
	case a.slots <- struct{}{}:
		return release, true
	default:
	}
	rush := time.NewTimer(a.patience)
	defer rush.Stop()
	select {
	case a.slots <- struct{}{}:
		return release, true
	case <-rush.C:
	case <-a.ctx.Done():
	}
	a.running.Done()
	return nil, false
}
