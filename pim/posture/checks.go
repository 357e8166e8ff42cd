package posture

// check is one thing that is looked for. Without all of its needs it may find, but it
// is not clear; without what its evidence is the absence of, it is not made at all.
type check struct {
	id       string
	severity Severity
	about    string // "cannot see …"
	title    func(n int) string
	why      string
	mend     string
	link     string // below the portal
	needs    []Part
	absence  []Part
	find     func(*view) ([]Evidence, Severity) // a severity where it is not the usual one
}

// Check describes a check, for the documentation.
type Check struct {
	ID       string
	Severity Severity
	About    string
	Needs    []Part
}

// Checks are all that Examine makes, in its order.
func Checks() []Check {
	var all []Check
	for _, c := range checks() {
		all = append(all, Check{c.id, c.severity, c.about, c.needs})
	}
	return all
}

// Where in the portal things are mended.
const (
	rolesBlade    = "/#view/Microsoft_Azure_PIMCommon/ResourceMenuBlade/~/roles/resourceId//resourceType/tenant/provider/aadroles"
	settingsBlade = "/#view/Microsoft_Azure_PIMCommon/ResourceMenuBlade/~/settings/resourceId//resourceType/tenant/provider/aadroles"
	assignsBlade  = "/#view/Microsoft_Azure_PIMCommon/ResourceMenuBlade/~/members/resourceId//resourceType/tenant/provider/aadroles"
	groupsBlade   = "/#view/Microsoft_Azure_PIMCommon/CommonMenuBlade/~/aadgroup"
	azureBlade    = "/#view/Microsoft_Azure_PIMCommon/CommonMenuBlade/~/azurerbac"
	licenceBlade  = "/#view/Microsoft_AAD_IAM/LicensesMenuBlade/~/Products"
)

func checks() []check {
	return []check{
		{id: "standing-privileged", severity: High, about: "who has the most privileged roles without activating them",
			title: counted("standing assignment of one of the most privileged roles", "standing assignments of the most privileged roles"),
			why:   "A standing role works at any hour for whoever takes the account over. Nothing has to be asked for, so nothing is noticed.",
			mend:  "Make the assignment eligible, activate it once to try, then remove the active one. Name accounts for emergencies in security.break_glass.",
			link:  assignsBlade, needs: []Part{RolesActive, GroupsActive, GroupsElig}, find: standing(true)},
		{id: "standing-other", severity: Medium, about: "who has other directory roles without activating them",
			title: counted("standing assignment of another directory role", "standing assignments of other directory roles"),
			why:   "Every standing role is one that an attacker need not ask for.",
			mend:  "Make the assignment eligible and remove the active one, beginning with the roles that can change people's accounts.",
			link:  assignsBlade, needs: []Part{RolesActive, GroupsActive, GroupsElig}, find: standing(false)},
		{id: "role-not-in-pim", severity: Medium, about: "which roles nobody is eligible for",
			title: counted("role is in use and nobody is eligible for it", "roles are in use and nobody is eligible for them"),
			why:   "Such a role is not managed by PIM at all: its holders have it for good, and its settings are used by nobody.",
			mend:  "Add eligible assignments for the people who need the role, then remove the active ones.",
			link:  rolesBlade, needs: []Part{RolesActive, RolesEligible}, absence: []Part{RolesEligible}, find: notInPIM},
		{id: "no-break-glass", severity: Medium, about: "whether the accounts for emergencies can be used",
			title: counted("account for emergencies is missing", "accounts for emergencies are missing or of no use"),
			why:   "When sign-in, MFA or the approvers fail, somebody must still get in. Microsoft advises two accounts that hold Global Administrator for good and are watched.",
			mend:  "Make two cloud-only accounts with Global Administrator standing, keep their keys apart, and name their object ids in security.break_glass.",
			link:  assignsBlade, needs: []Part{RolesActive}, absence: []Part{RolesActive}, find: noBreakGlass},
		{id: "global-administrators", severity: High, about: "how many people can be Global Administrator",
			title: adminsTitle,
			why:   "Global Administrator is every role at once. Microsoft advises fewer than five holders, and at least two, so that nobody is locked out.",
			mend:  "Give people the smaller role that their work needs, and remove their assignment of Global Administrator.",
			link:  assignsBlade, needs: []Part{RolesActive, RolesEligible}, absence: []Part{RolesActive, RolesEligible}, find: globalAdministrators},
		{id: "guest-privileged", severity: High, about: "whether guests hold privileged roles",
			title: counted("assignment of a privileged role is a guest's", "assignments of privileged roles are guests'"),
			why:   "A guest's account is protected, disabled and watched by another organisation.",
			mend:  "Remove the assignment, or give the person an account of this directory.",
			link:  assignsBlade, needs: []Part{RolesActive, RolesEligible, AzureActive, AzureEligible, Accounts}, find: guests},
		{id: "service-principal-privileged", severity: High, about: "whether applications hold privileged roles",
			title: counted("assignment of a privileged role is an application's", "assignments of privileged roles are applications'"),
			why:   "An application cannot be asked for MFA, a reason or an approval: whoever has its secret has the role.",
			mend:  "Give the application the smaller role or permission it needs, at the smallest scope, or a managed identity whose owners are few.",
			link:  assignsBlade, needs: []Part{RolesActive, RolesEligible, AzureActive, AzureEligible}, find: applications},
		{id: "nested-groups", severity: Medium, about: "whether roles are held through groups inside groups",
			title: counted("privileged role is held through a group inside a group", "privileged roles are held through groups inside groups"),
			why:   "Whoever manages the inner group decides who gets the role, and no list of the role's holders shows them.",
			mend:  "Put the people, not the inner group, into the group that holds the role, as eligible members.",
			link:  groupsBlade, needs: []Part{RolesActive, RolesEligible, AzureActive, AzureEligible, GroupsActive, GroupsElig}, find: nested},
		{id: "group-not-in-pim", severity: Medium, about: "whether the groups that can hold roles are managed by PIM",
			title: counted("group can hold roles and nobody is an eligible member of it", "groups can hold roles and nobody is an eligible member of them"),
			why:   "Its members have what the group has, for good.",
			mend:  "Bring the group under PIM for Groups, make its members eligible and remove the standing ones. Delete a group that is not used.",
			link:  groupsBlade, needs: []Part{GroupList, GroupsActive, GroupsElig}, absence: []Part{GroupsElig}, find: groupsNotInPIM},
		{id: "azure-high-scope", severity: High, about: "who can give away Azure at subscriptions and above",
			title: counted("standing assignment can give away a whole subscription or more", "standing assignments can give away whole subscriptions or more"),
			why:   "Owner, User Access Administrator and Role Based Access Control Administrator can give anybody anything below their scope.",
			mend:  "Make the assignment eligible in PIM for Azure resources, at the smallest scope that is needed, and remove the active one.",
			link:  azureBlade, needs: []Part{AzureActive}, find: azureHigh},
		{id: "azure-standing", severity: Low, about: "who can give away resource groups and resources",
			title: counted("standing assignment can give away a resource group or resource", "standing assignments can give away resource groups or resources"),
			why:   "The same roles at a smaller place: less to lose, and just as easily made eligible.",
			mend:  "Make the assignment eligible in PIM for Azure resources and remove the active one.",
			link:  azureBlade, needs: []Part{AzureActive}, find: azureLow},
		setting("no-mfa", High, "whether activations ask for MFA", "asks for neither MFA nor an authentication context",
			"Without it a stolen password is enough to activate the role.",
			"In the role's settings, On activation, require: Azure MFA, or better a Conditional Access authentication context."),
		setting("long-activation", Medium, "how long activations last", "can be active for more than 4 hours",
			"A role that is active all day is a standing role with a button. Two hours are enough for most work.",
			"In the role's settings, set Activation maximum duration to 4 hours or less, preferably 2."),
		setting("no-justification", Medium, "whether activations ask for a reason", "can be activated without a reason",
			"Without a reason nobody can tell a use from a misuse afterwards.",
			"In the role's settings, require justification on activation."),
		setting("no-approval", High, "whether the most privileged roles need an approval", "is among the most privileged and needs no approval",
			"One stolen account is then enough to own the tenant.",
			"In the role's settings, require approval to activate, and name at least two approvers who do not hold the role."),
		setting("no-approvers", High, "whether approvals name an approver", "needs an approval and names no approver",
			"Of Azure resources and groups nobody can decide then. Of directory roles all Privileged Role and Global Administrators can, whether they know the person or not.",
			"In the role's settings, name at least two approvers."),
		setting("no-notification", Low, "whether activations are mailed to somebody", "mails nobody when it is activated",
			"A notice is what makes a misuse short.",
			"In the role's settings, Notification, send notifications when eligible members activate this role, to an address that is read."),
		setting("permanent-eligibility", Medium, "whether eligibility may be for good", "can be made eligible for good",
			"Eligibility that never ends outlives the need for it, and nobody looks at it again.",
			"In the role's settings, do not allow permanent eligible assignment, and let it expire after at most a year."),
		{id: "stale-eligibility", severity: Low, about: "which eligible roles are never used",
			title: counted("eligible role was not activated", "eligible roles were not activated"),
			why:   "What nobody uses nobody misses, but an attacker can use it.",
			mend:  "Ask the holder, and remove the eligible assignment.",
			link:  assignsBlade, needs: []Part{RolesEligible, Activations}, absence: []Part{Activations}, find: stale},
		{id: "no-licence", severity: High, about: "whether the tenant has a licence for PIM",
			title: func(int) string { return "No licence for PIM is in force" },
			why:   "PIM needs Microsoft Entra ID P2 or Microsoft Entra ID Governance. Without one its assignments stop working as eligible.",
			mend:  "Buy or renew Microsoft Entra ID P2 or Governance for everybody who is eligible, approves or reviews.",
			link:  licenceBlade, needs: []Part{Licences}, absence: []Part{Licences}, find: unlicensed},
	}
}

// settingParts are what a check of settings needs: who holds what says which roles matter.
var settingParts = []Part{RoleSettings, GroupSettings, AzureSettings, RolesActive, RolesEligible}

// setting is a check of every role's settings; its title counts the roles.
func setting(id string, severity Severity, about, is, why, mend string) check {
	return check{id: id, severity: severity, about: about, why: why, mend: mend, link: settingsBlade, needs: settingParts,
		title: counted("role "+is, "roles: each "+is), find: weak(id)}
}
