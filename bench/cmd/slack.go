package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
)

// mould is a body with gaps in it.
type mould [][]byte

// the gaps of a mould, in the order in which they stand in it.
const gap = "GAPINTHEMOULD"

func newMould(text string) mould { return bytes.Split([]byte(text), []byte(gap)) }

func (m mould) fill(with ...string) []byte {
	var b []byte
	for i, part := range m {
		b = append(b, part...)
		if i < len(with) {
			b = append(b, with[i]...)
		}
	}
	return b
}

// signed is a delivery as Slack signs it, now.
func signed(path, addr string, body []byte) []byte {
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(signing))
	mac.Write([]byte("v0:" + at + ":"))
	mac.Write(body)
	return post(path, addr, "application/x-www-form-urlencoded", body,
		"User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)", "Accept", "application/json,*/*",
		"X-Slack-Request-Timestamp", at, "X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
}

// pressMould is a press on Approve: user, trigger, response URL, direct conversation, time of
// the message, request. With the message go its blocks, as Slack sends them.
func pressMould() mould {
	field := func(name, text string) string {
		return `{"type":"mrkdwn","text":"*` + name + `*\n` + text + `","verbatim":true}`
	}
	blocks := `[{"type":"header","block_id":"a1","text":{"type":"plain_text","text":"Requester 0 asks for User Administrator","emoji":true}},` +
		`{"type":"section","block_id":"a2","text":{"type":"plain_text","text":"Reset the password of a locked-out colleague, ticket 4711","emoji":false}},` +
		`{"type":"section","block_id":"a3","fields":[` + strings.Join([]string{field("Role", "User Administrator"), field("Where", "Directory"), field("For", "2 hours"), field("Ticket", "4711 (ServiceNow)")}, ",") + `]},` +
		`{"type":"actions","block_id":"a4","elements":[{"type":"button","action_id":"approve","style":"primary","value":"x","text":{"type":"plain_text","text":"Approve"}},{"type":"button","action_id":"deny","style":"danger","value":"x","text":{"type":"plain_text","text":"Deny"}}]},` +
		`{"type":"context","block_id":"a5","elements":[{"type":"plain_text","text":"You decide because the role's policy names you. Microsoft checks it again."}]}]`
	payload := `{"type":"block_actions","user":{"id":"` + gap + `","username":"approver","name":"approver","team_id":"` + slackTeam + `"},"api_app_id":"` + slackApp +
		`","token":"unused","trigger_id":"` + gap + `","response_url":"` + gap + `","team":{"id":"` + slackTeam + `","domain":"contoso"},"channel":{"id":"` + gap + `","name":"directmessage"},` +
		`"container":{"type":"message","message_ts":"1790000000.000001","channel_id":"D0","is_ephemeral":false},"message":{"type":"message","ts":"1790000000.000001","user":"U0BELAY","bot_id":"B0BELAY","app_id":"` + slackApp +
		`","text":"Requester 0 asks for User Administrator","team":"` + slackTeam + `","blocks":` + blocks + `},"state":{"values":{}},"actions":[{"type":"button","action_id":"approve","block_id":"a4","value":"` + gap +
		`","style":"primary","text":{"type":"plain_text","text":"Approve","emoji":true},"action_ts":"1790000001.000002"}]}`
	return newMould("payload=" + url.QueryEscape(payload))
}

// presses are presses on Approve, each on a request of its own by one of its approvers.
func presses(name, addr, answersAt string, next *atomic.Int64, most int64) target {
	m, back := pressMould(), url.QueryEscape(answersAt+"/actions/")
	return target{name: name, addr: addr, next: next, most: most, check: acknowledged, make: func(n int64) []byte {
		who := int(n % approvers)
		return signed("/slack/interactions", addr, m.fill(slackUser(who).ID, fmt.Sprintf("%d.%d.t", n, time.Now().UnixNano()), back+strconv.FormatInt(n, 10), slackDirect(who).ID, requestID(n)))
	}}
}

// commands are /elevate.
func commands(name, addr, answersAt string, next *atomic.Int64) target {
	m := newMould(url.Values{"command": {"/elevate"}, "text": {""}, "team_id": {slackTeam}, "team_domain": {"contoso"}, "api_app_id": {slackApp}, "is_enterprise_install": {"false"},
		"user_name": {"approver"}, "channel_name": {"directmessage"}, "token": {"unused"}}.Encode() +
		"&user_id=" + gap + "&trigger_id=" + gap + "&response_url=" + gap + "&channel_id=" + gap)
	back := url.QueryEscape(answersAt + "/commands/")
	return target{name: name, addr: addr, next: next, check: acknowledged, make: func(n int64) []byte {
		who := int(n % approvers)
		return signed("/slack/commands", addr, m.fill(slackUser(who).ID, fmt.Sprintf("%d.%d.t", n, time.Now().UnixNano()), back+strconv.FormatInt(n, 10), slackDirect(who).ID))
	}}
}

// acknowledged is a 200 with nothing in it: to a person it means that it was taken.
func acknowledged(a answer) bool { return a.status == http.StatusOK && len(a.body) == 0 }

// bareCommand makes this program the peer in Go.
const bareCommand = "bare-go-handler"

// bare verifies and decodes with slack-go and acknowledges: what the language can do.
func bare() {
	secret, addr := os.Getenv("SIGNING_SECRET"), os.Getenv("ADDR")
	verified := func(next func(r *http.Request, body []byte) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			v, err := slackgo.NewSecretsVerifier(r.Header, secret)
			if err == nil {
				_, err = body.ReadFrom(http.MaxBytesReader(w, r.Body, 1<<20))
			}
			if err == nil {
				_, err = v.Write(body.Bytes())
			}
			if err == nil {
				err = v.Ensure()
			}
			if err != nil {
				http.Error(w, "not signed by Slack", http.StatusUnauthorized)
				return
			}
			if err := next(r, body.Bytes()); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		}
	}
	http.HandleFunc("POST /slack/commands", verified(func(r *http.Request, body []byte) error {
		form, err := url.ParseQuery(string(body))
		if r.PostForm = form; err != nil || form.Get("command") != "/elevate" {
			return errors.New("no command")
		}
		r.Form = form
		_, err = slackgo.SlashCommandParse(r)
		return err
	}))
	http.HandleFunc("POST /slack/interactions", verified(func(_ *http.Request, body []byte) error {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return err
		}
		var in slackgo.InteractionCallback
		err = json.Unmarshal([]byte(form.Get("payload")), &in)
		if err == nil && (len(in.ActionCallback.BlockActions) != 1 || in.ActionCallback.BlockActions[0].ActionID != "approve") {
			err = errors.New("no press")
		}
		return err
	}))
	server := &http.Server{Addr: addr, ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
}

func (b *bench) startBare() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr := free()
	cmd := exec.CommandContext(b.ctx, self, bareCommand) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), "SIGNING_SECRET="+signing, "ADDR="+addr)
	return b.begin(cmd, addr, func() bool { return listens(addr) })
}

// staged is a world with so many pending requests, whose approvers are linked and signed in.
func (b *bench) staged(most int) (*world, error) {
	w, err := b.newWorld()
	if err != nil {
		return nil, err
	}
	if err = w.people(0); err != nil {
		return w, err
	}
	return w, w.stage(b, most, func(n int) string { return guid('c', n) }, func(n int) string { return guid('b', n) })
}

func (w *world) stage(b *bench, most int, microsoft, requester func(n int) string) error {
	s, err := seed(b.ctx, w.dir+"/data")
	if err != nil {
		return err
	}
	if err = errors.Join(w.signIn(b.ctx, s), s.link(b.ctx)); err == nil {
		err = s.pending(b.ctx, most, microsoft, requester)
	}
	return errors.Join(err, s.checked(b.ctx))
}

// intents counts the requests, among the first, whose approver's decision is on the disk.
func (w *world) intents(b *bench, first int64) (n int, err error) {
	s, err := seed(b.ctx, w.dir+"/data")
	if err != nil {
		return 0, err
	}
	err = s.store.View(b.ctx, func(tx store.Tx) error {
		return requests.Scan(tx, "", requestID(first), func(_ string, r bot.Request) error {
			for _, i := range r.Intents {
				if i.Kind == bot.ToApprove {
					n++
					break
				}
			}
			return nil
		})
	})
	return n, errors.Join(err, s.file.Close())
}

// warm has every approver open the form once, so that it is in memory.
func warm(p *process, t target) error {
	settle(p)
	c := &conn{addr: t.addr}
	defer c.close()
	for range 2 {
		for range approvers {
			a, err := c.ask(t.make(t.next.Add(1) - 1))
			if err != nil || !t.check(a) {
				return fmt.Errorf("a form is not acknowledged: %d %s %w", a.status, a.body, err)
			}
		}
		time.Sleep(time.Second)
	}
	return nil
}

// letters leaves what can stand in the name of a file.
func letters(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r
	case r == ' ':
		return '-'
	}
	return -1
}

// slack measures acknowledgements.
func (b *bench) slack() error {
	most := 70_000
	if b.quick {
		most = 20_000
	}
	w, err := b.staged(most)
	if err != nil {
		return err
	}
	defer w.close()
	belay, err := b.startBelay(w)
	if err != nil {
		return err
	}
	defer belay.kill()
	bolt, err := b.startPeer("slack.js", "SIGNING_SECRET="+signing, "BOT_TOKEN="+botToken)
	if err != nil {
		return err
	}
	defer bolt.kill()
	bare, err := b.startBare()
	if err != nil {
		return err
	}
	defer bare.kill()
	var pressed, typed, other atomic.Int64
	servers := []struct {
		name           string
		p              *process
		press, elevate target
	}{
		{"Belay", belay, presses("press", belay.addr, w.urls["slack"], &pressed, int64(most)), commands("/elevate", belay.addr, w.urls["slack"], &typed)},
		{"Bolt", bolt, presses("press", bolt.addr, w.urls["slack"], &other, 0), commands("/elevate", bolt.addr, w.urls["slack"], &other)},
		{"bare Go", bare, presses("press", bare.addr, w.urls["slack"], &other, 0), commands("/elevate", bare.addr, w.urls["slack"], &other)},
	}
	if err := warm(belay, servers[0].elevate); err != nil {
		return err
	}
	w.hangs.Store(true)
	t := table{head: []string{"What", "Load", "Server", "Answers/s", "of Bolt", "of bare Go", "p50", "p99", "Server's CPU per answer", "Wrong"}}
	good, figures := 0, map[string][]outcome{}
	measure := func(what, load string, run func(target) outcome) {
		var all []outcome
		for _, s := range servers {
			ask := s.press
			if what != "press" {
				ask = s.elevate
			}
			before := s.p.cpu()
			var o outcome
			if s.name == "Belay" {
				b.profiled(w, strings.Map(letters, what+" "+load), func() { o = run(ask) })
			} else {
				o = run(ask)
			}
			o.used = s.p.cpu() - before
			if s.name == "Belay" && what == "press" {
				good += o.early + len(o.took)
			}
			all = append(all, o)
			if o.wrong > 0 {
				fmt.Fprintf(os.Stderr, "   %s %s %s: wrong: %s\n", s.name, what, load, o.sample)
			}
			time.Sleep(300 * time.Millisecond)
		}
		figures[what+" "+load] = all
		for n, o := range all {
			t.add(what, load, servers[n].name, count(o.rate()), ratio(o.rate(), all[1].rate()), ratio(o.rate(), all[2].rate()), span(o.at(.5)), span(o.at(.99)), per(o), fmt.Sprint(o.wrong))
		}
	}
	for _, what := range []string{"press", "/elevate"} {
		for _, conns := range []int{1, 8, 32, 128} {
			measure(what, fmt.Sprintf("closed, %d connections", conns), func(t target) outcome { return t.closed(conns, b.time) })
		}
		measure(what, "open, 2,000/s", func(t target) outcome { return t.open(2000, 256, b.time) })
	}
	belay.kill()
	kept, err := w.intents(b, pressed.Load())
	if err != nil {
		return err
	}
	words := fmt.Sprintf(`A press is stored, with its dedupe key, its audit event and the call that is owed for it, before the 200; `+"`/elevate`"+` stores nothing. Bolt %s and the bare handler (slack-go) store nothing at all.
Belay answers the presser too, over the response URL, in the same time. Graph does not answer meanwhile, so that the relayed calls wait (see the part graphhang for that).
After the run Belay was killed with SIGKILL: of %d presses sent, %d were answered with a 200 (those of the warm-up are among them), and **%d** stand in its file.`,
		b.version("@slack/bolt"), pressed.Load(), good, kept)
	if kept < good {
		return fmt.Errorf("%d presses were acknowledged, and %d are stored", good, kept)
	}
	b.slackGoals(figures)
	return b.out.write("slack", words, t)
}

// slackGoals says how the figures stand to the goals. Of each load there are those of Belay,
// of Bolt and of the bare handler.
func (b *bench) slackGoals(figures map[string][]outcome) {
	for _, what := range []string{"press", "/elevate"} {
		few, many := figures[what+" closed, 32 connections"], figures[what+" closed, 128 connections"]
		over := func(n int) (least float64, text string) {
			a, b := few[0].rate()/few[n].rate(), many[0].rate()/many[n].rate()
			return min(a, b), fmt.Sprintf("%.2f and %.2f", a, b)
		}
		least, text := over(1)
		b.out.goal(what+": three times Bolt's answers at 32 and 128 connections", least >= 3, text)
		least, text = over(2)
		b.out.goal(what+": 0.7 of the bare handler's", least >= 0.7, text)
		one := figures[what+" closed, 1 connections"]
		b.out.goal(what+": at one connection the bare handler's time and one commit", one[0].at(.5) <= one[2].at(.5)+b.commit(), fmt.Sprintf("%s at the median; the bare handler %s, a synced write of 4 KiB to this disk %s", span(one[0].at(.5)), span(one[2].at(.5)), span(b.commit())))
		open := figures[what+" open, 2,000/s"]
		b.out.goal(what+": p99 at 2,000/s no worse than Bolt's", open[0].at(.99) <= open[1].at(.99), fmt.Sprintf("%s, Bolt's %s", span(open[0].at(.99)), span(open[1].at(.99))))
	}
}

// commit is what this disk takes, at the median, to keep 4 KiB.
func (b *bench) commit() time.Duration {
	if b.synced > 0 {
		return b.synced
	}
	f, err := os.CreateTemp(b.work, "sync-")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }() // it is thrown away
	var took []time.Duration
	for range 200 {
		at := time.Now()
		if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil || f.Sync() != nil {
			return 0
		}
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	b.synced = took[len(took)/2]
	return b.synced
}

// press is for looking at Belay alone, over one connection and over 32.
func (b *bench) press() error {
	w, err := b.staged(20_000)
	if err != nil {
		return err
	}
	defer w.close()
	p, err := b.startBelay(w)
	if err != nil {
		return err
	}
	defer p.kill()
	settle(p)
	w.hangs.Store(true)
	var next atomic.Int64
	ask := presses("press", p.addr, w.urls["slack"], &next, 20_000)
	for _, conns := range []int{1, 32} {
		var o outcome
		before := p.cpu()
		b.profiled(w, fmt.Sprintf("press-%d", conns), func() { o = ask.closed(conns, b.time) })
		o.used = p.cpu() - before
		fmt.Printf("%d connections: %s/s, p50 %s, p99 %s, %s per answer, %d wrong %s\n", conns, count(o.rate()), span(o.at(.5)), span(o.at(.99)), per(o), o.wrong, o.sample)
	}
	return nil
}
