package app

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// withRules is the good configuration with other notices.
func withRules(notices string) string {
	head, _, _ := strings.Cut(good, "\nnotices:")
	return head + "\n" + notices
}

// The example of docs/notices.md loads and means what the page says.
func TestRulesOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../../docs/notices.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(example, "```")
	if !ok {
		t.Fatal("the page has no example")
	}
	const teams = "teams:\n  app_id: b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5\n"
	c, err := Load(write(t, withRules(teams+example)), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Routing()
	for _, test := range []struct {
		h    bot.Happening
		want []string
	}{
		{bot.Happening{Event: bot.NoticeActive, Role: pim.EligibleAssignment{RoleName: "Message Center Reader"}}, nil},
		{bot.Happening{Event: bot.NoticeEnded, Severity: bot.High}, []string{"C0TIER0", "19:…@thread.tacv2", "00000000-0000-4000-8000-000000000001"}},
		{bot.Happening{Event: bot.NoticeAsked, Role: pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Scope: "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/shop"}}}, []string{"C0PROD"}},
		{bot.Happening{Event: bot.NoticeActive, Groups: []string{"00000000-0000-4000-8000-000000000002"}}, []string{"C0CONTRACTORS"}},
		{bot.Happening{Event: bot.NoticeExtended}, []string{"19:…@thread.tacv2 daily 08:00 Europe/Berlin", "C0123456789"}},
		{bot.Happening{Event: bot.NoticeAlert}, []string{"C0SECURITY"}},
	} {
		var got []string
		for _, x := range r.Targets(test.h) {
			got = append(got, strings.TrimSpace(x.At.ID+x.Person+" "+x.Digest.String()))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.h.Event, diff)
		}
	}
}

// Another spelling of an event is the same event.
func TestRulesNameActiveEitherWay(t *testing.T) {
	c, err := Load(write(t, withRules(`notices: {rules: [{events: [active], to: ["slack:C0ALL"]}]}`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Routing().Targets(bot.Happening{Event: bot.NoticeActive}); len(got) != 1 {
		t.Errorf("%d hear of it", len(got))
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	for rule, want := range map[string]string{
		`{events: [actived]}`:                   "notices.rules[0].events[0]: must be one of asked, approved, denied, activated, extended, ended, failed, unreached, alert, drift, posture",
		`{events: [not-me]}`:                    "notices.rules[0].events[0]: must be one of",
		`{pillars: [aws]}`:                      "notices.rules[0].pillars[0]: must be entra, groups or azure",
		`{roles: [" "]}`:                        "notices.rules[0].roles[0]: is empty",
		`{scopes: [rg-shop]}`:                   "notices.rules[0].scopes[0]: must be a path",
		`{severity: loud}`:                      "notices.rules[0].severity: must be low, medium or high",
		`{groups: [Tier 0]}`:                    "notices.rules[0].groups[0]: must be a group's object id",
		`{people: [alice@contoso.example]}`:     "notices.rules[0].people[0]: must be a person's object id",
		`{to: ["#all"]}`:                        "notices.rules[0].to[0]: must be slack:C… or teams:19:…",
		`{to: ["teams:19:x"]}`:                  "notices.rules[0].to[0]: names a platform that is not configured",
		`{to: ["slack:C0ALL"], digest: weekly}`: "notices.rules[0].digest: must be hourly",
		`{to: ["slack:C0ALL"], digest: daily 08:00 Mars/Olympus}`:        "notices.rules[0].digest: names the time zone Mars/Olympus",
		`{to: ["slack:C0ALL"], digest: daily 25:00 UTC}`:                 "notices.rules[0].digest: 25:00 is not a time of day",
		`{events: [drift], to: ["slack:C0ALL"], digest: hourly}`:         "notices.rules[0].digest: a digest has no buttons, and a change is accepted by its buttons: leave drift out of events here",
		`{events: [active, alert], to: ["slack:C0ALL"], digest: hourly}`: "notices.rules[0].digest: a digest has no buttons, and an alert is handled by its buttons: leave alert out of events here",
		`{digest: hourly}`:                    "notices.rules[0].digest: there is nobody",
		`{silent: true, to: ["slack:C0ALL"]}`: "notices.rules[0].silent: a silent rule sends to nobody",
		`{silent: true, continue: true}`:      "notices.rules[0].continue: a rule that sends to nobody is silence",
		`{silent: "yes"}`:                     "notices.rules[0].silent: must be true or false",
		`{colour: red}`:                       "notices.rules[0].colour: unknown key",
	} {
		_, err := Load(write(t, withRules("notices: {rules: ["+rule+"]}")), nil)
		if got := faults(t, err); !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %s", rule, got)
		}
	}
}

// What Render writes of rules is what Load reads.
func TestRulesRender(t *testing.T) {
	want, err := Load(write(t, withRules(`notices: {rules: [{name: a, events: [active], pillars: [azure], roles: [Owner], scopes: [/subscriptions/x], severity: high, groups: [00000000-0000-4000-8000-000000000002], to: ["slack:C0ALL"], people: [00000000-0000-4000-8000-000000000001], digest: hourly, continue: true}, {silent: true}]}`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Render(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(write(t, string(text)), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(want.Notices, got.Notices); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, text)
	}
}
