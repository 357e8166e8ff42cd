package manifest

import (
	"bytes"
	_ "embed" // the script's template
	"errors"
	"fmt"
	"strings"
	"text/template"
)

// Entra is what Belay's app registration needs.
type Entra struct {
	App
	TenantID    string   // the script refuses another tenant; may be empty
	Delegated   []string // what people's tokens for Graph carry, by name
	Azure       []string // what people's tokens for Azure Resource Manager carry, by name; none: no such tokens
	Application []string // what Belay's own token carries, by name
}

// The application ids of Microsoft Graph and of the Azure Service Management API,
// the same in every tenant.
const (
	GraphApp = "00000003-0000-0000-c000-000000000000"
	AzureApp = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
)

// OpenIDScopes are asked for at every sign-in. They are consented to with the
// rest: where people may not consent for themselves, the sign-in would stop at
// them otherwise.
func OpenIDScopes() []string { return []string{"openid", "profile", "offline_access"} }

type registration struct {
	Name     string `json:"displayName"`
	Audience string `json:"signInAudience"`
	Public   bool   `json:"isFallbackPublicClient"`
	Web      struct {
		Redirects []string `json:"redirectUris"`
		Implicit  struct {
			ID     bool `json:"enableIdTokenIssuance"`
			Access bool `json:"enableAccessTokenIssuance"`
		} `json:"implicitGrantSettings"`
	} `json:"web"`
	Required []resource `json:"requiredResourceAccess"`
	Claims   struct {
		ID []claim `json:"idToken"`
	} `json:"optionalClaims"`
}

// claim is one that Entra puts into a token only where it is asked to.
type claim struct {
	Name      string `json:"name"`
	Essential bool   `json:"essential"`
}

type resource struct {
	App    string   `json:"resourceAppId"`
	Access []access `json:"resourceAccess"`
}

type access struct {
	ID   string `json:"id"`
	Type string `json:"type"` // Scope: delegated; Role: application
}

// EntraJSON renders the app registration as Microsoft Graph takes it at
// /applications: one tenant, one redirect URI, no implicit flow, no public client.
// It fails for a permission whose id is not known here.
func EntraJSON(e Entra) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	r := registration{Name: e.Name, Audience: "AzureADMyOrg"}
	r.Web.Redirects = []string{e.at(EntraCallback)}
	r.Claims.ID = []claim{{Name: "auth_time"}} // by which a fresh sign-in is told from an old one
	graph, azure := resource{App: GraphApp}, resource{App: AzureApp}
	add := func(to *resource, names []string, ids map[string]string, kind string) error {
		for _, name := range names {
			id, known := ids[name]
			if !known {
				return fmt.Errorf("manifest: the id of the %s permission %s is not known", map[string]string{"Scope": "delegated", "Role": "application"}[kind], name)
			}
			to.Access = append(to.Access, access{id, kind})
		}
		return nil
	}
	if err := errors.Join(add(&graph, OpenIDScopes(), delegatedIDs(), "Scope"), add(&graph, e.Delegated, delegatedIDs(), "Scope"),
		add(&graph, e.Application, applicationIDs(), "Role"), add(&azure, e.Azure, azureIDs(), "Scope")); err != nil {
		return nil, err
	}
	if r.Required = []resource{graph}; len(azure.Access) > 0 {
		r.Required = append(r.Required, azure)
	}
	return indented(r)
}

//go:embed entra-app.sh.tmpl
var entraScript string

// EntraScript renders a bash script for the Azure CLI that makes or updates the
// registration from entra-app.json beside it, with its service principal, the
// administrator's consent and a credential without a secret.
func EntraScript(e Entra) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if e.TenantID != "" && !IsGUID(e.TenantID) {
		return nil, errors.New("the tenant id must be the directory's id (a GUID)")
	}
	t, err := template.New("entra-app.sh").Funcs(template.FuncMap{"quote": quote}).Parse(entraScript)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, e); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return b.Bytes(), nil
}

// quote is text as one word of a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
