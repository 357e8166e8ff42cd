package app

import (
	"strings"
	"testing"
)

// Roles of Azure resources are served unless they are left out; left out, nothing
// of theirs is checked.
func TestAzureResources(t *testing.T) {
	with := func(entra, endpoints string) string {
		return strings.Replace(good, "entra:\n", "entra:\n"+entra, 1) + "\n" + endpoints
	}
	for name, test := range map[string]struct {
		text    string
		environ []string
		served  bool
	}{
		"unless told":    {good, nil, true},
		"left out":       {with("  azure_resources: false\n  arm_resource: \"\"\n", ""), nil, false},
		"in the process": {good, []string{"BELAY_ENTRA_AZURE_RESOURCES=false"}, false},
		"nowhere":        {good, []string{"BELAY_ENDPOINTS_ARM="}, false},
	} {
		c, err := Load(write(t, test.text), test.environ)
		if err != nil || c.azure() != test.served {
			t.Errorf("%s: served %t, %v", name, c.azure(), err)
			continue
		}
		text, err := Render(c)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Load(write(t, string(text)), nil); name != "nowhere" && (err != nil || again.azure() != test.served) {
			t.Errorf("%s: after it was written %v\n%s", name, err, text)
		}
	}
	_, err := Load(write(t, with("  azure_resources: perhaps\n", "")), []string{"BELAY_ENTRA_ARM_RESOURCE=http://management.example"})
	for _, want := range []string{"entra.azure_resources: must be true or false", "entra.arm_resource: must be https"} {
		if got := faults(t, err); !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	_, err = Load(write(t, good), []string{"BELAY_ENTRA_AZURE_RESOURCES=1"})
	if got := faults(t, err); got != "BELAY_ENTRA_AZURE_RESOURCES: must be true or false" {
		t.Error(got)
	}
}
