package app

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

// Access reviews are off unless they are turned on, and ask for their permission only then.
func TestReviewsAreOffByDefault(t *testing.T) {
	cfg, err := Load(write(t, good), nil)
	if err != nil || cfg.Reviews.Enabled || cfg.Reviews.Nudge || len(cfg.Features()) != 0 || cfg.accessReviews(nil) != nil {
		t.Errorf("%+v, %v", cfg.Reviews, err)
	}
	cfg, err = Load(write(t, good+"\nreviews: {enabled: true, remind_before: [24h, 72h, 24h]}\n"), nil)
	if got := cfg.Reviews.remind(); err != nil || len(got) != 2 || got[0] != 72*time.Hour || len(cfg.Features()) != 1 || cfg.Features()[0] != pim.AccessReviews {
		t.Errorf("%v, %v", got, err)
	}
	_, err = Load(write(t, good+"\nreviews: {remind_before: [soon, 1m, 24h, 48h, 72h, 96h]}\n"), nil)
	for _, fault := range []string{"reviews.remind_before: must be 5", "reviews.remind_before[0]", "reviews.remind_before[1]"} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s is not said: %v", fault, err)
		}
	}
}

// The nudge is told with the day, where the roles and the reviews could be seen.
func TestTheNudgeComesWithTheDay(t *testing.T) {
	role := pim.Assignment{Kind: pim.EntraRole, Role: "62e90394-69f5-4237-9190-012177145e10", Scope: "/"}
	s := posture.Snapshot{Roles: map[string]string{role.Role: "Global Administrator"}, Holdings: []pim.Holding{{Assignment: role, Holder: pim.Principal{ID: "x"}}}}
	if roles, seen := posture.Unreviewed(s, posture.Rules{}); !seen || len(roles) != 1 || !strings.Contains(roles[0], "Global Administrator") {
		t.Errorf("%v, %t", roles, seen)
	}
	s.Reviews = []pim.AccessReview{{Name: "Admins", Roles: []string{role.Role}, Every: 31 * 3 * 24 * time.Hour}}
	if roles, seen := posture.Unreviewed(s, posture.Rules{}); !seen || len(roles) != 0 {
		t.Errorf("reviewed: %v, %t", roles, seen)
	}
	s.Unseen = []posture.Unseen{{Part: posture.Reviews, Permission: "AccessReview.Read.All"}}
	if _, seen := posture.Unreviewed(s, posture.Rules{}); seen {
		t.Error("what cannot be read is taken for seen")
	}
	unseen := s.Unseen
	s.Taken, s.Reviews = time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC), nil
	for _, c := range []struct {
		nudge  string
		unseen []posture.Unseen
		told   int
	}{{"true", nil, 1}, {"true", unseen, 0}, {"false", nil, 0}} {
		a := opened(t, "\nsecurity: {channels: [\"slack:C0SECURITY\"]}\nreviews: {nudge: "+c.nudge+"}\n")
		s.Unseen = c.unseen
		if kept, err := a.keepReading(t.Context(), s); err != nil || !kept || toldWeeks(t, a) != c.told { // what daily does with what it read
			t.Errorf("%+v: kept %t, told %d: %v", c, kept, toldWeeks(t, a), err)
		}
	}
	if _, err := Load(write(t, good+"\nposture: {daily: false}\nreviews: {nudge: true}\n"), nil); err == nil || !strings.Contains(err.Error(), "reviews.nudge: needs posture.daily") {
		t.Errorf("a nudge that never comes is accepted: %v", err)
	}
}
