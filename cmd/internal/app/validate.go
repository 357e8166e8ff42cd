package app

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// tooShort is said of a signing secret that cannot be one: Slack's have 32 characters.
const tooShort = "is too short to be one; copy the whole of it from Basic Information"

var (
	guid      = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	appURI    = regexp.MustCompile(`^api://[A-Za-z0-9._~/-]{1,250}$`)
	slackID   = regexp.MustCompile(`^[A-Z][A-Z0-9]{2,30}$`)
	logLevels = []string{"debug", "info", "warn", "error"}
)

// Validate lists every fault, each as "path: what is wrong". It reads the files
// that the configuration names.
func (c Config) Validate() []string {
	v := &validator{}
	v.url("public_url", c.PublicURL, true)
	for path, address := range map[string]string{"listen": c.Listen, "private_listen": c.PrivateListen} {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			v.fault(path, "must be an address such as 127.0.0.1:8080")
		}
	}
	v.check("data", c.Data != "", "is empty")
	v.check("log_level", slices.Contains(logLevels, c.LogLevel), "must be one of "+strings.Join(logLevels, ", "))
	v.check("stop_timeout", c.StopTimeout > 0 && c.StopTimeout <= 5*time.Minute, "must be between 1s and 5m")

	v.check("entra.tenant_id", guid.MatchString(c.Entra.TenantID), "must be the directory's id (a GUID)")
	v.check("entra.client_id", guid.MatchString(c.Entra.ClientID), "must be the application's id (a GUID)")
	v.credential("entra", c.Entra.FederatedTokenFile, c.Entra.ManagedIdentity, c.Entra.CertificateFile, c.Entra.ClientSecret)
	v.file("entra.federated_token_file", c.Entra.FederatedTokenFile, checkToken)
	v.file("entra.certificate_file", c.Entra.CertificateFile, checkCertificate)
	v.check("entra.keep_sign_ins", c.Entra.KeepSignIns || !c.Replicated(), "false keeps sign-ins in the memory of one process, so that it needs the store's file and not store.postgres_url")
	v.check("teams.single_sign_on", c.Entra.KeepSignIns || c.Teams.signOn() == "", "signs people in without their doing; with entra.keep_sign_ins: false each act asks for their browser, so that it must be off")
	v.check("entra.session_max_age", c.Entra.SessionMaxAge >= 15*time.Minute && c.Entra.SessionMaxAge <= 24*time.Hour, "must be between 15m and 24h")
	v.check("entra.policy_max_age", c.Entra.PolicyMaxAge > 0 && c.Entra.PolicyMaxAge <= 15*time.Minute, "must be between 1s and 15m")
	v.check("entra.reads_per_minute", c.Entra.ReadsPerMinute >= 1 && c.Entra.ReadsPerMinute <= 6000, "must be between 1 and 6000")
	v.url("entra.graph_resource", c.Entra.GraphResource, true)
	if c.azure() {
		v.url("entra.arm_resource", c.Entra.ARMResource, true)
		v.url("endpoints.arm", c.Endpoints.ARM, true)
	}

	v.store(c.Store)
	v.keys(c)
	v.check("audit.keep", c.Audit.Keep == 0 || c.Audit.Keep >= 720*time.Hour, "must be at least 720h, or 0s")
	v.check("audit.keep_texts", c.Audit.KeepTexts == 0 || c.Audit.KeepTexts >= 24*time.Hour, "must be at least 24h, or 0s")

	if c.Slack.AppID == "" && c.Teams.AppID == "" {
		v.fault("slack.app_id", "neither slack.app_id nor teams.app_id is given: Belay needs a chat")
	}
	if c.Slack.AppID != "" {
		v.check("slack.app_id", slackID.MatchString(c.Slack.AppID), "must be an app id such as A0123456789")
		v.check("slack.team_id", slackID.MatchString(c.Slack.TeamID), "must be a workspace id such as T0123456789")
		v.check("slack.bot_token", c.Slack.BotToken != "", "is required")
		v.check("slack.signing_secret", c.Slack.SigningSecret != "", "is required, for checking that a request is Slack's")
		v.check("slack.signing_secret", c.Slack.SigningSecret == "" || len(c.Slack.SigningSecret) >= 16, tooShort)
		v.check("slack.next_signing_secret", c.Slack.NextSigningSecret == "" || len(c.Slack.NextSigningSecret) >= 16, tooShort)
		v.check("slack.client_id", c.Slack.ClientID != "", "is required, for Sign in with Slack")
		v.check("slack.client_secret", c.Slack.ClientSecret != "", "is required, for Sign in with Slack")
	}
	for user, id := range c.Slack.Users {
		v.check("slack.users."+user, slackID.MatchString(user) && guid.MatchString(id), "must map a Slack user id to an Entra object id")
	}
	if c.Teams.AppID != "" {
		v.check("teams.app_id", guid.MatchString(c.Teams.AppID), "must be the bot's Microsoft App ID (a GUID)")
		if c.Teams.FederatedTokenFile == "" && c.Teams.ManagedIdentity == "" && c.Teams.CertificateFile == "" && c.Teams.ClientSecret == "" {
			v.check("teams.client_secret", strings.EqualFold(c.Teams.AppID, c.Entra.ClientID), "give a credential, or use the registration of entra for the bot as well")
		} else {
			v.credential("teams", c.Teams.FederatedTokenFile, c.Teams.ManagedIdentity, c.Teams.CertificateFile, c.Teams.ClientSecret)
		}
		v.file("teams.federated_token_file", c.Teams.FederatedTokenFile, checkToken)
		v.file("teams.certificate_file", c.Teams.CertificateFile, checkCertificate)
		v.url("teams.issuer", c.Teams.Issuer, true)
		v.check("teams.scope", strings.HasPrefix(c.Teams.Scope, "https://"), "must begin with https://")
		v.check("teams.app_uri", c.Teams.AppURI == "" || appURI.MatchString(c.Teams.AppURI), "must be an Application ID URI such as api://botid-00000000-0000-0000-0000-000000000000")
		if c.Teams.ServiceURL != "" {
			v.url("teams.service_url", c.Teams.ServiceURL, false)
		}
	}
	v.https("endpoints.login", c.Endpoints.Login)
	v.https("endpoints.bot_login", c.Endpoints.BotLogin)
	v.url("endpoints.graph", c.Endpoints.Graph, true)
	v.url("endpoints.slack", c.Endpoints.Slack, true)
	v.url("endpoints.bot_openid", c.Endpoints.BotOpenID, false)
	v.url("endpoints.portal", c.Endpoints.Portal, true)
	for n, host := range c.Endpoints.MoreHosts {
		u, err := url.Parse("https://" + host)
		v.check(fmt.Sprintf("endpoints.more_hosts[%d]", n), err == nil && u.Hostname() != "" && u.Host == host && !strings.ContainsAny(host, "*%@ "), "must be one exact host such as login.example.com")
	}
	v.file("endpoints.ca_file", c.Endpoints.CAFile, checkAuthorities)
	v.requests(c.Requests)
	v.approval(c.Approval)
	v.limits(c.Limits)
	v.notices(c)
	v.telemetry(c.Telemetry)
	v.siem(c.SIEM)
	v.posture(c)
	v.drift(c)
	v.alerts(c.Alerts)
	v.reviews(c.Reviews)
	v.check("reviews.nudge", !c.Reviews.Nudge || c.Posture.Daily, "needs posture.daily, which reads the tenant for it")
	return v.faults
}

// azure says whether roles of Azure resources are served.
func (c Config) azure() bool { return c.Entra.AzureResources && c.Endpoints.ARM != "" }

type validator struct{ faults []string }

func (v *validator) fault(path, problem string) { v.faults = append(v.faults, path+": "+problem) }

func (v *validator) check(path string, ok bool, problem string) {
	if !ok {
		v.fault(path, problem)
	}
}

// url accepts https, and http for loopback only; root: without a path.
func (v *validator) url(path, text string, root bool) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		v.fault(path, "is required")
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.RawQuery != "":
		v.fault(path, "must be a URL such as https://example.com")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		v.fault(path, "must be https (plain http is accepted for loopback only)")
	case root && strings.Trim(u.Path, "/") != "":
		v.fault(path, "must not have a path")
	}
}

func (v *validator) https(path, text string) {
	if u, err := url.Parse(text); err == nil && u.Scheme == "http" {
		v.fault(path, "must be https; Microsoft's sign-in library refuses anything else")
		return
	}
	v.url(path, text, true)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (v *validator) credential(section, token, identity, certificate string, secret Secret) {
	given := 0
	for _, s := range []string{token, identity, certificate, string(secret)} {
		if s != "" {
			given++
		}
	}
	v.check(section+".client_secret", given == 1, fmt.Sprintf("give exactly one of %s.federated_token_file, %s.managed_identity_client_id, %s.certificate_file and %s.client_secret", section, section, section, section))
	v.check(section+".managed_identity_client_id", identity == "" || guid.MatchString(identity), "must be the identity's client id (a GUID)")
}

func (v *validator) limits(l Limits) {
	for _, f := range []struct {
		key           string
		n, least, max int
	}{
		{"acts_per_minute", l.ActsPerMinute, 5, 6000}, {"acts_burst", l.ActsBurst, 5, 6000}, {"tenant_acts_per_minute", l.TenantActsPerMinute, 60, 600000},
		{"pages_per_minute", l.PagesPerMinute, 5, 6000}, {"concurrent", l.Concurrent, 16, 10000}, {"connections", l.Connections, 64, 100000},
	} {
		v.check("limits."+f.key, f.n >= f.least && f.n <= f.max, fmt.Sprintf("must be between %d and %d", f.least, f.max))
	}
}
