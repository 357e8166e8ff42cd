package graph

import (
	"context"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Principal tells who the user with object id id is, read as Belay itself. The
// answer may be as old as Options.PolicyAge. CodeNotFound: no such user.
func (c *Client) Principal(ctx context.Context, id string) (pim.Principal, error) {
	a, err := c.account(ctx, "principal", id)
	if err != nil {
		return pim.Principal{}, err
	}
	return a.principal(), nil
}

func (c *Client) account(ctx context.Context, op, id string) (account, error) {
	if !plain(id) {
		return account{}, wire.Invalid(op, "the principal's id is not an object id")
	}
	return c.accounts.Get(ctx, op, strings.ToLower(id), func(ctx context.Context) (account, error) {
		k, err := c.itself(op)
		if err != nil {
			return account{}, err
		}
		body, err := k.send(ctx, k.template(abstractions.GET,
			"/users/{id}?%24select=id,displayName,userPrincipalName,mail,accountEnabled", map[string]string{"id": id}), nil)
		if err != nil {
			return account{}, err
		}
		a, err := one[account](k, body)
		if err != nil || !strings.EqualFold(a.ID, id) {
			return account{}, k.Unreadable()
		}
		return a, nil
	})
}

// enabled says whether the account can sign in; an unknown state is yes, since
// Microsoft decides at the click.
func (a account) enabled() bool { return a.Enabled == nil || *a.Enabled }
