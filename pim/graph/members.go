package graph

import (
	"context"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Members lists the object ids of everybody in a group, also through groups in it, read as
// Belay itself. The answer may be as old as Options.PolicyAge. A group that is not there is
// an error.
func (c *Client) Members(ctx context.Context, id string) ([]string, error) {
	const op = "group members"
	if !plain(id) {
		return nil, wire.Invalid(op, "the group's id is not an object id")
	}
	g, err := c.group(ctx, op, id)
	switch {
	case err != nil:
		return nil, err
	case g.gone:
		return nil, &pim.Error{Op: op, Code: pim.CodeNotFound}
	}
	ids := make([]string, 0, len(g.members))
	for _, m := range g.members {
		ids = append(ids, m.ID)
	}
	return ids, nil
}
