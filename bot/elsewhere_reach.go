package bot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// reachable gives somebody who can be reached now, at their links' conversations or at
// those given, the cards of what waits for their decision already, and of what they
// asked for elsewhere.
func (b *Bot) reachable(ctx context.Context, principal string, at ...Conversation) error {
	now := b.o.Now().UTC()
	news := map[string][]Event{}
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		clear(news)
		links, err := b.o.Links.At(tx, principal)
		if err != nil {
			return err
		}
		places := slices.Clone(at)
		for _, l := range links {
			places = append(places, l.Direct)
		}
		decides, err := b.docs.of(tx, principal, partDecides)
		if err != nil {
			return err
		}
		for _, r := range decides {
			for _, c := range places {
				if r.Routed && c.ID != "" && !r.reaches(principal, c.Platform) { // else it is about to be found out anyway
					news[r.ID] = append(news[r.ID], Reached{Principal: principal, At: c})
				}
			}
		}
		asks, err := b.docs.of(tx, principal, partAsks)
		for _, r := range asks {
			if r.Elsewhere && r.Requester.Direct.ID == "" {
				news[r.ID] = append(news[r.ID], meetAgain{})
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(news)), batch) {
		err := b.o.Store.Update(ctx, func(tx store.Tx) error {
			for _, id := range some {
				if _, err := b.changeIn(tx, id, now, news[id]...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, id := range some {
			b.kick(id, true)
		}
	}
	return nil
}

// reaches says that an approver has a card on a platform.
func (r Request) reaches(principal string, p Platform) bool {
	return slices.ContainsFunc(r.Reach, func(reach Reach) bool {
		return strings.EqualFold(reach.Principal, principal) &&
			slices.ContainsFunc(reach.At, func(c Conversation) bool { return c.Platform == p })
	})
}

// meetAgain looks anew where the requester can be reached.
type meetAgain struct{}

func (meetAgain) apply(r *Request, at time.Time) error {
	if r.Elsewhere && !r.State.Final() {
		r.MeetAt = at
	}
	return nil
}

// blindNote tells somebody who asks what waits for them that not all of it may show.
func (b *Bot) blindNote(a actor) string {
	var mine []pim.EligibleAssignment
	for _, e := range b.Uncovered() {
		policy, _ := b.watch.approvers(e.Assignment, b.o.Now())
		if slices.ContainsFunc(policy.Approvers, func(p pim.Principal) bool { return strings.EqualFold(p.ID, a.ID) }) {
			mine = append(mine, e)
		}
	}
	if len(mine) == 0 {
		return ""
	}
	return fmt.Sprintf(sayNotInLists, sayList(roleNames(mine), "or"))
}
