package app

import (
	"log/slog"
	"strings"
	"time"
)

// Config is the whole configuration: one YAML file, each key also as BELAY_… in
// the environment, each secret also as …_file. The tags say what a reader of the
// commented file is told; manifest renders it from them.
type Config struct {
	PublicURL     string        `koanf:"public_url" doc:"Where browsers and the chat platforms reach Belay, such as https://belay.example.com. Required."`
	Listen        string        `koanf:"listen" default:":8080" doc:"Address of the public listener. Put a TLS proxy in front of it."`
	PrivateListen string        `koanf:"private_listen" default:"127.0.0.1:9090" doc:"Address of /livez, /readyz and /metrics. Keep it private."`
	Data          string        `koanf:"data" default:"belay-data" doc:"Directory of the database file and, beside it, the key file."`
	LogLevel      string        `koanf:"log_level" default:"info" doc:"debug, info, warn or error."`
	StopTimeout   time.Duration `koanf:"stop_timeout" default:"20s" doc:"How long a stop waits for what is under way."`

	Entra     Entra     `koanf:"entra"`
	Slack     Slack     `koanf:"slack"`
	Teams     Teams     `koanf:"teams"`
	Store     Store     `koanf:"store"`
	Keys      Keys      `koanf:"keys"`
	Endpoints Endpoints `koanf:"endpoints"`
	Requests  Requests  `koanf:"requests"`
	Approval  Approval  `koanf:"approval"`
	Limits    Limits    `koanf:"limits"`
	Notices   Notices   `koanf:"notices"`
	Security  Security  `koanf:"security"`
	Posture   Posture   `koanf:"posture"`
	Drift     Drift     `koanf:"drift"`
	Alerts    Alerts    `koanf:"alerts"`
	Reviews   Reviews   `koanf:"reviews"`
	Audit     Audit     `koanf:"audit"`
	Telemetry Telemetry `koanf:"telemetry"`
	SIEM      SIEM      `koanf:"siem"`
}

// Entra is Belay's app registration and how people sign in.
type Entra struct {
	TenantID           string        `koanf:"tenant_id" doc:"Directory (tenant) id. Required."`
	ClientID           string        `koanf:"client_id" doc:"Application (client) id of Belay's registration. Required."`
	FederatedTokenFile string        `koanf:"federated_token_file" doc:"Projected service account token (workload identity federation): the best credential, nothing to lose."`
	ManagedIdentity    string        `koanf:"managed_identity_client_id" doc:"Client id of a user-assigned managed identity that the registration trusts: as good, on a machine of Azure."`
	CertificateFile    string        `koanf:"certificate_file" doc:"PEM with certificate and private key: the second best."`
	ClientSecret       Secret        `koanf:"client_secret" doc:"A client secret: for trying out. Exactly one of the four is required."`
	SessionMaxAge      time.Duration `koanf:"session_max_age" default:"12h" doc:"How long a person's sign-in lasts, 15m to 24h."`
	KeepSignIns        bool          `koanf:"keep_sign_ins" default:"true" doc:"Keep a person's sign-in, sealed, until session_max_age. false: nothing is kept on the disk; people sign in with their browser for each act, and the sign-in is forgotten when it is done, after 10 minutes at the latest. Requests made elsewhere are seen later then."`
	PolicyMaxAge       time.Duration `koanf:"policy_max_age" default:"5m" doc:"How long a role's policy is remembered, at most 15m."`
	ReadsPerMinute     int           `koanf:"reads_per_minute" default:"60" doc:"Budget of readings of open requests, for the whole tenant."`
	GraphResource      string        `koanf:"graph_resource" default:"https://graph.microsoft.com" doc:"Audience of Graph tokens; differs in sovereign clouds."`
	AzureResources     bool          `koanf:"azure_resources" default:"true" doc:"Serve roles of Azure resources too. People without them, and tenants whose administrator has not agreed to it, are not disturbed by it."`
	ARMResource        string        `koanf:"arm_resource" default:"https://management.azure.com" doc:"Audience of Azure Resource Manager's tokens; differs in sovereign clouds."`
}

// Slack is the Slack app. Leave app_id empty to do without Slack.
type Slack struct {
	AppID             string            `koanf:"app_id" doc:"App id (A…). Empty: no Slack."`
	TeamID            string            `koanf:"team_id" doc:"Workspace id (T…)."`
	BotToken          Secret            `koanf:"bot_token" doc:"Bot token (xoxb-…)."`
	SigningSecret     Secret            `koanf:"signing_secret" doc:"Signing secret of the app."`
	NextSigningSecret Secret            `koanf:"next_signing_secret" doc:"While the signing secret is changed: the new one. Both are accepted."`
	ClientID          string            `koanf:"client_id" doc:"Client id, for Sign in with Slack."`
	ClientSecret      Secret            `koanf:"client_secret" doc:"Client secret, for Sign in with Slack."`
	Users             map[string]string `koanf:"users" doc:"Slack user id to Entra object id, for people whose e-mail addresses differ."`
}

// Teams is the Teams bot. Leave app_id empty to do without Teams.
type Teams struct {
	AppID              string   `koanf:"app_id" doc:"Microsoft App ID of the bot. Empty: no Teams."`
	FederatedTokenFile string   `koanf:"federated_token_file" doc:"As for entra, if the bot has its own registration."`
	ManagedIdentity    string   `koanf:"managed_identity_client_id" doc:"As for entra."`
	CertificateFile    string   `koanf:"certificate_file" doc:"As for entra."`
	ClientSecret       Secret   `koanf:"client_secret" doc:"As for entra."`
	ServiceHosts       []string `koanf:"service_hosts" doc:"Exact hosts that the bot's token may be sent to. Empty: Microsoft's own."`
	ServiceURL         string   `koanf:"service_url" doc:"Connector for a conversation from which nothing was heard yet. Empty: that of the first service host."`
	Issuer             string   `koanf:"issuer" default:"https://api.botframework.com" doc:"Issuer of the connector's tokens; differs in sovereign clouds."`
	Scope              string   `koanf:"scope" default:"https://api.botframework.com/.default" doc:"Scope of the bot's own token; differs in sovereign clouds."`
	SingleSignOn       bool     `koanf:"single_sign_on" default:"false" doc:"Let Teams sign people in by itself, without a browser. The registration and the Teams package have to be ready for it: belay init --single-sign-on."`
	AppURI             string   `koanf:"app_uri" doc:"Application ID URI of Belay's registration, for single sign-on. Empty: api://botid- and app_id."`
}

// signOn is the Application ID URI for which Teams gets tokens; empty: it does not.
func (t Teams) signOn() string {
	switch {
	case t.AppID == "" || !t.SingleSignOn:
		return ""
	case t.AppURI != "":
		return t.AppURI
	}
	return "api://botid-" + strings.ToLower(t.AppID)
}

// Store says where Belay remembers, if not in one file of the data directory.
type Store struct {
	PostgresURL Secret `koanf:"postgres_url" doc:"PostgreSQL, for several replicas: postgres://belay@db.example.com:5432/belay. The server's certificate is verified (sslmode=verify-full) unless it is on this machine. Empty: one file in data, for one replica."`
	EntraSignIn bool   `koanf:"entra_sign_in" default:"false" doc:"Sign in to Azure Database for PostgreSQL without a password, as the identity of keys.identity. The user in the address is that identity's name."`
	EntraScope  string `koanf:"entra_scope" default:"https://ossrdbms-aad.database.windows.net/.default" doc:"Scope of the tokens for that; differs in sovereign clouds."`
}

// Keys say how the key file is kept, without which nobody reads the database.
type Keys struct {
	File             string `koanf:"file" doc:"Path of the key file. Empty: belay.keys in data. Replicas on one PostgreSQL share one file, while each has a data directory of its own."`
	VaultKey         string `koanf:"vault_key" doc:"Key of Azure Key Vault that wraps the key file: https://NAME.vault.azure.net/keys/KEY. Empty: the file lies there as it is, with mode 0600. To change it: belay keys wrap, belay keys unwrap."`
	Identity         string `koanf:"identity" default:"managed" doc:"Who asks the vault, and signs in to the database where store.entra_sign_in is set: managed (a managed identity of the machine) or workload (entra.federated_token_file)."`
	IdentityClientID string `koanf:"identity_client_id" doc:"Client id of that identity. Empty: the machine's own managed identity; for workload, entra.client_id."`
}

// Endpoints are the outside base URLs: for sovereign clouds and for trying out.
// Plain http is accepted for loopback only.
type Endpoints struct {
	Login     string   `koanf:"login" default:"https://login.microsoftonline.com" doc:"Entra sign-in; https, because Microsoft's own libraries refuse anything else."`
	Graph     string   `koanf:"graph" default:"https://graph.microsoft.com" doc:"Microsoft Graph, without a version."`
	ARM       string   `koanf:"arm" default:"https://management.azure.com" doc:"Azure Resource Manager. Empty: no roles of Azure resources."`
	Slack     string   `koanf:"slack" default:"https://slack.com" doc:"Slack: Web API and Sign in with Slack."`
	BotOpenID string   `koanf:"bot_openid" default:"https://login.botframework.com/v1/.well-known/openidconfiguration" doc:"Where the connector's signing keys are announced."`
	BotLogin  string   `koanf:"bot_login" default:"https://login.microsoftonline.com" doc:"Where the bot gets its own token."`
	Portal    string   `koanf:"portal" default:"https://entra.microsoft.com" doc:"The Entra portal, for links on cards."`
	MoreHosts []string `koanf:"more_hosts" doc:"Further exact hosts that Belay may call, such as one that the connector's OpenID metadata names for its keys in a sovereign cloud. Every other host is refused."`
	CAFile    string   `koanf:"ca_file" doc:"PEM with further certificate authorities, such as a TLS-inspecting proxy's."`
}

// Limits say how much anybody may ask of Belay.
type Limits struct {
	ActsPerMinute       int `koanf:"acts_per_minute" default:"30" doc:"Commands, presses and sent forms that one person may make in a minute, 5 to 6000. What only reads, such as typing into a search, counts a quarter."`
	ActsBurst           int `koanf:"acts_burst" default:"15" doc:"How many of them at once, 5 to 6000."`
	TenantActsPerMinute int `koanf:"tenant_acts_per_minute" default:"1200" doc:"The same for everybody of one workspace or tenant together, 60 to 600000."`
	PagesPerMinute      int `koanf:"pages_per_minute" default:"30" doc:"How often one sign-in link, and one browser, may open Belay's pages in a minute, 5 to 6000."`
	Concurrent          int `koanf:"concurrent" default:"128" doc:"Requests that are worked on at once, 16 to 10000; those beyond are answered 503. Each takes at most 256 KiB for its body."`
	Connections         int `koanf:"connections" default:"2048" doc:"Connections that are open at once, 64 to 100000; those beyond wait to be accepted."`
}

// Requests say how requests are asked for, and what their people hear meanwhile.
type Requests struct {
	WarnBefore  time.Duration     `koanf:"warn_before" default:"10m" doc:"How long before the end of a role its holder is warned, 1m to 2h."`
	Quiet       string            `koanf:"quiet" doc:"When approvers are not reminded, such as 22:00-07:00 Europe/Berlin. Empty: they are at any time."`
	Acknowledge []Acknowledgement `koanf:"acknowledge" doc:"Texts that a requester has to tick. The first rule that fits decides." example:"[{roles: [\"Global Administrator\"], text: \"I know that this is reported to the auditors.\"}]"`
}

// Approval says what a decision takes besides the approver's sign-in. The roles that
// decide it are known by ids, which nobody but Microsoft gives; a name only adds.
type Approval struct {
	Presence  string   `koanf:"presence" default:"session" doc:"For roles that no list names: session (a decision is made with the approver's sign-in as it is) or every-time (it asks for a fresh one at the press)."`
	EveryTime []string `koanf:"every_time" default:"most-privileged" doc:"Roles of which every decision asks for a fresh sign-in: names, ids of role definitions (Entra, Azure), object ids or names of groups; most-privileged are Microsoft's own that lead to every other. At most 200."`
	Session   []string `koanf:"session" doc:"Ids of roles and groups that are not asked, although most-privileged or approval.presence: every-time means them."`
}

// Audit says how long the audit trail keeps what happened.
type Audit struct {
	Keep      time.Duration `koanf:"keep" default:"9600h" doc:"How long an event is kept, at least 720h (30 days). 0s: for ever."`
	KeepTexts time.Duration `koanf:"keep_texts" default:"0s" doc:"How long names, justifications and tickets are kept, at least 24h. 0s: as long as their event."`
}

// Telemetry says where traces go. Metrics are on the private listener, whatever it says.
type Telemetry struct {
	Endpoint string `koanf:"endpoint" doc:"OTLP/HTTP address of a collector of traces, such as https://otel.example.com:4318/v1/traces. Empty: no trace leaves Belay."`
	Headers  Secret `koanf:"headers" doc:"Headers for the collector, such as an API key: name=value, several with a comma between them."`
	Sample   int    `koanf:"sample" default:"100" doc:"How many of a hundred acts are traced, 1 to 100."`
}

// Acknowledgement is a text that a requester has to tick before asking for some
// roles.
type Acknowledgement struct {
	Roles []string `koanf:"roles"` // names or role definition ids; a group's name; empty: every role
	Text  string   `koanf:"text"`
}

// Notices say who hears what. A channel is "slack:C…" or "teams:19:…".
type Notices struct {
	Default []string     `koanf:"default" doc:"Channels that hear every everyday event that no rule takes: activated, extended, denied, failed, ended, unreached."`
	Rules   []NoticeRule `koanf:"rules" doc:"The first rule that fits decides: docs/notices.md." example:"[{roles: [\"User Administrator\"], events: [activated, ended], to: [\"slack:C0123456789\"]}]"`
}

// NoticeRule sends some events to channels and people. What a rule does not ask for
// fits; a rule that sends to nobody means that nobody hears of what it takes.
type NoticeRule struct {
	Name     string   `koanf:"name"`     // how belay doctor calls it; empty: its number
	Events   []string `koanf:"events"`   // see noticeEvents; empty: the everyday ones
	Pillars  []string `koanf:"pillars"`  // entra, groups, azure
	Roles    []string `koanf:"roles"`    // names, ids of role definitions, names or object ids of groups
	Scopes   []string `koanf:"scopes"`   // each with what is below it, such as /subscriptions/…
	Severity string   `koanf:"severity"` // low, medium, high: at least
	Groups   []string `koanf:"groups"`   // object ids: the requester is a member of one
	To       []string `koanf:"to"`       // channels
	People   []string `koanf:"people"`   // Entra object ids: told directly
	Digest   string   `koanf:"digest"`   // hourly, or such as daily 08:00 Europe/Berlin; empty: at once
	Silent   bool     `koanf:"silent"`   // nobody hears of it
	Continue bool     `koanf:"continue"` // adds its places only: the rules after it, and the default, are asked too
}

// Posture says what of Azure the posture report looks at, and when it is made.
type Posture struct {
	AzureScopes []string `koanf:"azure_scopes" doc:"Places of Azure at and below which roles are looked at, such as /providers/Microsoft.Management/managementGroups/NAME or /subscriptions/GUID. Belay needs the role Reader there. Empty: the tenant's root management group."`
	Daily       bool     `koanf:"daily" default:"true" doc:"Read the tenant once a day and keep the numbers and the ids of findings, for the trend."`
	Digest      string   `koanf:"digest" default:"monday" doc:"The day of the week, of UTC, on which the channels of security, or whom a rule of notices names for posture, hear how it stands; if the tenant cannot be read that day, as soon as it can. none: they do not. It takes posture.daily."`
}

// Security says who is alerted when somebody acts in another person's name, and who may
// see what is weak.
type Security struct {
	Channels []string `koanf:"channels" doc:"Channels that are alerted when an approver says that a decision was not theirs, such as slack:C0123456789 or teams:19:… Keep them private. Empty: the channels of notices."`
	Viewers  []string `koanf:"viewers" doc:"Who may see the posture of the tenant in chat: Entra object ids of people, or of groups they are in. Empty: nobody."`

	BreakGlass []string `koanf:"break_glass" doc:"Object ids of the accounts that hold a role for good, for emergencies. The posture report does not count them as standing access, and an alert tells when one is used or changed."`
}

// Secret is text that never reaches a log.
type Secret string

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// String hides the secret.
func (Secret) String() string { return "REDACTED" }

// GoString hides the secret.
func (Secret) GoString() string { return "REDACTED" }

// MarshalJSON hides the secret.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"REDACTED"`), nil }
