package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// bearer is a token of the Bot Framework for the bot, for an hour, as Teams sends it again
// and again until it ends.
func (w *world) bearer() (string, error) {
	encode := func(v any) (string, error) {
		text, err := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text), err
	}
	now := time.Now()
	head, err := encode(map[string]any{"alg": "RS256", "typ": "JWT", "kid": keyID})
	if err != nil {
		return "", err
	}
	claims, err := encode(map[string]any{"iss": "https://api.botframework.com", "aud": belayApp, "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(), "serviceurl": w.urls["teams"] + "/"})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(head + "." + claims))
	sig, err := rsa.SignPKCS1v15(rand.Reader, w.key, crypto.SHA256, sum[:])
	return head + "." + claims + "." + base64.RawURLEncoding.EncodeToString(sig), err
}

// invokes are presses on Approve in Teams, each on a request of its own.
func (w *world) invokes(name, addr, token string, next *atomic.Int64, most int64) target {
	m := newMould(`{"type":"invoke","name":"adaptiveCard/action","id":"f:` + gap + `","timestamp":"2026-11-26T12:00:00.000Z","localTimestamp":"2026-11-26T12:00:00.000+00:00","localTimezone":"Europe/London",` +
		`"serviceUrl":"` + w.urls["teams"] + `/","channelId":"msteams","from":{"id":"29:1-` + gap + `","name":"Approver","aadObjectId":"` + gap + `"},` +
		`"conversation":{"conversationType":"personal","tenantId":"` + tenantID + `","id":"a:1-` + gap + `"},"recipient":{"id":"28:` + belayApp + `","name":"Belay"},` +
		`"entities":[{"type":"clientInfo","locale":"en-GB","country":"GB","platform":"Windows","timezone":"Europe/London"}],` +
		`"channelData":{"tenant":{"id":"` + tenantID + `"},"source":{"name":"message"}},"replyToId":"1790000000001","locale":"en-GB",` +
		`"value":{"action":{"type":"Action.Execute","id":"approve","verb":"approve","title":"Approve","data":{"id":"` + gap + `","verb":"approve"}},"trigger":"manual"}}`)
	return target{name: name, addr: addr, next: next, most: most, check: decided, make: func(n int64) []byte {
		who := guid('a', int(n%approvers))
		return post("/api/messages", addr, "application/json; charset=utf-8", m.fill(fmt.Sprintf("%d-%d", n, time.Now().UnixNano()), who, who, who, requestID(n)),
			"User-Agent", "Microsoft-BotFramework/3.1", "Authorization", "Bearer "+token)
	}}
}

// decided is the answer that a client applies: a card or a message that says that the
// decision is on its way.
func decided(a answer) bool {
	return a.status == http.StatusOK && bytes.Contains(a.body, []byte("n its way"))
}

// teams measures the answer to a press.
func (b *bench) teams() error {
	most := 50_000
	if b.quick {
		most = 15_000
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
	env := []string{"APP_ID=" + belayApp, "APP_SECRET=" + appSecret, "TENANT_ID=" + tenantID, "OPENID=" + w.urls["openid"] + "/v1/.well-known/openidconfiguration"}
	old, err := b.startPeer("botbuilder.js", env...)
	if err != nil {
		return err
	}
	defer old.kill()
	fresh, err := b.startPeer("teams.js", env...)
	if err != nil {
		return err
	}
	defer fresh.kill()
	token, err := w.bearer()
	if err != nil {
		return err
	}
	settle(belay)
	w.hangs.Store(true)
	var pressed, other atomic.Int64
	servers := []struct {
		name string
		p    *process
		ask  target
	}{
		{"Belay", belay, w.invokes("Belay", belay.addr, token, &pressed, int64(most))},
		{"botbuilder", old, w.invokes("botbuilder", old.addr, token, &other, 0)},
		{"teams.apps", fresh, w.invokes("teams.apps", fresh.addr, token, &other, 0)},
	}
	t := table{head: []string{"Load", "Server", "Answers/s", "of botbuilder", "of teams.apps", "p50", "p99", "Server's CPU per answer", "Wrong"}}
	good, figures := 0, map[string][]outcome{}
	measure := func(load string, run func(target) outcome) {
		var all []outcome
		for _, s := range servers {
			var o outcome
			before := s.p.cpu()
			if s.name == "Belay" {
				b.profiled(w, strings.Map(letters, "teams "+load), func() { o = run(s.ask) })
				good += o.early + len(o.took)
			} else {
				o = run(s.ask)
			}
			o.used = s.p.cpu() - before
			all = append(all, o)
			if o.wrong > 0 {
				fmt.Fprintf(os.Stderr, "   %s %s: wrong: %s\n", s.name, load, o.sample)
			}
			time.Sleep(300 * time.Millisecond)
		}
		figures[load] = all
		for n, o := range all {
			t.add(load, servers[n].name, count(o.rate()), ratio(o.rate(), all[1].rate()), ratio(o.rate(), all[2].rate()), span(o.at(.5)), span(o.at(.99)), per(o), fmt.Sprint(o.wrong))
		}
	}
	for _, conns := range []int{1, 8, 32, 128} {
		measure(fmt.Sprintf("closed, %d connections", conns), func(t target) outcome { return t.closed(conns, b.time) })
	}
	measure("open, 500/s", func(t target) outcome { return t.open(500, 256, b.time) })
	belay.kill()
	kept, err := w.intents(b, pressed.Load())
	if err != nil {
		return err
	}
	if kept < good {
		return fmt.Errorf("%d presses were answered, and %d are stored", good, kept)
	}
	words := fmt.Sprintf("A press on Approve (`adaptiveCard/action`) with the same signed token and the keys announced on loopback. Belay stores the decision before it answers; botbuilder %s and teams.apps %s answer a card and store nothing.\n"+
		"After the run Belay was killed with SIGKILL: of %d presses sent, %d were answered (those of the warm-up are among them), and **%d** stand in its file.",
		b.version("botbuilder"), b.version("@microsoft/teams.apps"), pressed.Load(), good, kept)
	few, many := figures["closed, 32 connections"], figures["closed, 128 connections"]
	one, two := few[0].rate()/few[1].rate(), many[0].rate()/many[1].rate()
	b.out.goal("ten times botbuilder's answers at 32 and 128 connections", min(one, two) >= 10, fmt.Sprintf("%.2f and %.2f", one, two))
	return b.out.write("teams", words, t)
}
