package app

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belaybot/belay/pim/signin"
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

// Azure says whether roles of Azure resources are served.
func (c Config) Azure() bool { return c.azure() }

// Database is the file of the store, and KeyFile that of its keys.
func (c Config) Database() string { return filepath.Join(c.Data, "belay.db") }

// KeyFile is where the keys of the store are.
func (c Config) KeyFile() string {
	if c.Keys.File != "" {
		return c.Keys.File
	}
	return filepath.Join(c.Data, "belay.keys")
}
