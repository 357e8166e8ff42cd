package bot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/belaybot/belay/pim"
)

const (
	formTitle     = "Activate a role"
	formDeny      = "Deny the request"
	chooseText    = "Roles you are eligible for. Nothing is asked of anybody before you send it."
	reasonHint    = "Saved in the audit logs of Belay and of Microsoft."
	reasonOptions = "Optional for this role. " + reasonHint
)

// roleHint is the small print of a role in the list. twin: another one has the same
// name, or one that looks like it, so that scope and id have to tell them apart.
func roleHint(e pim.EligibleAssignment, p *pim.Policy, twin bool) string {
	var parts []string
	switch {
	case twin && e.Kind != pim.EntraRole:
		parts = append(parts, e.Scope)
		if e.Kind == pim.AzureResource {
			parts = append(parts, "role "+idHead(e.Role))
		}
	case twin:
		parts = append(parts, e.ScopeName, "role "+idHead(e.Role))
	case e.Kind == pim.Group:
		parts = append(parts, "group")
	case e.Kind == pim.AzureResource:
		parts = append(parts, "Azure resource role")
	default:
		parts = append(parts, e.ScopeName)
	}
	if e.Through.ID != "" {
		parts = append(parts, "through the group "+personName(e.Through))
	}
	if p != nil {
		parts = append(parts, "up to "+sayDuration(p.MaxDuration))
		if p.Approval {
			parts = append(parts, "needs approval")
		}
	}
	return strings.Join(parts, ", ")
}

// idHead is how an id begins, which is enough to tell two apart.
func idHead(id string) string {
	id = id[strings.LastIndex(id, "/")+1:]
	return id[:min(len(id), 8)]
}

// policyText says before the person starts who decides.
func policyText(e pim.EligibleAssignment, p pim.Policy, requester string) string {
	if !p.Approval {
		return roleAt(e) + " needs no approval."
	}
	var names, groups []string
	for _, g := range p.ApproverGroups {
		name := g.Name
		if name == "" {
			name = "a group"
		}
		people := "people"
		if g.Size == 1 {
			people = "person"
		}
		groups = append(groups, fmt.Sprintf("%s, %d %s", name, g.Size, people))
	}
	mine := false
	for _, a := range p.Approvers {
		if strings.EqualFold(a.ID, requester) {
			mine = true
			continue
		}
		names = append(names, personName(a))
	}
	among := ""
	if len(groups) > 0 {
		among = " (with the members of " + sayList(groups, "and") + ")"
	}
	switch {
	case len(names) == 0 && mine:
		return roleAt(e) + " needs approval, but its policy names nobody except you who could give it. Ask your administrator first."
	case len(names) == 0 && len(groups) > 0:
		return roleAt(e) + " needs approval, but nobody is in what its policy names: " + sayList(groups, "and") + ". Nobody can decide; ask your administrator first."
	case len(names) == 0:
		return roleAt(e) + " needs approval, but its policy names no approver, so nobody can decide. Ask your administrator first."
	case p.DefaultApprovers:
		return roleAt(e) + " needs approval. Its policy names nobody, so Privileged Role Administrators and Global Administrators decide."
	}
	return roleAt(e) + " needs approval by " + sayList(names, "or") + among + "."
}

// policyNote says which sign-in the roles will ask for.
func policyNote(policies ...pim.Policy) string {
	var contexts []string
	mfa := false
	for _, p := range policies {
		if p.AuthContext != "" && !slices.Contains(contexts, p.AuthContext) {
			contexts = append(contexts, p.AuthContext)
		}
		mfa = mfa || p.MFA
	}
	switch {
	case len(contexts) > 0:
		return "You will be asked to sign in once more with the authentication context " + sayList(contexts, "and") + "."
	case mfa && len(policies) > 1:
		return "One of these roles wants a sign-in with MFA. You will be asked for it if yours had none."
	case mfa:
		return "This role wants a sign-in with MFA. You will be asked for it if yours had none."
	}
	return ""
}

// linkNote is what a card with a sign-in link says of it.
func (p Projection) linkNote() string {
	if p.EachTime {
		return sayLinkOnce + " " + sayEachTime
	}
	return sayLinkOnce
}

func linkCard(actions []Action) Card {
	return Card{Title: "Sign in with Microsoft", Tone: Waiting, Text: sayLinkFirst, Actions: actions, Note: sayLinkOnce}
}

func signInToDecide(url string, i Intent) Card {
	text := "Your answer is recorded. Belay sends it to Microsoft with your own sign-in, by itself, as soon as you are back."
	if i.Fresh {
		text = "This role asks you to sign in again for every decision, even where you are signed in. Nothing was sent yet; Belay sends your answer by itself as soon as you are back."
	}
	return Card{Title: "Sign in to finish", Tone: Waiting,
		Text:    text,
		Actions: []Action{{Label: "Sign in", Style: Primary, URL: url}}, Note: sayLinkOnce}
}

// saySent says where the link is that an answer waits for.
func saySent(i Intent) string {
	if i.Fresh {
		return saySignInAgain
	}
	return saySignInSent
}

// browserCard asks for the browser where the chat client's own sign-in did not do.
func browserCard(url, why string) Card {
	return Card{Title: "Sign in with your browser", Tone: Waiting, Text: why,
		Actions: []Action{{Label: "Sign in", Style: Primary, URL: url}}, Note: sayLinkOnce}
}

func linkedCard(l Link, again bool) Card {
	if again {
		return Card{Title: "You are signed in", Tone: Good, Text: "Belay acts for you as " + personText(l.Principal) + " again.",
			Actions: []Action{{Label: "Choose a role", Style: Primary, Verb: VerbElevate}}}
	}
	return Card{Title: "You are linked", Tone: Good, Text: "Belay acts for you as " + personText(l.Principal) + ", with your own sign-in only.",
		Note:    "Was this not you? Press Unlink and tell your security team.",
		Actions: []Action{{Label: "Choose a role", Style: Primary, Verb: VerbElevate}, {Label: "Unlink", Style: Danger, Verb: VerbUnlink}}}
}

func plain(t Tone, title, text string) *Card { return &Card{Title: title, Tone: t, Text: text} }
