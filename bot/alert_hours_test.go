package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

func TestWorkingHoursAreThoseOfTheClockOnTheWall(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	week := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	day := bot.WorkHours{From: 8 * 60, Until: 18 * 60, Days: week, Zone: berlin, Holidays: map[string]string{"2026-12-25": "Christmas"}}
	night := bot.WorkHours{From: 22 * 60, Until: 6 * 60, Days: week, Zone: berlin}
	at := func(text string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return when.UTC()
	}
	for _, c := range []struct {
		hours bot.WorkHours
		at    string
		why   string
	}{
		{day, "2026-11-26 08:00", ""}, // a Thursday
		{day, "2026-11-26 07:59", "08:00 to 18:00"},
		{day, "2026-11-26 17:59", ""},
		{day, "2026-11-26 18:00", "08:00 to 18:00"},
		{day, "2026-11-28 10:00", "Saturday"},
		{day, "2026-12-25 10:00", "Christmas"},
		{day, "2026-07-01 08:30", ""}, // in summer time
		{day, "2026-07-01 07:30", "08:00 to 18:00"},
		{night, "2026-11-26 23:00", ""},
		{night, "2026-11-27 05:59", ""},
		{night, "2026-11-28 05:00", ""},         // Friday's shift ends on Saturday
		{night, "2026-11-28 23:00", "Saturday"}, // and Saturday has none
		{night, "2026-11-30 05:00", "Sunday"},
		{night, "2026-11-26 12:00", "22:00 to 06:00"},
	} {
		why, off := c.hours.Off(at(c.at))
		if off != (c.why != "") || !strings.Contains(why, c.why) {
			t.Errorf("%s is off: %v, %q; want %q", c.at, off, why, c.why)
		}
	}
}

func TestBusinessHoursAreThoseOfThePersonsOwnTimeZone(t *testing.T) {
	// Hours that are on in one of the two zones only, whatever the time is now.
	now := time.Now().UTC()
	minute := now.Hour()*60 + now.Minute()
	hours := bot.WorkHours{From: (minute + 11*60) % (24 * 60), Until: (minute + 13*60) % (24 * 60), Days: everyDay, Zone: time.UTC}
	for zone, want := range map[string]int{"": 1, "+12:00": 0, "Etc/GMT-12": 0, "Nowhere/At all": 1} {
		w := watched(t, bot.AlertRules{Hours: hours}, bot.AlertHours)
		p := people["alice"]
		policy, err := w.ms.Policy(t.Context(), p.ID, reports.Assignment)
		if err != nil {
			t.Fatal(err)
		}
		in := w.in("alice", nil)
		id := "01900000-0000-7000-8000-000000000001"
		if err := w.bot.Apply(t.Context(), id, bot.Asked{ID: id, Requester: bot.Person{Principal: p, User: in.User, Direct: in.At, Zone: zone}, Role: reports,
			Ask: bot.Ask{Duration: time.Hour, Justification: "canary"}, Policy: policy, Intent: id + "/i", SignedIn: true}); err != nil {
			t.Fatal(err)
		}
		w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
		if n := w.alertsIn("outside business hours"); n != want {
			t.Errorf("%d alerts in zone %q", n, zone)
		}
	}
}

func TestTheTimeZoneOfAProfileIsKeptWithTheLink(t *testing.T) {
	now := time.Now().UTC()
	minute := now.Hour()*60 + now.Minute()
	hours := bot.WorkHours{From: (minute + 11*60) % (24 * 60), Until: (minute + 13*60) % (24 * 60), Days: everyDay, Zone: time.UTC}
	w := watched(t, bot.AlertRules{Hours: hours}, bot.AlertHours)
	w.says("alice", bot.Command{Text: "unlink"})
	w.slack.SetProfile("U-alice", bot.Profile{Name: "alice", Email: people["alice"].UPN, Full: true, Zone: "Etc/GMT-12"})
	w.link("alice")
	id := w.ask("alice", "reports", "1h", "canary")
	w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
	if n := w.alertsIn("outside business hours"); n != 0 {
		t.Errorf("%d alerts at noon in Alice's zone", n)
	}
}
