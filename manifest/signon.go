package manifest

import (
	"bytes"
	_ "embed" // the script's template
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/template"
)

// SignOn is what single sign-on in Teams needs of Belay's registration in Entra.
type SignOn struct {
	App
	ClientID string   // of Belay's registration
	BotID    string   // Microsoft App ID of the bot
	Scope    string   // the one scope that is offered
	Clients  []string // application ids that may ask for it without anybody's consent
}

// signOnScope is the id of the scope in the registration: chosen once, since clients are
// authorized for it by id.
const signOnScope = "5c1b6f0e-7a34-4a86-9d0b-3f6c2f0b8e51"

// AppURI is the Application ID URI that Teams asks for a bot. Source: "Configure your
// app in Microsoft Entra ID" of the Teams documentation.
func AppURI(botID string) string { return "api://botid-" + strings.ToLower(botID) }

type exposed struct {
	URIs []string `json:"identifierUris,omitempty"`
	API  struct {
		Version int                `json:"requestedAccessTokenVersion"`
		Scopes  []exposedScope     `json:"oauth2PermissionScopes"`
		Clients []authorizedClient `json:"preAuthorizedApplications,omitempty"`
	} `json:"api"`
}

type exposedScope struct {
	ID         string `json:"id"`
	Value      string `json:"value"`
	Type       string `json:"type"` // Admin: people are never asked
	Enabled    bool   `json:"isEnabled"`
	AdminTitle string `json:"adminConsentDisplayName"`
	AdminText  string `json:"adminConsentDescription"`
}

type authorizedClient struct {
	App    string   `json:"appId"`
	Scopes []string `json:"delegatedPermissionIds"`
}

// json renders what is sent to Microsoft Graph: the scope first, then the clients that
// are authorized for it, because Graph knows a scope only once it is there.
func (s SignOn) json(clients bool) (string, error) {
	var e exposed
	e.API.Version = 2 // tokens of the older version have another issuer, which Belay refuses
	e.API.Scopes = []exposedScope{{ID: signOnScope, Value: s.Scope, Type: "Admin", Enabled: true, AdminTitle: "Sign in from Microsoft Teams",
		AdminText: "Lets Microsoft Teams sign people in to " + s.Name + ". It gives no access to anything else."}}
	if clients {
		for _, c := range s.Clients {
			e.API.Clients = append(e.API.Clients, authorizedClient{c, []string{signOnScope}})
		}
	} else {
		e.URIs = []string{AppURI(s.BotID)}
	}
	b, err := json.Marshal(e)
	return string(b), err
}

//go:embed entra-single-sign-on.sh.tmpl
var signOnScript string

// SignOnScript renders a bash script for the Azure CLI that readies Belay's
// registration for single sign-on in Teams.
func SignOnScript(s SignOn) ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if !IsGUID(s.ClientID) || !IsGUID(s.BotID) {
		return nil, errors.New("single sign-on needs the client id of the registration and the bot's Microsoft App ID (GUIDs)")
	}
	scope, err1 := s.json(false)
	clients, err2 := s.json(true)
	t, err3 := template.New("entra-single-sign-on.sh").Funcs(template.FuncMap{"quote": quote}).Parse(signOnScript)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var b bytes.Buffer
	err := t.Execute(&b, map[string]string{"Name": s.Name, "App": strings.ToLower(s.ClientID), "URI": AppURI(s.BotID), "Offer": scope, "Authorize": clients})
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return b.Bytes(), nil
}

// webApplication names Belay's registration in the Teams package.
type webApplication struct {
	ID       string `json:"id"`
	Resource string `json:"resource"`
}

// host is where the sign-in button of Teams may lead.
func (a App) host() (string, error) {
	u, err := url.Parse(a.PublicURL)
	if err != nil {
		return "", err
	}
	return u.Hostname(), nil
}
