package bottest

import (
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// lifeSpecimens are the cards of a request after it was sent: near its end, ended too
// early, extended, and of an approver who is reminded.
func lifeSpecimens(s *specimens, menu *bot.Menu, pending, active bot.Request) []Specimen {
	begun := s.at
	at := func(d time.Duration) *specimens { // business time has gone on
		return &specimens{at: begun.Add(d), projection: s.projection}
	}
	me := bot.Person{Principal: alice, Direct: bot.Conversation{ID: "alice"}}
	stopping := s.after(active, bot.Intended{ID: "i9", Kind: bot.ToDeactivate, By: me, SignedIn: true})
	next := s.after(bot.Request{}, bot.Asked{ID: "01JNEXT", Requester: me, Role: users, Intent: "n1", SignedIn: true, Policy: policy,
		Ask: bot.Ask{Duration: time.Hour, Justification: "Another locked-out colleague"}, Follows: active.ID, FollowsUntil: active.Held.Until})
	shown := s.after(pending, bot.Showed{Slot: "approver/bob/teams", Shown: bot.Shown{Message: bot.Message{ID: "m1", Conversation: bot.Conversation{Platform: bot.Teams, ID: "bob"}}}})
	exists := bot.Refusal{Code: pim.CodeExists, Until: begun.Add(time.Hour), Request: "01JTHERE"}
	return []Specimen{
		at(115*time.Minute).card("ends-soon", active, "ending"),
		s.card("deactivated-later", stopping, "requester"),
		s.card("follows", next, "requester"),
		s.card("not-followed", s.after(next, bot.Unfollow{Why: bot.Refusal{Code: pim.CodeForbidden}}), "requester"),
		s.card("active-already", s.request("because", bot.Refuse{Intent: "i1", Why: exists}), "requester"),
		at(6*time.Hour).card("reminder", shown, "remind/1/bob/teams"),
		{Name: "extend", Form: menu.ExtensionForm(active, map[string]string{"reason": active.Ask.Justification, "duration": "PT2H"}, nil, "")},
	}
}
