package bot

import (
	"fmt"
	"time"
)

// WorkHours are the hours in which activations are usual.
type WorkHours struct {
	From, Until int               // minutes since midnight; From after Until goes over midnight
	Days        []time.Weekday    // working days
	Holidays    map[string]string // "2026-12-25" → what it is called
	Zone        *time.Location    // of people whose own is not known; nil: UTC
}

// in are the same hours in another time zone. A name that nobody knows changes nothing.
func (w WorkHours) in(zone string) WorkHours {
	if zone == "" {
		return w
	}
	if at, err := time.Parse("-07:00", zone); err == nil {
		_, offset := at.Zone()
		w.Zone = time.FixedZone("UTC"+zone, offset)
	} else if l, err := time.LoadLocation(zone); err == nil {
		w.Zone = l
	}
	return w
}

func (w WorkHours) zone() *time.Location {
	if w.Zone == nil {
		return time.UTC
	}
	return w.Zone
}

func (w WorkHours) local(t time.Time) time.Time { return t.In(w.zone()) }

// Off says whether t is outside the hours, and why. Hours that go over midnight belong to
// the day on which they begin.
func (w WorkHours) Off(t time.Time) (why string, off bool) {
	local := w.local(t)
	minute := local.Hour()*60 + local.Minute()
	over := w.From > w.Until
	day := local
	if over && minute < w.Until {
		day = local.AddDate(0, 0, -1)
	}
	if name, ok := w.Holidays[day.Format(time.DateOnly)]; ok {
		return fmt.Sprintf(sayOnHoliday, name), true
	}
	working := false
	for _, d := range w.Days {
		working = working || d == day.Weekday()
	}
	if !working {
		return fmt.Sprintf(sayOffDay, day.Weekday()), true
	}
	inside := minute >= w.From && minute < w.Until
	if over {
		inside = minute >= w.From || minute < w.Until
	}
	if w.From == w.Until { // the whole day
		inside = true
	}
	if inside {
		return "", false
	}
	return fmt.Sprintf(sayOffHours, clock(w.From), clock(w.Until)), true
}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
