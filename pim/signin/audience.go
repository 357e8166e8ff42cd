package signin

import (
	"context"
	"errors"
	"strings"

	"github.com/belaybot/belay/pim"
)

// audience is a service that tokens are for, and what is asked of it.
type audience struct {
	resource string
	names    []string // permissions without the resource
	scopes   []string // and with it
}

func newAudience(resource string, names []string) *audience {
	a := &audience{resource: strings.TrimRight(resource, "/"), names: names}
	for _, n := range names {
		a.scopes = append(a.scopes, a.resource+"/"+n)
	}
	return a
}

// audience is the service behind a pillar.
func (c *Client) audience(kind pim.Kind) *audience {
	if kind == pim.AzureResource {
		return c.azure
	}
	return c.graph
}

// Tokens are access tokens for one service.
type Tokens struct {
	client *Client
	of     *audience
}

// Resource gives the tokens for the service behind a pillar: Azure Resource
// Manager's for pim.AzureResource, Graph's for every other.
func (c *Client) Resource(kind pim.Kind) Tokens { return Tokens{c, c.audience(kind)} }

// Person is as Client.Person, for this service. CodeForbidden also says that an
// administrator has not agreed to this service; the sign-in is kept, and serves the
// other one.
func (t Tokens) Person(ctx context.Context, person string) (string, error) {
	return t.client.person(ctx, person, t.of)
}

// App is as Client.App, for this service.
func (t Tokens) App(ctx context.Context) (string, error) { return t.client.own(ctx, t.of) }

// granted says whether every permission that was asked for is in the last
// answer. No scope at all means all of them (RFC 6749, section 5.1).
func (a *audience) granted(op string, seen *witness) error {
	if !seen.answered || seen.granted == "" {
		return nil
	}
	has := map[string]bool{}
	for _, s := range strings.Fields(seen.granted) {
		has[strings.ToLower(s)] = true
	}
	var missing []string
	for i, s := range a.scopes {
		if !has[strings.ToLower(s)] {
			missing = append(missing, a.names[i])
		}
	}
	if len(missing) > 0 {
		return &pim.Error{Op: op, Code: pim.CodeForbidden, Service: "PermissionScopeNotGranted",
			Err: errors.New("not granted: " + strings.Join(missing, ", "))}
	}
	return nil
}
