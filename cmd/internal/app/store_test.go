package app

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

func TestTheDatabaseIsChecked(t *testing.T) {
	const url = "postgres://belay:canary@db.example.com/belay"
	for name, c := range map[string]struct{ text, want string }{
		"a database":            {good + "store: {postgres_url: \"" + url + "\"}\n", ""},
		"on this machine":       {good + "store: {postgres_url: \"postgres://belay:canary@127.0.0.1/belay?sslmode=disable\"}\n", ""},
		"over a socket":         {good + "store: {postgres_url: \"postgres:///belay?host=/run/postgresql\"}\n", ""},
		"Entra":                 {good + "store: {postgres_url: \"" + url + "\", entra_sign_in: true}\n", ""},
		"Entra without":         {good + "store: {entra_sign_in: true}\n", "store.entra_sign_in: is of no use without store.postgres_url"},
		"Entra without a token": {good + "store: {postgres_url: \"" + url + "\", entra_sign_in: true}\nkeys: {identity: workload}\n", "keys.identity: workload needs entra.federated_token_file"},
		"no address":            {good + "store: {postgres_url: \"host=db password=canary\"}\n", "store.postgres_url: the address of the database is not like postgres://belay@db.example.com:5432/belay?sslmode=verify-full"},
		"empty":                 {good + "store: {postgres_url: \"\"}\n", "store.postgres_url: is empty; leave the key out or give the secret"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, c.text), nil)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if got := faults(t, err); got != c.want || strings.Contains(got, "canary") {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	_, err := Load(write(t, good+"store: {postgres_url: \""+url+"?sslmode=require\"}\n"), nil)
	if got := faults(t, err); !strings.Contains(got, "sslmode=verify-full") || strings.Contains(got, "canary") {
		t.Error(got)
	}
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(write(t, good), []string{"BELAY_STORE_POSTGRES_URL_FILE=" + file})
	if err != nil || string(cfg.Store.PostgresURL) != url {
		t.Error(err)
	}
}

// identity is an identity of Azure that gets a token for a database.
type identity struct{ scopes []string }

func (i *identity) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	i.scopes = append(i.scopes, o.Scopes...)
	return azcore.AccessToken{Token: "a-token-of-entra", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestATokenIsThePassword(t *testing.T) {
	srv := postgrestest.Start(t)
	if err := srv.Exec("create user managed password 'a-token-of-entra'", "create database belay owner managed"); err != nil {
		t.Fatal(err)
	}
	if err := srv.Allow("local all managed scram-sha-256"); err != nil {
		t.Fatal(err)
	}
	id := &identity{}
	scope := "https://ossrdbms-aad.database.windows.net/.default"
	s, err := postgres.Open(t.Context(), postgres.Options{URL: srv.URL("managed", "belay"), Password: tokens(id, scope)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Put("a", []byte("k"), nil) }); err != nil {
		t.Error(err)
	}
	if len(id.scopes) < 2 || slices.ContainsFunc(id.scopes, func(s string) bool { return s != scope }) { // each connection asks
		t.Errorf("asked for %q", id.scopes)
	}
}
