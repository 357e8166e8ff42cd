package posture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/belaybot/belay/pim"
)

// Reply is the answer to a question of the checklist.
type Reply string

// The answers.
const (
	Yes       Reply = "yes"
	No        Reply = "no"
	CannotSee Reply = "cannot see"
)

// Answer is one line of the checklist.
type Answer struct {
	ID       string   `json:"id"`
	Question string   `json:"question"`
	Answer   Reply    `json:"answer"`
	Evidence []string `json:"evidence"`
	// Mend is what turns a no into a yes.
	Mend string `json:"mend,omitempty"`
	// Permission is the one without which the answer cannot be seen.
	Permission string `json:"permission,omitempty"`
}

// Own is what the checklist asks of Belay's own configuration.
type Own struct {
	SIEM     []string // where events are sent, such as "syslog siem.example.com"
	Channels int      // channels that hear of activations
}

// fewStanding is how many standing directory roles, those for emergencies apart, still
// are a minimum. None of them may be among the most privileged.
const fewStanding = 5

// Checklist answers the questions that are commonly asked of PIM.
func Checklist(s Snapshot, r Rules, own Own) []Answer {
	rep := Examine(s, r)
	v := look(s, r)
	return []Answer{
		rep.ask("licence", "Is Microsoft Entra ID P2 or Governance licensed?", v.licences(), "no-licence"),
		rep.ask("eligible", "Are the most privileged roles held through eligibility only?", nil, "standing-privileged", "role-not-in-pim"),
		rep.minimum(v),
		rep.ask("mfa-and-reason", "Do activations ask for MFA and a reason?", nil, "no-mfa", "no-justification"),
		rep.ask("approval", "Do the most privileged roles need an approval?", nil, "no-approval", "no-approvers"),
		rep.ask("duration", "Do activations last 4 hours at the most, preferably 2?", v.durations(), "long-activation"),
		rep.ask("notifications", "Is somebody told of activations?", []string{channels(own.Channels)}, "no-notification"),
		siem(own),
		rep.ask("groups-and-azure", "Are groups and Azure resources covered?", nil, "group-not-in-pim", "azure-high-scope"),
		reviewed(s, v),
	}
}

// ask answers from checks: no where one found something, cannot see where one was blind.
func (r Report) ask(id, question string, evidence []string, checks ...string) Answer {
	a := Answer{ID: id, Question: question, Answer: Yes, Evidence: evidence}
	for _, f := range r.Findings {
		if slices.Contains(checks, f.ID) {
			a.Answer = No
			a.Evidence = append(a.Evidence, f.What+": "+f.first(3)+".")
			a.Mend = strings.TrimSpace(a.Mend + " " + f.Mend)
		}
	}
	for _, b := range r.Blind {
		if slices.Contains(checks, b.Check) {
			a.Evidence = append(a.Evidence, b.What)
			if a.Answer == Yes {
				a.Answer = CannotSee
			}
			if b.Permission != "" && !strings.Contains(a.Permission, b.Permission) {
				a.Permission = strings.TrimPrefix(a.Permission+", "+b.Permission, ", ")
			}
		}
	}
	if len(a.Evidence) == 0 {
		a.Evidence = []string{"Everything that it takes was read, and nothing speaks against it."}
	}
	return a
}

// first names some of the evidence.
func (f Finding) first(n int) string {
	var names []string
	for _, e := range f.Evidence[:min(n, len(f.Evidence))] {
		names = append(names, e.What)
	}
	s := strings.Join(names, "; ")
	if f.Count > n {
		s += fmt.Sprintf("; and %d more", f.Count-n)
	}
	return s
}

// minimum asks whether what stands is break-glass and little else.
func (r Report) minimum(v *view) Answer {
	a := r.ask("minimum", "Is standing access reduced to accounts for emergencies and a minimum?", nil, "standing-privileged", "no-break-glass")
	others := 0
	for _, f := range r.Findings {
		if f.ID == "standing-other" {
			others = f.Count
			if others > fewStanding {
				a.Answer, a.Mend = No, strings.TrimSpace(a.Mend+" "+f.Mend)
			}
		}
	}
	if a.Answer == Yes && !v.s.saw(RolesActive, GroupsActive, GroupsElig) {
		a.Answer = CannotSee
	}
	a.Evidence = append([]string{fmt.Sprintf("%d accounts for emergencies; %s.", len(v.r.BreakGlass),
		counted("other standing directory role that was seen", "other standing directory roles that were seen")(others))}, a.Evidence...)
	return a
}

func (v *view) licences() []string {
	var out []string
	for _, l := range v.s.Licences {
		out = append(out, string(l.Plan)+", by "+l.SKU+".")
	}
	return out
}

// durations counts the roles that somebody holds by how long they last.
func (v *view) durations() []string {
	short, fair, long := 0, 0, 0
	for _, s := range v.s.Settings {
		switch {
		case !v.held[key(s.Assignment)] && !privileged(s.Assignment) || slices.Contains(s.Missing, pim.RuleOfDuration):
		case s.MaxDuration <= longest/2:
			short++
		case s.MaxDuration <= longest:
			fair++
		default:
			long++
		}
	}
	return []string{fmt.Sprintf("Of the roles that matter, %d last 2 hours or less, %d up to 4, %d longer.", short, fair, long)}
}

func channels(n int) string {
	if n == 0 {
		return "Belay tells no channel of activations."
	}
	return "Belay tells " + counted("channel", "channels")(n) + " of activations."
}

func siem(own Own) Answer {
	a := Answer{ID: "siem", Question: "Are events streamed to a SIEM?", Answer: Yes}
	if len(own.SIEM) == 0 {
		a.Answer, a.Mend = No, "Name a target in siem, and take over the detections of docs/siem.md."
		a.Evidence = []string{"Belay sends its events to no SIEM. Whether the directory's own log is sent to one cannot be seen from here."}
		return a
	}
	for _, t := range own.SIEM {
		a.Evidence = append(a.Evidence, "Belay sends its events to "+t+".")
	}
	a.Evidence = append(a.Evidence, "Whether detections run there cannot be seen from here.")
	return a
}

// reviewed asks whether every privileged directory role that somebody holds is looked at
// once a quarter.
func reviewed(s Snapshot, v *view) Answer {
	a := Answer{ID: "reviews", Question: "Are privileged roles reviewed every quarter?", Answer: Yes}
	if missing := s.unseen(Reviews, RolesActive, RolesEligible); len(missing) > 0 {
		a.Answer, a.Permission = CannotSee, permissionOf(missing)
		for _, u := range missing {
			a.Evidence = append(a.Evidence, u.Say())
		}
		return a
	}
	for role, name := range reviews(s, v) {
		if name != "" {
			a.Evidence = append(a.Evidence, role+": "+name+".")
			continue
		}
		a.Answer, a.Mend = No, "In Identity Governance, Access reviews, make a review of each privileged role that recurs every quarter."
		a.Evidence = append(a.Evidence, role+": no review that recurs every quarter.")
	}
	slices.Sort(a.Evidence)
	if len(a.Evidence) == 0 {
		a.Evidence = []string{"Nobody holds a privileged directory role."}
	}
	return a
}

// reviews are the privileged directory roles that somebody holds, by name, and what reviews
// each of them once a quarter; empty: nothing does.
func reviews(s Snapshot, v *view) map[string]string {
	covered := map[string]string{}
	for _, r := range s.Reviews {
		for _, role := range r.Roles {
			if !r.Over && r.Every > 0 && r.Every <= quarter {
				covered[strings.ToLower(role)] = cmp.Or(r.Name, "a review")
			}
		}
	}
	roles := map[string]string{}
	for _, h := range s.Holdings {
		if h.Kind == pim.EntraRole && privileged(h.Assignment) {
			roles[v.role(h)] = covered[h.Identity()]
		}
	}
	return roles
}

// Unreviewed are the privileged directory roles that somebody holds and that no review looks
// at once a quarter, by name; seen is false where that cannot be told.
func Unreviewed(s Snapshot, r Rules) (roles []string, seen bool) {
	if !s.saw(Reviews, RolesActive, RolesEligible) {
		return nil, false
	}
	for role, name := range reviews(s, look(s, r)) {
		if name == "" {
			roles = append(roles, role)
		}
	}
	slices.Sort(roles)
	return roles, true
}
