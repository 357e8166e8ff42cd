package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/manifest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
)

// application is the registration as Graph shows it.
type application struct {
	Audience string   `json:"signInAudience"`
	Public   bool     `json:"isFallbackPublicClient"`
	URIs     []string `json:"identifierUris"`
	Web      struct {
		Redirects []string `json:"redirectUris"`
		Implicit  struct {
			ID     bool `json:"enableIdTokenIssuance"`
			Access bool `json:"enableAccessTokenIssuance"`
		} `json:"implicitGrantSettings"`
	} `json:"web"`
	Page   struct{ RedirectURIs []string } `json:"spa"`
	Device struct{ RedirectURIs []string } `json:"publicClient"`
	API    struct {
		Version *int `json:"requestedAccessTokenVersion"`
		Scopes  []struct {
			Value   string
			Enabled bool `json:"isEnabled"`
		} `json:"oauth2PermissionScopes"`
		Clients []struct {
			App string `json:"appId"`
		} `json:"preAuthorizedApplications"`
	} `json:"api"`
	Claims *struct {
		ID []struct{ Name string } `json:"idToken"`
	} `json:"optionalClaims"`
	Secrets []proof `json:"passwordCredentials"`
	Keys    []proof `json:"keyCredentials"`
}

// proof is a secret or a certificate of the registration; never the thing itself.
type proof struct {
	Name  string    `json:"displayName"`
	Until time.Time `json:"endDateTime"`
}

// grant is what was consented to, for one resource.
type grant struct {
	For      string `json:"consentType"` // AllPrincipals: for everybody
	Resource string `json:"resourceId"`
	Scope    string `json:"scope"`
	app      string // application id of the resource
}

// registration says how the registration is read: with the operator's token, or with
// Belay's own, which cannot in a tenant that granted no more than it should. None of
// these reads is made by a Belay that serves, so that none is in pim.Operations.
func (v *visit) registration(ctx context.Context, operator string) {
	operator = strings.TrimSpace(operator)
	token := func() (string, error) { return operator, nil }
	if operator == "" {
		token = v.ownToken
	}
	id := v.cfg.Entra.ClientID
	const members = "signInAudience,isFallbackPublicClient,identifierUris,web,spa,publicClient,api,optionalClaims,passwordCredentials,keyCredentials"
	v.lookAt = fmt.Sprintf(`az rest --method get --url "%s"`, v.graphAt("/v1.0/applications(appId='"+id+"')"))
	get := func(path string, into any) error {
		if c, err := read(operator); operator != "" && err == nil && c.Tenant != "" && !strings.EqualFold(c.Tenant, v.cfg.Entra.TenantID) {
			return errForeign
		}
		bearer, err := token()
		if err != nil {
			return &noToken{err}
		}
		a, err := v.ask(ctx, http.MethodGet, v.graphAt("/v1.0"+path), bearer)
		if err != nil {
			return err
		}
		return a.decode(into)
	}
	v.application = sync.OnceValues(func() (a application, err error) {
		return a, get("/applications(appId='"+id+"')?$select="+members, &a)
	})
	v.grants = sync.OnceValues(func() ([]grant, error) {
		var list struct{ Value []grant }
		if err := get("/servicePrincipals(appId='"+id+"')/oauth2PermissionGrants", &list); err != nil {
			return nil, err
		}
		for _, app := range []string{manifest.GraphApp, manifest.AzureApp} {
			var principal struct{ ID string }
			if err := get("/servicePrincipals(appId='"+app+"')?$select=id", &principal); err != nil {
				return nil, err
			}
			for n := range list.Value {
				if strings.EqualFold(list.Value[n].Resource, principal.ID) {
					list.Value[n].app = app
				}
			}
		}
		return list.Value, nil
	})
}

var errForeign = errors.New("the token that was given is of another tenant")

// hidden is the verdict of what the registration did not show.
func (v *visit) hidden(err error) says {
	mend := v.lookAt + " shows it to you. Or let doctor look as you, with --graph-token-file FILE after: " +
		"az account get-access-token --resource-type ms-graph --query accessToken --output tsv > FILE"
	var r *refused
	switch {
	case errors.Is(err, errForeign):
		return unsure(err.Error(), "Sign in there: az login --tenant "+v.cfg.Entra.TenantID)
	case errors.As(err, &r) && r.status == http.StatusForbidden:
		return unsure("it may not be read: Belay itself does not need it, and has no permission for it", mend)
	case errors.As(err, &r):
		return unsure(err.Error(), mend)
	}
	return unsure("it was not reached", mend)
}

func (v *visit) consent() says {
	all, err := v.grants()
	if err != nil {
		return v.hidden(err)
	}
	want := map[string][]string{manifest.GraphApp: slices.Concat(manifest.OpenIDScopes(), pim.DelegatedPermissions(pim.Graph, v.cfg.Features()...))}
	if v.cfg.Azure() {
		want[manifest.AzureApp] = pim.DelegatedPermissions(pim.ARM)
	}
	have := map[string][]string{}
	var more []string
	for _, g := range all {
		for _, scope := range strings.Fields(g.Scope) {
			switch {
			case !slices.Contains(want[g.app], scope) && !slices.Contains(more, scope):
				more = append(more, scope)
			case g.For == "AllPrincipals":
				have[g.app] = append(have[g.app], scope)
			}
		}
	}
	verdict := OK
	var missing []string
	for _, app := range []string{manifest.GraphApp, manifest.AzureApp} {
		for _, scope := range want[app] {
			if slices.Contains(have[app], scope) {
				continue
			}
			missing = append(missing, scope)
			if app == manifest.GraphApp {
				verdict = Fault
			} else if verdict == OK {
				verdict = Warning // people's roles in Azure are missing, and nothing else
			}
		}
	}
	switch {
	case len(missing) > 0:
		return says{verdict, "nobody consented for everybody to " + strings.Join(missing, ", "),
			"As an administrator: az ad app permission admin-consent --id " + v.cfg.Entra.ClientID + " (if the registration lacks them: ./entra-app.sh " + v.cfg.Entra.ClientID + ", of belay init)"}
	case len(more) > 0:
		return warn("people's sign-ins may be used for more than Belay needs: "+strings.Join(more, ", "), mendRevoke)
	}
	return ok("what Belay needs, and no more")
}

// soon is when to think of a successor.
const soon = 30 * 24 * time.Hour

// ending is the verdict on something that ends.
func (v *visit) ending(what string, until time.Time, mend string) says {
	switch left := until.Sub(v.now()); {
	case left <= 0:
		return fault(fmt.Sprintf("%s ended on %s", what, until.UTC().Format(time.DateOnly)), mend)
	case left < soon:
		return warn(fmt.Sprintf("%s ends on %s", what, until.UTC().Format(time.DateOnly)), mend)
	}
	return ok(fmt.Sprintf("%s ends on %s", what, until.UTC().Format(time.DateOnly)))
}

func (v *visit) secrets() says {
	a, err := v.application()
	if err != nil {
		return v.hidden(err)
	}
	all := []says{ok("it has none: nothing ends")}
	for kind, proofs := range map[string][]proof{"the secret": a.Secrets, "the certificate": a.Keys} {
		for _, p := range proofs {
			all = append(all, v.ending(fmt.Sprintf("%s %q", kind, p.Name), p.Until,
				"Make a new one before, give it to Belay, and remove the old one: App registrations, Certificates & secrets. Federation needs none."))
		}
	}
	return worst(all)
}

func (v *visit) redirects() says {
	a, err := v.application()
	if err != nil {
		return v.hidden(err)
	}
	callback := strings.TrimRight(v.cfg.PublicURL, "/") + manifest.EntraCallback
	if !slices.Contains(a.Web.Redirects, callback) {
		return fault("its redirect URIs lack "+callback, "Add exactly that: App registrations, Authentication, Web; or ./entra-app.sh "+v.cfg.Entra.ClientID)
	}
	const mend = "Remove what Belay does not use: App registrations, Authentication. A sign-in could be sent there."
	var open, more []string
	for _, uri := range slices.Concat(a.Web.Redirects, a.Page.RedirectURIs, a.Device.RedirectURIs) {
		switch u, err := url.Parse(uri); {
		case uri == callback:
		case err != nil || strings.Contains(uri, "*") || u.Scheme != "https" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback():
			open = append(open, uri)
		default:
			more = append(more, uri)
		}
	}
	switch {
	case len(open) > 0:
		return fault("people may also be sent to "+strings.Join(open, ", "), mend)
	case len(more) > 0:
		return warn("people may also be sent to "+strings.Join(more, ", "), mend)
	}
	return ok("to Belay, and nowhere else")
}

func (v *visit) audience() says {
	a, err := v.application()
	if err != nil {
		return v.hidden(err)
	}
	if a.Audience != "AzureADMyOrg" {
		return fault("people of other tenants may sign in to it: "+a.Audience, "Make it single-tenant: App registrations, Authentication, Supported account types.")
	}
	return ok("it is")
}

func (v *visit) flows() says {
	a, err := v.application()
	if err != nil {
		return v.hidden(err)
	}
	if a.Public || a.Web.Implicit.ID || a.Web.Implicit.Access {
		return fault("tokens can be had without Belay's credential", "Switch the implicit grant and \"Allow public client flows\" off: App registrations, Authentication.")
	}
	return ok("they are")
}

func (v *visit) claims() says {
	a, err := v.application()
	if err != nil {
		return v.hidden(err)
	}
	if a.Claims != nil {
		for _, c := range a.Claims.ID {
			if c.Name == "auth_time" {
				return ok("they do")
			}
		}
	}
	const add = "Add it: App registrations, Token configuration, Add optional claim, ID, auth_time; or ./entra-app.sh "
	if v.cfg.Approval.AsksPresence() {
		return fault("the optional claim auth_time is missing in id tokens, so that nobody can decide on a role of which approval wants a fresh sign-in",
			add+v.cfg.Entra.ClientID)
	}
	return warn("the optional claim auth_time is missing in id tokens, so that a fresh sign-in cannot be told from an old one", add+v.cfg.Entra.ClientID)
}

func signsOn(c app.Config) bool { return c.SignOn() != "" }

func (v *visit) signOn() says {
	a, err := v.application()
	if err != nil {
		return v.hidden(err)
	}
	var missing []string
	if uri := v.cfg.SignOn(); !slices.ContainsFunc(a.URIs, func(has string) bool { return strings.EqualFold(has, uri) }) {
		missing = append(missing, "the Application ID URI "+uri)
	}
	offered := false
	for _, s := range a.API.Scopes {
		offered = offered || s.Value == signin.AccessAsUser && s.Enabled
	}
	if !offered {
		missing = append(missing, "the scope "+signin.AccessAsUser)
	}
	for _, client := range signin.TeamsClients() {
		known := false
		for _, c := range a.API.Clients {
			known = known || strings.EqualFold(c.App, client)
		}
		if !known {
			missing = append(missing, "Teams' client "+client)
		}
	}
	if len(missing) > 0 {
		return fault("the registration lacks "+strings.Join(missing, ", "), "Run ./entra-single-sign-on.sh, of belay init --single-sign-on; or set teams.single_sign_on: false.")
	}
	return ok("it may")
}

func (v *visit) version() says {
	a, err := v.application()
	switch {
	case err != nil:
		return v.hidden(err)
	case len(a.URIs) == 0:
		return ok("it offers none")
	case a.API.Version == nil || *a.API.Version != 2:
		return fault("tokens for "+strings.Join(a.URIs, ", ")+" are of version 1, which Belay does not take",
			"Set api.requestedAccessTokenVersion to 2: App registrations, Manifest.")
	}
	return ok("2")
}

// worst is the gravest of several verdicts, and of equals the last.
func worst(all []says) says {
	grave := []Verdict{OK, Unknown, Warning, Fault}
	w := all[0]
	for _, s := range all[1:] {
		if slices.Index(grave, s.verdict) >= slices.Index(grave, w.verdict) {
			w = s
		}
	}
	return w
}
