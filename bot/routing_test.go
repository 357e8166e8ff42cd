package bot

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/pim"
)

// told says who hears of something: channels by their ids, people with an @, digests with
// their timetable.
func told(targets []Target) string {
	var all []string
	for _, t := range targets {
		s := t.At.ID
		if t.Person != "" {
			s = "@" + t.Person
		}
		if !t.Digest.Zero() {
			s += " " + t.Digest.String()
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func channels(ids ...string) (all []Conversation) {
	for _, id := range ids {
		all = append(all, Conversation{Platform: Slack, ID: id})
	}
	return all
}

func TestTargets(t *testing.T) {
	owner := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: "/subscriptions/s/providers/x/roleDefinitions/owner-id", Scope: "/subscriptions/S/resourceGroups/shop"}, RoleName: "Owner"}
	vault := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.Group, Role: "member", Scope: "group-id"}, ScopeName: "Finance Vault"}
	reader := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "reader-id", Scope: "/"}, RoleName: "Global Reader"}
	for name, c := range map[string]struct {
		rules []Rule
		h     Happening
		want  string
	}{
		"no rule":                         {nil, Happening{Event: NoticeEnded, Role: reader}, "default"},
		"an event that has to be named":   {nil, Happening{Event: NoticeAsked, Role: reader}, ""},
		"… also in a rule":                {[]Rule{{To: channels("a")}}, Happening{Event: NoticeApproved, Role: reader}, ""},
		"… and is":                        {[]Rule{{Events: []Notice{NoticeAsked}, To: channels("a")}}, Happening{Event: NoticeAsked, Role: reader}, "a"},
		"an alert":                        {[]Rule{{To: channels("a")}}, Happening{Event: NoticeAlert}, "security"},
		"an alert that a rule takes":      {[]Rule{{Events: []Notice{NoticeAlert}, To: channels("a")}}, Happening{Event: NoticeAlert}, "a"},
		"an alert that a rule silences":   {[]Rule{{Events: []Notice{NoticeAlert}}}, Happening{Event: NoticeAlert}, ""},
		"silence that names no event":     {[]Rule{{}}, Happening{Event: NoticeDrift}, "security"},
		"the first that fits":             {[]Rule{{Roles: []string{"Owner"}, To: channels("a")}, {To: channels("b")}, {To: channels("c")}}, Happening{Event: NoticeActive, Role: reader}, "b"},
		"silence above a rule":            {[]Rule{{Roles: []string{"global reader"}}, {To: channels("b")}}, Happening{Event: NoticeActive, Role: reader}, ""},
		"a rule above silence":            {[]Rule{{To: channels("b")}, {Roles: []string{"global reader"}}}, Happening{Event: NoticeActive, Role: reader}, "b"},
		"going on":                        {[]Rule{{To: channels("a"), Continue: true}, {To: channels("b", "a"), People: []string{"P"}}, {To: channels("c")}}, Happening{Event: NoticeActive, Role: reader}, "a, b, @P"},
		"going on to silence":             {[]Rule{{To: channels("a"), Continue: true}, {}, {To: channels("c")}}, Happening{Event: NoticeActive, Role: reader}, "a"},
		"going on to nothing":             {[]Rule{{To: channels("a"), Continue: true}}, Happening{Event: NoticeActive, Role: reader}, "a, default"},
		"a place that two rules name":     {[]Rule{{To: channels("a"), Digest: Timetable{Hourly: true}, Continue: true}, {To: channels("a", "b")}}, Happening{Event: NoticeActive, Role: reader}, "a hourly, b"},
		"a person whom two rules name":    {[]Rule{{People: []string{"P"}, Continue: true}, {People: []string{"p", "q"}, Digest: Timetable{Hourly: true}}}, Happening{Event: NoticeActive, Role: reader}, "@P, @q hourly"},
		"the pillar":                      {[]Rule{{Pillars: []pim.Kind{pim.Group}, To: channels("a")}}, Happening{Event: NoticeActive, Role: vault}, "a"},
		"another pillar":                  {[]Rule{{Pillars: []pim.Kind{pim.Group}, To: channels("a")}}, Happening{Event: NoticeActive, Role: owner}, "default"},
		"a role's id":                     {[]Rule{{Roles: []string{"READER-ID"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: reader}, "a"},
		"an Azure role's short id":        {[]Rule{{Roles: []string{"owner-id"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: owner}, "a"},
		"a group's name":                  {[]Rule{{Roles: []string{"finance vault"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: vault}, "a"},
		"a group's id":                    {[]Rule{{Roles: []string{"group-id"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: vault}, "a"},
		"a role that is not known":        {[]Rule{{Roles: []string{"Global Reader"}, Events: []Notice{NoticeAlert}, To: channels("a")}}, Happening{Event: NoticeAlert}, "security"},
		"the scope above":                 {[]Rule{{Scopes: []string{"/subscriptions/s/"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: owner}, "a"},
		"the scope itself":                {[]Rule{{Scopes: []string{"/subscriptions/s/resourcegroups/shop"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: owner}, "a"},
		"a scope with the same beginning": {[]Rule{{Scopes: []string{"/subscriptions/s/resourcegroups/sh"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: owner}, "default"},
		"the scope of everything":         {[]Rule{{Scopes: []string{"/"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: owner}, "a"},
		"severe enough":                   {[]Rule{{Severity: Medium, To: channels("a")}}, Happening{Event: NoticeActive, Role: reader, Severity: High}, "a"},
		"not severe enough":               {[]Rule{{Severity: Medium, To: channels("a")}}, Happening{Event: NoticeActive, Role: reader, Severity: Low}, "default"},
		"of no severity":                  {[]Rule{{Severity: Low, To: channels("a")}}, Happening{Event: NoticeActive, Role: reader}, "a"},
		"a requester of the group":        {[]Rule{{Groups: []string{"G"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: reader, Groups: []string{"g"}}, "a"},
		"a requester of another":          {[]Rule{{Groups: []string{"G"}, To: channels("a")}}, Happening{Event: NoticeActive, Role: reader, Groups: []string{"h"}}, "default"},
		"an extension is an activation":   {[]Rule{{Events: []Notice{NoticeActive}, To: channels("a")}}, Happening{Event: NoticeExtended, Role: reader}, "a"},
		"an activation is no extension":   {[]Rule{{Events: []Notice{NoticeExtended}, To: channels("a")}}, Happening{Event: NoticeActive, Role: reader}, "default"},
		"a digest":                        {[]Rule{{To: channels("a"), Digest: Timetable{Daily: true, Minute: 8*60 + 5}}}, Happening{Event: NoticeActive, Role: reader}, "a daily 08:05 UTC"},
		"an alarm goes to security":       {[]Rule{{To: channels("a")}}, Happening{Event: NoticeNotMe, Role: reader}, "security"},
	} {
		r := Routing{Rules: c.rules, Default: channels("default"), Security: channels("security")}
		if got := told(r.Targets(c.h)); got != c.want {
			t.Errorf("%s: %q hear of it, want %q", name, got, c.want)
		}
	}
}

// Without security channels alarms go where notices go, at once and whatever is silenced.
func TestTargetsOfAnAlarmWithoutSecurityChannels(t *testing.T) {
	for want, rules := range map[string][]Rule{
		"default": {{}},
		"a":       {{To: channels("a"), Digest: Timetable{Hourly: true}}},
	} {
		if got := told(Routing{Rules: rules, Default: channels("default")}.Targets(Happening{Event: NoticeNotMe, Severity: High})); got != want {
			t.Errorf("%q hear of it, want %q", got, want)
		}
	}
	if got := told(Routing{Default: channels("default")}.Targets(Happening{Event: NoticePosture})); got != "default" {
		t.Errorf("%q hear of a posture report", got)
	}
}

// drawRouting makes rules of few words, so that they meet.
func drawRouting(t *rapid.T) Routing {
	some := func(words ...string) *rapid.Generator[[]string] {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(words), 0, 2, func(s string) string { return s })
	}
	places := func(name string) []Conversation { return channels(some("a", "b", "c").Draw(t, name)...) }
	events := append(slices.Clone(Everyday), NoticeAsked, NoticeApproved, NoticeAlert, NoticeDrift, NoticePosture)
	rule := func(n int) Rule {
		r := Rule{Name: fmt.Sprint(n), To: places("to"), People: some("p", "P", "q").Draw(t, "people"), Roles: some("Owner", "Reader").Draw(t, "roles"),
			Scopes: some("/", "/s", "/s/g").Draw(t, "scopes"), Groups: some("g", "h").Draw(t, "groups"), Continue: rapid.Bool().Draw(t, "continue"),
			Events:   rapid.SliceOfNDistinct(rapid.SampledFrom(events), 0, 3, func(n Notice) Notice { return n }).Draw(t, "events"),
			Severity: rapid.SampledFrom([]Severity{"", Low, Medium, High}).Draw(t, "severity"),
			Pillars:  rapid.SliceOfNDistinct(rapid.SampledFrom([]pim.Kind{pim.EntraRole, pim.AzureResource}), 0, 1, func(k pim.Kind) pim.Kind { return k }).Draw(t, "pillars")}
		if rapid.Bool().Draw(t, "digest") {
			r.Digest = Timetable{Hourly: true}
		}
		return r
	}
	out := Routing{Default: places("default"), Security: places("security")}
	for n := range rapid.IntRange(0, 4).Draw(t, "rules") {
		out.Rules = append(out.Rules, rule(n))
	}
	return out
}

func drawHappening(t *rapid.T) Happening {
	events := append(slices.Clone(Everyday), NoticeAsked, NoticeApproved, NoticeNotMe, NoticeAlert, NoticeDrift, NoticePosture)
	return Happening{Event: rapid.SampledFrom(events).Draw(t, "event"), Severity: rapid.SampledFrom([]Severity{"", Low, Medium, High}).Draw(t, "how severe"),
		Groups: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"g", "h"}), 0, 2, func(s string) string { return s }).Draw(t, "in"),
		Role: pim.EligibleAssignment{RoleName: rapid.SampledFrom([]string{"Owner", "Reader", "Other"}).Draw(t, "role"),
			Assignment: pim.Assignment{Kind: rapid.SampledFrom([]pim.Kind{pim.EntraRole, pim.AzureResource}).Draw(t, "kind"), Scope: rapid.SampledFrom([]string{"/", "/s", "/s/g", "/sx"}).Draw(t, "scope")}}}
}

// Whatever the rules are: no place hears of anything twice, nobody hears of what silence
// takes, an alarm is heard as long as there is a channel, and a rule that another one covers
// changes nothing.
func TestTargetsOfAnyRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, h := drawRouting(t), drawHappening(t)
		targets := r.Targets(h)
		seen := map[string]bool{}
		for _, x := range targets {
			if seen[x.key()] {
				t.Fatalf("%s hears twice of it: %s", x.key(), told(targets))
			}
			seen[x.key()] = true
		}
		if h.Event == NoticeNotMe {
			if len(targets) == 0 && len(r.Default)+len(r.Security) > 0 {
				t.Fatal("nobody hears of an alarm")
			}
			return
		}
		for n, rule := range r.Rules {
			if !rule.Takes(h) {
				continue
			}
			if rule.Silent() {
				above := Routing{Rules: r.Rules[:n]}
				if got, want := told(targets), told(above.Targets(h)); got != want {
					t.Fatalf("rule %d is silence, and %q hear of it; above it are %q", n, got, want)
				}
			}
			if !rule.Continue || rule.Silent() {
				break
			}
		}
		for n, rule := range r.Rules {
			if !slices.ContainsFunc(r.Rules[:n], func(o Rule) bool { return o.Covers(rule) }) {
				continue
			}
			without := r
			without.Rules = slices.Delete(slices.Clone(r.Rules), n, n+1)
			if got, want := told(targets), told(without.Targets(h)); got != want {
				t.Fatalf("rule %d is covered, and without it %q hear of it, not %q", n, want, got)
			}
		}
	})
}

func TestTimetable(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here")
	}
	at := func(s string) time.Time {
		x, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	morning := Timetable{Daily: true, Minute: 8 * 60, Zone: berlin}
	night := Timetable{Daily: true, Minute: 2*60 + 30, Zone: berlin}
	for _, c := range []struct {
		table       Timetable
		after, want string
	}{
		{Timetable{Hourly: true}, "2026-11-26T10:15:00Z", "2026-11-26T11:00:00Z"},
		{Timetable{Hourly: true}, "2026-11-26T11:00:00Z", "2026-11-26T12:00:00Z"},
		{morning, "2026-11-26T06:59:59Z", "2026-11-26T07:00:00Z"},
		{morning, "2026-11-26T07:00:00Z", "2026-11-27T07:00:00Z"},
		{morning, "2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z"}, // the clock was put forward
		{morning, "2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z"}, // … and back
		{night, "2026-03-28T02:00:00Z", "2026-03-29T01:30:00Z"},   // there is no 02:30 that day
	} {
		if got := c.table.Next(at(c.after)); !got.Equal(at(c.want)) {
			t.Errorf("%s after %s: %s, want %s", c.table, c.after, got.Format(time.RFC3339), c.want)
		}
	}
}
