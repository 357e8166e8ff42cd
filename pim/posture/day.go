package posture

import "github.com/belaybot/belay/pim"

// Day is what is kept of a report: numbers and the ids of findings, and nobody's name.
type Day struct {
	Day      string   `json:"day"` // 2026-11-26, of UTC
	Standing *int     `json:"standing"`
	Eligible *int     `json:"eligible"`
	Active   *int     `json:"active"`
	Admins   *int     `json:"globalAdministrators"`
	High     []string `json:"high"`
	Medium   []string `json:"medium"`
	Low      []string `json:"low"`
	Blind    int      `json:"cannotSee"` // checks that could not be made in full
}

// Day is what is kept of r.
func (r Report) Day() Day {
	n := r.Numbers
	d := Day{Day: r.Taken.UTC().Format("2006-01-02"), Standing: n.Standing, Eligible: n.Eligible, Active: n.Active, Admins: n.Admins, Blind: len(r.Blind)}
	for _, f := range r.Findings {
		switch f.Severity {
		case High:
			d.High = append(d.High, f.ID)
		case Medium:
			d.Medium = append(d.Medium, f.ID)
		default:
			d.Low = append(d.Low, f.ID)
		}
	}
	return d
}

// Findings is how many there were.
func (d Day) Findings() int { return len(d.High) + len(d.Medium) + len(d.Low) }

// Permissions are what the parts take, each the least: application permissions of
// Microsoft Graph, and the role Reader in Azure.
func Permissions() map[Part]string {
	return map[Part]string{
		RoleNames: "RoleManagement.Read.Directory", RolesActive: "RoleAssignmentSchedule.Read.Directory", RolesEligible: "RoleEligibilitySchedule.Read.Directory",
		RoleSettings: "RoleManagementPolicy.Read.Directory", GroupList: "GroupMember.Read.All", GroupsActive: "PrivilegedAssignmentSchedule.Read.AzureADGroup",
		GroupsElig: "PrivilegedEligibilitySchedule.Read.AzureADGroup", GroupSettings: "RoleManagementPolicy.Read.AzureADGroup",
		AzureActive: pim.Reader, AzureEligible: pim.Reader, AzureSettings: pim.Reader, Accounts: "User.Read.All",
		Licences: "LicenseAssignment.Read.All", Activations: "AuditLog.Read.All", Reviews: "AccessReview.Read.All",
	}
}
