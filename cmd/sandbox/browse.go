package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/pim/pimtest"
)

// browser is one person's browser in the story. It goes through the real pages:
// Belay's, Slack's and Microsoft's, with one set of cookies.
type browser struct {
	s   *sandbox
	who person
	b   *pimtest.Browser
}

func (s *sandbox) browser(who person) (*browser, error) {
	b, err := pimtest.NewBrowser()
	if err != nil {
		return nil, err
	}
	b.Client.Timeout = 30 * time.Second
	return &browser{s: s, who: who, b: b}, nil
}

// signsIn opens a one-time link in a browser of its own, to the last page.
func (s *sandbox) signsIn(ctx context.Context, who person, link string) error {
	b, err := s.browser(who)
	if err != nil {
		return err
	}
	return b.signIn(ctx, link)
}

// signsInOnce is signsIn for a step of the story that may have been cut off. A link is
// used when all that its sign-in leads to is on record. Without one nothing is left to do.
func (s *sandbox) signsInOnce(ctx context.Context, who person, link string) error {
	return s.done.once(who.Key+" signs in with "+link, func() error {
		if link == "" {
			return nil
		}
		err := s.signsIn(ctx, who, link)
		if err != nil && strings.Contains(err.Error(), "This link was used already.") {
			return nil
		}
		return err
	})
}

// signsInUntil follows every link that is shown in Slack until what it is for is over: killed
// right after a stronger sign-in Belay asks for another one, because it keeps no access token.
func (s *sandbox) signsInUntil(ctx context.Context, who person, dm string, link *regexp.Regexp, over func() bool) error {
	for used := map[string]bool{"": true}; ; {
		var url string
		err := s.slack.Wait(ctx, func(state slacktest.State) bool {
			url = newestLink(state, dm, link)
			return over() || !used[url]
		})
		if err != nil {
			return fmt.Errorf("no sign-in link is shown: %w", err)
		}
		if over() {
			return nil
		}
		used[url] = true
		if err := s.signsInOnce(ctx, who, url); err != nil {
			return err
		}
	}
}

// signIn opens a one-time link of Belay and does on each page what the person
// would do there, until Belay says that they are signed in.
func (w *browser) signIn(ctx context.Context, link string) error {
	next, err := w.post(ctx, link, nil) // Continue, on Belay's own page
	for range 6 {
		if err != nil {
			return err
		}
		at := next.Scheme + "://" + next.Host
		switch at {
		case w.s.urls[atSlack]:
			q := next.Query()
			q.Set("user", w.who.Slack)
			q.Set("choice", "allow")
			next.RawQuery = ""
			next, err = w.post(ctx, next.String(), q)
		case w.s.urls[atSignIn]:
			next, err = w.b.SignIn(ctx, next.String(), w.who.OID)
		case w.s.urls[atBot]:
			var done bool
			if next, done, err = w.follow(ctx, next); done {
				return err
			}
		default:
			return fmt.Errorf("Belay sent the browser to %s", at)
		}
	}
	return errors.New("the sign-in does not end")
}

// follow opens a page of Belay: it leads on, or it is the last one.
func (w *browser) follow(ctx context.Context, at *url.URL) (next *url.URL, done bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, true, err
	}
	p, err := w.do(req)
	if err != nil || p.next != nil {
		return p.next, err != nil, err
	}
	if p.status != http.StatusOK || !strings.Contains(p.body, "You are signed in") {
		return nil, true, fmt.Errorf("the last page says (HTTP %d): %s", p.status, p.body)
	}
	return nil, true, nil
}

// post sends a form and gives where it leads.
func (w *browser) post(ctx context.Context, to string, form url.Values) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p, err := w.do(req)
	if err != nil {
		return nil, err
	}
	if p.next == nil {
		return nil, fmt.Errorf("%s says (HTTP %d): %s", req.URL.Path, p.status, p.body)
	}
	return p.next, nil
}

// shown is a page, or where it leads on to.
type shown struct {
	status int
	body   string
	next   *url.URL // nil: it leads nowhere
}

func (w *browser) do(req *http.Request) (p shown, err error) {
	resp, err := w.b.Client.Do(req)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	p.status = resp.StatusCode
	if p.status >= 300 && p.status < 400 {
		p.next, err = resp.Location()
		return p, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	p.body = string(body)
	return p, err
}
