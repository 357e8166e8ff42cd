package arm

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// call is one operation under one identity. The kit's clients that it makes can
// speak as nobody else.
type call struct {
	wire.Call
	client  *Client
	options *azarm.ClientOptions
	bearer  *bearer
}

// as begins an operation that is made with person's own token.
func (c *Client) as(op, person string) (*call, error) {
	if !plain(person) {
		return nil, wire.Invalid(op, "the principal's id is not an object id")
	}
	return c.begin(op, false, func(ctx context.Context) (string, error) { return c.tokens.Person(ctx, person) }), nil
}

// itself begins a read that Belay makes with its own token.
func (c *Client) itself(op string) *call { return c.begin(op, true, c.tokens.App) }

func (c *Client) begin(op string, app bool, token func(context.Context) (string, error)) *call {
	k := &call{Call: wire.Call{Op: op, App: app, Now: c.now}, client: c, bearer: &bearer{client: c, token: token}}
	k.Special = k.special
	k.options = &azarm.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				// The audience is not used: the kit is given no credential of its own.
				cloud.ResourceManager: {Endpoint: c.base.String(), Audience: c.base.String()},
			}},
			Retry:            policy.RetryOptions{MaxRetries: -1}, // settle alone retries
			Telemetry:        policy.TelemetryOptions{Disabled: true},
			Transport:        c.http,
			PerRetryPolicies: []policy.Policy{k.bearer},
		},
		DisableRPRegistration: true,
	}
	return k
}

// The kit's clients. Without a credential they put no token on a request and
// answer no challenge; bearer does the first, and the second is a sign-in.

func (k *call) requests() *armauthorization.RoleAssignmentScheduleRequestsClient {
	return made(armauthorization.NewRoleAssignmentScheduleRequestsClient(nil, k.options))
}

func (k *call) instances() *armauthorization.RoleAssignmentScheduleInstancesClient {
	return made(armauthorization.NewRoleAssignmentScheduleInstancesClient(nil, k.options))
}

func (k *call) eligibilities() *armauthorization.RoleEligibilityScheduleInstancesClient {
	return made(armauthorization.NewRoleEligibilityScheduleInstancesClient(nil, k.options))
}

func (k *call) children() *armauthorization.EligibleChildResourcesClient {
	return made(armauthorization.NewEligibleChildResourcesClient(nil, k.options))
}

// made unwraps a client of the kit, which refuses only options that lack an
// endpoint or an audience; begin gives both.
func made[T any](client *T, err error) *T {
	if err != nil {
		panic(err)
	}
	return client
}

// send makes a call that the kit has no client for, once, and gives the body of a
// 2xx answer and its status. body is sent as JSON; nil: none.
func (k *call) send(ctx context.Context, method, path string, query url.Values, body any) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := runtime.NewRequest(ctx, method, k.client.base.JoinPath(path).String())
	if err != nil {
		return 0, nil, k.failed(err)
	}
	req.Raw().URL.RawQuery = query.Encode()
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		if err := runtime.MarshalAsJSON(req, body); err != nil {
			return 0, nil, k.failed(err)
		}
	}
	kit := made(azarm.NewClient("belay", "v0.0.0", nil, k.options))
	resp, err := kit.Pipeline().Do(req) //nolint:bodyclose // runtime.Payload closes it
	if err != nil {
		return 0, nil, k.failed(err)
	}
	answer, err := runtime.Payload(resp)
	if err != nil {
		return 0, nil, k.failed(err)
	}
	return resp.StatusCode, answer, nil
}

// failed makes the *pim.Error of a call. After the request went out, an error that
// is neither a refusal nor a lost answer is the kit's, about a 2xx answer that it
// cannot read.
func (k *call) failed(err error) *pim.Error {
	var (
		refused *wire.Refusal
		broken  *wire.Lost
		known   *pim.Error
	)
	switch {
	case !k.bearer.sent, errors.As(err, &refused), errors.As(err, &broken), errors.As(err, &known):
		return k.Failed(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled): // the kit says no more than that
		return k.Failed(&wire.Lost{Sent: true, Err: err})
	}
	return k.Unreadable()
}

// special reads what ARM says in a way of its own. Of approvals its code is a bare
// "BadRequest", so that nothing but the message tells.
func (k *call) special(status int, said wire.Said) (pim.Code, bool) {
	if !k.Approval {
		// A request of that name is there already: an activation whose answer was lost,
		// and whose start is now another "now".
		return pim.CodeExists, status == http.StatusConflict && k.Write && !said.Known()
	}
	code, message := strings.ToLower(said.Code), strings.ToLower(said.Message)
	switch {
	case status == http.StatusForbidden, strings.Contains(message, "self-approval"):
		return pim.CodeNotApprover, true
	case strings.Contains(code, "already"), strings.Contains(message, "already"):
		return pim.CodeDecided, true
	}
	return "", false
}

// bearer puts the token on a request. It is the only place that does. It is used
// by one goroutine.
type bearer struct {
	client *Client
	token  func(context.Context) (string, error)
	sent   bool // a request went further than this
}

// Do gives the call's token to an address on the configured host. Any other
// address, such as that of a next page, is an error.
func (b *bearer) Do(req *policy.Request) (*http.Response, error) {
	to := req.Raw().URL
	if to.User != nil || to.Scheme != b.client.base.Scheme || to.Host != b.client.base.Host {
		return nil, &pim.Error{Code: pim.CodeUnavailable, Err: errors.New("the address is not on the configured host")}
	}
	// The kit writes an empty scope, which is the whole tenant, as "//providers".
	to.Path, to.RawPath = "/"+strings.TrimLeft(to.Path, "/"), ""
	token, err := b.token(req.Raw().Context())
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, &pim.Error{Code: pim.CodeUnavailable, Err: errors.New("the source of tokens gave an empty one")}
	}
	req.Raw().Header.Set("Authorization", "Bearer "+token)
	b.sent = true
	return req.Next()
}
