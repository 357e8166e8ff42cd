package app

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // a small container has no time zones of its own
	"unicode/utf8"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// longestAcknowledgement is what both platforms show beside a box to tick, in
// runes (Slack: 75 for the label, and a description of as many below it).
const longestAcknowledgement = 150

// quietHours is "22:00-07:00 Europe/Berlin".
var quietHours = regexp.MustCompile(`^([0-9]{2}:[0-9]{2})-([0-9]{2}:[0-9]{2}) ([A-Za-z0-9_+/-]+)$`)

func (v *validator) requests(r Requests) {
	v.check("requests.warn_before", r.WarnBefore >= time.Minute && r.WarnBefore <= 2*time.Hour, "must be between 1m and 2h")
	if _, err := r.quiet(); err != nil {
		v.fault("requests.quiet", err.Error())
	}
	for n, a := range r.Acknowledge {
		v.check(fmt.Sprintf("requests.acknowledge[%d].text", n), strings.TrimSpace(a.Text) != "" && utf8.RuneCountInString(a.Text) <= longestAcknowledgement,
			fmt.Sprintf("must be a sentence of at most %d characters", longestAcknowledgement))
	}
}

// quiet reads the quiet hours; without any it is the zero value.
func (r Requests) quiet() (bot.QuietHours, error) {
	if r.Quiet == "" {
		return bot.QuietHours{}, nil
	}
	m := quietHours.FindStringSubmatch(r.Quiet)
	if m == nil {
		return bot.QuietHours{}, errors.New("must be two times and a time zone, such as 22:00-07:00 Europe/Berlin")
	}
	zone, err := time.LoadLocation(m[3])
	if err != nil {
		return bot.QuietHours{}, fmt.Errorf("names the time zone %s, which is not known; write it as in Europe/Berlin or UTC", m[3])
	}
	q := bot.QuietHours{Zone: zone}
	for text, minutes := range map[string]*int{m[1]: &q.From, m[2]: &q.To} {
		at, err := time.Parse("15:04", text)
		if err != nil {
			return bot.QuietHours{}, fmt.Errorf("%s is not a time of day", text)
		}
		*minutes = at.Hour()*60 + at.Minute()
	}
	return q, nil
}

// acknowledge is the text to tick for a role; empty: none.
func (r Requests) acknowledge(role pim.EligibleAssignment) string {
	for _, a := range r.Acknowledge {
		if bot.Named(a.Roles, role) {
			return strings.TrimSpace(a.Text)
		}
	}
	return ""
}
