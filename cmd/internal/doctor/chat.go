package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/belaybot/belay/manifest"
)

// slackSelf is what Slack says of the bot token. Source: the methods auth.test and
// bots.info on docs.slack.dev.
type slackSelf struct {
	OK     bool   `json:"ok"`
	Error  string `json:"error"`
	Team   string `json:"team_id"`
	Bot    string `json:"bot_id"` // people's tokens have none
	scopes []string
	named  bool // the scopes were told
}

// slackError is a refusal of Slack.
type slackError string

// Error names Slack's code.
func (e slackError) Error() string { return "Slack refuses it: " + string(e) }

func (v *visit) workspace(ctx context.Context, manifestToken string) {
	api, token := strings.TrimRight(v.cfg.Endpoints.Slack, "/")+"/api/", string(v.cfg.Slack.BotToken)
	own := func() (string, error) { return token, nil }
	v.slack = v.asks(ctx, own, http.MethodPost, api+"auth.test")
	v.slackSelf = sync.OnceValues(func() (s slackSelf, err error) {
		a, err := v.slack()
		if err != nil {
			return s, err
		}
		if err := a.decode(&s); err != nil {
			return s, err
		}
		if !s.OK {
			return s, slackError(s.Error)
		}
		scopes := a.header.Values("X-OAuth-Scopes")
		s.named = len(scopes) > 0
		s.scopes = strings.FieldsFunc(strings.Join(scopes, ","), func(r rune) bool { return r == ',' || r == ' ' })
		return s, nil
	})
	v.slackBot = sync.OnceValues(func() (answer, error) {
		s, err := v.slackSelf()
		if err != nil {
			return answer{}, err
		}
		return v.ask(ctx, http.MethodGet, api+"bots.info?bot="+url.QueryEscape(s.Bot), token)
	})
	v.slackAsks = func(method string, arguments url.Values) (answer, error) {
		return v.ask(ctx, http.MethodGet, api+method+"?"+arguments.Encode(), token)
	}
	v.slackSignIn = sync.OnceValues(func() (answer, error) { return v.post(ctx, api+"openid.connect.token", v.madeUpCode()) })
	v.slackManifest = sync.OnceValues(func() (answer, error) {
		return v.ask(ctx, http.MethodGet, api+"apps.manifest.export?app_id="+url.QueryEscape(v.cfg.Slack.AppID), manifestToken)
	})
	v.mayManifest = manifestToken != ""
}

const mendSlack = "Take it anew from the app's page on api.slack.com/apps: OAuth & Permissions, Bot User OAuth Token."

func (v *visit) slackToken() says {
	s, err := v.slackSelf()
	var refusal slackError
	switch {
	case errors.As(err, &refusal) && refusal == "ratelimited":
		return unsure(err.Error(), "Try again in a minute.")
	case errors.As(err, &refusal):
		return fault(err.Error(), mendSlack)
	case errors.As(err, new(*refused)):
		return unsure(err.Error(), "Try again in a minute; check endpoints.slack.")
	case err != nil:
		return v.unreached(err)
	case s.Bot == "" || !strings.HasPrefix(string(v.cfg.Slack.BotToken), "xoxb-"):
		return fault("it is a person's token, not a bot's", mendSlack)
	}
	return ok("it does")
}

const (
	noSlack     = "Slack did not answer"
	mendNoSlack = "Mend slack.token first."
)

func (v *visit) slackWorkspace() says {
	s, err := v.slackSelf()
	switch {
	case err != nil:
		return unsure(noSlack, mendNoSlack)
	case s.Team != v.cfg.Slack.TeamID:
		return fault("the token is of the workspace "+s.Team+", and slack.team_id is "+v.cfg.Slack.TeamID, "Set slack.team_id, or take the token of the right workspace.")
	}
	return ok("it is")
}

func (v *visit) slackScopes() says {
	s, err := v.slackSelf()
	switch {
	case err != nil:
		return unsure(noSlack, mendNoSlack)
	case !s.named:
		return unsure("Slack does not say which it has", "Look at the app's page on api.slack.com/apps: OAuth & Permissions, Bot Token Scopes.")
	}
	const mend = "Put the manifest that belay init writes into the app's page (App Manifest), and reinstall the app to the workspace."
	var missing, more []string
	for _, scope := range manifest.SlackScopes() {
		if !slices.Contains(s.scopes, scope) {
			missing = append(missing, scope)
		}
	}
	for _, scope := range s.scopes {
		if !slices.Contains(manifest.SlackScopes(), scope) {
			more = append(more, scope)
		}
	}
	switch {
	case len(missing) > 0:
		return fault("missing: "+strings.Join(missing, ", "), mend)
	case len(more) > 0:
		return warn("nothing needs "+strings.Join(more, ", "), mend)
	}
	return ok("those, and no more")
}

func (v *visit) slackApp() says {
	a, err := v.slackBot()
	if err != nil {
		return unsure(noSlack, mendNoSlack)
	}
	var info struct {
		OK  bool `json:"ok"`
		Bot struct {
			App string `json:"app_id"`
		} `json:"bot"`
	}
	switch {
	case a.decode(&info) != nil || !info.OK || info.Bot.App == "":
		return unsure("Slack does not say of which app it is", "Look at the app's page on api.slack.com/apps: Basic Information, App ID.")
	case info.Bot.App != v.cfg.Slack.AppID:
		return fault("the token is of the app "+info.Bot.App+", and slack.app_id is "+v.cfg.Slack.AppID, "Set slack.app_id, or take the token of the right app.")
	}
	return ok("it is")
}

func (v *visit) slackSigning() says {
	return unsure("Slack tells nobody whether a signing secret is right: only a delivery does",
		"Type /elevate. If Slack says that the app did not respond, compare slack.signing_secret with Basic Information on the app's page.")
}

// metadata is what the Bot Connector says of itself. Source: "Authenticate requests
// from the Bot Connector service" of the Bot Framework's documentation.
type metadata struct {
	Issuer string `json:"issuer"`
	Keys   string `json:"jwks_uri"`
}

func (v *visit) connector(ctx context.Context) {
	v.page = v.asks(ctx, nil, http.MethodGet, v.cfg.Endpoints.BotOpenID)
	v.metadata = sync.OnceValues(func() (m metadata, err error) {
		a, err := v.page()
		if err != nil {
			return m, err
		}
		return m, a.decode(&m)
	})
	v.keys = sync.OnceValues(func() (answer, error) {
		m, err := v.metadata()
		if err != nil {
			return answer{}, err
		}
		to, err := url.Parse(m.Keys)
		at, err2 := url.Parse(v.cfg.Endpoints.BotOpenID)
		if err != nil || err2 != nil || to.Scheme != at.Scheme || to.Host != at.Host {
			return answer{}, errElsewhere
		}
		return v.ask(ctx, http.MethodGet, m.Keys, "")
	})
}

var errElsewhere = errors.New("they are on a host that is not in the configuration")

func (v *visit) botReach() says { return v.reached(v.botLogin) }

func (v *visit) botTokens() says {
	if _, err := v.botToken(); err != nil {
		return v.tokenTrouble(err, "Give the bot's registration a credential that is valid, and name it in teams or, if the bot uses Belay's registration, in entra.")
	}
	return ok("it does")
}

func (v *visit) botMetadata() says {
	m, err := v.metadata()
	switch {
	case errors.As(err, new(*refused)):
		return fault(err.Error(), "Check endpoints.bot_openid.")
	case err != nil:
		return v.unreached(err)
	case m.Issuer != v.cfg.Teams.Issuer:
		return fault("it signs as "+m.Issuer+", and teams.issuer is "+v.cfg.Teams.Issuer, "Set teams.issuer and endpoints.bot_openid to those of the same cloud.")
	}
	return ok("what the configuration says")
}

func (v *visit) botKeys() says {
	a, err := v.keys()
	if errors.Is(err, errElsewhere) {
		return unsure(err.Error(), "Check endpoints.bot_openid.")
	}
	if err != nil {
		return unsure("they were not reached", "Mend bot.metadata first.")
	}
	var set struct {
		Keys []struct{ Endorsements []string }
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &set) != nil {
		return fault("they cannot be read", "Check endpoints.bot_openid.")
	}
	for _, k := range set.Keys {
		if slices.Contains(k.Endorsements, "msteams") {
			return ok("they are there")
		}
	}
	return fault("none of them is endorsed for Teams: nothing that Teams sends would be taken", "Check that endpoints.bot_openid is the Bot Connector's.")
}
