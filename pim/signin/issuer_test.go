package signin_test

import (
	"context"
	"testing"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
)

// A code that another sign-in service gave is sent to nobody (RFC 9207). Where the service
// says that it tells who it is, an answer that does not is not its own.
func TestAnswerOfAnotherSignInService(t *testing.T) {
	for _, tells := range []bool{false, true} {
		w := newWorld(t)
		w.move(pimtest.Options{TenantID: tenantID, WallNow: w.now, TellIssuer: tells, Unhandled: func(s string) { t.Error(s) },
			App: pimtest.App{ClientID: clientID, ClientSecret: secret, RedirectURIs: []string{redirect}, Delegated: signin.Scopes()}})
		right := w.tenant.Issuer()
		for issuer, want := range map[string]pim.Code{
			right: "", "": map[bool]pim.Code{false: "", true: pim.CodeInvalid}[tells],
			right + "/": pim.CodeInvalid, "https://evil.example/" + tenantID + "/v2.0": pim.CodeInvalid, right + " " + right: pim.CodeInvalid,
		} {
			a := authorization()
			code := w.code(aliceID, a)
			a.Issuer = issuer
			before := w.wire.count()
			_, keep, err := w.client.Redeem(context.Background(), code, a)
			if pim.CodeOf(err) != want || (keep != nil) != (want == "") {
				t.Errorf("told %t, iss %q: %v, want %q", tells, issuer, err, want)
			}
			if n := w.wire.count() - before; want != "" && n != 0 {
				t.Errorf("told %t, iss %q: the code was sent to the token endpoint", tells, issuer)
			}
		}
	}
}

// A code that another tenant gave for the very same client id is nobody's here.
func TestCodeOfAnotherTenant(t *testing.T) {
	w := newWorld(t)
	elsewhere := w.code(aliceID, authorization())
	w.move(pimtest.Options{TenantID: tenantID, WallNow: w.now, Unhandled: func(s string) { t.Error(s) },
		App: pimtest.App{ClientID: clientID, ClientSecret: secret, RedirectURIs: []string{redirect}, Delegated: signin.Scopes()}})
	_, keep, err := w.client.Redeem(context.Background(), elsewhere, authorization())
	w.refused(err, pim.CodeSignIn)
	if keep != nil {
		t.Error("there is something to keep")
	}
}
