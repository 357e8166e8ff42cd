package web

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/belaybot/belay/bot"
)

// SlackSignIn is where and as whom Belay asks Slack whose browser it is talking
// to. Without a ClientID Slack users cannot link themselves.
// Source: "Sign in with Slack" in Slack's documentation.
type SlackSignIn struct {
	URL          string // Slack itself, https://slack.com when empty
	Issuer       string // of Slack's id tokens, https://slack.com when empty
	Team         string // the workspace to sign in to; empty: the person chooses
	ClientID     string
	ClientSecret string
}

// slackTime and slackSize limit one call to Slack.
const (
	slackTime = 10 * time.Second
	slackSize = 256 << 10
)

type slack struct {
	o        SlackSignIn
	redirect string
	http     *http.Client
	idTokens *oidc.IDTokenVerifier
}

func newSlack(o Options) *slack {
	s := o.Slack
	if s.ClientID == "" {
		return nil
	}
	if s.URL == "" {
		s.URL = "https://slack.com"
	}
	if s.Issuer == "" {
		s.Issuer = "https://slack.com"
	}
	s.URL = strings.TrimRight(s.URL, "/")
	transport := http.DefaultTransport
	if o.HTTP != nil && o.HTTP.Transport != nil {
		transport = o.HTTP.Transport
	}
	client := &http.Client{
		Transport:     capped{transport},
		Timeout:       slackTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), client), s.URL+"/openid/connect/keys")
	return &slack{o: s, redirect: o.PublicURL + SlackCallback, http: client,
		idTokens: oidc.NewVerifier(s.Issuer, keys, &oidc.Config{ClientID: s.ClientID, SupportedSigningAlgs: []string{oidc.RS256}, Now: o.Now})}
}

// capped makes reading more than slackSize of an answer an error.
type capped struct{ next http.RoundTripper }

// RoundTrip passes the request on.
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, slackSize)
	}
	return resp, err
}

// authorize is Slack's sign-in page for a hop. Only openid is asked for: the id
// token names user and workspace, and Belay wants nothing else there.
func (s *slack) authorize(hop bot.Hop) string {
	q := url.Values{
		"response_type": {"code"}, "scope": {"openid"}, "client_id": {s.o.ClientID},
		"redirect_uri": {s.redirect}, "state": {hop.State}, "nonce": {hop.Nonce},
	}
	if s.o.Team != "" {
		q.Set("team", s.o.Team)
	}
	return s.o.URL + "/openid/connect/authorize?" + q.Encode()
}

// redeem is the team and the user that Slack says the browser belongs to. Every
// error is a *bot.Error.
func (s *slack) redeem(ctx context.Context, code, nonce string) (team, user string, err error) {
	raw, err := s.exchange(ctx, code)
	if err != nil {
		return "", "", err
	}
	t, err := s.idTokens.Verify(ctx, raw)
	if err != nil {
		return "", "", bot.SlackFailed(fmt.Errorf("slack id token: %w", err), false)
	}
	if nonce == "" || subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(nonce)) != 1 {
		return "", "", bot.SlackFailed(errors.New("slack id token: the nonce is another one"), false)
	}
	var claims struct {
		User string `json:"https://slack.com/user_id"`
		Team string `json:"https://slack.com/team_id"`
	}
	if err := t.Claims(&claims); err != nil || claims.User == "" || claims.Team == "" {
		return "", "", bot.SlackFailed(errors.New("slack id token: it names no user and team"), false)
	}
	return claims.Team, claims.User, nil
}

// exchange trades the code for an id token. The access token that comes with it
// is dropped unread.
func (s *slack) exchange(ctx context.Context, code string) (string, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {s.redirect},
		"client_id": {s.o.ClientID}, "client_secret": {s.o.ClientSecret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL+"/api/openid.connect.token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", bot.SlackFailed(errors.New("slack token request: the endpoint is not a URL"), false)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.http.Do(req)
	if err != nil {
		return "", bot.SlackFailed(fmt.Errorf("slack token request: %w", err), true)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return "", bot.SlackFailed(fmt.Errorf("slack token request: HTTP %d", resp.StatusCode), true)
	}
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
		Token string `json:"id_token"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", bot.SlackFailed(fmt.Errorf("slack token request: HTTP %d with something that is not the JSON expected", resp.StatusCode), true)
	}
	if !answer.OK || answer.Token == "" {
		return "", bot.SlackFailed(fmt.Errorf("slack token request: %q", answer.Error), false)
	}
	return answer.Token, nil
}
