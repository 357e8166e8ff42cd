// Package slacktest is a simulated Slack workspace, for tests and for the sandbox.
//
// It stands on both sides of the real bot and speaks HTTP to it in both
// directions. [Workspace.API] serves what the bot calls: the Web API and "Sign
// in with Slack". [Workspace.Command], [Workspace.Press], [Workspace.Submit]
// and their kin are what people do in Slack: each sends the signed request that
// Slack would send, and treats the answer as Slack's client would, so that a
// bot that is late, or answers with something Slack would not take, leaves the
// person with Slack's error and not with a message.
//
//	w, err := slacktest.New(slacktest.Options{BotToken: "xoxb-test", SigningSecret: "…", Unhandled: func(s string) { t.Error(s) }})
//	api := httptest.NewServer(w.API())
//	w.SetURL(api.URL)   // where the bot finds Slack: api.URL + "/api/"
//	w.SetApp(bot.URL)   // where Slack finds the bot
//	w.AddUser(slacktest.User{ID: "U0ALICE", Name: "alice", Email: "alice@example.com"})
//	out, err := w.Command(ctx, "U0ALICE", "", "/elevate", "reader 1h because")
//	err = w.Wait(ctx, func(s slacktest.State) bool { return len(s.Views) == 1 })
//
// Three rules hold everywhere. It refuses what Slack refuses: Block Kit is
// checked member by member against Slack's limits, triggers live three seconds
// and work once. It never guesses: a method, argument, block or member it does
// not know goes to Options.Unhandled, which in a test is t.Error. And it is
// unkind unless told otherwise ([Workspace.Kind]): Web API calls are throttled
// and deliveries repeated, always at the same places.
//
// The package has its own wire types and imports nothing of the product nor of
// its Slack library, so that a wrong JSON tag cannot be wrong on both sides.
package slacktest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options describe a workspace and the one app installed in it.
type Options struct {
	TeamID     string // default "T0SIMULATED"
	TeamName   string // default "Simulated"
	TeamDomain string // default "simulated"; the workspace is https://DOMAIN.slack.com
	AppID      string // default "A0SIMULATED"
	BotUserID  string // default "U0SIMULATEDBOT"; the bot is a user of the workspace
	BotName    string // default "belay"

	BotToken      string // required: the token that the bot sends as "Authorization: Bearer"
	SigningSecret string // required: every delivery is signed with it

	// ClientID and ClientSecret are the app's OAuth client for Sign in with
	// Slack. While either is empty the sign-in refuses every client.
	ClientID, ClientSecret string
	// RedirectURLs are the app's registered redirect URLs. Slack takes a
	// registered URL and everything below it. Default: everything below App.
	RedirectURLs []string
	// Scopes are what the bot token may do. When not nil, a method whose scope is
	// not among them answers missing_scope, and every answer to the bot names them in
	// X-OAuth-Scopes.
	Scopes []string
	// Manifest is the app's manifest as JSON, which apps.manifest.export shows to the
	// app configuration token ConfigToken.
	Manifest, ConfigToken string
	// NoHome is an app whose manifest does not switch its Home tab on: it cannot be
	// opened, and views.publish answers not_enabled.
	NoHome bool

	// App is the base URL of the bot, without a slash at the end. Deliveries go to
	// App + "/slack/commands", "/slack/interactions", "/slack/options" and
	// "/slack/events". It can be set later with SetApp.
	App string
	// Now is the wall clock of triggers, signatures, timestamps and tokens.
	// Default: time.Now.
	Now func() time.Time
	// AckWithin is how long the bot may take to acknowledge, in real time.
	// Default: Slack's three seconds.
	AckWithin time.Duration
	// File keeps the workspace when set: it is written as a whole after each
	// change, mode 0600 (it holds the sign-in key), and read by New.
	File string
	// Unhandled is told of everything that is not simulated, or that no correct
	// bot sends. Required; it may be called from several goroutines.
	Unhandled func(string)
	// Unkind says how often Slack is unkind.
	Unkind Unkind
}

// Unkind is how often things go wrong by themselves. It counts, it does not
// throw dice: the same calls in the same order meet the same trouble. Zero means
// the default, a negative number never.
type Unkind struct {
	// ThrottleEvery answers every Nth Web API call of the bot with HTTP 429 and
	// Retry-After: 1. Default 7. Signing in with Slack is not counted.
	ThrottleEvery int
	// RepeatEvery sends every Nth delivery a second time after it was answered:
	// the very same bytes and headers, for an event with X-Slack-Retry-Num. The
	// person sees the first answer only. A repeat that is refused after the first
	// was accepted is reported to Unhandled. Default 3.
	RepeatEvery int
}

// Workspace is the simulated workspace. Its methods may be used concurrently.
type Workspace struct {
	opts    Options
	methods map[string]method
	client  *http.Client

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	loud    []string      // for Unhandled, told after mu is released
	kind    bool
	app     string
	base    string

	kept       kept
	triggers   map[string]*trigger
	offered    map[string][]Option // external options last shown, by view or message and element
	faults     []Fault
	calls      int // Web API calls so far
	sent       int // deliveries so far
	deliveries []Delivery
	editWindow time.Duration
}

// New makes a workspace, or loads the one that Options.File keeps. It returns
// an error that names every missing option, or that the file cannot be read;
// a damaged file is never overwritten.
func New(o Options) (*Workspace, error) {
	var faults []error
	if o.BotToken == "" {
		faults = append(faults, errors.New("slacktest: Options.BotToken is empty"))
	}
	if o.SigningSecret == "" {
		faults = append(faults, errors.New("slacktest: Options.SigningSecret is empty"))
	}
	if o.Unhandled == nil {
		faults = append(faults, errors.New("slacktest: Options.Unhandled is nil"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	o.TeamID = cmp.Or(o.TeamID, "T0SIMULATED")
	o.TeamName = cmp.Or(o.TeamName, "Simulated")
	o.TeamDomain = cmp.Or(o.TeamDomain, "simulated")
	o.AppID = cmp.Or(o.AppID, "A0SIMULATED")
	o.BotUserID = cmp.Or(o.BotUserID, "U0SIMULATEDBOT")
	o.BotName = cmp.Or(o.BotName, "belay")
	o.AckWithin = cmp.Or(o.AckWithin, 3*time.Second)
	o.Unkind.ThrottleEvery = cmp.Or(o.Unkind.ThrottleEvery, 7)
	o.Unkind.RepeatEvery = cmp.Or(o.Unkind.RepeatEvery, 3)
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Workspace{
		opts:    o,
		methods: methods(),
		client: &http.Client{
			// Its own connections: those of another one may lead to a bot that stopped.
			Transport:     http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		changed:  make(chan struct{}),
		app:      strings.TrimSuffix(o.App, "/"),
		kept:     newKept(),
		triggers: make(map[string]*trigger),
		offered:  make(map[string][]Option),
	}
	if err := w.load(); err != nil {
		return nil, err
	}
	w.AddUser(User{ID: o.BotUserID, Name: o.BotName, RealName: o.BotName, Bot: true})
	return w, nil
}

// Options returns the options in force, defaults filled in.
func (w *Workspace) Options() Options {
	o := w.opts
	w.read(func() { o.App = w.app })
	return o
}

// Kind switches all unkindness off.
func (w *Workspace) Kind() { w.read(func() { w.kind = true }) }

// SetApp sets the base URL of the bot.
func (w *Workspace) SetApp(base string) {
	w.read(func() { w.app = strings.TrimSuffix(base, "/") })
}

// SetURL sets the base URL under which API is served. It is the issuer of Sign
// in with Slack and the base of response URLs.
func (w *Workspace) SetURL(base string) {
	w.read(func() { w.base = strings.TrimSuffix(base, "/") })
}

// SetEditWindow makes chat.update answer edit_window_closed for messages older
// than d, as a workspace's edit policy does. Zero: messages can always be edited.
func (w *Workspace) SetEditWindow(d time.Duration) { w.read(func() { w.editWindow = d }) }

// Fault is trouble that a test asks for.
type Fault struct {
	Method     string // the Web API method it waits for, such as "chat.update"; empty: any
	Error      string // answer {"ok":false,"error":Error}
	Status     int    // answer this HTTP status; with 429 the body is Slack's "ratelimited"
	RetryAfter int    // seconds, sent as Retry-After when not zero
	Lost       bool   // carry the call out, then drop the connection instead of answering
	Times      int    // how many calls it hits; zero means one
}

// Inject adds a fault. Faults are met in the order in which they were injected,
// before the call is looked at (Lost: after it was carried out).
func (w *Workspace) Inject(f Fault) {
	f.Times = max(f.Times, 1)
	w.read(func() { w.faults = append(w.faults, f) })
}

// fault takes the next fault for a method. Under the lock.
func (w *Workspace) fault(method string) (Fault, bool) {
	for i := range w.faults {
		f := w.faults[i]
		if f.Method != "" && f.Method != method {
			continue
		}
		if w.faults[i].Times--; w.faults[i].Times == 0 {
			w.faults = append(w.faults[:i], w.faults[i+1:]...)
		}
		return f, true
	}
	return Fault{}, false
}

// read runs f under the lock. Nothing that State shows may change in it.
func (w *Workspace) read(f func()) { w.locked(func() bool { f(); return false }) }

// change runs f under the lock, then gives the state a new revision, keeps it
// and wakes everybody who waits.
func (w *Workspace) change(f func()) { w.locked(func() bool { f(); return true }) }

// locked runs f under the lock; f tells whether it changed what State shows.
func (w *Workspace) locked(f func() bool) {
	var loud []string
	defer func() {
		for _, s := range loud {
			w.opts.Unhandled(s)
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { loud, w.loud = w.loud, nil }()
	if f() {
		w.kept.Revision++
		if err := w.save(); err != nil {
			w.shout("the workspace could not be kept: %v", err)
		}
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// shout reports something to Unhandled once the lock is released. Under the lock.
func (w *Workspace) shout(format string, args ...any) {
	w.loud = append(w.loud, "slacktest: "+fmt.Sprintf(format, args...))
}

// registered tells whether a redirect URL is one of the app's. Under the lock.
func (w *Workspace) registered(redirect string) bool {
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" || u.User != nil {
		return false
	}
	allowed := w.opts.RedirectURLs
	if len(allowed) == 0 && w.app != "" {
		allowed = []string{w.app}
	}
	for _, a := range allowed {
		if redirect == a || strings.HasPrefix(redirect, strings.TrimSuffix(a, "/")+"/") {
			return true
		}
	}
	return false
}
