package posture_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

var own = posture.Own{SIEM: []string{"syslog siem.example.com"}, Channels: 1}

func answers(s posture.Snapshot, r posture.Rules, o posture.Own) map[string]posture.Answer {
	all := map[string]posture.Answer{}
	for _, a := range posture.Checklist(s, r, o) {
		all[a.ID] = a
	}
	return all
}

// Of a sound tenant every answer is yes, and every answer has evidence.
func TestChecklistOfASoundTenant(t *testing.T) {
	s, r := sound()
	all := answers(s, r, own)
	if len(all) != 10 {
		t.Errorf("%d questions", len(all))
	}
	for id, a := range all {
		if a.Answer != posture.Yes || len(a.Evidence) == 0 || !strings.HasSuffix(a.Question, "?") {
			t.Errorf("%s: %+v", id, a)
		}
	}
}

// Each question is answered with no where something speaks against it, with what mends
// it, and with cannot see where it was not seen.
func TestChecklistAnswers(t *testing.T) {
	for id, tc := range map[string]struct {
		against func(*posture.Snapshot, *posture.Rules)
		part    posture.Part // empty: it is always seen
	}{
		"licence":          {spoiled["no-licence"].change, posture.Licences},
		"eligible":         {spoiled["standing-privileged"].change, posture.RolesActive},
		"minimum":          {spoiled["no-break-glass"].change, posture.RolesActive},
		"mfa-and-reason":   {spoiled["no-justification"].change, posture.RoleSettings},
		"approval":         {spoiled["no-approval"].change, posture.RoleSettings},
		"duration":         {spoiled["long-activation"].change, posture.RoleSettings},
		"notifications":    {spoiled["no-notification"].change, posture.RoleSettings},
		"groups-and-azure": {spoiled["group-not-in-pim"].change, posture.AzureActive},
		"reviews":          {func(s *posture.Snapshot, _ *posture.Rules) { s.Reviews[0].Every = 180 * 24 * time.Hour }, posture.Reviews},
	} {
		s, r := sound()
		tc.against(&s, &r)
		if a := answers(s, r, own)[id]; a.Answer != posture.No || a.Mend == "" || len(a.Evidence) == 0 {
			t.Errorf("%s: %+v", id, a)
		}
		s, r = sound()
		s.Unseen = []posture.Unseen{{Part: tc.part, Permission: "P.Read", Why: "not permitted"}}
		if a := answers(s, r, own)[id]; a.Answer != posture.CannotSee || a.Permission != "P.Read" || len(a.Evidence) == 0 {
			t.Errorf("%s unseen: %+v", id, a)
		}
	}
	s, r := sound()
	if a := answers(s, r, posture.Own{})["siem"]; a.Answer != posture.No || a.Mend == "" {
		t.Errorf("%+v", a)
	}
}

// A review that is over, or held once, is no quarterly review.
func TestReviewsThatAreOver(t *testing.T) {
	for name, change := range map[string]func(*pim.AccessReview){
		"over": func(r *pim.AccessReview) { r.Over = true },
		"once": func(r *pim.AccessReview) { r.Every = 0 },
	} {
		s, r := sound()
		change(&s.Reviews[0])
		if a := answers(s, r, own)["reviews"]; a.Answer != posture.No {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
