package bot

import (
	"context"
	"slices"
	"time"

	"github.com/belaybot/belay/pim"
)

// groupTime bounds the reading of what a group is eligible for.
const groupTime = 5 * time.Second

// GroupRoles records what a group that became active is itself eligible for. Those
// roles are a second step (FACTS: PIM for Groups, activating a group activates no
// role of the group's).
type GroupRoles struct{ Roles []pim.EligibleAssignment }

func (e GroupRoles) apply(r *Request, _ time.Time) error {
	r.GroupRead, r.GroupRoles = true, slices.Clone(e.Roles)
	return nil
}

// owesGroupRoles says that a membership is active and that what it opens was not
// read yet. Owners of a group get none of its roles.
func (r Request) owesGroupRoles() bool { return r.groupMember() && r.State == Active && !r.GroupRead }

func (r Request) groupMember() bool { return r.Role.Kind == pim.Group && r.Role.Role == pim.Member }

// secondStep reads, once, what the group of a request is eligible for. That it
// cannot be read holds nothing up: the person is told of the second step without
// names. What the person could activate until now is forgotten.
func (b *Bot) secondStep(ctx context.Context, r Request) (Request, error) {
	var roles []pim.EligibleAssignment
	if b.o.GroupRoles != nil {
		ctx, cancel := context.WithTimeout(ctx, groupTime)
		defer cancel()
		err := guarded(func() error {
			return patiently(ctx, func() (err error) {
				roles, err = b.o.GroupRoles(ctx, r.Role.Scope)
				return err
			})
		})
		if err != nil {
			b.o.Log.WarnContext(ctx, "what a group is eligible for could not be read", "request", r.ID, "error", err)
		}
	}
	b.menu.drop(r.Requester.ID)
	return b.change(ctx, r.ID, GroupRoles{Roles: roles})
}
