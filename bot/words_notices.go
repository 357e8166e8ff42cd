package bot

import (
	"fmt"
	"strings"
	"time"
)

// digestCard tells what happened since the last one.
func digestCard(d gathered) Card {
	c := Card{Title: "What happened this hour", Facts: []Fact{}}
	if strings.HasPrefix(d.Every, "daily") {
		c.Title = "What happened since yesterday"
	}
	sum := 0
	var counts []string
	for _, n := range countOrder {
		if k := d.Counts[n]; k > 0 {
			sum += k
			counts = append(counts, fmt.Sprintf("%d %s", k, noticeWord(n, k)))
		}
	}
	c.Text = sentences(strings.Join(counts, ", ") + ".")
	for _, l := range d.Latest {
		c.Facts = append(c.Facts, Fact{Name: l.Title, At: l.At})
	}
	if sum > len(d.Latest) {
		c.Text += fmt.Sprintf(" Below are the last %d.", len(d.Latest))
	}
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		zone = time.UTC
	}
	c.Note = "Until " + d.Due.In(zone).Format("2 Jan 2006, 15:04 ") + zone.String() + ". A rule of notices gathers this: " + d.Every + "."
	return c
}

// countOrder is the order in which a digest counts.
var countOrder = []Notice{NoticeAlert, NoticeDrift, NoticePosture, NoticeAsked, NoticeUnreached, NoticeApproved, NoticeActive, NoticeExtended, NoticeDenied, NoticeFailed, NoticeEnded}

// noticeWord is an event after its number.
func noticeWord(n Notice, k int) string {
	many := func(one, more string) string {
		if k == 1 {
			return one
		}
		return more
	}
	switch n {
	case NoticeUnreached:
		return "with an approver who cannot be reached"
	case NoticeFailed:
		return "not activated"
	case NoticeAlert:
		return many("alert", "alerts")
	case NoticeDrift:
		return many("change of what was accepted", "changes of what was accepted")
	case NoticePosture:
		return many("posture report", "posture reports")
	}
	return string(n)
}
