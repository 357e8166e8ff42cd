package bot

import (
	"fmt"
	"strings"

	"github.com/belaybot/belay/pim/posture"
)

const (
	titlePosture    = "Posture of the tenant"
	titleDigest     = "Posture of the tenant, this week"
	titleChecklist  = "The checklist for PIM"
	titleTrend      = "Standing and eligible assignments"
	nameStanding    = "Standing"
	nameEligible    = "Eligible"
	labelOpenPortal = "Open the first in Entra"
	sayNoViewer     = "You may not see what is weak in this tenant. Whoever may is named in security.viewers of Belay's configuration, by object ids of people or groups; ask whoever runs Belay."
	sayStillReading = "Belay is still reading the tenant. Type the same again in a minute."
)

// sayPosture names the worst findings, each with how it is mended.
func sayPosture(r posture.Report) string {
	if len(r.Findings) == 0 {
		return "Nothing was found in what could be seen."
	}
	var lines []string
	for i, f := range r.Findings {
		if i == shownFindings {
			lines = append(lines, fmt.Sprintf("And %d more: belay posture lists all, with evidence.", len(r.Findings)-shownFindings))
			break
		}
		lines = append(lines, fmt.Sprintf("%s: %s. %s", strings.ToUpper(string(f.Severity)), f.What, f.Mend))
	}
	return strings.Join(lines, "\n")
}

func postureFacts(n posture.Numbers, before *posture.Day) []Fact {
	var was posture.Day
	if before != nil {
		was = *before
	}
	return []Fact{
		{Name: nameStanding, Value: sayNumber(n.Standing, was.Standing, was.Day)},
		{Name: nameEligible, Value: sayNumber(n.Eligible, was.Eligible, was.Day)},
		{Name: "Activated now", Value: sayNumber(n.Active, nil, "")},
		{Name: "Can be Global Administrator", Value: sayNumber(n.Admins, was.Admins, was.Day)},
	}
}

// sayTrend is a chart in words.
func sayTrend(first, last Point, missing int) string {
	text := fmt.Sprintf("From %s to %s: standing from %d to %d, eligible from %d to %d.", first.Day.Format("2 January 2006"), last.Day.Format("2 January 2006"),
		first.Values[0], last.Values[0], first.Values[1], last.Values[1])
	switch missing {
	case 0:
		return text
	case 1:
		return text + " On one more day not everything could be seen."
	}
	return fmt.Sprintf("%s On %d more days not everything could be seen.", text, missing)
}

// sayNumber is a number and what it was; what could not be seen is no number.
func sayNumber(now, was *int, day string) string {
	switch {
	case now == nil:
		return "cannot see"
	case was == nil:
		return fmt.Sprint(*now)
	}
	return fmt.Sprintf("%d (%d on %s)", *now, *was, day)
}

func sayPostureNote(r posture.Report) string {
	note := "Read on " + r.Taken.UTC().Format("2 January 2006 at 15:04 UTC") + "."
	if len(r.Blind) == 0 {
		return note
	}
	note += fmt.Sprintf(" Checks that could not be made in full: %d. %s", len(r.Blind), r.Blind[0].What)
	return note
}

func sayAnswers(answers []posture.Answer) string {
	var lines []string
	for _, a := range answers {
		line := fmt.Sprintf("%s: %s", strings.ToUpper(string(a.Answer)), a.Question)
		if a.Answer != posture.Yes && len(a.Evidence) > 0 {
			line += " " + cut(a.Evidence[0], 160)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
