package doctor

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/manifest"
	"github.com/belaybot/belay/pim"
)

// claims are what Belay reads of a token.
type claims struct {
	jwt.RegisteredClaims
	Tenant string   `json:"tid"`
	Roles  []string `json:"roles"` // application permissions
	WIDs   []string `json:"wids"`  // directory roles, by their template ids
}

// read decodes a token without checking its signature. It came from Entra in this
// moment over TLS, or from the operator, and nothing is granted because of what it
// says: it is only told.
func read(token string) (claims, error) {
	var c claims
	if _, _, err := jwt.NewParser(jwt.WithoutClaimsValidation()).ParseUnverified(token, &c); err != nil {
		return c, errors.New("the token is not one that can be read")
	}
	return c, nil
}

func (v *visit) loginReach() says { return v.reached(v.login) }

func (v *visit) token() says {
	if _, err := v.ownToken(); err != nil {
		return v.tokenTrouble(err, "Give the registration a credential that is valid, and name it in entra (docs/install.md, step 2).")
	}
	return ok("it does")
}

// noClaims is the verdict of what cannot be told without Belay's own token.
func noClaims(err error) says {
	if errors.As(err, new(*pim.Error)) {
		return unsure("there is no token to read it from", "Mend entra.token first.")
	}
	return unsure(err.Error(), "Look at Enterprise applications, Permissions, in the Entra admin centre.")
}

// onlyReads says whether the name of a permission is that of one that only reads, as
// Microsoft names them: Thing.Read.Where. Whatever is named otherwise counts as
// writing.
func onlyReads(permission string) bool {
	_, rest, _ := strings.Cut(permission, ".")
	verb, _, _ := strings.Cut(rest, ".")
	return strings.EqualFold(verb, "Read") || strings.EqualFold(verb, "ReadBasic")
}

// beyond are the permissions that Belay has and does not need.
func (c claims) beyond(reads bool) []string {
	var all []string
	for _, r := range c.Roles {
		if !slices.Contains(pim.ApplicationPermissions(), r) && onlyReads(r) == reads {
			all = append(all, r)
		}
	}
	return all
}

const mendRevoke = "Revoke them: Entra admin centre, Enterprise applications, Belay's, Permissions; then remove them from App registrations, API permissions, " +
	"or they come back with the next consent."

func (v *visit) writePermissions() says {
	c, err := v.ownClaims()
	if err != nil {
		return noClaims(err)
	}
	if write := c.beyond(false); len(write) > 0 {
		return fault("Belay itself may do more than read: "+strings.Join(write, ", "), mendRevoke)
	}
	return ok("none of them does more than read")
}

func (v *visit) morePermissions() says {
	c, err := v.ownClaims()
	if err != nil {
		return noClaims(err)
	}
	if more := c.beyond(true); len(more) > 0 {
		return warn("nothing needs "+strings.Join(more, ", "), mendRevoke)
	}
	return ok("it has none")
}

// Directory roles. Entra puts the first into every application's token; the others
// let their holder read only.
const defaultRole = "0997a1d0-0d1d-4acb-b408-d5ca73121e90"

var readerRoles = []string{
	"f2ef992c-3afb-46b9-b7cf-a126ee74c451", // Global Reader
	"88d8e3e3-8f55-4a1e-953a-9b9898b8876b", // Directory Readers
	"5d6b6bb7-de71-4623-b4af-77380a352509", // Security Reader
	"4a5d8f65-41da-4de4-8968-e035b65339cf", // Reports Reader
}

func (v *visit) directoryRoles() says {
	c, err := v.ownClaims()
	if err != nil {
		return noClaims(err)
	}
	const mend = "Take the role from Belay's service principal: Entra admin centre, Roles and administrators."
	var held, readers []string
	for _, id := range c.WIDs {
		switch {
		case strings.EqualFold(id, defaultRole):
		case slices.Contains(readerRoles, strings.ToLower(id)):
			readers = append(readers, id)
		default:
			held = append(held, id)
		}
	}
	switch {
	case len(held) > 0:
		return fault("Belay's service principal holds the directory role "+strings.Join(held, ", "), mend)
	case len(readers) > 0:
		return warn("Belay's service principal holds the directory role "+strings.Join(readers, ", ")+", which only reads, and needs none", mend)
	}
	return ok("it holds none")
}

func (v *visit) missingPermissions() says {
	c, err := v.ownClaims()
	if err != nil {
		return noClaims(err)
	}
	verdict := OK
	var missing, ids []string
	for _, p := range pim.ApplicationPermissions() {
		if slices.Contains(c.Roles, p) {
			continue
		}
		ids = append(ids, manifest.ApplicationPermissionID(p)+"=Role")
		without := pim.Without(p)
		if without == "" {
			verdict = Fault
			missing = append(missing, p)
			continue
		}
		if verdict == OK {
			verdict = Warning
		}
		missing = append(missing, fmt.Sprintf("%s (without it: no %s)", p, without))
	}
	if verdict == OK {
		return ok("it has them all")
	}
	app := v.cfg.Entra.ClientID
	return says{verdict, "missing: " + strings.Join(missing, ", "), fmt.Sprintf(
		"As an administrator: az ad app permission add --id %s --api %s --api-permissions %s && az ad app permission admin-consent --id %s",
		app, manifest.GraphApp, strings.Join(ids, " "), app)}
}

func (v *visit) graphRead() says {
	a, err := v.graph()
	switch {
	case err != nil:
		return v.unreached(err)
	case a.status == http.StatusOK:
		return ok("it answers")
	case a.status == http.StatusTooManyRequests || a.status >= 500:
		return unsure((&refused{a.status, a.code()}).Error(), "Try again in a minute.")
	case a.code() == "AadPremiumLicenseRequired":
		return fault("the tenant has no licence for Privileged Identity Management", "Get Microsoft Entra ID P2 or Microsoft Entra ID Governance.")
	}
	return fault((&refused{a.status, a.code()}).Error(), "Mend entra.missing; check entra.graph_resource and endpoints.graph.")
}

func (v *visit) armRead() says {
	const mend = "Nothing has to be done. To let Belay see more, make its service principal Reader at the root management group (docs/install.md, step 7)."
	a, err := v.arm()
	switch {
	case err != nil && errors.As(err, new(*noToken)):
		return unsure("it was not asked, because Belay has no token for it", "Mend entra.token first; entra.azure_resources: false does without Azure.")
	case err != nil:
		return v.unreached(err)
	case a.status == http.StatusOK:
		return ok("it answers")
	case a.status == http.StatusForbidden:
		return unsure("it answers, and shows Belay itself nothing; what people do is done with their own sign-ins", mend)
	case a.status == http.StatusTooManyRequests || a.status >= 500:
		return unsure((&refused{a.status, a.code()}).Error(), "Try again in a minute.")
	}
	return fault((&refused{a.status, a.code()}).Error(), "Check entra.arm_resource and endpoints.arm.")
}
