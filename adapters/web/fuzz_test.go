package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/belaybot/belay/adapters/web"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

// unchanging is a store that notes whether anything was put into it.
type unchanging struct {
	store.Store
	put *atomic.Bool
}

func (u unchanging) Update(ctx context.Context, fn func(store.Tx) error) error {
	return u.Store.Update(ctx, func(tx store.Tx) error { return fn(noting{tx, u.put}) })
}

type noting struct {
	store.Tx
	put *atomic.Bool
}

func (n noting) Put(bucket string, key, value []byte) error {
	n.put.Store(true)
	return n.Tx.Put(bucket, key, value)
}

// FuzzPages: whatever link is guessed and whatever a browser comes back with, it is
// refused by a page that repeats none of it, sets no cookie and stores nothing.
func FuzzPages(f *testing.F) {
	for _, q := range []string{"", "state=x&code=y", "state=a&state=b", "error=access_denied&error_description=<script>alert(1)</script>&state=x", "state=%zz", "a;b", "code=&state=", "%00=%00", "state=\x80"} {
		for n := range 4 {
			f.Add(uint8(n), q, "cookie")
		}
	}
	var put atomic.Bool
	links := bot.NewLinks(bot.LinkOptions{Store: unchanging{storetest.Memory(), &put}, Pseudonym: func(p ...string) string { return strings.Join(p, "/") }, PublicURL: "https://belay.example"})
	pages, err := web.New(web.Options{PublicURL: "https://belay.example", Links: links, SignIn: nobodySignsIn{}, PerMinute: 1000,
		Slack: web.SlackSignIn{URL: "https://127.0.0.1:1", ClientID: "x", ClientSecret: "x"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, route uint8, text, cookie string) {
		u := &url.URL{Scheme: "https", Host: "belay.example", Path: web.SlackCallback, RawQuery: text}
		method := http.MethodGet
		switch route % 4 {
		case 0:
			u.Path = web.EntraCallback
		case 1:
			u.Path, u.RawQuery = "/link/"+text, ""
		case 2:
			u.Path, u.RawQuery, method = "/link/"+text, "", http.MethodPost
		}
		r := (&http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{"Cookie": {"__Host-belay=" + cookie}}, Body: http.NoBody}).WithContext(t.Context())
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		// A path that is not clean is led to the clean one, on this host.
		if to := w.Header().Get("Location"); w.Code >= 300 && w.Code < 400 {
			if at, err := url.Parse(to); err != nil || at.Host != "" && at.Host != u.Host || route%4 != 1 && route%4 != 2 {
				t.Errorf("%s %q leads to %q", method, text, to)
			}
		} else if w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s %s?%q is answered with %d", method, u.Path, text, w.Code)
		}
		if len(w.Result().Cookies()) > 0 || put.Load() {
			t.Errorf("%s %q left something: %v", method, text, w.Result().Cookies())
		}
		if body := w.Body.String(); strings.Contains(body, "<script") || len(text) > 12 && w.Code >= 400 && strings.Contains(body, text) {
			t.Errorf("the page repeats %q: %s", text, body)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Error("an answer without a policy")
		}
	})
}
