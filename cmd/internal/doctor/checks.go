package doctor

import "github.com/belaybot/belay/cmd/internal/app"

const (
	configuration         = "configuration"
	lookedAtConfiguration = "every key, and the files that they name"
)

func hasSlack(c app.Config) bool { return c.Slack.AppID != "" }
func hasTeams(c app.Config) bool { return c.Teams.AppID != "" }

func hasCollector(c app.Config) bool { return c.Telemetry.Endpoint != "" }

func hasCertificate(c app.Config) bool {
	return c.Entra.CertificateFile != "" || c.Teams.CertificateFile != ""
}

func hasFederation(c app.Config) bool {
	return c.Entra.FederatedTokenFile != "" || c.Teams.FederatedTokenFile != ""
}

// checks are all there is to look at, in the order of reading. docs/doctor.md has a
// row for each.
func checks() []check {
	return []check{
		{id: configuration, group: "Configuration", looked: lookedAtConfiguration, local: true,
			do: func(*visit) says { return ok("the configuration is sound") }},

		{id: "configuration.readers", group: "Configuration", looked: "who may read the files that hold secrets", local: true, do: (*visit).readers},
		{id: "settings.named", group: "Configuration", looked: "that the people, groups and roles that settings name are there", applies: namesObjects, do: (*visit).settingsNamed},

		{id: network, group: "Network", looked: "whether anything outside answers", do: (*visit).networkReach},
		{id: "network.proxy", group: "Network", looked: "the proxy that the environment names", applies: behindProxy, do: (*visit).proxy},

		{id: "credential.kind", group: "Credential", looked: "how Belay proves to Entra which application it is", local: true, do: (*visit).credentialKind},
		{id: "credential.certificate", group: "Credential", looked: "when the certificate ends", local: true, applies: hasCertificate, do: (*visit).certificate},
		{id: "credential.federated", group: "Credential", looked: "the federated token and when it ends", local: true, applies: hasFederation, do: (*visit).federated},

		{id: "login.reach", group: "Entra", looked: "Entra's sign-in service", do: (*visit).loginReach},
		{id: "login.clock", group: "Entra", looked: "this clock against Entra's", do: func(v *visit) says { return v.clock(v.login) }},
		{id: "entra.token", group: "Entra", looked: "whether Belay gets a token of its own", do: (*visit).token},
		{id: "entra.write", group: "Entra", looked: "that Belay's own permissions write nothing", do: (*visit).writePermissions},
		{id: "entra.roles", group: "Entra", looked: "that Belay itself holds no directory role", do: (*visit).directoryRoles},
		{id: "entra.missing", group: "Entra", looked: "that Belay has each permission it needs", do: (*visit).missingPermissions},
		{id: "entra.more", group: "Entra", looked: "that Belay has no permission that it does not need", do: (*visit).morePermissions},
		{id: "entra.consent", group: "Entra", looked: "what was consented to for people's sign-ins", do: (*visit).consent},
		{id: "graph.read", group: "Entra", looked: "one read of Microsoft Graph as Belay", do: (*visit).graphRead},
		{id: "graph.clock", group: "Entra", looked: "this clock against Graph's", do: func(v *visit) says { return v.clock(v.graph) }},
		{id: "arm.read", group: "Entra", looked: "one read of Azure Resource Manager as Belay", applies: app.Config.Azure, do: (*visit).armRead},

		{id: "posture.scopes", group: "Entra", looked: "that Belay itself may read the places of posture.azure_scopes", applies: hasScopes, do: (*visit).postureScopes},

		{id: "registration.secrets", group: "Registration", looked: "when its secrets and certificates end", do: (*visit).secrets},
		{id: "registration.redirects", group: "Registration", looked: "where Entra sends people back to", do: (*visit).redirects},
		{id: "registration.audience", group: "Registration", looked: "that it is for this tenant only", do: (*visit).audience},
		{id: "registration.flows", group: "Registration", looked: "that the implicit and public client flows are off", do: (*visit).flows},
		{id: "registration.claims", group: "Registration", looked: "that id tokens say when their person signed in", do: (*visit).claims},
		{id: "registration.sign_on", group: "Registration", looked: "that Teams may get tokens for Belay's own scope", applies: signsOn, do: (*visit).signOn},
		{id: "registration.version", group: "Registration", looked: "the version of tokens for Belay's own scope", do: (*visit).version},

		{id: "slack.token", group: "Slack", looked: "whether Slack takes the bot token", applies: hasSlack, do: (*visit).slackToken},
		{id: "slack.clock", group: "Slack", looked: "this clock against Slack's", applies: hasSlack, do: func(v *visit) says { return v.clock(v.slack) }},
		{id: "slack.workspace", group: "Slack", looked: "that the token is of the configured workspace", applies: hasSlack, do: (*visit).slackWorkspace},
		{id: "slack.app", group: "Slack", looked: "that the token is of the configured app", applies: hasSlack, do: (*visit).slackApp},
		{id: "slack.scopes", group: "Slack", looked: "that the token has the scopes of the manifest", applies: hasSlack, do: (*visit).slackScopes},
		{id: "slack.manifest", group: "Slack", looked: "the manifest of the app: addresses, command, events, scopes", applies: hasSlack, do: (*visit).slackApps},
		{id: "slack.sign_in", group: "Slack", looked: "whether Slack takes the client of Sign in with Slack", applies: hasSlack, do: (*visit).slackClient},
		{id: "slack.channels", group: "Slack", looked: "that Belay sees the channels that are named", applies: hasSlackChannels, do: (*visit).slackChannels},
		{id: "slack.signing", group: "Slack", looked: "the signing secret", applies: hasSlack, do: (*visit).slackSigning},

		{id: "bot.reach", group: "Teams", looked: "where the bot signs in", applies: hasTeams, do: (*visit).botReach},
		{id: "bot.clock", group: "Teams", looked: "this clock against that service's", applies: hasTeams, do: func(v *visit) says { return v.clock(v.botLogin) }},
		{id: "bot.token", group: "Teams", looked: "whether the bot gets its token", applies: hasTeams, do: (*visit).botTokens},
		{id: "bot.metadata", group: "Teams", looked: "what the Bot Connector says of itself", applies: hasTeams, do: (*visit).botMetadata},
		{id: "bot.keys", group: "Teams", looked: "the keys by which Teams signs", applies: hasTeams, do: (*visit).botKeys},
		{id: "teams.package", group: "Teams", looked: "the Teams app of the organisation", applies: hasTeams, do: (*visit).teamsPackage},
		{id: "teams.channels", group: "Teams", looked: "that the bot is in the channels that are named", applies: hasTeamsChannels, do: (*visit).teamsChannels},

		{id: "security.channels", group: "Alarm", looked: "who hears when an approver says that a decision was not theirs", local: true, do: (*visit).alarm},

		{id: "notices.rules", group: "Notices", looked: "who hears by which rule, and that each can be reached", local: true, applies: hasRules, do: (*visit).rules},
		{id: "notices.named", group: "Notices", looked: "that the groups, people and roles that rules name are there", applies: hasRules, do: (*visit).namedThere},
		{id: "alerts.holidays", group: "Alerts", looked: "that the calendar has holidays to come", local: true, applies: hasHolidays, do: (*visit).holidays},
		{id: "telemetry.collector", group: "Telemetry", looked: "the collector of traces", applies: hasCollector, do: (*visit).collector},
		{id: "siem.targets", group: "SIEM", looked: "each target of the audit trail, and when its certificate ends", applies: hasTargets, do: (*visit).siemTargets},
		{id: "siem.spool", group: "SIEM", looked: "what waits for each target, what it refused, and what was lost to it", local: true, applies: hasTargets, do: (*visit).siemSpool},

		{id: "address", group: "Address", looked: "the public address and when its certificate ends", do: (*visit).address},
		{id: "address.belay", group: "Address", looked: "that this Belay answers there, where the platforms call", do: (*visit).belayThere},

		{id: "serving", group: "Serving", looked: "the Belay that serves from here, and whether its store writes", local: true, do: (*visit).serving},

		{id: "data.directory", group: "Data", looked: "the data directory and who may enter it", local: true, do: (*visit).directory},
		{id: "data.owner", group: "Data", looked: "that one account owns the directory and the files in it", local: true, do: (*visit).owner},
		{id: "data.disk", group: "Data", looked: "what kind of file system it is on", local: true, applies: inOneFile, do: (*visit).disk},
		{id: "data.keys", group: "Data", looked: "the key file, who may read it and what it holds", local: true, do: (*visit).keyFile},
		{id: "data.vault", group: "Data", looked: "whether the vault opens the key file", applies: hasVault, do: (*visit).keyVault},
		{id: "data.key_age", group: "Data", looked: "how old the key is that seals", local: true, do: (*visit).keyAge},
		{id: "data.file", group: "Data", looked: "the file of the database, and what of it would stop a start", local: true, applies: inOneFile, do: (*visit).databaseFile},
		{id: "data.opens", group: "Data", looked: "that the keys open the database", local: true, do: (*visit).keysOpen},
		{id: "data.database", group: "Data", looked: "the PostgreSQL database, and what of it would stop a start", applies: app.Config.Replicated, do: (*visit).postgres},
		{id: "data.space", group: "Data", looked: "how much room is left", local: true, do: (*visit).space},
	}
}
