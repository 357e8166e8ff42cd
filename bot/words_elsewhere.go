package bot

import "github.com/belaybot/belay/pim"

const (
	sayRoleID         = "role %s"
	sayElsewhereAsked = "You asked for it elsewhere, in the portal, on a phone or with a command line. "
	sayElsewhereMade  = "Made elsewhere, in the portal, on a phone or with a command line. "
	sayElsewhereLate  = "Belay saw it in the audit log, which is some minutes late. "
	sayElsewhereBegan = "Activated elsewhere, in the portal, on a phone or with a command line."
	sayNotInLists     = "Not every request that is made elsewhere shows up here at once: nobody who may decide on %s is signed in. Type /elevate link to sign in."
)

// elsewhereNote tells an approver how Belay came to know of a request.
func elsewhereNote(r Request) string {
	switch {
	case !r.Elsewhere:
		return ""
	case r.Traced:
		return sayElsewhereMade + sayElsewhereLate
	}
	return sayElsewhereMade
}

// elsewhereText tells the requester why Belay writes to them.
func elsewhereText(r Request) string {
	if !r.Elsewhere || r.State.Final() {
		return ""
	}
	return sayElsewhereAsked
}

// beganText is what a channel reads of an activation.
func beganText(r Request) string {
	switch {
	case r.Decided != nil:
		return decidedText(*r.Decided)
	case r.Elsewhere:
		return sayElsewhereBegan
	}
	return ""
}

const (
	sayUntold    = "not told in the audit log"
	sayDirectory = "Directory" // the scope of the whole tenant
)

// sayAsked is for how long the role was asked for.
func sayAsked(r Request) string {
	if r.Ask.Duration == 0 && r.Elsewhere {
		return sayUntold
	}
	return sayDuration(r.Ask.Duration)
}

// sayScope is where the role was asked for.
func sayScope(r Request) string {
	if r.Role.Scope == "" && r.Elsewhere {
		return sayUntold
	}
	return r.Role.ScopeName
}

// roleNames names roles once each, whatever their scopes.
func roleNames(roles []pim.EligibleAssignment) []string {
	var names []string
	seen := map[string]bool{"": true}
	for _, r := range roles {
		if name := roleAt(r); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
