package teams

import (
	"encoding/json"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // an image without a shell may have no time zones
)

// utc is for who did not say where they are.
const utc = "UTC"

// zoneOf is the time zone of whoever sent an activity: the name that Teams gives it,
// else the offset of the time that it gives, such as "+02:00", else "UTC". Forms
// name it, so that nobody takes another one for granted.
func zoneOf(name, local json.RawMessage) string {
	var s string
	if json.Unmarshal(name, &s) == nil {
		if _, ok := location(s); ok {
			return s
		}
	}
	if json.Unmarshal(local, &s) == nil {
		if at, err := time.Parse(time.RFC3339, s); err == nil && at.Location() != time.UTC {
			return at.Format("-07:00")
		}
	}
	return utc
}

// location is the zone of that name or offset.
func location(zone string) (*time.Location, bool) {
	if at, err := time.Parse("-07:00", zone); err == nil {
		_, offset := at.Zone()
		return time.FixedZone(zone, offset), true
	}
	if zone == "" || zone == "Local" || len(zone) > 64 {
		return time.UTC, false
	}
	if l, ok := zones.Load(zone); ok {
		return l.(*time.Location), true
	}
	l, err := time.LoadLocation(zone)
	if err != nil {
		return time.UTC, false
	}
	zones.Store(zone, l)
	return l, true
}

// zones are those that were asked for: Go reads a file for each that it is asked for. There are some
// six hundred.
var zones sync.Map // name → *time.Location

// How the inputs of Adaptive Cards write dates and times.
const (
	dateForm = "2006-01-02"
	timeForm = "15:04"
)

// split is the value of a Moment as it stands in the inputs. One that was entered by
// half, and comes back for the other half, stands there as it was entered.
func split(value, zone string) (date, clock string) {
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		l, _ := location(zone)
		return at.In(l).Format(dateForm), at.In(l).Format(timeForm)
	}
	date, clock, _ = strings.Cut(value, "T")
	if _, err := time.Parse(dateForm, date); err != nil {
		date = ""
	}
	if _, err := time.Parse(timeForm, clock); err != nil {
		clock = ""
	}
	return date, clock
}

// join is the value of a Moment, or what is wrong with it. An hour that comes twice,
// when clocks are put back, is the first of the two.
func join(date, clock, zone string) (value, wrong string) {
	if date == "" && clock == "" {
		return "", ""
	}
	const form = dateForm + " " + timeForm
	if len(clock) > len(timeForm) {
		clock = clock[:len(timeForm)] // without seconds
	}
	meant, err := time.Parse(form, date+" "+clock)
	if err != nil {
		return "", wordHalf
	}
	l, _ := location(zone)
	at := time.Date(meant.Year(), meant.Month(), meant.Day(), meant.Hour(), meant.Minute(), 0, 0, l)
	if at.Format(form) != meant.Format(form) {
		return "", wordNoTime
	}
	if earlier := at.Add(-time.Hour); earlier.Format(form) == meant.Format(form) {
		at = earlier
	}
	return at.UTC().Format(time.RFC3339), ""
}
