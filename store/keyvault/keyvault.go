// Package keyvault wraps the key of a key file with a key of Azure Key Vault or of a
// managed HSM, which never leaves it.
//
// The vault is asked once when Belay starts, and twice when the key file is written: it
// wraps a new data key, and unwraps it to see that it will. No message waits for it.
package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// Vault is a store.Vault.
type Vault struct {
	key    keyID
	client *azkeys.Client
}

// Options are what New needs.
type Options struct {
	Key        string // id; without a version the newest wraps
	Login      string // base URL of the cloud's sign-in, which says where its vaults are
	Credential azcore.TokenCredential
	HTTP       *http.Client // only its Transport and Timeout are used
}

// New checks the id without asking anybody.
func New(o Options) (*Vault, error) {
	key, err := parse(o.Key, o.Login)
	if err != nil {
		return nil, fmt.Errorf("the key %w", err)
	}
	u, err := url.Parse(key.vault)
	if err != nil {
		return nil, err
	}
	next := http.DefaultTransport
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if o.HTTP != nil {
		client.Timeout = o.HTTP.Timeout
		if o.HTTP.Transport != nil {
			next = o.HTTP.Transport
		}
	}
	client.Transport = careful{next}
	c, err := azkeys.NewClient(key.vault, asked{o.Credential}, &azkeys.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: client,
			Retry:     policy.RetryOptions{MaxRetries: -1}, // whoever starts Belay starts it again
			Telemetry: policy.TelemetryOptions{Disabled: true},
		},
		// The token goes to nobody but the resource that the vault belongs to. Loopback
		// belongs to none.
		DisableChallengeResourceVerification: loopback(u.Hostname()),
	})
	if err != nil {
		return nil, err
	}
	return &Vault{key: key, client: c}, nil
}

// algorithm is RSA with OAEP and SHA-256.
var algorithm = azkeys.EncryptionAlgorithmRSAOAEP256

// Wrap implements store.Vault. Errors are *Error.
func (v *Vault) Wrap(ctx context.Context, dataKey []byte) (wrapped []byte, key string, err error) {
	r, err := v.client.WrapKey(ctx, v.key.name, v.key.version, azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: dataKey}, nil)
	if err != nil {
		return nil, "", refusal("wrapkey", v.key, err)
	}
	if r.KID == nil || len(r.Result) == 0 {
		return nil, "", &Error{Key: v.key.String(), Op: "wrapkey", Reason: Unavailable, Err: errors.New("an answer without a key")}
	}
	used, err := v.used(string(*r.KID))
	if err != nil || used.version == "" {
		return nil, "", &Error{Key: v.key.String(), Op: "wrapkey", Reason: Unavailable, Err: errors.New("an answer of another key")}
	}
	return r.Result, used.String(), nil
}

// Unwrap implements store.Vault: the version that wrapped unwraps. Errors are *Error.
func (v *Vault) Unwrap(ctx context.Context, key string, wrapped []byte) ([]byte, error) {
	used, err := v.used(key)
	if err != nil {
		return nil, &Error{Key: v.key.String(), Op: "unwrapkey", Reason: OtherKey, Err: err}
	}
	r, err := v.client.UnwrapKey(ctx, used.name, used.version, azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: wrapped}, nil)
	if err != nil {
		return nil, refusal("unwrapkey", used, err)
	}
	return r.Result, nil
}

// used is the id of a version of v's key; what a key file or an answer names may be no other.
func (v *Vault) used(id string) (keyID, error) {
	vault, rest, ok := strings.Cut(id, "/keys/")
	name, version, _ := strings.Cut(rest, "/")
	if !ok || !strings.EqualFold(vault, v.key.vault) || !strings.EqualFold(name, v.key.name) || version != "" && !keyVersion.MatchString(version) {
		return keyID{}, errors.New(id)
	}
	return keyID{vault: v.key.vault, name: v.key.name, version: version}, nil
}

// answerSize bounds an answer: the largest one that makes sense has 2 kB.
const answerSize = 64 << 10

// careful bounds answers, and refuses a challenge that azkeys would panic on.
type careful struct{ next http.RoundTripper }

// RoundTrip passes the request on.
func (c careful) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if challenge := resp.Header.Get("WWW-Authenticate"); !sane(challenge) {
		_ = resp.Body.Close() // nothing in it is wanted
		return nil, errChallenge
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, answerSize)
	return resp, nil
}

var errChallenge = errors.New("its challenge names no tenant")

// sane says whether the address to sign in at, if there is one, has a path.
func sane(challenge string) bool {
	for _, part := range strings.Split(strings.ReplaceAll(challenge, "Bearer ", ""), " ") {
		if at, ok := strings.CutPrefix(part, "authorization="); ok && strings.Count(at, "/") < 3 {
			return false
		}
	}
	return true
}

// asked tells a failure of the credential from the vault's.
type asked struct{ azcore.TokenCredential }

// GetToken implements azcore.TokenCredential. Errors are *signInError.
func (a asked) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := a.TokenCredential.GetToken(ctx, o)
	if err != nil {
		return t, &signInError{err}
	}
	return t, nil
}

type signInError struct{ err error }

// Error is the credential's.
func (e *signInError) Error() string { return e.err.Error() }

// Unwrap returns the credential's error.
func (e *signInError) Unwrap() error { return e.err }

// NonRetriable keeps azcore from asking again.
func (*signInError) NonRetriable() {}
