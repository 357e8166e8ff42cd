package pimtest_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim/pimtest"
)

func TestOnBehalfOfIsRefusedAsEntraDoes(t *testing.T) {
	const tenantID, client, teams, user = "11111111-0000-4000-8000-000000000001", "c11e0000-0000-4000-8000-00000000c11e", "1fec8e78-bce4-4aaf-ab1b-5451cc387264", "aaaaaaaa-0000-4000-8000-00000000000a"
	tenant, err := pimtest.New(pimtest.Options{TenantID: tenantID, Unkind: pimtest.Kind(), Unhandled: func(s string) { t.Error(s) },
		App: pimtest.App{ClientID: client, ClientSecret: "s", URI: "api://botid-x", Clients: []string{teams}, Delegated: []string{"User.Read"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.AddUser(pimtest.User{ID: user, Name: "Alice", UPN: "alice@contoso.example"}); err != nil {
		t.Fatal(err)
	}
	login := httptest.NewTLSServer(tenant.Login())
	defer login.Close()
	tenant.SetURLs(pimtest.URLs{Login: login.URL})
	token := func(amr string, edit func(map[string]any)) string {
		t.Helper()
		raw, err := tenant.ClientToken(user, teams, strings.Fields(amr), edit)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	ask := func(edit func(url.Values), assertion string) (answer struct {
		Error, Suberror, Claims string
		Codes                   []int  `json:"error_codes"`
		Refresh                 string `json:"refresh_token"`
	}) {
		t.Helper()
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "requested_token_use": {"on_behalf_of"}, "client_id": {client},
			"client_secret": {"s"}, "scope": {"openid offline_access https://graph.microsoft.com/User.Read"}, "assertion": {assertion}}
		if edit != nil {
			edit(form)
		}
		resp, err := login.Client().PostForm(login.URL+"/"+tenantID+"/oauth2/v2.0/token", form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got := ask(nil, token("pwd", nil)); got.Error != "" || got.Refresh == "" {
		t.Errorf("an honest one: %+v", got)
	}
	for name, c := range map[string]struct {
		edit      func(url.Values)
		assertion string
		want      string
	}{
		"another audience":      {nil, token("pwd", set("aud", "another")), "invalid_grant [500131]"},
		"expired":               {nil, token("pwd", set("exp", time.Now().Add(-time.Hour).Unix())), "invalid_grant [500133]"},
		"altered":               {nil, token("pwd", nil) + "x", "invalid_grant [50013]"},
		"another tenant":        {nil, token("pwd", set("tid", "another")), "invalid_grant [50013]"},
		"no consent":            {func(f url.Values) { f.Set("scope", "https://graph.microsoft.com/User.ReadWrite") }, token("pwd", nil), "invalid_grant [65001]"},
		"no assertion":          {nil, "", "invalid_request [900144]"},
		"not on behalf":         {func(f url.Values) { f.Del("requested_token_use") }, token("pwd", nil), "invalid_request [900144]"},
		"another client secret": {func(f url.Values) { f.Set("client_secret", "x") }, token("pwd", nil), "invalid_client [7000215]"},
	} {
		if got := ask(c.edit, c.assertion); fmt.Sprint(got.Error, " ", got.Codes) != c.want || got.Refresh != "" {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
	tenant.SetMFAPolicy(true)
	if got := ask(nil, token("pwd", nil)); got.Error != "interaction_required" || fmt.Sprint(got.Codes) != "[50076]" || !strings.Contains(got.Claims, "capolids") {
		t.Errorf("without MFA: %+v", got)
	}
	if got := ask(nil, token("pwd mfa", nil)); got.Error != "" {
		t.Errorf("with MFA: %+v", got)
	}
	if _, err := tenant.ClientToken(user, "04b07795-8ddb-461a-bbee-02f9e1bf7b46", nil, nil); err == nil {
		t.Error("a client that is not authorized in advance gets a token")
	}
}
