package app

import (
	"fmt"
	"strings"
	"time"
)

// calendarYears is for how many years a holiday that comes each year is known.
const calendarYears = 30

// mostHolidays bounds what a calendar may hold.
const mostHolidays = 20_000

// holiday is one event of a calendar while it is read.
type holiday struct {
	from, until time.Time // until: the day after
	name        string
	yearly      bool
	last        time.Time // of the repetition; zero: none
	canceled    bool
	line        int // at which it begins
}

// readCalendar reads the whole days of an iCalendar file (RFC 5545): date → name. What is
// not understood is refused, with its line, and not passed over: a holiday that is missing
// would be found out on that day.
func readCalendar(text []byte) (map[string]string, error) {
	days := map[string]string{}
	var in []string // the components that are open
	var h holiday
	events := 0
	for _, l := range unfold(string(text)) {
		bad := func(problem string) error { return fmt.Errorf("line %d: %s", l.number, problem) }
		if l.text == "" {
			continue
		}
		name, value, ok := property(l.text)
		if !ok {
			return nil, bad("is no line of an iCalendar file")
		}
		name, _, _ = strings.Cut(strings.ToUpper(name), ";")
		switch {
		case len(in) == 0 && (name != "BEGIN" || !strings.EqualFold(value, "VCALENDAR")):
			return nil, bad("an iCalendar file begins with BEGIN:VCALENDAR")
		case name == "BEGIN":
			in = append(in, strings.ToUpper(value))
			if in[len(in)-1] == "VEVENT" {
				h = holiday{line: l.number}
				events++
			}
			continue
		case name == "END":
			if in[len(in)-1] != strings.ToUpper(value) {
				return nil, bad("END:" + in[len(in)-1] + " is missing before it")
			}
			in = in[:len(in)-1]
			if strings.EqualFold(value, "VEVENT") {
				if err := h.into(days); err != nil {
					return nil, err
				}
			}
			continue
		case in[len(in)-1] != "VEVENT":
			continue
		}
		if problem := h.take(name, value); problem != "" {
			return nil, bad(problem)
		}
	}
	switch {
	case len(in) > 0:
		return nil, fmt.Errorf("ends without END:%s", in[len(in)-1])
	case events == 0:
		return nil, fmt.Errorf("line 1: holds no event (BEGIN:VEVENT)")
	}
	return days, nil
}

// take takes in a property of an event, and says what is wrong with it. A time zone is no
// part of it: a holiday is the day of whoever lives it.
func (h *holiday) take(name, value string) (problem string) {
	switch name {
	case "DTSTART", "DTEND":
		day, ok := wholeDay(value)
		if !ok {
			return name + " must be a whole day such as 20261225"
		}
		if name == "DTSTART" {
			h.from = day
		} else {
			h.until = day
		}
	case "SUMMARY":
		h.name = strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(value)
	case "STATUS":
		h.canceled = strings.EqualFold(value, "CANCELLED")
	case "DURATION":
		if !strings.EqualFold(value, "P1D") {
			return "DURATION must be P1D; give DTEND for longer ones"
		}
	case "RRULE":
		return h.repeats(value)
	case "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID":
		return name + " is not understood; write each holiday as an event"
	}
	return ""
}

// repeats takes in a rule by which the holiday comes on the same day of each year.
func (h *holiday) repeats(rule string) (problem string) {
	const other = "RRULE must be FREQ=YEARLY, perhaps with UNTIL; write other holidays as an event each"
	for part := range strings.SplitSeq(rule, ";") {
		key, value, _ := strings.Cut(part, "=")
		switch strings.ToUpper(key) {
		case "FREQ":
			h.yearly = strings.EqualFold(value, "YEARLY")
			if !h.yearly {
				return other
			}
		case "INTERVAL":
			if value != "1" {
				return other
			}
		case "WKST":
		case "UNTIL":
			day, err := time.Parse("20060102", value[:min(len(value), 8)])
			if err != nil {
				return other
			}
			h.last = day
		default:
			return other
		}
	}
	if !h.yearly {
		return other
	}
	return ""
}

// into adds the days of an event.
func (h holiday) into(days map[string]string) error {
	bad := func(problem string) error { return fmt.Errorf("line %d: %s", h.line, problem) }
	if h.canceled {
		return nil
	}
	if h.from.IsZero() {
		return bad("the event has no DTSTART")
	}
	if h.until.IsZero() {
		h.until = h.from.AddDate(0, 0, 1)
	}
	length := int(h.until.Sub(h.from).Hours() / 24)
	if length < 1 || length > 366 {
		return bad("the event ends before it begins, or is longer than a year")
	}
	if h.name == "" {
		h.name = "holiday"
	}
	times := 1
	if h.yearly {
		times = calendarYears
		if year := time.Now().Year(); h.from.Year() < year { // those that are over need no place
			times += year - h.from.Year()
		}
	}
	for n := range times {
		first := h.from.AddDate(n, 0, 0)
		if first.Day() != h.from.Day() || !h.last.IsZero() && first.After(h.last) { // the 29th of February, or over
			continue
		}
		for d := range length {
			days[first.AddDate(0, 0, d).Format(time.DateOnly)] = h.name
		}
		if len(days) > mostHolidays {
			return bad("these are too many holidays")
		}
	}
	return nil
}

// wholeDay reads a date, or a midnight.
func wholeDay(value string) (time.Time, bool) {
	date, clock, timed := strings.Cut(value, "T")
	day, err := time.Parse("20060102", date)
	return day, err == nil && (!timed || strings.TrimSuffix(clock, "Z") == "000000")
}

// property cuts a line at the colon that is not within quotes.
func property(line string) (name, value string, ok bool) {
	quoted := false
	for n, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ':' && !quoted:
			return line[:n], strings.TrimSpace(line[n+1:]), n > 0
		}
	}
	return "", "", false
}

// unfolded is a line with its number in the file.
type unfolded struct {
	text   string
	number int
}

// unfold joins lines that were folded: the rest of a line begins with a blank.
func unfold(text string) (all []unfolded) {
	text = strings.TrimPrefix(text, "\ufeff")
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		line = strings.TrimSuffix(line, "\r")
		if (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) && len(all) > 0 {
			all[len(all)-1].text += line[1:]
			continue
		}
		all = append(all, unfolded{text: line, number: n})
	}
	return all
}
