package graph

import (
	"context"
	"time"

	"github.com/belaybot/belay/pim"
)

// edited are what PIM logs of what administrators do, in lower case; the same for roles and
// for groups. Source: Microsoft Entra audit log activity reference.
var edited = map[string]pim.TraceKind{
	"update role setting in pim":                                    pim.TraceSettings,
	"add eligible member to role in pim completed (permanent)":      pim.TraceAssigned,
	"add eligible member to role in pim completed (timebound)":      pim.TraceAssigned,
	"add member to role in pim completed (permanent)":               pim.TraceAssigned,
	"add member to role in pim completed (timebound)":               pim.TraceAssigned,
	"add member to role outside of pim (permanent)":                 pim.TraceAssigned,
	"remove eligible member from role in pim completed (permanent)": pim.TraceRemoved,
	"remove eligible member from role in pim completed (timebound)": pim.TraceRemoved,
	"remove member from role in pim completed (permanent)":          pim.TraceRemoved,
	"remove member from role in pim completed (timebound)":          pim.TraceRemoved,
}

// Edits reads what the audit log says of settings and assignments of directory roles that
// administrators changed since a time, oldest first, as Belay itself. The log is some
// minutes late.
func (c *Client) Edits(ctx context.Context, since time.Time) ([]pim.Trace, error) {
	return c.traces(ctx, since, ofRoles, edited)
}

// Edits reads the same of groups.
func (g *Groups) Edits(ctx context.Context, since time.Time) ([]pim.Trace, error) {
	return g.client.traces(ctx, since, ofGroups, edited)
}
