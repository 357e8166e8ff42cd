package graph_test

import (
	"context"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
)

// operation is one call, under the name that its errors bear.
type operation = func(context.Context, *graph.Client) error

const group = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"

func member() pim.Assignment { return pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: group} }

// operations are all calls about directory roles.
var operations = map[string]operation{
	"eligible": func(ctx context.Context, c client) error { _, err := c.Eligible(ctx, alice); return err },
	"policy":   func(ctx context.Context, c client) error { _, err := c.Policy(ctx, alice, entraRole()); return err },
	"check": func(ctx context.Context, c client) error {
		return c.Check(ctx, alice, pim.Activation{Assignment: entraRole(), Duration: time.Hour})
	},
	"activate": func(ctx context.Context, c client) error {
		_, err := c.Activate(ctx, alice, pim.Activation{Assignment: entraRole(), Duration: time.Hour, Justification: "secret words"})
		return err
	},
	"deactivate": func(ctx context.Context, c client) error {
		return c.Deactivate(ctx, alice, pim.Deactivation{Assignment: entraRole(), Justification: "secret words"})
	},
	"cancel": func(ctx context.Context, c client) error { return c.Cancel(ctx, alice, reqID) },
	"review": func(ctx context.Context, c client) error {
		return c.Review(ctx, bob, pim.Decision{Approval: reqID, Stage: reqID, Result: pim.Approved, Justification: "secret words"})
	},
	"request":  func(ctx context.Context, c client) error { _, err := c.Request(ctx, alice, reqID); return err },
	"mine":     func(ctx context.Context, c client) error { _, err := c.Mine(ctx, alice); return err },
	"approval": func(ctx context.Context, c client) error { _, err := c.Approval(ctx, bob, reqID); return err },
	"active": func(ctx context.Context, c client) error {
		_, err := c.Active(ctx, alice, pim.Assignment{})
		return err
	},
	"principal":       func(ctx context.Context, c client) error { _, err := c.Principal(ctx, alice); return err },
	"pending":         func(ctx context.Context, c client) error { _, err := c.Pending(ctx, bob); return err },
	"traces":          func(ctx context.Context, c client) error { _, err := c.Traces(ctx, noon); return err },
	"group roles":     func(ctx context.Context, c client) error { _, err := c.GroupRoles(ctx, group); return err },
	"sign-ins":        func(ctx context.Context, c client) error { _, err := c.SignIns(ctx, alice, noon); return err },
	"account changes": func(ctx context.Context, c client) error { _, err := c.Changes(ctx, alice, noon); return err },
}

// groupOperations are all calls about groups.
var groupOperations = map[string]operation{
	"eligible": func(ctx context.Context, c client) error { _, err := c.Groups().Eligible(ctx, alice); return err },
	"policy": func(ctx context.Context, c client) error {
		_, err := c.Groups().Policy(ctx, alice, member())
		return err
	},
	"check": func(ctx context.Context, c client) error {
		return c.Groups().Check(ctx, alice, pim.Activation{Assignment: member(), Duration: time.Hour})
	},
	"activate": func(ctx context.Context, c client) error {
		_, err := c.Groups().Activate(ctx, alice, pim.Activation{Assignment: member(), Duration: time.Hour, Justification: "secret words"})
		return err
	},
	"deactivate": func(ctx context.Context, c client) error {
		return c.Groups().Deactivate(ctx, alice, pim.Deactivation{Assignment: member(), Justification: "secret words"})
	},
	"cancel": func(ctx context.Context, c client) error { return c.Groups().Cancel(ctx, alice, reqID) },
	"review": func(ctx context.Context, c client) error {
		return c.Groups().Review(ctx, bob, pim.Decision{Approval: reqID, Stage: reqID, Result: pim.Approved, Justification: "secret words"})
	},
	"request":  func(ctx context.Context, c client) error { _, err := c.Groups().Request(ctx, alice, reqID); return err },
	"mine":     func(ctx context.Context, c client) error { _, err := c.Groups().Mine(ctx, alice); return err },
	"approval": func(ctx context.Context, c client) error { _, err := c.Groups().Approval(ctx, bob, reqID); return err },
	"active": func(ctx context.Context, c client) error {
		_, err := c.Groups().Active(ctx, alice, pim.Assignment{})
		return err
	},
	"pending": func(ctx context.Context, c client) error { _, err := c.Groups().Pending(ctx, bob); return err },
	"traces":  func(ctx context.Context, c client) error { _, err := c.Groups().Traces(ctx, noon); return err },
}

// each goes through the operations of both pillars.
func each(yield func(string, operation) bool) {
	for _, pillar := range []map[string]operation{operations, groupOperations} {
		for op, do := range pillar {
			if !yield(op, do) {
				return
			}
		}
	}
}

// calls is how many operations each goes through.
func calls() int { return len(operations) + len(groupOperations) }

var (
	writes   = map[string]bool{"activate": true, "deactivate": true, "cancel": true, "review": true}
	byBelay  = map[string]bool{"active": true, "policy": true, "principal": true, "traces": true, "group roles": true, "sign-ins": true, "account changes": true}
	approval = map[string]bool{"review": true, "approval": true}
	lists    = map[string]bool{"eligible": true, "mine": true, "approval": true, "active": true, "pending": true, "traces": true, "group roles": true, "sign-ins": true, "account changes": true}
)
