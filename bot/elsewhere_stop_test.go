package bot

import (
	"context"
	"log/slog"
	"testing"

	"github.com/belaybot/belay/pim"
)

// eligibleOnly is a pillar that is asked for eligibilities alone.
type eligibleOnly struct {
	Pillar
	list []pim.EligibleAssignment
	err  error
}

func (e eligibleOnly) Eligible(context.Context, string) ([]pim.EligibleAssignment, error) {
	return e.list, e.err
}

// An activation of Azure that was made elsewhere is ended under the eligibility that is
// nearest above its place; where that is not known, Microsoft is asked without it.
func TestEndingWhatWasMadeElsewhere(t *testing.T) {
	const role, sub = "/providers/Microsoft.Authorization/roleDefinitions/owner", "/subscriptions/1"
	at := func(scope, schedule string) pim.EligibleAssignment {
		return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: role, Scope: scope}, Schedule: schedule}
	}
	other := at(sub+"/resourceGroups/rg", "another role's")
	other.Role = "/providers/Microsoft.Authorization/roleDefinitions/reader"
	all := []pim.EligibleAssignment{at("/subscriptions/10", "beside"), at(sub, "above"), at(sub+"/resourcegroups/RG", "nearest"), at(sub+"/resourceGroups/rg2", "beside"),
		at(sub+"/resourceGroups/rg/providers/x/y/z", "below"), other}
	b := &Bot{o: Options{Log: slog.New(slog.DiscardHandler)}}
	for name, c := range map[string]struct {
		elsewhere bool
		kind      pim.Kind
		schedule  string
		pillar    eligibleOnly
		want      string
	}{
		"found":       {true, pim.AzureResource, "", eligibleOnly{list: all}, "nearest"},
		"wider":       {true, pim.AzureResource, "", eligibleOnly{list: all[:2]}, "above"},
		"not there":   {true, pim.AzureResource, "", eligibleOnly{list: all[:1]}, ""},
		"unreadable":  {true, pim.AzureResource, "", eligibleOnly{err: &pim.Error{Code: pim.CodeUnavailable}}, ""},
		"known":       {true, pim.AzureResource, "told", eligibleOnly{list: all}, "told"},
		"made here":   {false, pim.AzureResource, "mine", eligibleOnly{list: all}, "mine"},
		"of no Azure": {true, pim.Group, "", eligibleOnly{list: all}, ""},
	} {
		r := Request{ID: "r", Elsewhere: c.elsewhere, Role: at(sub+"/resourceGroups/rg", c.schedule)}
		r.Role.Kind = c.kind
		d := b.deactivation(t.Context(), c.pillar, r, Intent{ID: "i", Reason: "done"})
		if d.Schedule != c.want || d.ID != "i" || d.Justification != "done" || d.Assignment != r.Role.Assignment {
			t.Errorf("%s: %+v, want the schedule %q", name, d, c.want)
		}
	}
}
