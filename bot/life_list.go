package bot

import (
	"slices"
	"time"
)

// countdown is the requester's card as it is at this moment only: it says how long is
// left, and near the end it offers to extend.
func (p Projection) countdown(r Request, now time.Time) Card {
	c := p.requesterCard(r, now)
	if r.State != Active {
		return c
	}
	c.Facts = append(c.Facts, Fact{Name: "Left", Value: sayLeft(r.Held.Until.Sub(now))})
	if p.endsSoon(r, now) && r.mayExtend(r.Requester.ID) == nil {
		c.Actions = append(c.Actions, extendAction(r))
	}
	return c
}

// listCard lists several requests of one person at this moment: what is active first,
// the soonest end first, with what can be done about it.
func (p Projection) listCard(all []Request, now time.Time) Card {
	c := Card{Title: "Your requests"}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Request) int {
		switch active := a.State == Active; {
		case active != (b.State == Active):
			if active {
				return -1
			}
			return 1
		case active:
			return a.Held.Until.Compare(b.Held.Until)
		}
		return 0
	})
	for _, r := range all {
		name := roleAt(r.Role)
		if r.State != Active {
			c.Facts = append(c.Facts, Fact{Name: name, Value: stateWord(r)})
			if !r.Ask.Start.IsZero() {
				c.Facts = append(c.Facts, Fact{Name: "Starts", At: r.Ask.Start})
			}
			c.Actions = append(c.Actions, Action{Label: "Show " + name, Verb: VerbShow, ID: r.ID})
			continue
		}
		c.Facts = append(c.Facts, Fact{Name: name, Value: stateWord(r) + ", " + sayRemaining(r.Held.Until.Sub(now))},
			Fact{Name: "Until", At: r.Held.Until})
		for _, a := range activeCard(Card{}, r).Actions {
			a.Label += " " + name
			if a.Verb == VerbKeep {
				a.Label = "Keep " + name
			}
			c.Actions = append(c.Actions, a)
		}
		if p.endsSoon(r, now) && r.mayExtend(r.Requester.ID) == nil {
			a := extendAction(r)
			a.Label += " " + name
			c.Actions = append(c.Actions, a)
		}
	}
	return c
}
