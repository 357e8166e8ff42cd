package app

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
)

// Alerts are the thresholds of what is unusual; docs/alerts.md tells of each detector.
type Alerts struct {
	Enabled bool     `koanf:"enabled" default:"true" doc:"Tell the security channels of what is unusual, with the evidence. See docs/alerts.md."`
	Off     []string `koanf:"off" doc:"Detectors that are off, by name, such as role-burst."`

	Zone     string   `koanf:"zone" default:"UTC" doc:"Time zone of people whose chat profile names none, such as Europe/Berlin."`
	Days     []string `koanf:"days" default:"mon,tue,wed,thu,fri" doc:"Working days: mon, tue, wed, thu, fri, sat, sun."`
	Hours    string   `koanf:"hours" default:"07:00-20:00" doc:"Working hours of a day, in each person's own time zone."`
	Holidays string   `koanf:"holidays" doc:"An iCalendar file (.ics) of holidays. One that cannot be read stops the start."`

	PersonBurst       int           `koanf:"person_burst" default:"5" doc:"This many activations of one person …"`
	PersonBurstWithin time.Duration `koanf:"person_burst_within" default:"1h" doc:"… within this time are an alert."`
	RoleBurst         int           `koanf:"role_burst" default:"5" doc:"This many activations of one role …"`
	RoleBurstWithin   time.Duration `koanf:"role_burst_within" default:"1h" doc:"… within this time are an alert."`
	Denied            int           `koanf:"denied" default:"1" doc:"This many denied requests of one person …"`
	DeniedWithin      time.Duration `koanf:"denied_within" default:"24h" doc:"… within this time are an alert."`
	HastyDecision     time.Duration `koanf:"hasty_decision" default:"10s" doc:"A decision sooner than this after the request began to wait is hasty."`
	Hasty             int           `koanf:"hasty" default:"3" doc:"This many hasty decisions of one approver …"`
	HastyWithin       time.Duration `koanf:"hasty_within" default:"168h" doc:"… within this time are an alert."`
	UnansweredAfter   time.Duration `koanf:"unanswered_after" default:"4h" doc:"A request that waits for a decision longer than this is an alert."`
	PlaceDays         int           `koanf:"place_days" default:"30" doc:"A sign-in from a country from which the person did not sign in on so many days before it is unusual …"`
	PlaceWithin       time.Duration `koanf:"place_within" default:"72h" doc:"… and an alert, if the person activates something within this time."`
}

// longestWindow bounds what is counted.
const longestWindow = 90 * 24 * time.Hour

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (v *validator) alerts(a Alerts) {
	if !a.Enabled {
		return
	}
	for n, name := range a.Off {
		v.check(fmt.Sprintf("alerts.off[%d]", n), slices.Contains(bot.Detectors, bot.Detector(name)), "must be the name of a detector: "+detectorNames())
	}
	for n, day := range a.Days {
		v.check(fmt.Sprintf("alerts.days[%d]", n), slices.Contains(dayNames, day), "must be mon, tue, wed, thu, fri, sat or sun")
	}
	_, err := time.LoadLocation(a.Zone)
	v.check("alerts.zone", err == nil && a.Zone != "" && a.Zone != "Local", "must be a time zone such as Europe/Berlin or UTC")
	if _, _, err := workHours(a.Hours); err != nil {
		v.fault("alerts.hours", err.Error())
	}
	v.file("alerts.holidays", a.Holidays, func(text []byte) error { _, err := readCalendar(text); return err })
	for _, f := range []struct {
		key    string
		times  int
		within time.Duration
	}{
		{"person_burst", a.PersonBurst, a.PersonBurstWithin}, {"role_burst", a.RoleBurst, a.RoleBurstWithin},
		{"denied", a.Denied, a.DeniedWithin}, {"hasty", a.Hasty, a.HastyWithin},
	} {
		v.check("alerts."+f.key, f.times >= 1 && f.times <= 1000, "must be between 1 and 1000; a detector is turned off in alerts.off")
		v.check("alerts."+f.key+"_within", f.within >= time.Minute && f.within <= longestWindow, "must be between 1m and 2160h")
	}
	v.check("alerts.hasty_decision", a.HastyDecision >= time.Second && a.HastyDecision <= time.Hour, "must be between 1s and 1h")
	days, within := a.place()
	v.check("alerts.place_days", days >= 2 && days <= 30, "must be between 2 and 30, for as long as Entra keeps its sign-in log")
	v.check("alerts.place_within", within >= time.Hour && within <= time.Duration(days)*24*time.Hour, "must be between 1h and the time of place_days")
	v.check("alerts.unanswered_after", a.UnansweredAfter >= time.Minute && a.UnansweredAfter <= 24*time.Hour, "must be between 1m and 24h, when Microsoft closes the request")
}

// place is what makes a sign-in unusual. Zero, in a configuration that no file was read for, is
// the default.
func (a Alerts) place() (days int, within time.Duration) {
	return cmp.Or(a.PlaceDays, 30), cmp.Or(a.PlaceWithin, 72*time.Hour)
}

func detectorNames() string {
	names := make([]string, 0, len(bot.Detectors))
	for _, d := range bot.Detectors {
		names = append(names, string(d))
	}
	return strings.Join(names, ", ")
}

// workHours reads "07:00-20:00".
func workHours(text string) (from, until int, err error) {
	first, last, ok := strings.Cut(text, "-")
	for part, minutes := range map[string]*int{first: &from, last: &until} {
		at, perr := time.Parse("15:04", strings.TrimSpace(part))
		if perr != nil || !ok {
			return 0, 0, fmt.Errorf("must be two times of day such as 07:00-20:00")
		}
		*minutes = at.Hour()*60 + at.Minute()
	}
	return from, until, nil
}

// rules are the thresholds as the bot knows them; nil: no alerts.
func (a Alerts) rules(breakGlass []string) (*bot.AlertRules, error) {
	if !a.Enabled {
		return nil, nil
	}
	r := &bot.AlertRules{PersonBurst: bot.Often{Times: a.PersonBurst, Within: a.PersonBurstWithin}, RoleBurst: bot.Often{Times: a.RoleBurst, Within: a.RoleBurstWithin},
		Denied: bot.Often{Times: a.Denied, Within: a.DeniedWithin}, Hasty: bot.Often{Times: a.Hasty, Within: a.HastyWithin},
		HastyWithin: a.HastyDecision, UnansweredAfter: a.UnansweredAfter, BreakGlass: breakGlass}
	r.PlaceDays, r.PlaceWithin = a.place()
	for _, name := range a.Off {
		r.Off = append(r.Off, bot.Detector(name))
	}
	var err error
	if r.Hours.From, r.Hours.Until, err = workHours(a.Hours); err != nil {
		return nil, fmt.Errorf("alerts.hours %w", err)
	}
	if r.Hours.Zone, err = time.LoadLocation(a.Zone); err != nil {
		return nil, fmt.Errorf("alerts.zone %w", err)
	}
	for _, day := range a.Days {
		r.Hours.Days = append(r.Hours.Days, time.Weekday(slices.Index(dayNames, day)))
	}
	if a.Holidays != "" {
		text, err := os.ReadFile(a.Holidays)
		if err != nil {
			return nil, fmt.Errorf("alerts.holidays cannot be read: %w", err)
		}
		if r.Hours.Holidays, err = readCalendar(text); err != nil {
			return nil, fmt.Errorf("alerts.holidays %w", err)
		}
	}
	return r, nil
}
