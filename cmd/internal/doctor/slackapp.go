package doctor

import (
	"net/url"
	"slices"
	"strings"

	"github.com/belaybot/belay/manifest"
)

// madeUpCode is a trade of a code that Slack never gave: what it answers tells whether it knows
// the client and its secret. Source: "Errors" of openid.connect.token on docs.slack.dev.
func (v *visit) madeUpCode() url.Values {
	s := v.cfg.Slack
	return url.Values{"client_id": {s.ClientID}, "client_secret": {string(s.ClientSecret)}, "grant_type": {"authorization_code"},
		"code": {"belay-doctor"}, "redirect_uri": {v.public(manifest.SlackCallback)}}
}

// public is a path below the public address.
func (v *visit) public(path string) string { return strings.TrimRight(v.cfg.PublicURL, "/") + path }

func (v *visit) slackClient() says {
	a, err := v.slackSignIn()
	if err != nil {
		return unsure(noSlack, mendNoSlack)
	}
	var said struct{ Error string }
	switch err := a.decode(&said); {
	case err != nil:
		return unsure(err.Error(), "Try again in a minute.")
	case said.Error == "invalid_client_id":
		return fault("Slack knows no such client id", "Set slack.client_id to the Client ID on the app's page: Basic Information.")
	case said.Error == "bad_client_secret":
		return fault("Slack does not take the client secret", "Set slack.client_secret to the Client Secret on the app's page: Basic Information.")
	case said.Error == "bad_redirect_uri":
		return fault("Slack would not send people back to "+v.public(manifest.SlackCallback), "Add it on the app's page: OAuth & Permissions, Redirect URLs.")
	case said.Error == "invalid_code", said.Error == "code_already_used":
		return ok("it does")
	}
	return unsure("Slack answers "+said.Error, "Link somebody, and see.")
}

// slackManifest is what of an app's manifest Belay depends on. Source: the reference of app
// manifests on docs.slack.dev.
type slackManifest struct {
	Features struct {
		Home struct {
			Tab      bool `json:"home_tab_enabled"`
			Messages bool `json:"messages_tab_enabled"`
			ReadOnly bool `json:"messages_tab_read_only_enabled"`
		} `json:"app_home"`
		Commands []struct{ Command, URL string } `json:"slash_commands"`
	} `json:"features"`
	OAuth struct {
		Redirects []string                     `json:"redirect_urls"`
		Scopes    struct{ Bot, User []string } `json:"scopes"`
	} `json:"oauth_config"`
	Settings struct {
		Events struct {
			URL string   `json:"request_url"`
			Bot []string `json:"bot_events"`
		} `json:"event_subscriptions"`
		Interactivity struct {
			Enabled bool   `json:"is_enabled"`
			URL     string `json:"request_url"`
			Options string `json:"message_menu_options_url"`
		} `json:"interactivity"`
		Socket   bool `json:"socket_mode_enabled"`
		Rotation bool `json:"token_rotation_enabled"`
	} `json:"settings"`
}

func (v *visit) slackApps() says {
	const page = "the app's page on api.slack.com/apps: App Manifest"
	if !v.mayManifest {
		return unsure("Slack shows it to those who made the app, and not to Belay",
			"Compare it with the manifest that belay init writes: "+page+". Or lend doctor an app configuration token, with --slack-token-file FILE.")
	}
	a, err := v.slackManifest()
	if err != nil {
		return unsure(noSlack, mendNoSlack)
	}
	var said struct {
		OK       bool
		Error    string
		Manifest slackManifest
	}
	if err := a.decode(&said); err != nil {
		return unsure(err.Error(), "Look at "+page+".")
	}
	if !said.OK {
		return unsure("Slack does not show it: "+said.Error, "Generate an app configuration token anew on api.slack.com/apps; it holds for 12 hours. Or look at "+page+".")
	}
	if wrong := v.differences(said.Manifest); len(wrong) > 0 {
		return fault(strings.Join(wrong, "; "), "Put the manifest that belay init writes into "+page+", and reinstall the app to the workspace.")
	}
	return ok("it is the one of this Belay")
}

// differences are what of the manifest keeps Belay from working, each in some words.
func (v *visit) differences(m slackManifest) (wrong []string) {
	point := func(what, is, path string) {
		if want := v.public(path); is != want {
			wrong = append(wrong, what+" goes to "+quoted(is)+", and not to "+want)
		}
	}
	need := func(bad bool, what string) {
		if bad {
			wrong = append(wrong, what)
		}
	}
	at := ""
	for _, c := range m.Features.Commands {
		if c.Command == manifest.Command {
			at = c.URL
		}
	}
	point(manifest.Command, at, manifest.SlackCommands)
	point("interactivity", m.Settings.Interactivity.URL, manifest.SlackInteractions)
	point("menus", m.Settings.Interactivity.Options, manifest.SlackOptions)
	point("events", m.Settings.Events.URL, manifest.SlackEvents)
	need(!m.Settings.Interactivity.Enabled, "interactivity is off")
	need(m.Settings.Socket, "Socket Mode is on, with which Slack calls no address")
	need(m.Settings.Rotation, "token rotation is on, which Belay does not do")
	need(!m.Features.Home.Tab, "the Home tab is off")
	need(!m.Features.Home.Messages || m.Features.Home.ReadOnly, "people cannot write to Belay: the messages tab")
	need(!slices.Contains(m.OAuth.Redirects, v.public(manifest.SlackCallback)), "the redirect URLs lack "+v.public(manifest.SlackCallback))
	for _, list := range []struct {
		what       string
		want, have []string
	}{{"event", manifest.SlackBotEvents(), m.Settings.Events.Bot}, {"bot scope", manifest.SlackScopes(), m.OAuth.Scopes.Bot}, {"user scope", manifest.SlackSignInScopes(), m.OAuth.Scopes.User}} {
		for _, name := range list.want {
			need(!slices.Contains(list.have, name), "the "+list.what+" "+name+" is missing")
		}
	}
	return wrong
}

func quoted(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}
