package bot

import (
	"strings"
	"testing"

	"github.com/belaybot/belay/pim"
)

// Azure's refusal at a narrower place leads to the wider one; anybody else's leads to
// the administrator.
func TestForbiddenInAzure(t *testing.T) {
	for kind, want := range map[pim.Kind]string{pim.AzureResource: "choose a wider one", pim.EntraRole: "Ask your administrator", pim.Group: "Ask your administrator"} {
		r := Request{State: Failed, Trouble: &Refusal{Code: pim.CodeForbidden}, Role: pim.EligibleAssignment{Assignment: pim.Assignment{Kind: kind}}}
		if got := requesterText(r); !strings.Contains(got, want) {
			t.Errorf("%s: %s", kind, got)
		}
	}
}
