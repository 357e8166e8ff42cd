package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

const goodCalendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//holidays//EN\r\n" +
	"BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n" +
	"BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20261227\r\nSUMMARY:Christmas\\, bo\r\n th days\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:New Year\r\nBEGIN:VALARM\r\nTRIGGER:-PT15M\r\nDURATION:PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:3\r\nDTSTART;VALUE=DATE:20261111\r\nSTATUS:CANCELLED\r\nSUMMARY:Not any more\r\nEND:VEVENT\r\n" +
	"END:VCALENDAR\r\n"

func TestACalendarIsReadAsWholeDays(t *testing.T) {
	days, err := readCalendar([]byte(goodCalendar))
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]string{"2026-12-25": "Christmas, both days", "2026-12-26": "Christmas, both days", "2026-12-27": "", "2027-12-25": "",
		"2026-01-01": "New Year", "2031-01-01": "New Year", "2026-11-11": "", "1970-10-25": ""} {
		if days[day] != want {
			t.Errorf("%s is %q, want %q", day, days[day], want)
		}
	}
}

func TestACalendarThatDoesNotParseIsRefusedWithItsLine(t *testing.T) {
	event := func(lines string) string {
		return "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\n" + lines + "\nEND:VEVENT\nEND:VCALENDAR\n"
	}
	for text, want := range map[string]string{
		"":                                   "line 1",
		"<html>":                             "line 1",
		"VERSION:2.0":                        "line 1",
		"BEGIN:VCALENDAR\nrubbish":           "line 2",
		"BEGIN:VCALENDAR\nEND:VEVENT":        "line 2",
		"BEGIN:VCALENDAR\nVERSION:2.0":       "END:VCALENDAR",
		"BEGIN:VCALENDAR\nEND:VCALENDAR":     "no event",
		event("DTSTART:20261225T093000"):     "line 5: DTSTART must be a whole day",
		event("DTEND:26th"):                  "line 5: DTEND must be a whole day",
		event("DTEND:20261224"):              "line 3: the event ends before it begins",
		event("RRULE:FREQ=WEEKLY"):           "line 5: RRULE",
		event("RRULE:INTERVAL=1"):            "line 5: RRULE",
		event("RRULE:FREQ=YEARLY;BYDAY=1MO"): "line 5: RRULE",
		event("EXDATE:20271225"):             "line 5: EXDATE",
		event("DURATION:P3D"):                "line 5: DURATION",
	} {
		days, err := readCalendar([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || days != nil {
			t.Errorf("%q: %v, %v; want %q", text, days, err, want)
		}
	}
}

func TestAlertsAreCheckedAtTheStart(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.ics")
	if err := os.WriteFile(broken, []byte("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:soon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Alerts{Enabled: true, Zone: "Europe/Berlin", Days: []string{"mon"}, Hours: "07:00-20:00", PersonBurst: 5, PersonBurstWithin: time.Hour, RoleBurst: 5,
		RoleBurstWithin: time.Hour, Denied: 1, DeniedWithin: time.Hour, HastyDecision: 10 * time.Second, Hasty: 3, HastyWithin: time.Hour, UnansweredAfter: time.Hour, PlaceDays: 30, PlaceWithin: 72 * time.Hour}
	for _, c := range []struct {
		path   string
		change func(*Alerts)
	}{
		{"", func(*Alerts) {}},
		{"alerts.off[0]", func(a *Alerts) { a.Off = []string{"everything"} }},
		{"alerts.days[0]", func(a *Alerts) { a.Days = []string{"Monday"} }},
		{"alerts.zone", func(a *Alerts) { a.Zone = "Europe/Atlantis" }},
		{"alerts.hours", func(a *Alerts) { a.Hours = "day and night" }},
		{"alerts.holidays: line 3: DTSTART", func(a *Alerts) { a.Holidays = broken }},
		{"alerts.holidays: cannot be read", func(a *Alerts) { a.Holidays = broken + ".missing" }},
		{"alerts.person_burst", func(a *Alerts) { a.PersonBurst = 0 }},
		{"alerts.role_burst_within", func(a *Alerts) { a.RoleBurstWithin = time.Second }},
		{"alerts.hasty_decision", func(a *Alerts) { a.HastyDecision = 0 }},
		{"alerts.place_days", func(a *Alerts) { a.PlaceDays = 90 }},
		{"alerts.place_within", func(a *Alerts) { a.PlaceDays, a.PlaceWithin = 2, 72*time.Hour }},
		{"alerts.unanswered_after", func(a *Alerts) { a.UnansweredAfter = 48 * time.Hour }},
	} {
		a, v := good, validator{}
		c.change(&a)
		v.alerts(a)
		if c.path == "" && len(v.faults) > 0 || c.path != "" && !slices.ContainsFunc(v.faults, func(f string) bool { return strings.HasPrefix(f, c.path) }) {
			t.Errorf("%s: %q", c.path, v.faults)
		}
		a.Enabled, v = false, validator{}
		if v.alerts(a); len(v.faults) > 0 {
			t.Errorf("%s, and alerts are off: %q", c.path, v.faults)
		}
	}
	r, err := good.rules([]string{"an account"})
	if err != nil || fmt.Sprint(r.Hours.Days) != "[Monday]" || r.Hours.From != 7*60 || r.Hours.Until != 20*60 || r.Hours.Zone.String() != "Europe/Berlin" || r.PlaceDays != 30 || r.PlaceWithin != 72*time.Hour || len(r.BreakGlass) != 1 {
		t.Errorf("rules %+v, %v", r, err)
	}
}

// The table of docs/alerts.md has a row for each detector, in order, and names the
// settings that there are.
func TestTheTableOfDetectorsIsTheCodes(t *testing.T) {
	text, err := os.ReadFile("../../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			rows = append(rows, name[:strings.Index(name, "`")])
		}
	}
	var want []string
	for _, d := range bot.Detectors {
		want = append(want, string(d))
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the table has %q, the code %q", rows, want)
	}
	var settings, told []string
	for _, s := range Settings() {
		if strings.HasPrefix(s.Path, "alerts.") {
			settings = append(settings, s.Path)
		}
	}
	for _, m := range regexp.MustCompile("`(alerts\\.[a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		told = append(told, m[1])
	}
	slices.Sort(settings)
	slices.Sort(told)
	if told = slices.Compact(told); !slices.Equal(told, settings) {
		t.Errorf("docs/alerts.md tells of %q, there are %q", told, settings)
	}
}
