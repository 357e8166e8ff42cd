package bot_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// stands is a tenant's posture as a test says it is.
type stands struct {
	viewer string
	err    error
	report posture.Report
}

func (s *stands) Viewer(_ context.Context, person string) (bool, error) {
	return person == s.viewer, nil
}

func (s *stands) Report(context.Context) (posture.Report, []posture.Day, error) {
	was, more := 9, 12
	return s.report, []posture.Day{{Day: "2026-11-01", Standing: &more}, {Day: "2026-11-20", Standing: &was, Eligible: &was}, {Day: "2026-11-26", Standing: &more}}, s.err
}

func (s *stands) Checklist(context.Context) ([]posture.Answer, error) {
	return []posture.Answer{{Question: "Is P2 licensed?", Answer: posture.CannotSee, Evidence: []string{"Permission X is missing."}}, {Question: "Is it reviewed?", Answer: posture.Yes, Evidence: []string{"y"}}}, s.err
}

func weakReport() posture.Report {
	n := 7
	r := posture.Report{Taken: time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC), Numbers: posture.Numbers{Standing: &n, Admins: &n}}
	for _, s := range []posture.Severity{posture.High, posture.High, posture.Medium, posture.Medium, posture.Low, posture.Low, posture.Low} {
		r.Findings = append(r.Findings, posture.Finding{ID: "x", Severity: s, What: "Something is weak", Mend: "Mend it.", Link: "https://entra.example/#x", Evidence: []posture.Evidence{{What: "Mallory Mole"}}})
	}
	r.Blind = []posture.Blind{{What: "Cannot see the licence, because permission X is missing."}}
	return r
}

func postureWorld(t *testing.T, s *stands) *world {
	t.Helper()
	w := newWorld(t)
	w.change = func(o *bot.Options) { o.Posture = s }
	w.restart()
	w.link("alice")
	w.link("carol")
	return w
}

// The worst findings, the numbers with those of a week before, what could not be seen,
// and a link: for a viewer.
func TestPostureIsShownToAViewer(t *testing.T) {
	w := postureWorld(t, &stands{viewer: "oid-alice", report: weakReport()})
	c := w.says("alice", bot.Command{Text: "posture"}).Card
	if c == nil || c.Tone != bot.Bad || strings.Count(c.Text, "Something is weak") != 5 || !strings.Contains(c.Text, "And 2 more") {
		t.Fatalf("%+v", c)
	}
	if c.Facts[0].Value != "7 (9 on 2026-11-20)" || c.Facts[1].Value != "cannot see" || !strings.Contains(c.Note, "because permission X is missing") {
		t.Errorf("%+v, %s", c.Facts, c.Note)
	}
	if len(c.Actions) != 1 || c.Actions[0].URL != "https://entra.example/#x" {
		t.Errorf("%+v", c.Actions)
	}
	c = w.says("alice", bot.Command{Text: "checklist"}).Card
	if c == nil || c.Tone != bot.Waiting || c.Text != "CANNOT SEE: Is P2 licensed? Permission X is missing.\nYES: Is it reviewed?" {
		t.Errorf("%+v", c)
	}
}

// The trend is of what was seen, of no more than 90 days, in no more points than a chat
// draws, with the first and the last; and it says the same in words.
func TestPostureHasATrend(t *testing.T) {
	n := func(n int) *int { return &n }
	taken := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	day := func(back, standing int, eligible *int) posture.Day {
		return posture.Day{Day: taken.AddDate(0, 0, -back).Format(time.DateOnly), Standing: n(standing), Eligible: eligible}
	}
	r := posture.Report{Taken: taken, Numbers: posture.Numbers{Standing: n(7), Eligible: n(20)}}
	for name, days := range map[string][]posture.Day{"no day before": nil, "today was kept": {day(0, 7, n(20))}, "too long ago": {day(91, 9, n(9))}, "not seen": {day(1, 9, nil)}} {
		if c := bot.PostureCard(r, days).Chart; c != nil {
			t.Errorf("%s: a trend of one day: %+v", name, c)
		}
	}
	c := bot.PostureCard(r, []posture.Day{day(91, 1, n(1)), day(90, 12, n(15)), day(9, 3, nil), day(1, 9, n(18)), day(0, 8, n(8))}).Chart
	if c == nil || len(c.Points) != 3 || c.Points[0].Values[0] != 12 || c.Points[1].Values[1] != 18 || c.Points[2].Values[0] != 7 || len(c.Series) != 2 ||
		c.Text != "From 28 August 2026 to 26 November 2026: standing from 12 to 7, eligible from 15 to 20. On one more day not everything could be seen." {
		t.Errorf("%+v", c)
	}
	var all []posture.Day
	for back := 200; back > 0; back-- {
		all = append(all, day(back, back, n(back)))
	}
	c = bot.PostureCard(r, all).Chart
	if len(c.Points) != 20 || c.Points[0].Values[0] != 90 || c.Points[18].Values[0] < 4 || c.Points[19].Values[0] != 7 {
		t.Errorf("%+v", c.Points)
	}
	for i, p := range c.Points[1:] {
		if apart := p.Day.Sub(c.Points[i].Day); apart < 4*24*time.Hour || apart > 5*24*time.Hour {
			t.Errorf("%s is %s after the one before", p.Day.Format(time.DateOnly), apart)
		}
	}
}

// Nobody else sees it: not who is linked, not where nobody is a viewer, and they are
// told what to set.
func TestPostureIsShownToNobodyElse(t *testing.T) {
	w := postureWorld(t, &stands{viewer: "oid-alice", report: weakReport()})
	for _, text := range []string{"posture", "checklist"} {
		c := w.says("carol", bot.Command{Text: text}).Card
		if c == nil || !strings.Contains(c.Text, "security.viewers") || strings.Contains(c.Text, "weak.") {
			t.Errorf("%s: %+v", text, c)
		}
	}
	all := heard(t, w.trail, trail.Press)
	if len(all) != 2 || all[0].Reason != "no-viewer" || all[0].Verb != "posture" || all[1].Verb != "checklist" {
		t.Errorf("the audit trail heard %+v", all)
	}
	w.change = nil
	w.restart()
	if c := w.says("alice", bot.Command{Text: "posture"}).Card; c == nil || !strings.Contains(c.Text, "security.viewers") {
		t.Errorf("%+v", c)
	}
}

// Who asks while the tenant is still being read is told to ask again.
func TestPostureThatIsStillBeingRead(t *testing.T) {
	w := postureWorld(t, &stands{viewer: "oid-alice", err: context.DeadlineExceeded})
	if c := w.says("alice", bot.Command{Text: "posture"}).Card; c == nil || !strings.Contains(c.Text, "in a minute") || c.Tone != bot.Waiting {
		t.Errorf("%+v", c)
	}
}

// The week's report goes where a rule sends it, and else to the security channels: once,
// however often it is told.
func TestTheWeeksPostureGoesByTheRules(t *testing.T) {
	security := bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "C-security"}
	board := bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "C-board"}
	for name, tc := range map[string]struct {
		rules []bot.Rule
		at    string
	}{
		"no rule":         {nil, "C-security"},
		"a rule":          {[]bot.Rule{{Events: []bot.Notice{bot.NoticePosture}, Severity: bot.High, To: []bot.Conversation{board}}}, "C-board"},
		"a rule of other": {[]bot.Rule{{Events: []bot.Notice{bot.NoticeDrift}, To: []bot.Conversation{board}}}, "C-security"},
		"silence":         {[]bot.Rule{{Events: []bot.Notice{bot.NoticePosture}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.change = func(o *bot.Options) {
				o.Notices.Security, o.Notices.Rules = []bot.Conversation{security}, tc.rules
			}
			w.restart()
			r := weakReport()
			r.Taken = w.now().UTC()
			for range 2 {
				r.Findings = r.Findings[:len(r.Findings)-1] // another reading of the same week
				err := store.Seal(w.disk, w.keys).Update(t.Context(), func(tx store.Tx) error {
					return w.bot.TellPosture(tx, r, nil, "2026-11-23")
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if tc.at != "" {
				w.seesLater(2*time.Second, w.slack, tc.at, "this week")
			}
			w.rests()
			for _, at := range []string{"C-security", "C-board", "C-ops"} {
				want := 0
				if at == tc.at {
					want = 1
				}
				if all := w.slack.In(at); len(all) != want || want > 0 && strings.Contains(all[0].Card.Text, "Mallory") {
					t.Errorf("%s: %+v", at, all)
				}
			}
		})
	}
}
