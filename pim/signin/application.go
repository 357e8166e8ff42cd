package signin

import (
	"context"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Application is the credential as tokens of an application itself, such as the
// bot's for Teams. login is an https base URL. Only h's Transport is used. Errors of
// its tokens are *pim.Error: azidentity's own quote the whole answer.
func (c Credential) Application(login, tenant, client string, h *http.Client) (azcore.TokenCredential, error) {
	t, err := c.app(login, tenant, client, limited(h))
	if err != nil {
		return nil, err
	}
	return application{t}, nil
}

type application struct{ of azcore.TokenCredential }

// GetToken implements azcore.TokenCredential.
func (a application) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := a.of.GetToken(ctx, o)
	if err != nil {
		return t, refusal("application sign-in", err)
	}
	return t, nil
}
