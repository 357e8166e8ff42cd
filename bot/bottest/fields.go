package bottest

import (
	"fmt"

	"github.com/belaybot/belay/bot"
)

// fieldSpecimens are forms with a field of every kind, each as it is at first, as it
// is filled in, and with an error.
func fieldSpecimens() []Specimen {
	pick := bot.Field{Name: "roles", Label: "Roles", Hint: "Each becomes a request of its own.", Kind: bot.Many, Live: true, Required: true, Max: 3,
		Options: []bot.Option{{Value: "r1", Label: "Reports Reader", Hint: "Directory"}, {Value: "r2", Label: "User Administrator", Hint: "Directory"},
			{Value: "r3", Label: "sg_prod_admins (member)"}, {Value: "r4", Label: "Contributor", Hint: "rg-web"}}}
	start := bot.Field{Name: "start", Label: "Start", Hint: "Leave it empty to begin at once.", Kind: bot.Moment}
	agree := bot.Field{Name: "agree", Label: "I have read what this role may do.", Kind: bot.Tick, Required: true}
	form := func(fields ...bot.Field) *bot.Form {
		return &bot.Form{ID: "01JFORM", Verb: bot.VerbAsk, Title: "Activate roles", Submit: "Send", Text: "Choose what you need.", Fields: fields}
	}
	filled := []bot.Field{pick, start, agree}
	filled[0].Value, filled[1].Value, filled[2].Value = "r2,r4", "2026-11-24T08:30:00Z", "yes"
	wrong := []bot.Field{pick, start, agree}
	wrong[0].Value, wrong[1].Value = "r1", "2026-11-22T08:30:00Z"
	wrong[0].Error, wrong[1].Error, wrong[2].Error = "This role is active already.", "Choose a time to come.", "Please confirm this."
	searched := pick
	searched.Search, searched.Options, searched.Value, searched.Max = true, nil, "role-118,role-007", 0
	for n := range 120 {
		searched.Options = append(searched.Options, bot.Option{Value: fmt.Sprintf("role-%03d", n), Label: fmt.Sprintf("Role %03d", n), Hint: "Directory"})
	}
	return []Specimen{
		{Name: "fields", Form: form(pick, start, agree)},
		{Name: "fields-filled", Form: form(filled...)},
		{Name: "fields-error", Form: form(wrong...)},
		{Name: "fields-searched", Form: form(searched)},
	}
}

// pageSpecimens are answers of several cards: one of a length that people have, and
// one that no platform has room for.
func pageSpecimens(cards ...Specimen) []Specimen {
	var all []bot.Card
	for _, s := range cards {
		all = append(all, *s.Card)
	}
	roles := bot.Card{Title: "What you can activate", Text: "12 roles."}
	for n := range 12 {
		roles.Actions = append(roles.Actions, bot.Action{Label: fmt.Sprintf("Activate role %d", n+1), Verb: bot.VerbElevate, ID: fmt.Sprintf("role-%d", n+1)})
	}
	short := append(all[:len(all):len(all)], roles)
	var long []bot.Card
	for n := range 30 {
		c := all[n%len(all)]
		c.Title = fmt.Sprintf("%d. %s", n+1, c.Title)
		long = append(long, c)
	}
	long = append(long, roles)
	return []Specimen{
		{Name: "page", Card: &short[0], More: short[1:]},
		{Name: "page-long", Card: &long[0], More: long[1:]},
	}
}
