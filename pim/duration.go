package pim

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/sosodev/duration"
)

// isoDuration is the part of ISO 8601 that PIM accepts: whole weeks, days, hours,
// minutes and seconds. Years, months and fractions are refused, because their
// length is not fixed or because Microsoft's own kit loses them.
var isoDuration = regexp.MustCompile(`^P(\d{1,9}W)?(\d{1,9}D)?(T(\d{1,9}H)?(\d{1,9}M)?(\d{1,9}S)?)?$`)

// longestDuration is a hundred years, and well inside a time.Duration.
const longestDuration = 36500 * 24 * time.Hour

// ParseDuration reads an ISO 8601 duration of Microsoft, such as "PT8H" or
// "P365D". It refuses years, months, fractions, signs and whatever is longer
// than a hundred years.
func ParseDuration(s string) (time.Duration, error) {
	if !isoDuration.MatchString(s) || s == "P" || s[len(s)-1] == 'T' {
		return 0, fmt.Errorf("%.40q is not a duration in whole weeks, days, hours, minutes or seconds", s)
	}
	d, err := duration.Parse(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: %w", s, err)
	}
	// In seconds first: nine digits of weeks would overflow a time.Duration, and
	// what an overflow gives depends on the processor.
	seconds := (d.Weeks*7+d.Days)*86400 + d.Hours*3600 + d.Minutes*60 + d.Seconds
	if seconds > longestDuration.Seconds() {
		return 0, fmt.Errorf("%q is out of range", s)
	}
	return time.Duration(seconds) * time.Second, nil
}

// FormatDuration writes d, which is not negative, as PIM accepts it: PT#H#M,
// seconds only where needed, fractions of a second cut off.
func FormatDuration(d time.Duration) string {
	d = d.Truncate(time.Second)
	s := "PT"
	if h := int(d / time.Hour); h > 0 {
		s += strconv.Itoa(h) + "H"
	}
	if m := int(d % time.Hour / time.Minute); m > 0 {
		s += strconv.Itoa(m) + "M"
	}
	if sec := int(d % time.Minute / time.Second); sec > 0 || d < time.Minute {
		s += strconv.Itoa(sec) + "S"
	}
	return s
}
