package teams

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// The connector's keys are asked for again after half a day, or when a token
// names a key that is not known; they are used for a day at the most. Between two
// attempts lie five minutes, so that nobody can make Belay fetch by sending
// garbage; half a minute while there is no usable key at all, since then nobody
// can be let in anyway.
const (
	keysRefresh  = 12 * time.Hour
	keysMaxAge   = 24 * time.Hour
	keysThrottle = 5 * time.Minute
	keysRetry    = 30 * time.Second
	keysTimeout  = 5 * time.Second
	keysMaxBytes = 1 << 20
)

var (
	errUnknownKey = errors.New("signed by an unknown key")
	errNoKeys     = errors.New("the connector's keys cannot be read")
)

// signingKey is one key of the connector and the channels it may speak for.
type signingKey struct {
	public       *rsa.PublicKey
	endorsements []string
}

func (k signingKey) endorses(channel string) bool { return slices.Contains(k.endorsements, channel) }

// keyring caches the connector's signing keys. The well-known libraries drop the
// non-standard "endorsements" member, hence our own.
type keyring struct {
	http      *http.Client
	metadata  string
	allowHTTP bool
	now       func() time.Time
	flight    singleflight.Group

	mu      sync.Mutex
	keys    map[string]signingKey
	fetched time.Time // when keys was read
	tried   time.Time // when it was last attempted
}

func newKeyring(c *http.Client, metadata string, allowHTTP bool, now func() time.Time) *keyring {
	return &keyring{http: c, metadata: metadata, allowHTTP: allowHTTP, now: now}
}

// find gives the key that kid names, fetching at most as often as the constants
// above say. errUnknownKey: there is none. errNoKeys: nobody can tell.
func (k *keyring) find(ctx context.Context, kid string) (signingKey, error) {
	key, known, _, due := k.look(kid)
	if !known || due {
		// The attempt outlives the one request that happened to start it.
		_, err, _ := k.flight.Do("", func() (any, error) { return nil, k.refresh(context.WithoutCancel(ctx)) })
		var usable bool
		if key, known, usable, _ = k.look(kid); !usable {
			return signingKey{}, errors.Join(errNoKeys, err)
		}
	}
	if !known {
		return signingKey{}, errUnknownKey
	}
	return key, nil
}

// look reads the cache. known implies usable; due says that a refresh is wanted.
func (k *keyring) look(kid string) (key signingKey, known, usable, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.now().Sub(k.fetched)
	usable = k.keys != nil && age < keysMaxAge
	if usable {
		key, known = k.keys[kid]
	}
	return key, known, usable, age >= keysRefresh
}

// refresh reads the keys anew unless that was attempted lately. A failure leaves
// the old keys in use.
func (k *keyring) refresh(ctx context.Context) error {
	k.mu.Lock()
	now := k.now()
	wait := keysThrottle
	if k.keys == nil || now.Sub(k.fetched) >= keysMaxAge {
		wait = keysRetry
	}
	if !k.tried.IsZero() && now.Sub(k.tried) < wait {
		k.mu.Unlock()
		return nil
	}
	k.tried = now
	k.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	keys, err := k.fetch(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys, k.fetched = keys, now
	return nil
}

func (k *keyring) fetch(ctx context.Context) (map[string]signingKey, error) {
	var metadata struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := k.get(ctx, k.metadata, &metadata); err != nil {
		return nil, fmt.Errorf("OpenID metadata: %w", err)
	}
	if err := checkFetchURL(metadata.JWKS, k.allowHTTP); err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	var set struct {
		Keys []struct {
			Type         string   `json:"kty"`
			Use          string   `json:"use"`
			ID           string   `json:"kid"`
			N            string   `json:"n"`
			E            string   `json:"e"`
			Endorsements []string `json:"endorsements"`
		} `json:"keys"`
	}
	if err := k.get(ctx, metadata.JWKS, &set); err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	keys := map[string]signingKey{}
	for _, j := range set.Keys {
		if public, ok := rsaKey(j.N, j.E); ok && j.Type == "RSA" && j.ID != "" && (j.Use == "" || j.Use == "sig") {
			keys[j.ID] = signingKey{public, j.Endorsements}
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("signing keys: none that can be used")
	}
	return keys, nil
}

func (k *keyring) get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := k.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d", resp.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, keysMaxBytes)).Decode(into)
}

// rsaKey makes a key of 2048 to 8192 bits from a JWK's members.
func rsaKey(n, e string) (*rsa.PublicKey, bool) {
	modulus, err1 := base64.RawURLEncoding.DecodeString(n)
	exponent, err2 := base64.RawURLEncoding.DecodeString(e)
	if err1 != nil || err2 != nil || len(exponent) == 0 || len(exponent) > 4 {
		return nil, false
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
	bits := key.N.BitLen()
	return key, bits >= 2048 && bits <= 8192 && key.E > 2 && key.E%2 == 1 && key.E < 1<<31
}
