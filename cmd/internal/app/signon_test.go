package app

import (
	"strings"
	"testing"
)

func TestSingleSignOnSettings(t *testing.T) {
	const id = "C0FFEE00-4F52-4A7E-8D7C-90F1E2D3C4B5"
	for _, c := range []struct {
		set  Teams
		want string
	}{
		{Teams{AppID: id}, ""},
		{Teams{SingleSignOn: true}, ""},
		{Teams{AppID: id, AppURI: "api://x"}, ""},
		{Teams{AppID: id, SingleSignOn: true}, "api://botid-" + strings.ToLower(id)},
		{Teams{AppID: id, SingleSignOn: true, AppURI: "api://belay.example.com/botid-x"}, "api://belay.example.com/botid-x"},
	} {
		if got := c.set.signOn(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.set, got, c.want)
		}
	}
	for _, uri := range []string{"https://belay.example.com", "api://", "api://a b", "botid-x", "api://x?y", "api://" + strings.Repeat("x", 300)} {
		faults := Config{Teams: Teams{AppID: id, AppURI: uri}}.Validate()
		if !strings.Contains(strings.Join(faults, "\n"), "teams.app_uri: must be an Application ID URI") {
			t.Errorf("%q is taken", uri)
		}
	}
}

// Sign-ins are kept unless the operator says otherwise, and single sign-on, which signs people
// in without their doing, does not go with asking each time.
func TestKeepSignInsSettings(t *testing.T) {
	for env, want := range map[string]bool{"HOME=/nowhere": true, "BELAY_ENTRA_KEEP_SIGN_INS=true": true, "BELAY_ENTRA_KEEP_SIGN_INS=false": false} {
		c, err := Load(write(t, good), []string{env})
		if err != nil || c.Entra.KeepSignIns != want {
			t.Errorf("%s: kept %t, %v", env, c.Entra.KeepSignIns, err)
		}
	}
	const id, fault = "c0ffee00-4f52-4a7e-8d7c-90f1e2d3c4b5", "teams.single_sign_on: signs people in without their doing"
	for _, c := range []struct{ kept, signOn, refused bool }{{true, true, false}, {false, false, false}, {false, true, true}} {
		faults := Config{Entra: Entra{KeepSignIns: c.kept}, Teams: Teams{AppID: id, SingleSignOn: c.signOn}}.Validate()
		if got := strings.Contains(strings.Join(faults, "\n"), fault); got != c.refused {
			t.Errorf("%+v: refused %t", c, got)
		}
	}
	replicas := Config{Entra: Entra{KeepSignIns: false}, Store: Store{PostgresURL: "postgres://belay@db.example/belay"}}.Validate()
	if !strings.Contains(strings.Join(replicas, "\n"), "entra.keep_sign_ins: false keeps sign-ins in the memory of one process") {
		t.Errorf("sign-ins in the memory of one of several replicas: %q", replicas)
	}
}
