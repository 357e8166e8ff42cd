package bot_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// slowGrants tells slowly who has a sign-in, as a store does of many people.
type slowGrants struct {
	bot.Grants
	asked atomic.Int64
}

func (g *slowGrants) Live(ctx context.Context, person string) (bool, error) {
	g.asked.Add(1)
	time.Sleep(10 * time.Millisecond)
	return g.Grants.Live(ctx, person)
}

// However often people sign in, planning whose lists are read takes a small part of the
// time.
func TestManySignInsPlanSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &slowGrants{}
		o := open(t, pim.EntraRole, 100, 1, false, func(o *bot.Options) { g.Grants, o.Grants = o.Grants, g })
		time.Sleep(time.Minute)
		before := g.asked.Load()
		for range 600 {
			if err := o.bot.SignedIn(t.Context(), "approver-00", bot.Ticket{User: bot.User{Platform: bot.Teams, Tenant: tenant, ID: "approver-00"}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := g.asked.Load() - before; n > 900 {
			t.Errorf("within a minute it was looked %d times who has a sign-in", n)
		}
	})
}
