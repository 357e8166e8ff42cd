package manifest

// SlackScopes are the bot scopes, each needed by a call that the Slack adapter
// makes (docs/permissions.md says which; a test holds the two together).
// Source: the method pages on https://docs.slack.dev/reference/methods
func SlackScopes() []string {
	return []string{"commands", "chat:write", "im:write", "users:read", "users:read.email"}
}

// SlackBotEvents are what Slack tells Belay of by itself.
func SlackBotEvents() []string {
	return []string{"app_home_opened", "app_uninstalled", "tokens_revoked", "user_change"}
}

// SlackSignInScopes are asked of a person who links, and of nobody else.
// Source: the guide "Sign in with Slack (OpenID Connect)" on docs.slack.dev,
// which lists them under the user scopes of the app.
func SlackSignInScopes() []string { return []string{"openid"} }

type slackManifest struct {
	Display struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Long        string `json:"long_description"`
		Background  string `json:"background_color"`
	} `json:"display_information"`
	Features slackFeatures `json:"features"`
	OAuth    struct {
		Redirects []string `json:"redirect_urls"`
		Scopes    struct {
			User []string `json:"user"`
			Bot  []string `json:"bot"`
		} `json:"scopes"`
	} `json:"oauth_config"`
	Settings slackSettings `json:"settings"`
}

type slackFeatures struct {
	Home struct {
		Home     bool `json:"home_tab_enabled"`
		Messages bool `json:"messages_tab_enabled"`
		ReadOnly bool `json:"messages_tab_read_only_enabled"`
	} `json:"app_home"`
	Bot struct {
		Name   string `json:"display_name"`
		Online bool   `json:"always_online"`
	} `json:"bot_user"`
	Commands []slackCommand `json:"slash_commands"`
}

type slackCommand struct {
	Command     string `json:"command"`
	URL         string `json:"url"`
	Description string `json:"description"`
	Hint        string `json:"usage_hint"`
	Escape      bool   `json:"should_escape"`
}

type slackSettings struct {
	Events struct {
		URL string   `json:"request_url"`
		Bot []string `json:"bot_events"`
	} `json:"event_subscriptions"`
	Interactivity struct {
		Enabled bool   `json:"is_enabled"`
		URL     string `json:"request_url"`
		Options string `json:"message_menu_options_url"`
	} `json:"interactivity"`
	OrgDeploy     bool `json:"org_deploy_enabled"`
	SocketMode    bool `json:"socket_mode_enabled"`
	TokenRotation bool `json:"token_rotation_enabled"`
}

// Slack renders the manifest of the Slack app as JSON, for "Create New App, From
// a manifest".
func Slack(a App) ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	var m slackManifest
	m.Display.Name, m.Display.Description, m.Display.Background = a.Name, summary, accent
	m.Display.Long = description
	// The messages tab is where direct messages arrive. It is not read-only,
	// because /elevate could not be typed there then.
	m.Features.Home.Home, m.Features.Home.Messages = true, true
	m.Features.Bot.Name, m.Features.Bot.Online = a.Name, true
	m.Features.Commands = []slackCommand{{
		Command: Command, URL: a.at(SlackCommands), Description: "Activate one of your Microsoft Entra roles",
		Hint: "[role] [duration] [reason] | home | status | stop | approvals | posture | checklist | drift | link | unlink | help",
	}}
	m.OAuth.Redirects = []string{a.at(SlackCallback)}
	m.OAuth.Scopes.User, m.OAuth.Scopes.Bot = SlackSignInScopes(), SlackScopes()
	m.Settings.Events.URL, m.Settings.Events.Bot = a.at(SlackEvents), SlackBotEvents()
	m.Settings.Interactivity.Enabled = true
	m.Settings.Interactivity.URL, m.Settings.Interactivity.Options = a.at(SlackInteractions), a.at(SlackOptions)
	return indented(m)
}

// What the platforms tell people about Belay. The limits are Teams' (80 for the
// short text) and Slack's (at least 175 for the long one).
const (
	summary     = "Activate Microsoft Entra roles, and approve activations, from chat"
	description = "Type /elevate to activate one of your eligible Microsoft Entra roles through Privileged Identity Management. " +
		"The approvers that the role's own policy names get a card with Approve and Deny. " +
		"Every request and every decision is made at Microsoft as the person who made it, with their own sign-in; " +
		"the app itself can only read."
	accent = "#1F3B57"
)
