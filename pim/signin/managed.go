package signin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/belaybot/belay/pim"
)

// ManagedIdentity is the credential of a managed identity of the machine: of the
// user-assigned one with that client id, or of the machine's own. The machine is asked at an
// address that Azure puts into the environment, or at 169.254.169.254; no proxy hears of it.
func ManagedIdentity(clientID string) (azcore.TokenCredential, error) {
	own := http.DefaultTransport.(*http.Transport).Clone()
	own.Proxy = nil
	o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{
		Transport: limited(&http.Client{Transport: own}),
		Retry:     policy.RetryOptions{MaxRetries: -1}, // settle alone retries
	}}
	if clientID != "" {
		o.ID = azidentity.ClientID(clientID)
	}
	return azidentity.NewManagedIdentityCredential(o)
}

// exchanges are the audiences of the tokens that a registration takes as its credential, by
// the cloud that one signs in to.
var exchanges = map[string]string{
	"https://login.microsoftonline.us":         "api://AzureADTokenExchangeUSGov",
	"https://login.partner.microsoftonline.cn": "api://AzureADTokenExchangeChina",
}

// assertion gives a managed identity's token as the credential of Belay's registration,
// which trusts that identity. azidentity keeps it until shortly before it ends. Errors are *pim.Error,
// so that what the machine answers is never taken for Entra's word about a person.
func (c Credential) assertion(login string) (func(context.Context) (string, error), error) {
	identity, err := ManagedIdentity(c.ManagedIdentity)
	if err != nil {
		return nil, errors.New("this machine has no managed identity of that kind")
	}
	scope := exchanges[strings.TrimRight(login, "/")]
	if scope == "" {
		scope = "api://AzureADTokenExchange"
	}
	return func(ctx context.Context) (string, error) {
		t, err := identity.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope + "/.default"}})
		if err == nil && t.Token != "" && time.Now().Before(t.ExpiresOn) {
			return t.Token, nil
		}
		e := &pim.Error{Op: "managed identity", Code: pim.CodeUnavailable, Err: errors.New("this machine gives no token of the managed identity; is it assigned to it?")}
		var auth *azidentity.AuthenticationFailedError
		if errors.As(err, &auth) && auth.RawResponse != nil {
			e.Status = auth.RawResponse.StatusCode
		}
		if e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests {
			e.Code = pim.CodeInvalidClientConfig
		}
		return "", e
	}, nil
}
