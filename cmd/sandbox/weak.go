package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/posture"
)

// What is weak in the sandbox's tenant, so that there is something to find. None of it
// is in the way of who uses Belay.
const (
	roleApps     = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3" // Application Administrator: eight hours, and asks for nothing
	rolePrivs    = "e8611ab8-c189-46e8-94e1-60213ab1f814" // Privileged Role Administrator: Grace stands in it
	roleExchange = "29232cdf-9323-42fd-ade2-1d097af3e4de" // Exchange Administrator: a group that is not in PIM stands in it
	azureOwner   = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

	grace     = "94ace000-0000-4000-8000-00000000000e" // Grace Green, who administers roles
	hugo      = "b4900000-0000-4000-8000-00000000000f" // Hugo Hill, who has been there for long
	mailGroup = "3a110000-0000-4000-8000-000000000010" // Mail Team
	robot     = "40b07000-0000-4000-8000-000000000011" // Nightly Sync, an application
)

// seedWeak makes it.
func seedWeak(t *pimtest.Tenant, oid func(string) string, now time.Time) error {
	long := now.AddDate(0, 0, -300)
	return errors.Join(
		t.AddUser(pimtest.User{ID: grace, Name: "Grace Green", UPN: "grace@contoso.example"}),
		t.AddUser(pimtest.User{ID: hugo, Name: "Hugo Hill", UPN: "hugo@contoso.example"}),
		t.AddServicePrincipal(robot, "Nightly Sync"),
		t.AddRole(pimtest.Role{ID: roleApps, Name: "Application Administrator", Policy: pimtest.Policy{MaxDuration: 8 * time.Hour, Silent: true}}),
		t.AddRole(pimtest.Role{ID: rolePrivs, Name: "Privileged Role Administrator",
			Policy: pimtest.Policy{MaxDuration: 2 * time.Hour, Justification: true, MFA: true, Approval: true}}),
		t.AddRole(pimtest.Role{ID: roleExchange, Name: "Exchange Administrator", Policy: pimtest.Policy{MaxDuration: 4 * time.Hour, Justification: true, MFA: true}}),
		t.Assign(grace, rolePrivs, "/"),
		t.Assign(robot, roleApps, "/"),
		t.Eligible(hugo, roleApps, "/", long, time.Time{}),
		t.Eligible(oid("erin"), roleApps, "/", long, time.Time{}), // a guest
		t.AddGroup(pimtest.Group{ID: mailGroup, Name: "Mail Team", RoleAssignable: true}),
		t.AssignInGroup(hugo, mailGroup, "member"),
		t.Assign(mailGroup, roleExchange, "/"),
		t.AddAzureRole(pimtest.AzureRole{ID: azureOwner, Name: "Owner", Actions: []string{"*"}}),
		t.AssignAzure(hugo, azureOwner, azureContoso),
	)
}

// sampleDays are numbers of the weeks before the sandbox was made. They are made up: the
// days of a sandbox pass in seconds, so that nothing could have been read on them.
func sampleDays(made time.Time) (days []posture.Day) {
	high := []string{"standing-privileged", "role-not-in-pim", "guest-privileged", "service-principal-privileged", "azure-high-scope", "no-mfa", "no-approval"}
	medium := []string{"standing-other", "no-break-glass", "group-not-in-pim", "long-activation", "no-justification", "no-approvers", "permanent-eligibility"}
	for ago := 28; ago > 0; ago-- {
		n := func(v int) *int { return &v }
		d := posture.Day{Day: made.UTC().AddDate(0, 0, -ago).Format(time.DateOnly), Active: n(ago % 3), Admins: n(2 + ago/9),
			Standing: n(7 + (ago+2)/4), Eligible: n(13 - ago/6), High: high, Medium: medium, Low: []string{"no-notification", "stale-eligibility"}}
		if ago > 18 {
			d.High = append(slices.Clone(high), "global-administrators")
		}
		if ago > 9 {
			d.Medium = append(slices.Clone(medium), "nested-groups")
		}
		days = append(days, d)
	}
	return days
}

// keepSample keeps them in Belay's store, in which a new sandbox has none.
func (s *sandbox) keepSample() error {
	return s.app.SamplePosture(context.Background(), sampleDays(s.kept.Began))
}

// alerts are of what the sandbox shows; what is done in seconds here and in hours elsewhere
// is not unusual. Everybody works from an hour before the sandbox was made for half a day,
// so that it is not night at once for who looks at it in the evening.
func (s *sandbox) alerts() app.Alerts {
	hour := s.kept.Began.UTC().Add(-time.Hour)
	return app.Alerts{Enabled: true, Off: []string{"person-burst", "role-burst", "hasty-approver"},
		Zone: "UTC", Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, Hours: hour.Format("15:04") + "-" + hour.Add(workday).Format("15:04"),
		PersonBurst: 5, PersonBurstWithin: time.Hour, RoleBurst: 5, RoleBurstWithin: time.Hour, Denied: 1, DeniedWithin: 24 * time.Hour,
		HastyDecision: 10 * time.Second, Hasty: 3, HastyWithin: 7 * 24 * time.Hour, UnansweredAfter: 4 * time.Hour}
}

// workday is how long they work.
const workday = 13 * time.Hour
