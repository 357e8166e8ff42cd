package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/mod/semver"

	"github.com/belaybot/belay/manifest"
)

// catalogue says how the Teams app of the organisation is read: as the operator, because Belay has
// no permission on the app catalogue. Source: "List teamsApp" of the Graph reference.
func (v *visit) catalogue(ctx context.Context, operator string) {
	operator = strings.TrimSpace(operator)
	v.packages = sync.OnceValues(func() (versions []string, err error) {
		if operator == "" {
			return nil, &refused{http.StatusForbidden, ""}
		}
		if c, err := read(operator); err == nil && c.Tenant != "" && !strings.EqualFold(c.Tenant, v.cfg.Entra.TenantID) {
			return nil, errForeign
		}
		query := url.Values{"$filter": {"externalId eq '" + strings.ToLower(v.cfg.Teams.AppID) + "'"}, "$expand": {"appDefinitions"}}
		a, err := v.ask(ctx, http.MethodGet, v.graphAt("/v1.0/appCatalogs/teamsApps?"+query.Encode()), operator)
		if err != nil {
			return nil, err
		}
		var list struct {
			Value []struct {
				Definitions []struct{ Version string } `json:"appDefinitions"`
			}
		}
		if err := a.decode(&list); err != nil {
			return nil, err
		}
		for _, app := range list.Value {
			for _, d := range app.Definitions {
				versions = append(versions, d.Version)
			}
		}
		return versions, nil
	})
}

func (v *visit) teamsPackage() says {
	const look = "Look at Teams admin center, Manage apps. Or lend doctor a token that may read the app catalogue (AppCatalog.Read.All), with --graph-token-file FILE."
	versions, err := v.packages()
	var r *refused
	switch {
	case errors.Is(err, errForeign):
		return unsure(err.Error(), "Sign in there: az login --tenant "+v.cfg.Entra.TenantID)
	case errors.As(err, &r) && r.status == http.StatusForbidden:
		return unsure("the app catalogue may not be read: Belay itself does not need it, and has no permission for it", look)
	case err != nil:
		return unsure("the app catalogue could not be read", look)
	case len(versions) == 0:
		return fault("the organisation's app catalogue has no app with the id "+strings.ToLower(v.cfg.Teams.AppID), "Upload the package that belay init writes: Teams admin center, Manage apps, Upload.")
	}
	newest := versions[0]
	for _, other := range versions {
		if semver.Compare("v"+other, "v"+newest) > 0 {
			newest = other
		}
	}
	own := manifest.Teams{BotID: v.cfg.Teams.AppID}
	if v.cfg.Teams.SingleSignOn {
		own.SignOnID = v.cfg.Entra.ClientID
	}
	if least := own.Version(false); semver.Compare("v"+newest, "v"+least) < 0 {
		return fault("the app in the catalogue has version "+newest+", and this configuration needs "+least, "Upload the package that belay init writes as its update: Teams admin center, Manage apps.")
	}
	return ok("version " + newest)
}
