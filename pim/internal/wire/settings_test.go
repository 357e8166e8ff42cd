package wire

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/belaybot/belay/pim"
)

// Approvers are known by their object ids, however a service spells them; one that is none
// by itself by what it is.
func TestSettingsNameTheApprovers(t *testing.T) {
	var rules []PolicyRule
	err := json.Unmarshal([]byte(`[{"id":"Approval_EndUser_Assignment","setting":{"isApprovalRequired":true,"approvalStages":[{"primaryApprovers":[
		{"@odata.type":"#microsoft.graph.singleUser","userId":"B0B"},{"@odata.type":"#microsoft.graph.groupMembers","groupId":"G"},{"id":"a","userType":"User"},
		{"@odata.type":"#microsoft.graph.requestorManager","managerLevel":1},"odd"]}]}},
		{"id":"Expiration_Admin_Assignment","isExpirationRequired":false},{"id":"Expiration_Admin_Eligibility","isExpirationRequired":true}]`), &rules)
	if err != nil {
		t.Fatal(err)
	}
	s := Settings(pim.Assignment{}, rules)
	if !slices.Equal(s.Deciders, []string{"a", "b0b", "g", "requestormanager", "unknown"}) || s.Approvers != 5 {
		t.Errorf("%q", s.Deciders)
	}
	if !s.PermanentActive || s.PermanentEligible || slices.Contains(s.Missing, pim.RuleOfAssignment) {
		t.Errorf("%+v", s)
	}
	if s := Settings(pim.Assignment{}, nil); s.PermanentActive || !slices.Contains(s.Missing, pim.RuleOfAssignment) {
		t.Errorf("a rule that is not told: %+v", s)
	}
}
