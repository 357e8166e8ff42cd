package wire

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/belaybot/belay/pim"
)

// PolicyRule is the union of the rules of a policy that posture looks at, as Graph and
// ARM alike write them; told by their ids.
type PolicyRule struct {
	ID          string            `json:"id"`
	Expires     *bool             `json:"isExpirationRequired"`
	MaxDuration string            `json:"maximumDuration"`
	Enabled     []string          `json:"enabledRules"`
	IsEnabled   bool              `json:"isEnabled"`
	Claim       string            `json:"claimValue"`
	Default     bool              `json:"isDefaultRecipientsEnabled"`
	Recipients  []json.RawMessage `json:"notificationRecipients"`
	Setting     struct {
		Required bool `json:"isApprovalRequired"`
		Stages   []struct {
			Primary []json.RawMessage `json:"primaryApprovers"`
		} `json:"approvalStages"`
	} `json:"setting"`
}

// Settings reads what a policy says of a. What it does not say is in Missing, and is
// neither good nor bad.
func Settings(a pim.Assignment, rules []PolicyRule) pim.Settings {
	s := pim.Settings{Assignment: a}
	said := map[string]bool{}
	for _, r := range rules {
		switch id := strings.ToLower(r.ID); id {
		case strings.ToLower(pim.RuleOfDuration):
			d, err := pim.ParseDuration(r.MaxDuration)
			s.MaxDuration, said[id] = d, err == nil && d > 0
		case strings.ToLower(pim.RuleOfEnablement):
			said[id] = true
			for _, name := range r.Enabled {
				s.MFA = s.MFA || strings.EqualFold(name, "MultiFactorAuthentication")
				s.Justification = s.Justification || strings.EqualFold(name, "Justification")
				s.Ticket = s.Ticket || strings.EqualFold(name, "Ticketing")
			}
		case "authenticationcontext_enduser_assignment":
			if r.IsEnabled {
				s.AuthContext = r.Claim
			}
		case strings.ToLower(pim.RuleOfApproval):
			s.Approval, said[id] = r.Setting.Required, true
			for _, stage := range r.Setting.Stages {
				s.Approvers += len(stage.Primary)
				for _, who := range stage.Primary {
					s.Deciders = append(s.Deciders, decider(who))
				}
			}
			slices.Sort(s.Deciders)
		case strings.ToLower(pim.RuleOfMail):
			s.Mailed, said[id] = r.Default || len(r.Recipients) > 0, true
		case strings.ToLower(pim.RuleOfEligibility):
			said[id] = r.Expires != nil
			s.PermanentEligible = r.Expires != nil && !*r.Expires
		case strings.ToLower(pim.RuleOfAssignment):
			said[id] = r.Expires != nil
			s.PermanentActive = r.Expires != nil && !*r.Expires
		}
	}
	for _, id := range []string{pim.RuleOfDuration, pim.RuleOfEnablement, pim.RuleOfApproval, pim.RuleOfMail, pim.RuleOfEligibility, pim.RuleOfAssignment} {
		if !said[strings.ToLower(id)] {
			s.Missing = append(s.Missing, id)
		}
	}
	return s
}

// decider is the object id of an approver that a policy names; of one that is none by
// itself, such as the requester's manager, what kind it is.
func decider(raw json.RawMessage) string {
	var who struct {
		Type  string `json:"@odata.type"`
		ID    string `json:"id"`
		User  string `json:"userId"`
		Group string `json:"groupId"`
	}
	if err := json.Unmarshal(raw, &who); err != nil {
		return "unknown"
	}
	return strings.ToLower(cmp.Or(who.User, who.Group, who.ID, strings.TrimPrefix(who.Type, "#microsoft.graph."), "unknown"))
}
