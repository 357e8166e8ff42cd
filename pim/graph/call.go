package graph

import (
	"context"
	"errors"
	"net/url"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	kiota "github.com/microsoft/kiota-http-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/rolemanagement"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// call is one operation under one identity. Its adapter can speak as nobody else.
type call struct {
	wire.Call
	client  *Client
	adapter *kiota.NetHttpRequestAdapter
}

// as begins an operation that is made with person's own token.
func (c *Client) as(op, person string) (*call, error) {
	if !plain(person) {
		return nil, wire.Invalid(op, "the principal's id is not an object id")
	}
	return c.begin(&call{Call: wire.Call{Op: op, Now: c.now}}, func(ctx context.Context) (string, error) {
		return c.tokens.Person(ctx, person)
	})
}

// itself begins a read that Belay makes with its own token.
func (c *Client) itself(op string) (*call, error) {
	return c.begin(&call{Call: wire.Call{Op: op, App: true, Now: c.now}}, c.tokens.App)
}

func (c *Client) begin(k *call, token func(context.Context) (string, error)) (*call, error) {
	// The factories are given, because without them the kit uses a registry that
	// is a global variable.
	adapter, err := kiota.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		authentication.NewBaseBearerTokenAuthenticationProvider(&bearer{client: c, token: token}),
		jsonserialization.NewJsonParseNodeFactory(), jsonserialization.NewJsonSerializationWriterFactory(), c.http)
	if err != nil {
		return nil, &pim.Error{Op: k.Op, Code: pim.CodeInvalid, Err: err}
	}
	adapter.SetBaseUrl(c.base.String() + "/v1.0")
	k.client, k.adapter = c, adapter
	return k, nil
}

// directory is the kit's builder for everything below /roleManagement/directory.
func (k *call) directory() *rolemanagement.DirectoryRequestBuilder {
	return rolemanagement.NewDirectoryRequestBuilderInternal(nil, k.adapter)
}

// template makes a request for an address that has no builder among the packages
// we compile: users and groups would add half of the kit. params fill the
// template, escaped.
func (k *call) template(method abstractions.HttpMethod, template string, params map[string]string) *abstractions.RequestInformation {
	ri := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(method, "{+baseurl}"+template, params)
	ri.Headers.TryAdd("Accept", "application/json")
	return ri
}

// idsAtOnce is how many ids Graph takes in one "in".
const idsAtOnce = 15

// named makes a request for a list of what ids name; template says where {filter}
// goes.
func (k *call) named(template string, ids []string) *abstractions.RequestInformation {
	return k.template(abstractions.GET, template, map[string]string{"filter": "id in ('" + strings.Join(ids, "','") + "')"})
}

// beta makes a request for an address that exists below /beta only. The adapter
// forces its own base on every template, so the address has to be absolute.
func (k *call) beta(method abstractions.HttpMethod, path ...string) *abstractions.RequestInformation {
	ri := abstractions.NewRequestInformation()
	ri.Method = method
	ri.SetUri(*k.client.base.JoinPath(append([]string{"beta"}, path...)...))
	ri.Headers.TryAdd("Accept", "application/json")
	return ri
}

// send makes the call, once, and returns the body of a 2xx answer. buildErr is
// what the kit said of building ri; it stops the call.
func (k *call) send(ctx context.Context, ri *abstractions.RequestInformation, buildErr error) ([]byte, error) {
	if buildErr != nil {
		return nil, &pim.Error{Op: k.Op, Code: pim.CodeInvalid, Err: buildErr}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	answer, err := k.adapter.SendPrimitive(ctx, ri, "[]byte", nil)
	if err != nil {
		return nil, k.Failed(err)
	}
	body, _ := answer.([]byte) // nil: an empty answer
	return body, nil
}

// bearer puts the token on a request. It is the only place that does.
type bearer struct {
	client *Client
	token  func(context.Context) (string, error)
}

var errForeign = errors.New("the address is not on the configured host")

// GetAuthorizationToken gives the call's token for an address on the configured
// host. Any other address is an error: the kit would go on without a token.
func (b *bearer) GetAuthorizationToken(ctx context.Context, to *url.URL, more map[string]any) (string, error) {
	if !b.client.own(to) {
		return "", errForeign
	}
	if len(more) > 0 {
		// The kit wants to answer a challenge by itself. It never gets to see one
		// (wire.Transport), and a new sign-in is not its decision.
		return "", errors.New("a claims challenge is not answered here")
	}
	token, err := b.token(ctx)
	if err == nil && token == "" {
		err = errors.New("the source of tokens gave an empty one")
	}
	return token, err
}

// GetAllowedHostsValidator names the one host that may get a token.
func (b *bearer) GetAllowedHostsValidator() *authentication.AllowedHostsValidator {
	return b.client.hosts
}

// own says whether u is on the configured host: same scheme, name and port.
func (c *Client) own(u *url.URL) bool {
	return u != nil && u.User == nil && u.Scheme == c.base.Scheme && u.Host == c.base.Host && c.hosts.IsUrlHostValid(u)
}

// plain says whether id can stand in an address and in a filter as it is. Every
// id that Belay uses there is a GUID or made of these characters.
func plain(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, r := range id {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}
