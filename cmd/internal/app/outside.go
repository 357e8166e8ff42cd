package app

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/knadh/koanf/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
)

// Outside is the client by which everything outside is reached, as a serving Belay
// reaches it, and the public address, which a serving Belay does not call.
func (c Config) Outside() (*http.Client, error) {
	client, err := httpClient(c.Endpoints.CAFile)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(c.PublicURL); err == nil {
		c.Endpoints.MoreHosts = append(slices.Clone(c.Endpoints.MoreHosts), u.Host)
	}
	limitEgress(client, c, prometheus.NewRegistry())
	return client, nil
}

// SecretFiles are the files that hold secrets one by one: key → path, of a configuration that Load
// took.
func SecretFiles(path string, environ []string) map[string]string {
	all := map[string]string{}
	l := loader{k: koanf.New("."), settings: Settings(), at: map[string]bool{}}
	if text, err := os.ReadFile(path); err != nil || !l.file(path, text) {
		return all
	}
	l.environment(environ)
	for _, s := range l.settings {
		if file := l.k.String(s.Path + "_file"); s.secret() && file != "" {
			all[s.Path+"_file"] = file
		}
	}
	return all
}

// Credential is how Belay proves to Entra which application it is.
func (c Config) Credential() (signin.Credential, error) {
	own, err := credentialOf(c.Entra.FederatedTokenFile, c.Entra.CertificateFile, c.Entra.ClientSecret)
	own.ManagedIdentity = c.Entra.ManagedIdentity
	return own, err
}

// BotCredential is how the bot does: in the same way, unless it has a registration
// of its own.
func (c Config) BotCredential() (signin.Credential, error) {
	if !c.OwnBot() {
		return c.Credential()
	}
	own, err := credentialOf(c.Teams.FederatedTokenFile, c.Teams.CertificateFile, c.Teams.ClientSecret)
	if err != nil {
		return own, fmt.Errorf("teams: %w", err)
	}
	own.ManagedIdentity = c.Teams.ManagedIdentity
	return own, nil
}

// OwnBot says whether the bot has a credential of its own.
func (c Config) OwnBot() bool {
	return c.Teams.FederatedTokenFile != "" || c.Teams.ManagedIdentity != "" || c.Teams.CertificateFile != "" || c.Teams.ClientSecret != ""
}

// SignOn is the Application ID URI for which Teams gets tokens; empty: it does not.
func (c Config) SignOn() string { return c.Teams.signOn() }

// Azure says whether roles of Azure resources are served.
func (c Config) Azure() bool { return c.azure() }

// Database is the file of the store, and KeyFile that of its keys.
func (c Config) Database() string { return filepath.Join(c.Data, "belay.db") }

// ProbeKeys opens the key file as a start would, by its vault if it has one, and makes none.
func (c Config) ProbeKeys(ctx context.Context) (*store.Keyset, error) {
	client, err := httpClient(c.Endpoints.CAFile)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	f, err := c.keyFile(client)
	if err != nil {
		return nil, err
	}
	return f.Load(ctx)
}

// Calendar is the holidays of the file that the configuration names: date → name.
func (a Alerts) Calendar() (map[string]string, error) {
	text, err := os.ReadFile(a.Holidays)
	if err != nil {
		return nil, fmt.Errorf("the calendar cannot be read: %s", reason(err))
	}
	return readCalendar(text)
}

// KeyFile is where the keys of the store are.
func (c Config) KeyFile() string {
	if c.Keys.File != "" {
		return c.Keys.File
	}
	return filepath.Join(c.Data, "belay.keys")
}
