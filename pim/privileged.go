package pim

import "strings"

// Privileged is one of Microsoft's built-in roles from which every other can be reached.
type Privileged struct {
	Kind Kind
	ID   string // role template id of Entra, or the GUID of Azure's role definition; the same in every tenant
	Name string
}

// MostPrivileged lists the roles by which somebody can make themselves anything: they
// assign roles, take over accounts or applications that hold them, or switch off what
// guards the sign-in. Sources: "Microsoft Entra built-in roles" (the PRIVILEGED ones that
// lead to Global Administrator), "Azure built-in roles, Privileged".
func MostPrivileged() []Privileged {
	return []Privileged{
		{EntraRole, "62e90394-69f5-4237-9190-012177145e10", "Global Administrator"},
		{EntraRole, "e8611ab8-c189-46e8-94e1-60213ab1f814", "Privileged Role Administrator"},
		{EntraRole, "7be44c8a-adaf-4e2a-84d6-ab2649e08a13", "Privileged Authentication Administrator"},
		{EntraRole, "c4e39bd9-1100-46d3-8c65-fb160da0071f", "Authentication Administrator"},
		{EntraRole, "194ae4cb-b126-40b2-bd5b-6091b380977d", "Security Administrator"},
		{EntraRole, "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9", "Conditional Access Administrator"},
		{EntraRole, "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "Application Administrator"},
		{EntraRole, "158c047a-c907-4556-b7ef-446551a6b5f7", "Cloud Application Administrator"},
		{EntraRole, "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", "Hybrid Identity Administrator"},
		{AzureResource, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner"},
		{AzureResource, "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator"},
		{AzureResource, "f58310d9-a9f6-439a-9e8d-f62e7b41a168", "Role Based Access Control Administrator"},
	}
}

// Identity is what identifies the role of an assignment in every tenant and at every
// scope, in lower case: the role definition's id, of Azure its last part; of a group the
// group's object id. Empty: it is not known.
func (a Assignment) Identity() string {
	switch a.Kind {
	case Group:
		return strings.ToLower(a.Scope)
	case AzureResource:
		return strings.ToLower(a.Role[strings.LastIndex(a.Role, "/")+1:])
	}
	return strings.ToLower(a.Role)
}
