package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"html"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// TestMain lets more tests run at once than there are processors, unless told
// otherwise: they wait for most of their time, as their people do.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set("6"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// world is a sandbox that runs: the product as it is wired for everybody, over
// HTTP on loopback. Nothing in these tests reaches into the product; they see
// what people see, what the tenant's audit log says, and what Belay logs.
type world struct {
	*sandbox
	t    *testing.T
	logs *logbook
	end  func() // stops it, and waits until it has stopped
	used map[string]bool
	link *regexp.Regexp
	tap  *tap // listens to browsers too; nil: nobody does
}

// newWorld opens a kind sandbox in a new directory and runs it until the test ends.
func newWorld(t *testing.T) *world {
	t.Helper()
	return runWorld(t, t.TempDir(), manners{})
}

func runWorld(t *testing.T, dir string, m manners) *world {
	t.Helper()
	return runConfigured(t, dir, m, nil)
}

// runConfigured runs a sandbox whose operator wrote something else into Belay's
// configuration.
func runConfigured(t *testing.T, dir string, m manners, change func(*app.Config)) *world {
	t.Helper()
	return runPrepared(t, dir, m, func(w *world) {
		if change != nil {
			w.reopen(change)
		}
	})
}

// runPrepared runs a sandbox after something was done to it.
func runPrepared(t *testing.T, dir string, m manners, prepare func(*world)) *world {
	t.Helper()
	w := &world{t: t, logs: &logbook{}, used: map[string]bool{}}
	var err error
	if w.sandbox, err = openLogged(dir, "127.0.0.1:0", logger(w.logs, slog.LevelDebug), m); err != nil {
		t.Fatal(err)
	}
	prepare(w)
	w.link = regexp.MustCompile(regexp.QuoteMeta(w.urls[atBot]) + `/link/[A-Za-z0-9_-]+`)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	w.end = sync.OnceFunc(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the sandbox ended with: %v", err)
			}
		case <-time.After(patience):
			t.Error("the sandbox does not stop")
		}
		w.logs.check(t)
		w.permitted()
		if t.Failed() {
			t.Logf("the end of the log:\n%s", w.logs.tail(60))
		}
	})
	t.Cleanup(w.end)
	return w
}

// reopen opens Belay anew, on the same ports and over the same store.
func (w *world) reopen(change func(*app.Config)) {
	w.t.Helper()
	w.must(w.app.Close())
	cfg := w.config()
	change(&cfg)
	if faults := cfg.Validate(); len(faults) > 0 {
		w.t.Fatal(faults)
	}
	again := func(name string) net.Listener {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", w.kept.Ports[name]))
		w.must(err)
		return l
	}
	var err error
	w.app, err = app.Open(cfg, app.Options{Now: w.clock.Now, Log: w.log, Public: again(atBot), Private: again(atPrivate)})
	w.must(err)
}

// logbook is what Belay and the simulated services log. A panic, or an error
// that the test did not announce, fails the test.
type logbook struct {
	mu      sync.Mutex
	text    bytes.Buffer
	allowed []string
}

// Write keeps a line.
func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tail is its last lines.
func (l *logbook) tail(n int) string {
	lines := slices.Collect(strings.Lines(l.String()))
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// allow announces errors that hold these words.
func (l *logbook) allow(words ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed = append(l.allowed, words...)
}

func (l *logbook) check(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		known := slices.ContainsFunc(l.allowed, func(s string) bool { return strings.Contains(line, s) })
		if strings.Contains(line, "panic") || strings.Contains(line, "level=ERROR") && !known {
			t.Errorf("the log has: %s", line)
		}
	}
}

// ctx ends when a test has waited long enough.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// pass lets business time pass.
func (w *world) pass(by string) {
	w.t.Helper()
	w.must(w.moveOn(w.ctx(), by))
}

// audits counts the entries of the tenant's audit log about an activity by a person.
func (w *world) audits(activity string, by person) (n int) {
	for _, e := range w.tenant.Audit() {
		if strings.Contains(e.Activity, activity) && e.Actor == by.OID {
			n++
		}
	}
	return n
}

// The activities that Belay can cause, as the tenant's audit log has them.
const (
	requested   = "role requested (PIM activation)"
	approved    = "request approved (PIM activation)"
	denied      = "request denied (PIM activation)"
	canceled    = "canceled (PIM activation)"
	deactivated = "completed (PIM deactivate)"
)

// audited holds the whole log against what people did, and that nobody else did
// anything.
func (w *world) auditHas(want map[string]map[string]int) {
	w.t.Helper()
	for _, activity := range []string{requested, approved, denied, canceled, deactivated} {
		for _, p := range cast {
			if got := w.audits(activity, p); got != want[activity][p.Key] {
				w.t.Errorf("the audit log has %d × %q by %s, want %d", got, activity, p.Name, want[activity][p.Key])
			}
		}
	}
	for _, e := range w.tenant.Audit() {
		if e.ActorKind == "application" {
			w.t.Errorf("an application wrote: %s", e.Activity)
		}
	}
}

// human is somebody of the sandbox who does and sees things in a test.
type human struct {
	person
	w *world
}

func (w *world) who(key string) human {
	w.t.Helper()
	p, err := castOf(key)
	w.must(err)
	return human{p, w}
}

// types sends /elevate in the person's Slack chat with Belay.
func (h human) types(text string) slacktest.Outcome {
	h.w.t.Helper()
	out, err := h.w.slack.Command(h.w.ctx(), h.Slack, "", "/elevate", text)
	h.w.must(err)
	if out.Notice != "" {
		h.w.t.Fatalf("Slack told %s: %s", h.Name, out.Notice)
	}
	return out
}

// writes sends a message in the person's Teams chat with Belay.
func (h human) writes(text string) {
	h.w.t.Helper()
	_, err := h.w.teams.Message(h.w.ctx(), h.Key, "", text, false)
	h.w.must(err)
}

func (h human) dm() string { return h.w.slack.DM(h.Slack) }

// reads waits until a message with all the words stands in the Slack chat.
func (h human) reads(words ...string) {
	h.w.t.Helper()
	if err := h.w.slackWaits(h.w.ctx(), h.dm(), words...); err != nil {
		h.w.t.Fatalf("%s: %v; the chat shows:\n%s", h.Name, err, strings.Join(h.slackTexts(), "\n---\n"))
	}
}

// sees is reads, for Teams.
func (h human) sees(words ...string) {
	h.w.t.Helper()
	if err := h.w.teamsWaits(h.w.ctx(), h.Key, "", words...); err != nil {
		h.w.t.Fatalf("%v; the chat shows:\n%s", err, strings.Join(h.teamsTexts(), "\n---\n"))
	}
}

func (h human) slackTexts() (all []string) {
	c, _ := h.w.slack.State().Conversation(h.dm())
	for _, m := range c.Messages {
		all = append(all, slackText(m))
	}
	return all
}

func (h human) teamsTexts() (all []string) {
	for _, a := range h.w.teams.State().In("", h.Key) {
		all = append(all, a.ReadBy(h.Key))
	}
	return all
}

// hears waits until both channels show a notice with the words.
func (w *world) hears(words ...string) {
	w.t.Helper()
	w.must(w.slackWaits(w.ctx(), slackOps, words...))
	w.must(w.teamsWaits(w.ctx(), "bob", teamsOps, words...))
}

// slackURL waits for a sign-in link in the Slack chat that was not opened yet.
func (h human) slackURL() string {
	h.w.t.Helper()
	url, err := h.slackLink(h.w.ctx())
	if err != nil {
		h.w.t.Fatalf("%s is shown no sign-in link: %v\n%s", h.Name, err, strings.Join(h.slackTexts(), "\n---\n"))
	}
	return url
}

func (h human) slackLink(ctx context.Context) (url string, err error) {
	err = h.w.slack.Wait(ctx, func(s slacktest.State) bool {
		c, _ := s.Conversation(h.dm())
		for _, m := range slices.Backward(c.Messages) {
			if url = h.w.fresh(string(m.Blocks)); url != "" {
				return true
			}
		}
		return false
	})
	return url, err
}

// teamsURL is slackURL, for Teams.
func (h human) teamsURL() string {
	h.w.t.Helper()
	url, err := h.teamsLink(h.w.ctx())
	if err != nil {
		h.w.t.Fatalf("%s is shown no sign-in link: %v\n%s", h.Name, err, strings.Join(h.teamsTexts(), "\n---\n"))
	}
	return url
}

func (h human) teamsLink(ctx context.Context) (url string, err error) {
	err = h.w.teams.Wait(ctx, func(s teamstest.State) bool {
		for _, a := range slices.Backward(s.In("", h.Key)) {
			if url = h.w.fresh(string(a.CardFor(h.Key))); url != "" {
				return true
			}
		}
		return false
	})
	return url, err
}

// fresh is a one-time link in a text that nobody has finished yet.
func (w *world) fresh(text string) string {
	for _, url := range w.link.FindAllString(text, -1) {
		if !w.used[url] {
			return url
		}
	}
	return ""
}

// signsIn opens a one-time link and does what each page asks, to the last page.
func (h human) signsIn(url string) {
	h.w.t.Helper()
	b, err := h.w.browser(h.person)
	h.w.must(err)
	if h.w.tap != nil {
		b.b.Client.Transport = h.w.tap
	}
	if err := b.signIn(h.w.ctx(), url); err != nil {
		h.w.t.Fatalf("%s signs in: %v", h.Name, err)
	}
	h.w.used[url] = true
}

// stopped opens a one-time link and is stopped by a page with all the words; it
// gives the hosts that the browser got to.
func (h human) stopped(url string, status int, words ...string) (hosts []string) {
	h.w.t.Helper()
	b, err := h.w.browser(h.person)
	h.w.must(err)
	seen := &trail{}
	b.b.Client.Transport = seen
	if h.w.tap != nil {
		seen.next = h.w.tap
	}
	if err = b.signIn(h.w.ctx(), url); err == nil {
		h.w.t.Fatalf("%s could sign in with a link that must not work", h.Name)
	}
	text := html.UnescapeString(regexp.MustCompile(`(?s)<style>.*</style>|<[^>]*>`).ReplaceAllString(err.Error(), " "))
	if !holds(text, append(words, fmt.Sprintf("(HTTP %d)", status))...) {
		h.w.t.Errorf("%s is stopped by %s\nwant HTTP %d with %q", h.Name, text, status, words)
	}
	return seen.hosts
}

// trail notes where a browser goes.
type trail struct {
	hosts []string
	next  http.RoundTripper // nil: the network
}

// RoundTrip notes the host and goes there.
func (s *trail) RoundTrip(r *http.Request) (*http.Response, error) {
	s.hosts = append(s.hosts, "http://"+r.URL.Host)
	if s.next != nil {
		return s.next.RoundTrip(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// linksSlack links the person's Slack account, all the way.
func (h human) linksSlack() {
	h.w.t.Helper()
	h.types("link")
	h.signsIn(h.slackURL())
	h.reads("You are linked", h.upn())
}

// linksTeams links the person's Teams account, all the way.
func (h human) linksTeams() {
	h.w.t.Helper()
	h.writes("/elevate link")
	h.signsIn(h.teamsURL())
	h.sees("You are linked", h.upn())
}

// form waits for a modal that asks for something of that label.
func (h human) form(label string) slacktest.View {
	h.w.t.Helper()
	v, err := h.w.slackForm(h.w.ctx(), h.Slack, label)
	h.w.must(err)
	return v
}

// sends fills in a modal, by field name, and sends it.
func (h human) sends(v slacktest.View, values map[string]string) slacktest.Outcome {
	h.w.t.Helper()
	out, err := h.w.fillIn(h.w.ctx(), h.person, v, values)
	h.w.must(err)
	return out
}

// asks sends a one-liner in Slack and the form that it fills in.
func (h human) asks(text string) {
	h.w.t.Helper()
	h.w.must(h.w.sandbox.asks(h.w.ctx(), h.person, text, nil))
}

// presses uses a button, by its verb, of the newest Slack card that holds the words.
func (h human) presses(verb string, words ...string) {
	h.w.t.Helper()
	h.w.must(h.w.sandbox.presses(h.w.ctx(), h.person, verb, words...))
}

// taps uses a button, by its title, of the newest Teams card that holds the words.
func (h human) taps(title string, words ...string) teamstest.Answer {
	h.w.t.Helper()
	answer, err := h.w.sandbox.taps(h.w.ctx(), h.person, title, words...)
	h.w.must(err)
	return answer
}
