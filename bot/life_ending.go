package bot

import (
	"strconv"
	"strings"
	"time"
)

// slotEnding is the card that tells the requester of the end before it comes.
const slotEnding Slot = "ending"

// timely are the cards that only the time brings up: the warning before the end, and
// reminders.
func (p Projection) timely(r Request, now time.Time) []Want {
	var all []Want
	_, shown := r.Shown[slotEnding]
	if r.Requester.Direct.ID != "" && (shown || p.warns(r, now)) {
		all = append(all, Want{Slot: slotEnding, At: r.Requester.Direct, Card: p.endingCard(r)})
	}
	return append(all, p.reminders(r, now)...)
}

// nextTimely is when timely brings up something new; zero: never, as things stand.
func (p Projection) nextTimely(r Request, now time.Time) time.Time {
	if at := p.warnAt(r); now.Before(at) {
		return at
	}
	return p.nextReminder(r, now)
}

// warnAt is when the requester is warned of the end; zero: not at all. An activation
// that is shorter than twice the warning ends soon from its beginning.
func (p Projection) warnAt(r Request) time.Time {
	if r.State != Active || p.WarnBefore <= 0 || r.Held.Until.IsZero() || r.Held.Until.Sub(r.Held.From) < 2*p.WarnBefore {
		return time.Time{}
	}
	return r.Held.Until.Add(-p.WarnBefore)
}

// warns says that the warning is due. Who has seen to the end already needs none.
func (p Projection) warns(r Request, now time.Time) bool {
	at := p.warnAt(r)
	_, stopping := r.stopping()
	return !at.IsZero() && !now.Before(at) && now.Before(r.Held.Until) && !stopping && !r.stopped() && r.FollowedBy == ""
}

// endsSoon says that an extension is worth offering, however short the activation is.
func (p Projection) endsSoon(r Request, now time.Time) bool {
	return r.State == Active && !r.Held.Until.IsZero() && now.Before(r.Held.Until) && !now.Before(r.Held.Until.Add(-p.WarnBefore))
}

// QuietHours are the hours of each day in which nobody is reminded of anything. The
// zero value is none.
type QuietHours struct {
	From, To int            // minutes since midnight; From after To goes over midnight
	Zone     *time.Location // nil: UTC
}

// Until says whether t is in the quiet hours, and when these end.
func (q QuietHours) Until(t time.Time) (end time.Time, quiet bool) {
	if q.From == q.To {
		return t, false
	}
	zone := q.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := t.In(zone)
	minute := local.Hour()*60 + local.Minute()
	over := q.From > q.To // midnight
	switch {
	case !over && (minute < q.From || minute >= q.To), over && minute < q.From && minute >= q.To:
		return t, false
	}
	day := local.Day()
	if over && minute >= q.From {
		day++
	}
	return time.Date(local.Year(), local.Month(), day, 0, q.To, 0, 0, zone).UTC(), true
}

// parts is into how many parts reminders divide the window for a decision.
const reminderParts = 4

// reminderAt is when the nth reminder of a request is due.
func (p Projection) reminderAt(r Request, n int) time.Time {
	at := r.opened().Add(Window * time.Duration(n) / reminderParts)
	end, _ := p.Quiet.Until(at)
	return end
}

// reminders are what approvers read in the thread of their card. Of several that are
// due only the latest is posted, and none when nobody can decide any more, as after a time
// in which Belay was away.
func (p Projection) reminders(r Request, now time.Time) []Want {
	if _, quiet := p.Quiet.Until(now); quiet || r.State != PendingApproval || !now.Before(r.opened().Add(Window)) {
		return nil
	}
	last := 0
	for n := 1; n < reminderParts; n++ {
		if !now.Before(p.reminderAt(r, n)) {
			last = n
		}
	}
	if last == 0 {
		return nil
	}
	var all []Want
	for _, reach := range r.Reach {
		for _, at := range reach.At {
			place := reach.Principal + "/" + string(at.Platform)
			above := r.Shown[Slot("approver/"+place)].Message
			c, ok := p.reminderCard(r, reach.Principal)
			if !ok || above.ID == "" { // there is nothing to be reminded of
				continue
			}
			at := above.Conversation
			at.Thread = above.ID
			all = append(all, Want{Slot: Slot("remind/" + strconv.Itoa(last) + "/" + place), At: at, Card: c, Once: true})
		}
	}
	return all
}

// nextReminder is when the next reminder is due.
func (p Projection) nextReminder(r Request, now time.Time) time.Time {
	if r.State != PendingApproval {
		return time.Time{}
	}
	var next time.Time
	for n := 1; n < reminderParts; n++ {
		at := p.reminderAt(r, n)
		if end, quiet := p.Quiet.Until(now); quiet && !at.After(now) {
			at = end
		}
		if at.After(now) {
			next = soonest(next, at)
		}
	}
	return next
}

// answering is the open decision of an approver, if there is one.
func (r Request) answering(who string) (Intent, bool) {
	for _, i := range r.Intents {
		if i.Kind.review() && i.open() && strings.EqualFold(i.By.ID, who) {
			return i, true
		}
	}
	return Intent{}, false
}
