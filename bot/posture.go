package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
)

// Posture tells how the tenant stands, read as Belay itself.
type Posture interface {
	// Viewer says whether a person, by object id, may see it.
	Viewer(ctx context.Context, person string) (bool, error)
	// Report is not older than an hour; the days before it are the oldest first. An error
	// of ctx says that the tenant is still being read, and that asking again helps.
	Report(ctx context.Context) (posture.Report, []posture.Day, error)
	Checklist(ctx context.Context) ([]posture.Answer, error)
}

// posture shows the report, or the checklist, to a person who may see it.
func (b *Bot) posture(in Inbound, a actor, sub Subcommand) (Reply, Later) {
	show := b.showPosture
	if sub == SubChecklist {
		show = b.showChecklist
	}
	return Reply{}, func(ctx context.Context) Reply {
		may := false
		if p := b.o.Posture; p != nil {
			var err error
			if may, err = p.Viewer(ctx, a.ID); err != nil {
				return b.trouble(in, err)
			}
		}
		if !may {
			err := bar("no-viewer", sayNoViewer)
			b.pressRefused(ctx, a, Request{}, string(sub), err)
			return b.trouble(in, err)
		}
		c, err := show(ctx)
		switch {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			return Reply{Card: plain(Waiting, titlePosture, sayStillReading)}
		case err != nil:
			return b.trouble(in, err)
		}
		return Reply{Card: &c}
	}
}

func (b *Bot) showPosture(ctx context.Context) (Card, error) {
	r, days, err := b.o.Posture.Report(ctx)
	return PostureCard(r, days), err
}

func (b *Bot) showChecklist(ctx context.Context) (Card, error) {
	answers, err := b.o.Posture.Checklist(ctx)
	return checklistCard(answers), err
}

// shownFindings is how many findings a card names.
const shownFindings = 5

// PostureCard is a report in short: the worst findings and the numbers, and no more
// names than it takes.
func PostureCard(r posture.Report, days []posture.Day) Card {
	c := Card{Title: titlePosture, Tone: Good, Text: sayPosture(r), Note: sayPostureNote(r)}
	switch {
	case r.Worst() == posture.High:
		c.Tone = Bad
	case len(r.Findings)+len(r.Blind) > 0:
		c.Tone = Waiting
	}
	c.Facts = postureFacts(r.Numbers, before(r, days))
	c.Chart = trendChart(r, days)
	if len(r.Findings) > 0 {
		c.Actions = []Action{{Label: labelOpenPortal, URL: r.Findings[0].Link}}
	}
	return c
}

// weekBefore is how far back a number is compared.
const weekBefore = 7

// before is the day a week before r, or the first after it that is known.
func before(r posture.Report, days []posture.Day) *posture.Day {
	from := r.Taken.UTC().AddDate(0, 0, -weekBefore).Format(time.DateOnly)
	for i, d := range days {
		if d.Day >= from && d.Day < r.Taken.UTC().Format(time.DateOnly) {
			return &days[i]
		}
	}
	return nil
}

// The trend goes back so many days, in so many points at the most: what Slack draws.
const (
	trendDays   = 90
	trendPoints = 20
)

// trendChart is how the numbers went up to r; nil before there are two days. A day of which
// one of them was not seen is no point: it would be drawn as what it is not.
func trendChart(r posture.Report, days []posture.Day) *Chart {
	from, today := r.Taken.UTC().AddDate(0, 0, -trendDays).Format(time.DateOnly), r.Day()
	var points []Point
	missing := 0
	known := slices.DeleteFunc(slices.Clone(days), func(d posture.Day) bool { return d.Day < from || d.Day >= today.Day })
	for _, d := range append(known, today) {
		day, err := time.Parse(time.DateOnly, d.Day)
		if err != nil || d.Standing == nil || d.Eligible == nil {
			missing++
			continue
		}
		points = append(points, Point{Day: day, Values: []int{*d.Standing, *d.Eligible}})
	}
	if len(points) < 2 {
		return nil
	}
	return &Chart{Title: titleTrend, Series: []string{nameStanding, nameEligible}, Points: thinned(points, trendPoints), Text: sayTrend(points[0], points[len(points)-1], missing)}
}

// thinned takes so many of the points, evenly, with the first and the last.
func thinned(points []Point, most int) []Point {
	if len(points) <= most {
		return points
	}
	some := make([]Point, most)
	for i := range some {
		some[i] = points[i*(len(points)-1)/(most-1)]
	}
	return some
}

func checklistCard(answers []posture.Answer) Card {
	c := Card{Title: titleChecklist, Tone: Good, Text: sayAnswers(answers)}
	for _, a := range answers {
		switch {
		case a.Answer == posture.No:
			c.Tone = Bad
		case a.Answer == posture.CannotSee && c.Tone == Good:
			c.Tone = Waiting
		}
	}
	return c
}

// TellPosture posts a week's report to whom the rules of notices name, durably with tx and
// once for each week.
func (b *Bot) TellPosture(tx store.Tx, r posture.Report, days []posture.Day, week string) error {
	c := PostureCard(r, days)
	c.Title = titleDigest
	severity := Low
	switch r.Worst() {
	case posture.High:
		severity = High
	case posture.Medium:
		severity = Medium
	}
	return b.post(tx, Bulletin{ID: "posture/" + week, Event: NoticePosture, Severity: severity, Card: c, At: r.Taken.UTC()})
}
