package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/uuid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/postgres"
)

// driver is the store as it lies on a disk, here or elsewhere.
type driver interface {
	store.Store
	Ping(ctx context.Context) error // tells whether it takes updates now
	Close() error
}

func (v *validator) store(s Store) {
	if s.PostgresURL == "" {
		v.check("store.entra_sign_in", !s.EntraSignIn, "is of no use without store.postgres_url")
		return
	}
	v.check("store.entra_scope", !s.EntraSignIn || strings.HasPrefix(s.EntraScope, "https://"), "must begin with https://")
	if err := postgres.Check(string(s.PostgresURL)); err != nil {
		v.fault("store.postgres_url", err.Error())
	}
}

// Replicated says that more than one process may serve from the store.
func (c Config) Replicated() bool { return c.Store.PostgresURL != "" }

// owner names this process in leases. Only one can hold a bbolt file, and takes up at once
// what it left (ADR 2); of several each start has a name of its own.
func (c Config) owner() string {
	if c.Replicated() {
		return uuid.NewString()
	}
	return "the only process"
}

// openDatabase opens the configured database and reads its keys. Keys are made for a new
// database only: an old one cannot be read with them.
func (c Config) openDatabase(ctx context.Context, client *http.Client, keys store.KeyFile, committed func(int, time.Duration)) (driver, *store.Keyset, error) {
	if c.Replicated() {
		return c.openPostgres(ctx, client, keys, committed)
	}
	k, err := loadKeys(ctx, c.Database(), keys)
	if err != nil {
		return nil, nil, err
	}
	d, err := bolt.Open(c.Database(), bolt.Options{OnCommit: committed})
	if err != nil {
		return nil, nil, err
	}
	return d, k, nil
}

func (c Config) openPostgres(ctx context.Context, client *http.Client, keys store.KeyFile, committed func(int, time.Duration)) (_ driver, k *store.Keyset, err error) {
	d, err := c.postgres(ctx, client, committed)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	switch used, err := store.Sealed(ctx, d); {
	case err != nil:
		return nil, nil, err
	case !used:
		k, err = keys.LoadOrCreate(ctx)
		return d, k, err
	}
	if k, err = keys.Load(ctx); err != nil {
		return nil, nil, fmt.Errorf("the database %s cannot be read without its keys, which every replica needs: %w", postgres.Place(string(c.Store.PostgresURL)), err)
	}
	return d, k, nil
}

// dueBucket is where the bot notes what is due: replicas hint to each other when they write there.
const dueBucket = "due"

func (c Config) postgres(ctx context.Context, client *http.Client, committed func(int, time.Duration)) (*postgres.Store, error) {
	o, err := c.postgresOptions(client)
	if err != nil {
		return nil, err
	}
	o.OnCommit = committed
	return postgres.Open(ctx, o)
}

// ProbeDatabase tells what a start would find wrong with the database, a file or PostgreSQL. With
// keys, which may be nil, it also tells whether they open it, and whether a newer Belay has
// changed it. It changes nothing.
func (c Config) ProbeDatabase(ctx context.Context, client *http.Client, keys *store.Keyset) error {
	var look func(store.Tx) error
	if keys != nil {
		look = func(tx store.Tx) error { return store.Examine(tx, keys, bot.Migrations()...) }
	}
	if !c.Replicated() {
		return bolt.Probe(c.Database(), look)
	}
	o, err := c.postgresOptions(client)
	if err != nil {
		return err
	}
	return postgres.Probe(ctx, o, look)
}

func (c Config) postgresOptions(client *http.Client) (postgres.Options, error) {
	o := postgres.Options{URL: string(c.Store.PostgresURL), Hint: []string{dueBucket}}
	if c.Endpoints.CAFile != "" {
		pem, err := os.ReadFile(c.Endpoints.CAFile)
		if err != nil {
			return o, fmt.Errorf("endpoints.ca_file cannot be read: %w", err)
		}
		if o.RootCAs, err = authorities(pem); err != nil {
			return o, fmt.Errorf("endpoints.ca_file %w", err)
		}
	}
	if c.Store.EntraSignIn {
		identity, err := c.identity(client)
		if err != nil {
			return o, err
		}
		o.Password = tokens(identity, c.Store.EntraScope)
	}
	return o, nil
}

// tokens gives a token as the password of each new connection. The credential keeps it in
// memory until shortly before it ends.
func tokens(identity azcore.TokenCredential, scope string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		token, err := identity.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		return token.Token, err
	}
}
