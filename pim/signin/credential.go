package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"

	"github.com/belaybot/belay/pim"
)

// Credential is how Belay proves to Entra which application it is. Exactly one
// member is set. A federated token file and a managed identity are the best of them: there is
// no secret to lose.
type Credential struct {
	TokenFile       string // path of a projected service account token (workload identity federation)
	ManagedIdentity string // client id of a user-assigned managed identity that the registration trusts
	Certificate     []byte // PEM or PKCS #12 without password: certificate and RSA private key
	Secret          string
}

// LogValue hides the secrets.
func (Credential) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// String hides the secrets.
func (Credential) String() string { return "REDACTED" }

// GoString hides the secrets.
func (Credential) GoString() string { return "REDACTED" }

func (c Credential) check() error {
	set := 0
	for _, given := range []bool{c.TokenFile != "", c.ManagedIdentity != "", len(c.Certificate) > 0, c.Secret != ""} {
		if given {
			set++
		}
	}
	if set != 1 {
		return errors.New("exactly one of federated token file, managed identity, certificate and secret must be given")
	}
	return nil
}

// people is the credential for redeeming people's codes and refresh tokens at login.
func (c Credential) people(login string) (confidential.Credential, error) {
	if err := c.check(); err != nil {
		return confidential.Credential{}, err
	}
	switch {
	case c.TokenFile != "":
		// The file is read anew each time: the kubelet replaces it before it expires.
		return confidential.NewCredFromAssertionCallback(func(context.Context, confidential.AssertionRequestOptions) (string, error) {
			b, err := os.ReadFile(c.TokenFile)
			return string(b), err
		}), nil
	case c.ManagedIdentity != "":
		assert, err := c.assertion(login)
		if err != nil {
			return confidential.Credential{}, err
		}
		return confidential.NewCredFromAssertionCallback(func(ctx context.Context, _ confidential.AssertionRequestOptions) (string, error) {
			return assert(ctx)
		}), nil
	case len(c.Certificate) > 0:
		certs, key, err := azidentity.ParseCertificates(c.Certificate, nil)
		if err != nil {
			return confidential.Credential{}, errors.New("the certificate is neither PEM nor PKCS #12 with an unencrypted key")
		}
		return confidential.NewCredFromCert(certs, key)
	default:
		return confidential.NewCredFromSecret(c.Secret)
	}
}

// app is the credential for Belay's own tokens.
func (c Credential) app(login, tenant, client string, h *http.Client) (azcore.TokenCredential, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	o := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: login},
		Transport: h,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // settle alone retries
	}
	switch {
	case c.TokenFile != "":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: o, TenantID: tenant, ClientID: client, TokenFilePath: c.TokenFile, DisableInstanceDiscovery: true})
	case c.ManagedIdentity != "":
		assert, err := c.assertion(login)
		if err != nil {
			return nil, err
		}
		return azidentity.NewClientAssertionCredential(tenant, client, assert, &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: o, DisableInstanceDiscovery: true})
	case len(c.Certificate) > 0:
		certs, key, err := azidentity.ParseCertificates(c.Certificate, nil)
		if err != nil {
			return nil, errors.New("the certificate is neither PEM nor PKCS #12 with an unencrypted key")
		}
		return azidentity.NewClientCertificateCredential(tenant, client, certs, key, &azidentity.ClientCertificateCredentialOptions{
			ClientOptions: o, DisableInstanceDiscovery: true})
	default:
		return azidentity.NewClientSecretCredential(tenant, client, c.Secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: o, DisableInstanceDiscovery: true})
	}
}

// App is an access token of Belay itself for Graph. azidentity keeps it in memory until
// shortly before it ends. Errors are *pim.Error: CodeInvalidClientConfig when
// Entra refuses the credential, CodeUnavailable or CodeThrottled when it cannot
// be asked.
func (c *Client) App(ctx context.Context) (string, error) { return c.own(ctx, c.graph) }

func (c *Client) own(ctx context.Context, of *audience) (string, error) {
	t, err := c.app.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{of.resource + "/.default"}})
	if err != nil {
		return "", refusal("app sign-in", err)
	}
	if t.Token == "" {
		return "", &pim.Error{Op: "app sign-in", Code: pim.CodeUnavailable, Err: fmt.Errorf("an answer without a token")}
	}
	return t.Token, nil
}
