package manifest

// The ids of Microsoft Graph's permissions, those that Belay uses. Source:
// permissions/permissions-descriptions.json of microsoftgraph/microsoft-graph-devx-content
// at 6cbd6bb (2026-08-07), from which the permissions reference is made; the test
// compares with an extract of that file.

func delegatedIDs() map[string]string {
	return map[string]string{
		"openid":         "37f7f235-527c-4136-accd-4a02d197296e",
		"profile":        "14dad69e-099b-42c9-810b-d002981feec1",
		"offline_access": "7427e0e9-2fba-42fe-b0c0-848c9e6a8182",

		"RoleEligibilitySchedule.Read.Directory":     "eb0788c2-6d4e-4658-8c9e-c0fb8053f03d",
		"RoleAssignmentSchedule.ReadWrite.Directory": "8c026be3-8e26-4774-9372-8d5d6f21daff",
		"RoleManagementPolicy.Read.Directory":        "3de2cdbe-0ff5-47d5-bdee-7f45b4749ead",
		"RoleManagement.Read.Directory":              "741c54c3-0c1e-44a1-818b-3f97ab4e8c83",

		"PrivilegedEligibilitySchedule.Read.AzureADGroup":     "8f44f93d-ecef-46ae-a9bf-338508d44d6b",
		"PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup": "06dbc45d-6708-4ef0-a797-f797ee68bf4b",

		"AccessReview.ReadWrite.All": "e4aa47b9-9a69-4109-82ed-36ec70d85ff1",
	}
}

// azureIDs are the permissions of the Azure Service Management API, which has this
// one only. Source: its service principal, the same in every tenant.
func azureIDs() map[string]string {
	return map[string]string{"user_impersonation": "41094075-9dad-400e-a0bd-54e686782033"}
}

// applicationIDs holds nothing that writes, and must not: Belay itself changes
// nothing at Microsoft.
func applicationIDs() map[string]string {
	return map[string]string{
		"RoleManagementPolicy.Read.AzureADGroup":          "69e67828-780e-47fd-b28c-7b27d14864e6",
		"PrivilegedAssignmentSchedule.Read.AzureADGroup":  "cd4161cb-f098-48f8-a884-1eda9a42434c",
		"AuditLog.Read.All":                               "b0afded3-3588-46d8-8b3d-9842eff778da",
		"RoleManagementPolicy.Read.Directory":             "fdc4c997-9942-4479-bfcb-75a36d1138df",
		"RoleAssignmentSchedule.Read.Directory":           "d5fe8ce8-684c-4c83-a52c-46e882ce4be1",
		"RoleEligibilitySchedule.Read.Directory":          "ff278e11-4a33-4d0c-83d2-d01dc58929a5",
		"GroupMember.Read.All":                            "98830695-27a2-44f7-8c18-0c3ebc9698f6",
		"User.Read.All":                                   "df021288-bdef-4463-88db-98f22de89214",
		"RoleManagement.Read.Directory":                   "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
		"PrivilegedEligibilitySchedule.Read.AzureADGroup": "edb419d6-7edc-42a3-9345-509bfdf5d87c",
		"LicenseAssignment.Read.All":                      "e2f98668-2877-4f38-a2f4-8202e0717aa1",
		"AccessReview.Read.All":                           "d07a8cc0-3d51-4b77-b3b0-32704d1f69fa",
	}
}

// ApplicationPermissionID is the id of an application permission of Microsoft Graph;
// empty: it is none of Belay's.
func ApplicationPermissionID(name string) string { return applicationIDs()[name] }
