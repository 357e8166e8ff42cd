package app

import (
	"strings"
	"testing"
)

// What is wrong with the vault, the identities and the credentials is found at the start.
func TestKeysAndIdentitiesAreChecked(t *testing.T) {
	const id, vault = "11111111-2222-4333-8444-555555555555", "https://belay.vault.azure.net/keys/belay"
	entra := func(line string) string { return strings.Replace(good, "client_secret: canary-entra", line, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"a vault":                     {good + "keys: {vault_key: " + vault + "}\n", ""},
		"a vault and who":             {good + "keys: {vault_key: " + vault + ", identity: managed, identity_client_id: " + id + "}\n", ""},
		"no such identity":            {good + "keys: {vault_key: " + vault + ", identity: secret}\n", "keys.identity: must be managed or workload"},
		"workload without its token":  {good + "keys: {vault_key: " + vault + ", identity: workload}\n", "keys.identity: workload needs entra.federated_token_file"},
		"a name for an id":            {good + "keys: {vault_key: " + vault + ", identity_client_id: belay}\n", "keys.identity_client_id: must be the identity's client id (a GUID)"},
		"who, but no vault":           {good + "keys: {identity_client_id: " + id + "}\n", "keys.identity_client_id: is of no use without keys.vault_key or store.entra_sign_in"},
		"plain http":                  {good + "keys: {vault_key: \"http://belay.vault.azure.net/keys/belay\"}\n", "keys.vault_key: must be the id of a key, such as https://NAME.vault.azure.net/keys/KEY"},
		"somebody else's host":        {good + "keys: {vault_key: \"https://belay.vault.azure.net.evil.example/keys/belay\"}\n", "keys.vault_key: must be in a vault of the cloud that endpoints.login belongs to: https://NAME.vault.azure.net or https://NAME.managedhsm.azure.net"},
		"another cloud":               {good + "keys: {vault_key: \"https://belay.vault.azure.cn/keys/belay\"}\n", "keys.vault_key: must be in a vault of the cloud that endpoints.login belongs to: https://NAME.vault.azure.net or https://NAME.managedhsm.azure.net"},
		"managed identity":            {entra("managed_identity_client_id: " + id), ""},
		"managed identity by name":    {entra("managed_identity_client_id: belay"), "entra.managed_identity_client_id: must be the identity's client id (a GUID)"},
		"managed identity and secret": {entra("managed_identity_client_id: " + id + "\n  client_secret: canary-entra"), "entra.client_secret: give exactly one of entra.federated_token_file, entra.managed_identity_client_id, entra.certificate_file and entra.client_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Load(write(t, c.text), nil)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := len(cfg.Advice()); (got > 0) != (cfg.Entra.ClientSecret != "") {
					t.Errorf("%d warnings: %q", got, cfg.Advice())
				}
				return
			}
			if got := faults(t, err); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
