// Package bottest holds what tests of bot and of the chat adapters share:
// specimens of everything Belay says, and in-memory fakes of bot's ports.
package bottest

import (
	"fmt"
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Hostile is a justification that tries markup, mentions, links, templates and
// invisible characters of both platforms. It must be shown literally.
const Hostile = "<!channel> <@U1> <https://evil.example|click> [x](javascript:alert(1)) *b* _i_ `c` {{DATE(2026-01-01T00:00:00Z)}} <at>Bob</at> &amp; \u202egnp.exe\u202c \u2066a\u2069 zero\u200bwidth"

// Long is a justification of 10,000 runes that are not one byte each.
var Long = strings.Repeat("\u00e4\u20ac\U0001f9d1\u200d\U0001f680", 2500)

// Specimen is one card, page or form under a name that is good for a file.
type Specimen struct {
	Name string
	Card *bot.Card
	More []bot.Card // of a page
	Form *bot.Form
}

// Reply is the specimen as an answer.
func (s Specimen) Reply() bot.Reply { return bot.Reply{Card: s.Card, More: s.More, Form: s.Form} }

// Specimens are what the core itself makes of a few requests and menus. Every chat
// adapter renders them to testdata/golden/<name>.json, so that a change of Belay's
// words is seen in the diff.
func Specimens() []Specimen {
	at := time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)
	s := &specimens{at: at, projection: bot.Projection{Portal: "https://entra.microsoft.com", WarnBefore: 10 * time.Minute,
		Notices: bot.Routing{Default: []bot.Conversation{{ID: "channel"}}},
		SignIn:  func(string) string { return "https://belay.example/link/AAAAAAAAAAAAAAAAAAAAAA" }}}
	pending := s.request("Reset the password of a locked-out colleague", bot.Observed{Request: &pim.Request{ID: "ms", Approval: "ms", Status: "PendingApproval"}})
	by := func(result pim.Result, why string) bot.Observed {
		return bot.Observed{Stage: &pim.Stage{Result: result, Reviewer: bob, Justification: why}}
	}
	active := bot.Observed{Read: true, Instance: &pim.Instance{Start: at, End: at.Add(2 * time.Hour), Activated: true}}
	over := bot.Observed{Read: true}
	approved := s.after(pending, by(pim.Approved, ""), active)
	stepUp := s.request("Reset the password of a locked-out colleague", bot.NeedSignIn{Intent: "i1", Ticket: "t", Challenge: true})
	waiting := s.after(pending, bot.Intended{ID: "i2", Kind: bot.ToApprove, By: bot.Person{Principal: bob, Direct: bot.Conversation{ID: "bob"}}, Ticket: "t"})
	menu := bot.NewMenu(at, []pim.EligibleAssignment{reader, users}, map[pim.Assignment]pim.Policy{
		reader.Assignment: {MaxDuration: 8 * time.Hour, Justification: true}, users.Assignment: policy})
	key := chosen(menu)
	agreed := bot.Observed{Request: &pim.Request{ID: "ms", Status: "Granted"}}
	later := s.asked(bot.Asked{Role: contributor, Ask: bot.Ask{Duration: 2 * time.Hour, Start: at.Add(20 * time.Hour), Justification: "Planned work"}}, agreed)
	member := s.asked(bot.Asked{Role: duty, Ask: bot.Ask{Duration: 2 * time.Hour, Justification: "On duty"}}, agreed, active, bot.GroupRoles{Roles: []pim.EligibleAssignment{users, reader}})
	leading := s.asked(bot.Asked{Role: users, Ask: bot.Ask{Duration: 2 * time.Hour, Justification: "On duty"},
		With: []bot.Together{{ID: "01JREQUEST", Role: users}, {ID: "01JOTHER", Role: duty, State: bot.Submitting}}})
	all := []Specimen{
		s.card("approval", pending, "approver/bob/teams"),
		s.card("approval-hostile", s.after(s.request(Hostile), bot.Observed{Request: &pim.Request{ID: "ms", Status: "PendingApproval"}}), "approver/bob/teams"),
		s.card("approval-long", s.after(s.request(Long), bot.Observed{Request: &pim.Request{ID: "ms", Status: "PendingApproval"}}), "approver/bob/teams"),
		s.card("waits-for-approval", pending, "requester"),
		s.card("sign-in", stepUp, "requester"),
		s.card("sign-in-to-decide", waiting, "sign-in/i2"),
		s.card("approved", approved, "approver/bob/teams"),
		s.card("active", approved, "requester"),
		s.card("active-notice", approved, "notice/activated//channel"),
		s.card("denied", s.after(pending, by(pim.Denied, "Not during the freeze.")), "requester"),
		s.card("denied-notice", s.after(pending, by(pim.Denied, "Not during the freeze.")), "notice/denied//channel"),
		s.card("failed", s.request("because", bot.Refuse{Intent: "i1", Why: bot.Refusal{Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleExpiration, pim.RuleTicketing}}}), "requester"),
		s.card("ended", s.after(approved, over, over), "requester"),
		{Name: "refusal", Card: &bot.Card{Title: "Nothing was done", Tone: bot.Bad, Text: "You asked for this role yourself, so somebody else has to decide."}},
		{Name: "choose", Form: menu.Form("alice", "01JFORM", nil, nil, "")},
		{Name: "choose-many", Form: bot.NewMenu(at, many(), nil).Form("alice", "01JFORM", nil, nil, "")},
		{Name: "ask", Form: menu.Form("alice", "01JFORM", map[string]string{"role": key}, nil, "")},
		{Name: "ask-error", Form: menu.Form("alice", "01JFORM", map[string]string{"role": key, "reason": Hostile, "duration": "PT2H"},
			map[string]string{"ticket": "This role wants a ticket number."}, "")},
		{Name: "ask-several", Form: several(at)},
		s.card("group-active", member, "requester"),
		s.card("starts-later", later, "requester"),
		s.card("summary", s.after(leading, bot.Moved{ID: "01JOTHER", State: bot.Active}), "summary"),
		{Name: "deny-reason", Form: pending.ReasonForm("", "")},
	}
	all = append(all, lifeSpecimens(s, menu, pending, approved)...)
	all = append(all, elsewhereSpecimens(s)...)
	all = append(all, presenceSpecimens(*s, pending)...)
	all = append(all, fieldSpecimens()...)
	all = append(all, notMeSpecimens(s, pending)...)
	all = append(all, postureSpecimens(at)...)
	all = append(all, driftSpecimens(s)...)
	all = append(all, reviewSpecimens(at)...)
	return append(all, pageSpecimens(s.card("", pending, "approver/bob/teams"), s.card("", approved, "requester"))...)
}

var (
	alice  = pim.Principal{ID: "alice", Name: "Alice Adams", UPN: "alice@contoso.example"}
	bob    = pim.Principal{ID: "bob", Name: "Bob Brown", UPN: "bob@contoso.example"}
	reader = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "reader", Scope: "/"}, RoleName: "Reports Reader", ScopeName: "Directory"}
	users  = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "users", Scope: "/"}, RoleName: "User Administrator", ScopeName: "Directory"}
	duty   = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: "duty"}, RoleName: "Member", ScopeName: "Duty Managers"}
	// contributor can be narrowed.
	contributor = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: "/providers/contributor", Scope: "/subscriptions/1"},
		RoleName: "Contributor", ScopeName: "subscription Production", Through: pim.Principal{ID: "g", Name: "Platform Team"}}
	policy = pim.Policy{MaxDuration: 4 * time.Hour, Justification: true, Ticket: true, AuthContext: "c1", Approval: true,
		Approvers:      []pim.Principal{bob, {ID: "carol", Name: "Carol Clark"}, {ID: "frank", Name: "Frank Fox"}},
		ApproverGroups: []pim.ApproverGroup{{ID: "g", Name: "Duty Managers", Size: 3, Members: []string{"bob", "carol", "frank"}}}}
)

type specimens struct {
	at         time.Time
	projection bot.Projection
}

// request is one that was sent, and what happened to it since.
func (s *specimens) request(why string, events ...bot.Event) bot.Request {
	begun := []bot.Event{
		bot.Asked{ID: "01JREQUEST", Requester: bot.Person{Principal: alice, Direct: bot.Conversation{ID: "alice"}}, Role: users, Intent: "i1", SignedIn: true, Policy: policy,
			Ask: bot.Ask{Duration: 2 * time.Hour, Justification: why, Ticket: pim.Ticket{Number: "CHG-1", System: "ServiceNow"}}},
		bot.Routed{Reach: []bot.Reach{{Principal: "bob", At: []bot.Conversation{{Platform: bot.Teams, ID: "bob"}}}}},
	}
	return s.after(bot.Request{}, append(begun, events...)...)
}

// asked is a request for another role.
func (s *specimens) asked(a bot.Asked, events ...bot.Event) bot.Request {
	a.ID, a.Requester, a.Intent, a.SignedIn = "01JREQUEST", bot.Person{Principal: alice, Direct: bot.Conversation{ID: "alice"}}, "i1", true
	return s.after(bot.Request{}, append([]bot.Event{a}, events...)...)
}

func (s *specimens) after(r bot.Request, events ...bot.Event) bot.Request {
	for _, e := range events {
		var err error
		if r, err = bot.Apply(r, s.at, e); err != nil {
			panic("a specimen cannot be made: " + err.Error()) // a fault of this file, seen by every test of it
		}
	}
	return r
}

// card is the one that a slot of the request should show.
func (s *specimens) card(name string, r bot.Request, slot bot.Slot) Specimen {
	for _, w := range s.projection.Wanted(r, s.at) {
		if w.Slot == slot {
			return Specimen{Name: name, Card: &w.Card}
		}
	}
	panic("specimen " + name + ": no card in slot " + string(slot))
}

// several is a form that asks for everything a form can ask for.
func several(at time.Time) *bot.Form {
	rg := pim.Scope{ID: "/subscriptions/1/resourceGroups/rg-prod", Name: "resource group rg-prod"}
	narrowed := contributor.Assignment
	narrowed.Scope = rg.ID
	menu := bot.NewMenu(at, []pim.EligibleAssignment{contributor, duty, reader}, map[pim.Assignment]pim.Policy{
		contributor.Assignment: policy, narrowed: policy, duty.Assignment: {MaxDuration: time.Hour}, reader.Assignment: {MaxDuration: 8 * time.Hour, Justification: true}}).
		With(map[pim.Assignment][]pim.Scope{contributor.Assignment: {rg}}, func(e pim.EligibleAssignment) string {
			if e.Kind == pim.AzureResource {
				return "I follow the change procedure of production."
			}
			return ""
		})
	form := func(values map[string]string) *bot.Form { return menu.Form("alice", "01JFORM", values, nil, "") }
	values := map[string]string{"role": form(nil).Fields[0].Options[0].Value, "start": at.Add(20 * time.Hour).Format(time.RFC3339), "reason": "Planned work"}
	whole := form(values)
	values["where"], values["also"] = whole.Fields[1].Options[1].Value, whole.Fields[2].Options[0].Value
	return form(values)
}

// chosen is the value of the menu's last role.
func chosen(m *bot.Menu) string {
	options := m.Form("", "", nil, nil, "").Fields[0].Options
	return options[len(options)-1].Value
}

// many is more than a list can hold.
func many() []pim.EligibleAssignment {
	var all []pim.EligibleAssignment
	for n := range 120 {
		all = append(all, pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: fmt.Sprintf("role-%03d", n), Scope: "/administrativeUnits/1"},
			RoleName: fmt.Sprintf("Role %03d with a rather long name that goes on and on and on for a while", n), ScopeName: strings.Repeat("Scope ", 20)})
	}
	return all
}
