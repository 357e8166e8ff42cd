// Package teamstest is a simulated Microsoft Teams: the Bot Framework connector
// that a bot calls, the keys and tokens by which both sides know each other, and
// a client in which people write, press buttons and read cards.
//
// It speaks only HTTP and JSON, with wire types of its own, so that it can stand
// before the real bot in a test or in the sandbox. It has three servers, each an
// http.Handler that the caller serves where it likes:
//
//	Connector  the service URL: conversations, activities, members
//	OpenID     metadata and keys by which a bot checks what Teams sends it
//	Login      where a bot gets its token for the connector (must be TLS)
//
// and a fourth, Client, by which a web page acts as the people. Tests call the
// methods instead: Message, Press, Submit, Search, Install, Uninstall.
//
// It refuses what Teams refuses. What it does not know (a route, a member of a
// message, an element of a card) is refused too and reported to
// Options.Unhandled, because a simulator that guesses makes wrong bots look right.
// It is unkind by default: see Unkind.
package teamstest

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options say which bot this Teams serves and how.
type Options struct {
	TenantID  string // Entra tenant: a GUID
	AppID     string // the bot's Entra application: a GUID
	AppSecret string // its client secret
	// Certificates prove the bot instead of its secret, by an assertion that one signed.
	Certificates []*x509.Certificate
	BotName      string // how the bot is called in Teams; default "Belay"

	// App is the base URL of the bot; activities go to App + "/api/messages".
	// It may be given later by SetApp.
	App string
	// Now is the wall clock, for ids, timestamps and tokens; default time.Now.
	Now func() time.Time
	// Budget is how long, in real time, the bot may take to answer; default 5 s.
	Budget time.Duration
	// File, when set, keeps the whole world and its keys. New loads it; it is
	// written anew, atomically, after every change, before anyone hears of it.
	File string
	// Unhandled hears, in one sentence, of everything the simulator does not
	// know and of every fault that a bot must not have. Required. A test gives
	// t.Error. It must be safe for concurrent use and must not call back.
	Unhandled func(string)
	// Unkind is how unkind Teams is; the zero value means DefaultUnkind.
	// Kind switches it off.
	Unkind Unkind
	// SignOn is single sign-on; nil: the app package does not name it.
	SignOn *SignOn
	// Hosts are names, besides localhost and IP addresses of the loopback
	// interface, under which Client may be reached.
	Hosts []string
}

// Unkind says how often Teams is unkind. Each number means "every nth, counted
// from the start"; 0 means never. The counting makes it deterministic.
type Unkind struct {
	Throttle     int // connector calls answered 429 with Retry-After 1
	Precondition int // connector calls answered 412
	Redeliver    int // activities delivered again: same id and time, then a new id
	LoseUpdate   int // updates that take effect and are answered 502
	LosePost     int // new messages that take effect and are answered 502
	// Limits applies the documented limits of messages per conversation and
	// second (7 in 1 s, 8 in 2 s, 60 in 30 s, 1800 in 1 h), by Options.Now.
	Limits bool
}

// DefaultUnkind is what a test should stand: everything but lost answers to new
// messages, which no bot can tell from failure, and the rate limits.
func DefaultUnkind() Unkind {
	return Unkind{Throttle: 7, Precondition: 11, Redeliver: 3, LoseUpdate: 5}
}

// URLs are the addresses under which the three servers are served.
type URLs struct {
	Service string // Connector, for instance https://smba.trafficmanager.net/emea/
	OpenID  string // OpenID, without the path of the metadata document
	Login   string // Login, https, without the tenant
}

// Counts tells how often the bot called.
type Counts struct {
	Metadata, Keys, Tokens, Connector int
}

// Teams is one simulated Teams tenant with one bot. All methods may be called
// concurrently.
type Teams struct {
	options Options
	cards   *cardChecker
	http    *http.Client
	strange func() (signer, error) // a key that is published nowhere; made when first asked for

	mu      sync.Mutex
	world   world
	changed chan struct{}
	urls    URLs
	app     string
	unkind  Unkind
	counts  Counts
	tally   tally
	next    time.Duration          // see ThrottleNext
	posts   map[string][]time.Time // by conversation, for Unkind.Limits
	last    *delivered             // the last activity that went to the bot
}

// tally counts the occasions for unkindness.
type tally struct{ calls, deliveries, updates, posts int }

// New gives an empty Teams, or the one that is kept in Options.File. It fails
// with a plain sentence when an option is missing, or when the file cannot be
// read, is damaged, or belongs to another tenant or app; it never overwrites
// such a file.
func New(o Options) (*Teams, error) {
	if o.Unhandled == nil {
		return nil, errors.New("teamstest: Options.Unhandled is required: say who hears of faults")
	}
	for name, id := range map[string]string{"TenantID": o.TenantID, "AppID": o.AppID} {
		if uuid.Validate(id) != nil || len(id) != 36 {
			return nil, fmt.Errorf("teamstest: Options.%s must be a GUID", name)
		}
	}
	if o.AppSecret == "" {
		return nil, errors.New("teamstest: Options.AppSecret is required")
	}
	if o.BotName == "" {
		o.BotName = "Belay"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Budget == 0 {
		o.Budget = 5 * time.Second
	}
	if o.Unkind == (Unkind{}) {
		o.Unkind = DefaultUnkind()
	}
	cards, err := newCardChecker()
	if err != nil {
		return nil, err
	}
	t := &Teams{
		options: o,
		cards:   cards,
		strange: sync.OnceValues(newSigner),
		http: &http.Client{
			// Its own connections: those of another one may lead to a bot that stopped.
			Transport: http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // Teams follows no redirect of a bot
			},
		},
		changed: make(chan struct{}),
		app:     o.App,
		unkind:  o.Unkind,
		posts:   map[string][]time.Time{},
	}
	if err := t.load(); err != nil {
		return nil, err
	}
	return t, nil
}

// SetURLs tells where the servers are served. Activities name URLs.Service, and
// the metadata documents name the other two.
func (t *Teams) SetURLs(u URLs) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u.OpenID, u.Login = strings.TrimRight(u.OpenID, "/"), strings.TrimRight(u.Login, "/")
	t.urls = u
}

// SetApp tells where the bot is: a base URL, without /api/messages.
func (t *Teams) SetApp(base string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.app = base
}

// Kind switches all unkindness off.
func (t *Teams) Kind() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unkind = Unkind{}
}

// ThrottleNext has the connector answer the next call 429 with that Retry-After,
// in whole seconds.
func (t *Teams) ThrottleNext(after time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = after
}

// BotID is the bot's id in Teams, "28:" and the app id.
func (t *Teams) BotID() string { return "28:" + t.options.AppID }

// Counts tells how often the bot has called so far.
func (t *Teams) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// State is a copy of the world as it is now.
func (t *Teams) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.world.State.clone()
}

// Wait returns when done says so of a state, asking again after each change. It
// gives the context's error when that ends first.
func (t *Teams) Wait(ctx context.Context, done func(State) bool) error {
	for {
		t.mu.Lock()
		state, changed := t.world.State.clone(), t.changed
		t.mu.Unlock()
		if done(state) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("teamstest: still waiting at revision %d: %w", state.Revision, ctx.Err())
		}
	}
}

// every reports whether the nth occasion is one to be unkind on.
func every(nth, count int) bool { return nth > 0 && count%nth == 0 }

// report tells Options.Unhandled.
func (t *Teams) report(format string, args ...any) {
	t.options.Unhandled("teamstest: " + fmt.Sprintf(format, args...))
}
