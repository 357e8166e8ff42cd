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
