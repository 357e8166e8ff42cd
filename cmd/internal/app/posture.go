package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/arm"
	"github.com/belaybot/belay/pim/graph"
	"github.com/belaybot/belay/pim/posture"
)

// ReadPosture reads the tenant as Belay itself. It needs the configuration and no store,
// so that a pipeline can do it where nobody serves.
func (c Config) ReadPosture(ctx context.Context, log *slog.Logger) (posture.Snapshot, error) {
	client, err := c.Outside()
	if err != nil {
		return posture.Snapshot{}, err
	}
	defer client.CloseIdleConnections()
	return c.readPosture(ctx, client, log, time.Now)
}

func (c Config) readPosture(ctx context.Context, client *http.Client, log *slog.Logger, now func() time.Time) (posture.Snapshot, error) {
	src, err := c.postureSources(client, log, now)
	if err != nil {
		return posture.Snapshot{}, err
	}
	return posture.Read(ctx, src)
}

func (c Config) postureSources(client *http.Client, log *slog.Logger, now func() time.Time) (posture.Sources, error) {
	credential, err := c.Credential()
	if err != nil {
		return posture.Sources{}, fmt.Errorf("entra: %w", err)
	}
	own, err := credential.Application(c.Endpoints.Login, c.Entra.TenantID, c.Entra.ClientID, client)
	if err != nil {
		return posture.Sources{}, fmt.Errorf("entra: %w", err)
	}
	roles, err := graph.New(graph.Options{BaseURL: c.Endpoints.Graph, HTTP: client, Tokens: ownToken{own, c.Entra.GraphResource}, Now: now, Log: log})
	if err != nil {
		return posture.Sources{}, err
	}
	src := posture.Sources{TenantID: c.Entra.TenantID, Directory: roles.Lists(), Groups: roles.Groups().Lists(), Tenant: roles.Lists(),
		Permissions: posture.Permissions(), Now: now, Scopes: c.postureScopes()}
	if c.azure() {
		resources, err := arm.New(arm.Options{BaseURL: c.Endpoints.ARM, HTTP: client, Tokens: ownToken{own, c.Entra.ARMResource}, Approvers: roles, Now: now, Log: log})
		if err != nil {
			return posture.Sources{}, err
		}
		src.Azure = resources.Lists()
	}
	return src, nil
}

// postureScopes are the places of Azure that are read. The root management group is
// named after the tenant.
func (c Config) postureScopes() []string {
	if len(c.Posture.AzureScopes) > 0 {
		return c.Posture.AzureScopes
	}
	return []string{"/providers/Microsoft.Management/managementGroups/" + c.Entra.TenantID}
}

// PostureRules are what the tenant is measured by.
func (c Config) PostureRules() posture.Rules {
	return posture.Rules{BreakGlass: c.Security.BreakGlass, Portal: c.Endpoints.Portal}
}

// PostureOwn is what the checklist asks of this configuration.
func (c Config) PostureOwn() posture.Own {
	heard := map[string]bool{}
	for _, to := range c.Notices.Default {
		heard[to] = true
	}
	for _, rule := range c.Notices.Rules {
		if len(rule.Events) == 0 || slices.Contains(rule.Events, "activated") {
			for _, to := range rule.To {
				heard[to] = true
			}
		}
	}
	return posture.Own{Channels: len(heard), SIEM: c.SIEM.named()}
}

// ownToken gives Belay's own tokens for one service, and nobody else's.
type ownToken struct {
	of       azcore.TokenCredential
	resource string
}

// Person refuses: posture is read as Belay itself.
func (ownToken) Person(context.Context, string) (string, error) {
	return "", &pim.Error{Op: "token", Code: pim.CodeSignIn, Err: errors.New("nobody is signed in here")}
}

// App gives Belay's own token.
func (o ownToken) App(ctx context.Context) (string, error) {
	t, err := o.of.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{strings.TrimRight(o.resource, "/") + "/.default"}})
	return t.Token, err
}

var azureScope = regexp.MustCompile(`^/(?i:subscriptions/[0-9a-f-]{36}(/.+)?|providers/Microsoft\.Management/managementGroups/[^/]+)$`)

func (v *validator) posture(c Config) {
	for n, scope := range c.Posture.AzureScopes {
		v.check(fmt.Sprintf("posture.azure_scopes[%d]", n), azureScope.MatchString(scope), "must be a management group, a subscription or a place below one, as an ARM id with its leading slash")
	}
	_, known := weekdays[c.Posture.Digest]
	v.check("posture.digest", known || c.Posture.Digest == noDigest, "must be a day of the week, such as monday, or none")
	for n, id := range c.Security.Viewers {
		v.check(fmt.Sprintf("security.viewers[%d]", n), guid.MatchString(id), "must be an Entra object id (a GUID)")
	}
	for n, id := range c.Security.BreakGlass {
		v.check(fmt.Sprintf("security.break_glass[%d]", n), guid.MatchString(id), "must be an Entra object id (a GUID)")
	}
}

const noDigest = "none"

var weekdays = map[string]time.Weekday{"monday": time.Monday, "tuesday": time.Tuesday, "wednesday": time.Wednesday, "thursday": time.Thursday,
	"friday": time.Friday, "saturday": time.Saturday, "sunday": time.Sunday}
