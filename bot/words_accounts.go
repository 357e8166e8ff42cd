package bot

import (
	"cmp"
	"fmt"

	"github.com/belaybot/belay/pim"
)

const (
	sayGlassUsed = "Somebody signed in with an account that is for emergencies only."
	sayNoGlass   = "Belay watches no break-glass account, because security.break_glass names none."
)

// saySignInErased stands for what an alert told of somebody's sign-ins.
const saySignInErased = "What this told of the sign-ins was erased."

func sayStrange(s pim.SignIn, days int) string {
	return fmt.Sprintf("A sign-in before the activation came from %s, from where the person did not sign in on the %d days before it. The log does not say which sign-in an activation was made with.", s.Country, days)
}

func saySignedIn(app string) string {
	if app == "" {
		return "Signed in"
	}
	return "Signed in to " + app
}

// saySignInPlace is where a sign-in came from, as far as the log tells.
func saySignInPlace(s pim.SignIn) string {
	at := s.Country
	if s.City != "" {
		at = s.City + ", " + cmp.Or(s.Country, "country not told")
	}
	switch {
	case s.IP == "":
		return at
	case at == "":
		return s.IP
	}
	return at + " (" + s.IP + ")"
}

const sayGlassChanged = "The directory's audit log says that an account for emergencies was changed. Find out whether that was meant: a change may lock you out, or let somebody in."

// sayDoer is who changed an account.
func sayDoer(c pim.AccountChange) string {
	if c.By.ID != "" || c.By.Name != "" {
		return personText(c.By)
	}
	return cmp.Or(c.App, sayUntold)
}

// sayUnseen says what a detector cannot see, why, and what to do about it.
func sayUnseen(d Detector, code pim.Code) string {
	what := map[Detector]string{AlertPlace: "sign-ins", AlertGlass: "what happens to break-glass accounts", AlertOutside: "assignments outside of PIM"}[d]
	switch code {
	case pim.CodeForbidden:
		return "Belay cannot see " + what + ", because AuditLog.Read.All is missing: have an administrator grant it."
	case pim.CodeLicense:
		return "Belay cannot see " + what + ", because the tenant has no licence for the sign-in log: that needs Microsoft Entra ID P1 or P2."
	case pim.CodeThrottled:
		return "Belay cannot see " + what + ", because Microsoft Graph allows no more readings of its logs just now: it is tried again."
	}
	return "Belay cannot see " + what + " just now, because Microsoft Graph does not answer: it is tried again."
}
