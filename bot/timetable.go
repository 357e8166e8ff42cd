package bot

import (
	"fmt"
	"time"
)

// Timetable says when digests are posted: at each full hour, or once a day. The zero value
// is never: everything is told at once.
type Timetable struct {
	Hourly bool
	Daily  bool
	Minute int            // of a day: since midnight
	Zone   *time.Location // nil: UTC
}

// Zero says that it is no timetable.
func (t Timetable) Zero() bool { return !t.Hourly && !t.Daily }

func (t Timetable) zone() *time.Location {
	if t.Zone == nil {
		return time.UTC
	}
	return t.Zone
}

// String is as it is configured.
func (t Timetable) String() string {
	switch {
	case t.Hourly:
		return "hourly"
	case t.Daily:
		return fmt.Sprintf("daily %02d:%02d %s", t.Minute/60, t.Minute%60, t.zone())
	}
	return ""
}

// Next is the first time of the table after a time.
func (t Timetable) Next(after time.Time) time.Time {
	if t.Hourly {
		return after.UTC().Truncate(time.Hour).Add(time.Hour)
	}
	y, m, d := after.In(t.zone()).Date()
	for day := 0; ; day++ { // where a clock is put back, the same minute comes twice
		if at := time.Date(y, m, d+day, 0, t.Minute, 0, 0, t.zone()); at.After(after) {
			return at.UTC()
		}
	}
}
