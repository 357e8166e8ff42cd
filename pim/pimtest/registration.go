package pimtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Registration is what the app registration says beside App. The zero value is a
// sound one.
type Registration struct {
	SecretUntil  time.Time // when the client secret ends (wall time); zero: in two years, and it is not looked at
	Audience     string    // signInAudience; default AzureADMyOrg
	Implicit     bool      // tokens straight from the sign-in page
	Public       bool      // a fallback public client
	IDClaims     []string  // optional claims of id tokens
	TokenVersion int       // api.requestedAccessTokenVersion; 0: null
	URIs         []string  // identifierUris
	Personal     bool      // one person consented, and no administrator for everybody
	Packages     []string  // versions of the Teams app in the organisation's catalogue
	Catalogue    bool      // an operator's token may read the catalogue
	Roles        []string  // directory roles of the service principal, by template id
}

// The application ids of Microsoft's own resources.
const (
	armAppID = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
	cliAppID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
)

// registrationRoutes are how the registration, and what was consented to, is read.
// Source: "Get application", "Get servicePrincipal" and "List oauth2PermissionGrants
// of a servicePrincipal" of the Graph reference. An Azure CLI's token carries
// Directory.AccessAsUser.All.
func (t *Tenant) registrationRoutes() []route {
	var (
		app     = []string{"Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
		person  = append([]string{"Directory.AccessAsUser.All"}, app...)
		grants  = []string{"Directory.Read.All", "DelegatedPermissionGrant.Read.All", "DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All"}
		granted = append([]string{"Directory.AccessAsUser.All"}, grants...)
		own     = "(appId='" + t.opt.App.ClientID + "')"
	)
	list := []route{
		{method: http.MethodGet, path: "v1.0/applications" + own, delegated: person, app: app, shape: applicationShape(), do: getApplication},
		{method: http.MethodGet, path: "v1.0/servicePrincipals" + own + "/oauth2PermissionGrants", delegated: granted, app: grants, shape: grantShape(), do: listGrants},
	}
	list = append(list, route{method: http.MethodGet, path: "v1.0/appCatalogs/teamsApps", delegated: []string{"AppCatalog.Read.All", "AppCatalog.ReadWrite.All", "AppCatalog.Submit"},
		shape: catalogueShape(), do: listPackages})
	for _, id := range []string{t.opt.App.ClientID, graphAppID, armAppID} {
		list = append(list, route{method: http.MethodGet, path: "v1.0/servicePrincipals(appId='" + id + "')", delegated: person, app: app,
			shape: principalShape(), do: func(c *call) (result, *GraphError) {
				return c.entity(http.StatusOK, principalShape(), "servicePrincipals", obj{"id": t.principalOf(id), "appId": id, "accountEnabled": true})
			}})
	}
	return list
}

func (t *Tenant) principalOf(app string) string {
	if app == t.opt.App.ClientID {
		return t.opt.App.PrincipalID
	}
	return derivedID(t.opt.TenantID, "service principal of "+app)
}

func applicationShape() shape {
	return shape{typ: "application", props: []string{"id", "appId", "displayName", "signInAudience", "isFallbackPublicClient", "identifierUris",
		"web", "spa", "publicClient", "api", "optionalClaims", "passwordCredentials", "keyCredentials"}}
}

func principalShape() shape {
	return shape{typ: "servicePrincipal", props: []string{"id", "appId", "accountEnabled"}}
}

func grantShape() shape {
	return shape{typ: "oAuth2PermissionGrant", props: []string{"id", "clientId", "consentType", "principalId", "resourceId", "scope"}, options: []string{"$top"}}
}

func catalogueShape() shape {
	return shape{typ: "teamsApp", props: []string{"id", "externalId", "displayName", "distributionMethod", "appDefinitions"}, filters: []string{"externalId"}, expands: []string{"appDefinitions"}}
}

// listPackages shows the Teams app. Source: "List teamsApp" of the Graph reference.
func listPackages(c *call) (result, *GraphError) {
	var rows, definitions []obj
	for _, version := range c.t.opt.App.Registration.Packages {
		definitions = append(definitions, obj{"id": derivedID(c.t.opt.TenantID, "package "+version), "version": version, "publishingState": "published"})
	}
	if len(definitions) > 0 {
		rows = append(rows, obj{"id": derivedID(c.t.opt.TenantID, "Teams app"), "externalId": strings.ToLower(c.t.opt.App.ClientID), "displayName": c.t.opt.App.Name,
			"distributionMethod": "organization", "appDefinitions": definitions})
	}
	return c.list(catalogueShape(), "appCatalogs/teamsApps", rows, nil)
}

func getApplication(c *call) (result, *GraphError) {
	app := c.t.opt.App
	reg, now := app.Registration, c.t.wall()
	if reg.Audience == "" {
		reg.Audience = "AzureADMyOrg"
	}
	offered, clients := []obj{}, []obj{}
	if app.URI != "" {
		reg.URIs, reg.TokenVersion = append([]string{app.URI}, reg.URIs...), 2
		id := derivedID(c.t.opt.TenantID, accessAsUser)
		offered = append(offered, obj{"id": id, "value": accessAsUser, "isEnabled": true, "type": "Admin"})
		for _, client := range app.Clients {
			clients = append(clients, obj{"appId": client, "delegatedPermissionIds": []string{id}})
		}
	}
	secrets, keys, claims := []obj{}, []obj{}, []obj{}
	if app.ClientSecret != "" {
		until := reg.SecretUntil
		if until.IsZero() {
			until = now.AddDate(2, 0, 0)
		}
		secrets = append(secrets, obj{"keyId": derivedID(c.t.opt.TenantID, "secret"), "displayName": "a secret", "hint": app.ClientSecret[:min(3, len(app.ClientSecret))],
			"secretText": nil, "startDateTime": stamp(until.AddDate(-2, 0, 0)), "endDateTime": stamp(until), "customKeyIdentifier": nil})
	}
	for n, cert := range app.Certificates {
		keys = append(keys, obj{"keyId": derivedID(c.t.opt.TenantID, fmt.Sprint("certificate ", n)), "displayName": cert.Subject.String(), "type": "AsymmetricX509Cert",
			"usage": "Verify", "key": nil, "startDateTime": stamp(cert.NotBefore), "endDateTime": stamp(cert.NotAfter), "customKeyIdentifier": nil})
	}
	for _, name := range reg.IDClaims {
		claims = append(claims, obj{"name": name, "source": nil, "essential": false, "additionalProperties": []string{}})
	}
	var version any
	if reg.TokenVersion != 0 {
		version = reg.TokenVersion
	}
	return c.entity(http.StatusOK, applicationShape(), "applications", obj{
		"id": derivedID(c.t.opt.TenantID, "application"), "appId": app.ClientID, "displayName": app.Name, "signInAudience": reg.Audience,
		"isFallbackPublicClient": reg.Public, "identifierUris": append([]string{}, reg.URIs...),
		"web": obj{"redirectUris": append([]string{}, app.RedirectURIs...), "homePageUrl": nil, "logoutUrl": nil,
			"implicitGrantSettings": obj{"enableIdTokenIssuance": reg.Implicit, "enableAccessTokenIssuance": reg.Implicit}},
		"spa": obj{"redirectUris": []string{}}, "publicClient": obj{"redirectUris": []string{}},
		"api":                 obj{"requestedAccessTokenVersion": version, "oauth2PermissionScopes": offered, "preAuthorizedApplications": clients},
		"optionalClaims":      obj{"idToken": claims, "accessToken": []obj{}, "saml2Token": []obj{}},
		"passwordCredentials": secrets, "keyCredentials": keys,
	})
}

// listGrants answers what was consented to, one grant for each resource.
func listGrants(c *call) (result, *GraphError) {
	var rows []obj
	kind, person := "AllPrincipals", ""
	if c.t.opt.App.Registration.Personal {
		kind, person = "Principal", c.caller.id
	}
	for app, resource := range map[string]string{graphAppID: graphResource, armAppID: armResource} {
		scopes := c.t.opt.App.consented(resource)
		if resource == graphResource {
			scopes = append([]string{"openid", "profile", "offline_access"}, scopes...)
		}
		if len(scopes) > 0 {
			rows = append(rows, obj{"id": derivedID(c.t.opt.TenantID, "grant of "+app), "clientId": c.t.opt.App.PrincipalID, "consentType": kind,
				"principalId": text(person), "resourceId": c.t.principalOf(app), "scope": strings.Join(scopes, " ")})
		}
	}
	slices.SortFunc(rows, func(a, b obj) int { return strings.Compare(a["id"].(string), b["id"].(string)) })
	return c.list(grantShape(), "oauth2PermissionGrants", rows, nil)
}

// CLIToken is a token for Graph as the Azure CLI gets it for one of its users.
func (t *Tenant) CLIToken(user string) (token string, err error) {
	return token, t.change(func() error {
		u := t.w.Users[strings.ToLower(user)]
		if u == nil {
			return fmt.Errorf("pimtest: no user %s", user)
		}
		scopes := "Application.ReadWrite.All Directory.AccessAsUser.All User.Read.All"
		if t.opt.App.Registration.Catalogue {
			scopes += " AppCatalog.Read.All"
		}
		token, err = t.accessToken(graphResource, time.Hour, jwt.MapClaims{"oid": u.ID, "sub": t.pairwise(u.ID), "idtyp": "user", "appid": cliAppID,
			"scp": scopes, "upn": u.UPN})
		return err
	})
}
