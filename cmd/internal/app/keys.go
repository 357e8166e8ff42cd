package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/keyvault"
	"github.com/belaybot/belay/store/trail"
)

// The identities that may ask the vault.
const (
	managedIdentity  = "managed"
	workloadIdentity = "workload"
)

func (v *validator) keys(c Config) {
	if c.Keys.VaultKey == "" && !c.Store.EntraSignIn {
		v.check("keys.identity_client_id", c.Keys.IdentityClientID == "", "is of no use without keys.vault_key or store.entra_sign_in")
		return
	}
	if c.Keys.VaultKey == "" {
		v.identity(c)
		return
	}
	if err := keyvault.Check(c.Keys.VaultKey, c.Endpoints.Login); err != nil {
		v.fault("keys.vault_key", err.Error())
	}
	v.identity(c)
}

func (v *validator) identity(c Config) {
	v.check("keys.identity", c.Keys.Identity == managedIdentity || c.Keys.Identity == workloadIdentity, "must be managed or workload")
	v.check("keys.identity", c.Keys.Identity != workloadIdentity || c.Entra.FederatedTokenFile != "", "workload needs entra.federated_token_file")
	v.check("keys.identity_client_id", c.Keys.IdentityClientID == "" || guid.MatchString(c.Keys.IdentityClientID), "must be the identity's client id (a GUID)")
}

// Advice is what serves but should be otherwise.
func (c Config) Advice() []string {
	var all []string
	for path, secret := range map[string]Secret{"entra.client_secret": c.Entra.ClientSecret, "teams.client_secret": c.Teams.ClientSecret} {
		if secret != "" {
			all = append(all, path+": a client secret can be copied and ends one day; use workload identity federation, a managed identity or a certificate")
		}
	}
	slices.Sort(all)
	return all
}

// keyFile is where the keys are, and the vault that wraps them if there is one.
func (c Config) keyFile(client *http.Client) (store.KeyFile, error) {
	f := store.KeyFile{Path: c.KeyFile()}
	if c.Keys.VaultKey == "" {
		return f, nil
	}
	identity, err := c.identity(client)
	if err != nil {
		return f, err
	}
	f.Vault, err = keyvault.New(keyvault.Options{Key: c.Keys.VaultKey, Login: c.Endpoints.Login, Credential: identity, HTTP: client})
	if err != nil {
		return f, fmt.Errorf("keys.vault_key: %w", err)
	}
	return f, nil
}

// identity is who asks the vault and signs in to the database.
func (c Config) identity(client *http.Client) (azcore.TokenCredential, error) {
	identity, err := signin.ManagedIdentity(c.Keys.IdentityClientID)
	if c.Keys.Identity == workloadIdentity {
		id := c.Keys.IdentityClientID
		if id == "" {
			id = c.Entra.ClientID
		}
		identity, err = signin.Credential{TokenFile: c.Entra.FederatedTokenFile}.Application(c.Endpoints.Login, c.Entra.TenantID, id, client)
	}
	if err != nil {
		return nil, fmt.Errorf("keys.identity: %w", err)
	}
	return identity, nil
}

// loadKeys makes keys for a new database only: an old one cannot be read with them.
func loadKeys(ctx context.Context, database string, f store.KeyFile) (*store.Keyset, error) {
	switch _, err := os.Stat(database); {
	case errors.Is(err, fs.ErrNotExist):
		return f.LoadOrCreate(ctx)
	case err != nil:
		return nil, fmt.Errorf("the database cannot be looked at: %w", err)
	}
	keys, err := f.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("the database %s cannot be read without its keys: %w", database, err)
	}
	return keys, nil
}

// WrapKeys lets the configured vault wrap the key file, which need not be wrapped yet.
func WrapKeys(ctx context.Context, cfg Config, log *slog.Logger) error {
	if err := rewrapKeys(ctx, cfg, store.KeyFile.Wrap); err != nil {
		return err
	}
	if err := noteWrapping(ctx, cfg, log, "keys wrap"); err != nil {
		return fmt.Errorf("the vault wraps the key file now, but that is not on record: %w", err)
	}
	return nil
}

// UnwrapKeys takes the configured vault off the key file.
func UnwrapKeys(ctx context.Context, cfg Config, log *slog.Logger) error {
	if cfg.Keys.VaultKey != "" { // while the store can still be opened with this configuration
		if err := noteWrapping(ctx, cfg, log, "keys unwrap"); err != nil {
			return err
		}
	}
	return rewrapKeys(ctx, cfg, store.KeyFile.Unwrap)
}

// noteWrapping records who changed how the key file is kept, where there is a trail yet.
func noteWrapping(ctx context.Context, cfg Config, log *slog.Logger, command string) error {
	if _, err := os.Stat(filepath.Join(cfg.Data, "belay.db")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return Operate(ctx, cfg, log, "/keys/note", KeysNote{command}, func(json.RawMessage) error { return nil })
}

// KeysNote is the input of /keys/note: the command that changes how the key file is kept.
type KeysNote struct {
	Command string `json:"command"`
}

func noteKeysCommand(ctx context.Context, a *App, by operator, in json.RawMessage, _ func(any) error) error {
	given, err := input[KeysNote](in)
	if err != nil {
		return err
	}
	if given.Command != "keys wrap" && given.Command != "keys unwrap" {
		return refused("there is no such command")
	}
	e := by.event(given.Command, a.now())
	return a.sealed.Update(ctx, func(tx store.Tx) error { return a.trail.Append(tx, e) })
}

func rewrapKeys(ctx context.Context, cfg Config, do func(store.KeyFile, context.Context) error) error {
	if cfg.Keys.VaultKey == "" {
		return &OperationError{Refused: true, Message: "keys.vault_key is not set: there is no vault to wrap the key file with, or to take it out of"}
	}
	client, err := httpClient(cfg.Endpoints.CAFile)
	if err != nil {
		return err
	}
	f, err := cfg.keyFile(client)
	if err != nil {
		return err
	}
	return do(f, ctx)
}

// keptKeys is how the keys were kept when that was last looked at.
type keptKeys struct {
	Where string   `json:"where"` // file, or the vault's key
	Keys  []string `json:"keys"`  // ids, the one that seals first
}

var kept = store.NewBucket[keptKeys]("keys-kept")

const keptNow = "now"

func (a *App) keptKeys() keptKeys {
	now := keptKeys{Where: "file", Keys: []string{a.keys.Primary().String()}}
	if a.cfg.Keys.VaultKey != "" {
		now.Where = a.cfg.Keys.VaultKey
	}
	for _, k := range a.keys.Keys() {
		if !k.Primary {
			now.Keys = append(now.Keys, k.ID.String())
		}
	}
	return now
}

// noteKeys records a change of the keys, with event, in one transaction with the fence behind
// which nothing is sealed with an older key. So whoever changes the key file by hand, or
// kills Belay right after a rotation, is found at the next start.
func (a *App) noteKeys(ctx context.Context, event func(at time.Time) trail.Event) error {
	now := a.keptKeys()
	e := event(a.now())
	return a.sealed.Update(ctx, func(tx store.Tx) error {
		was, err := kept.Get(tx, keptNow)
		first := errors.Is(err, store.ErrNotFound)
		switch {
		case err != nil && !first:
			return err
		case !first && was.Where == now.Where && slices.Equal(was.Keys, now.Keys):
			return nil
		}
		if err := errors.Join(store.Fence(tx), kept.Put(tx, keptNow, now)); err != nil || first {
			return err
		}
		e.More = map[string]string{"kept": now.Where, "kept before": was.Where, "keys": strings.Join(now.Keys, " "), "keys before": strings.Join(was.Keys, " ")}
		return a.trail.Append(tx, e)
	})
}

// foundKeys is the event of a change that this process did not make.
func foundKeys(at time.Time) trail.Event {
	return trail.Event{At: at, Kind: trail.KeysChanged, Outcome: trail.OK, Actor: trail.Actor{Platform: "belay"}}
}

// resealAfterRotations seals old records anew while there are old keys, at the start and after
// each rotation.
func (a *App) resealAfterRotations(ctx context.Context) {
	const pause = time.Minute
	for {
		var again <-chan time.Time
		if err := a.reseal(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("sealing records anew broke off; it goes on in a minute", "error", err)
			again = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-a.rotated:
		case <-again:
		}
	}
}

func (a *App) reseal(ctx context.Context) error {
	if len(a.keys.Keys()) < 2 {
		return nil
	}
	n := 0
	err := store.Reseal(ctx, a.store, a.keys, func(records int) { n += records })
	if n > 0 {
		a.log.Info("records were sealed anew after a rotation of the keys", "records", n, "key", a.keys.Primary().String())
	}
	return err
}

// KeyLine is one sealing key in the output of /keys/list.
type KeyLine struct {
	ID      string    `json:"id"`
	Primary bool      `json:"primary"` // it seals
	Made    time.Time `json:"made,omitzero"`
	Records int       `json:"records"` // that it sealed
	Kept    string    `json:"kept"`    // file, or the vault's key
}

// listKeys names every sealing key, and how many records it sealed.
func listKeys(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	counts, err := store.CountKeys(ctx, a.store)
	if err != nil {
		return err
	}
	where := a.keptKeys().Where
	for _, k := range a.keys.Keys() {
		if err := emit(KeyLine{ID: k.ID.String(), Primary: k.Primary, Made: k.Made, Records: counts[k.ID], Kept: where}); err != nil {
			return err
		}
	}
	return nil
}

// RotateLine is the output of /keys/rotate.
type RotateLine struct {
	ID      string `json:"id"`      // the new key
	Records int    `json:"records"` // that were sealed anew; 0: the Belay that serves does it now
	Serving bool   `json:"serving"`
}

// rotateKeys adds a key and has everything sealed with it.
func rotateKeys(ctx context.Context, a *App, by operator, _ json.RawMessage, emit func(any) error) error {
	id, err := a.keys.Rotate(ctx)
	if err != nil {
		return refusedKeys(err)
	}
	if err := a.noteKeys(ctx, func(at time.Time) trail.Event { return by.event("keys rotate", at) }); err != nil {
		return err
	}
	line := RotateLine{ID: id.String(), Serving: a.rotated != nil}
	if line.Serving {
		select {
		case a.rotated <- struct{}{}:
		default: // it was told already
		}
		return emit(line)
	}
	if err := store.Reseal(ctx, a.store, a.keys, func(records int) { line.Records += records }); err != nil {
		return err
	}
	return emit(line)
}

// PruneLine is the output of /keys/prune.
type PruneLine struct {
	Removed int `json:"removed"`
}

// pruneKeys removes the keys that no record needs.
func pruneKeys(ctx context.Context, a *App, by operator, _ json.RawMessage, emit func(any) error) error {
	n, err := a.keys.Prune(ctx, a.store)
	if err != nil {
		return refusedKeys(err)
	}
	if err := a.noteKeys(ctx, func(at time.Time) trail.Event { return by.event("keys prune", at) }); err != nil {
		return err
	}
	return emit(PruneLine{Removed: n})
}

// refusedKeys says of an error that nothing was changed, if that is so.
func refusedKeys(err error) error {
	var file *store.KeyFileError
	var vault *keyvault.Error
	var used *store.KeysInUseError
	if errors.As(err, &file) || errors.As(err, &vault) || errors.As(err, &used) {
		return &OperationError{Refused: true, Message: err.Error()}
	}
	return err
}
