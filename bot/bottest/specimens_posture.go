package bottest

import (
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim/posture"
)

// postureSpecimens are a report with the days before it: of a year, and of yesterday only.
func postureSpecimens(at time.Time) []Specimen {
	n := func(n int) *int { return &n }
	report := func(day time.Time, standing int) posture.Report {
		return posture.Report{Taken: day, Numbers: posture.Numbers{Standing: n(standing), Eligible: n(40 - standing), Active: n(2), Admins: n(3)},
			Findings: []posture.Finding{{ID: "standing-privileged", Severity: posture.High, What: "2 hold a most privileged role for good",
				Mend: "Make them eligible.", Link: "https://entra.microsoft.com/#roles"}},
			Blind: []posture.Blind{{Check: "no-licence", What: "Cannot see the licences, because permission LicenseAssignment.Read.All is missing."}}}
	}
	var year []posture.Day
	for back := 365; back > 0; back-- {
		d := report(at.AddDate(0, 0, -back), 7+back/5).Day()
		if back == 9 {
			d.Eligible = nil
		}
		year = append(year, d)
	}
	long, short := bot.PostureCard(report(at, 7), year), bot.PostureCard(report(at, 7), year[364:])
	return []Specimen{{Name: "posture", Card: &long}, {Name: "posture-two-days", Card: &short}}
}
