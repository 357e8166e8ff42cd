package graph

import (
	"context"

	"github.com/belaybot/belay/pim"
)

// Expand opens users and groups, by object id, into people, read as Belay itself:
// groups transitively, disabled accounts and what is no longer in the directory
// left out, everybody once, sorted by name. It serves policies that are not
// Graph's and name their approvers by id.
func (c *Client) Expand(ctx context.Context, users, groups []string) ([]pim.Principal, []pim.ApproverGroup, error) {
	var subjects []subject
	for _, id := range users {
		subjects = append(subjects, subject{Type: "singleUser", UserID: id})
	}
	for _, id := range groups {
		subjects = append(subjects, subject{Type: "groupMembers", GroupID: id})
	}
	return c.expand(ctx, "approvers", subjects)
}
