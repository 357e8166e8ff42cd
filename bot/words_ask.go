package bot

import (
	"fmt"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

const (
	whereHint = "You may ask for less than your whole eligibility. The rules of the place you choose apply."
	wholeHint = "your whole eligibility"
	alsoHint  = "Further roles for the same time and the same reason. Each is asked for, and decided, by itself."
	startHint = "Leave it empty to start as soon as it is agreed."
)

const (
	sayNoSuchPlace = "This is no place below your role's own. Choose one of the list."
	sayNoSuchAlso  = "You are not eligible for one of these. Choose from the list."
	// Belay asks for nothing wider by itself (docs/adr/0007).
	sayAzureForbids = "Azure does not let you activate it at this place. If you chose a place below your eligibility, press Ask again and choose a wider one; otherwise ask your administrator."

	sayNeedTick  = "This role wants you to acknowledge this: tick the box."
	sayBadStart  = "This is no date and time that Belay understands. Choose it anew, or leave it empty to start now."
	sayPastStart = "This time is over. Choose a later one, or leave it empty to start now."
	sayFarStart  = "A role can be asked for up to 30 days ahead. Choose an earlier time."
	sayLaidAnew  = "You changed the roles. Nothing was sent yet: read who decides on them, and send it once more."
	sayTwin      = "You asked for this role already; this is where that request stands. Nothing new was sent."
	// sayChecking stands where the person has written nothing yet, while Microsoft is
	// asked whether it would take the activation. Nobody is shown it.
	sayChecking = "Checked by Belay before the form is filled in."

	sayNothingAgain = "You have asked for nothing through Belay yet that could be repeated. Type /elevate to choose a role."
	saySaveWhat     = "Give it a name of one word: /elevate save <name> keeps what you asked for last, and /elevate <name> then opens the form with it."
	sayLongName     = "Please use a name of 30 characters at the most."
	sayTooManySaved = "You have saved 20 already. Drop one with /elevate forget <name> first; /elevate saved lists them."
	sayNothingSaved = "You have saved nothing yet. After you asked for a role, /elevate save <name> keeps it for the next time."
	sayForgetWhat   = "Say which: /elevate forget <name>. /elevate saved lists what you saved."
)

var sayTooManyAlso = fmt.Sprintf("Choose %d further roles at the most.", mostAlso)

// groupRole is what a person is in a group.
func groupRole(r pim.EligibleAssignment) string {
	if r.Role == pim.Owner {
		return "Owner"
	}
	return "Member"
}

func roleName(r pim.EligibleAssignment) string {
	if r.Kind == pim.Group {
		return groupRole(r)
	}
	return r.RoleName
}

func scopeWord(r pim.EligibleAssignment) string {
	if r.Kind == pim.Group {
		return "Group"
	}
	return "Scope"
}

// blade is the portal's page of what waits for one's decision, as its own links
// name it.
func blade(kind pim.Kind) string {
	switch kind {
	case pim.Group:
		return "aadgroup"
	case pim.AzureResource:
		return "azurerbac"
	}
	return "aadmigratedroles"
}

// sentences joins what there is to say.
func sentences(all ...string) string {
	var said []string
	for _, s := range all {
		if s != "" {
			said = append(said, s)
		}
	}
	return strings.Join(said, " ")
}

// throughText says what a group has to do with it.
func throughText(e pim.EligibleAssignment) string {
	if e.Through.ID == "" {
		return ""
	}
	return "You are eligible through the group " + personName(e.Through) + "; it becomes active for you alone."
}

func kindWords(k pim.Kind) string {
	switch k {
	case pim.Group:
		return "Groups"
	case pim.AzureResource:
		return "Azure resource roles"
	}
	return "Entra roles"
}

// sayMissing says what a list lacks and who can mend it.
func sayMissing(all []missing) string {
	var said []string
	for _, h := range all {
		what := kindWords(h.kind) + " are missing here: "
		if h.some {
			what = "Some " + kindWords(h.kind) + " are missing here: "
		}
		if _, ok := h.signIn(); ok {
			said = append(said, what+"Microsoft wants a sign-in for them. Type /elevate link to see them.")
			continue
		}
		switch pim.CodeOf(h.err) {
		case pim.CodeLicense:
			said = append(said, what+"this tenant has no licence for them (Entra ID P2 or Governance). Ask your administrator.")
		case pim.CodeForbidden, pim.CodeInvalidClientConfig:
			said = append(said, what+"Belay lacks a permission or consent. Ask your administrator to check its registration in Entra.")
		default:
			said = append(said, what+"Microsoft did not answer. Open the form anew in a minute to see them.")
		}
	}
	return sentences(said...)
}

// sayFinding tells what Microsoft would say to an activation; "" when there is
// nothing a person should know before they fill in the form.
func sayFinding(f finding) string {
	role := roleAt(f.role)
	switch pim.CodeOf(f.err) {
	case pim.CodeExists:
		if f.left >= time.Minute {
			return role + " is active for you already, for another " + sayDuration(f.left.Truncate(time.Minute)) + ". Microsoft takes no second activation before its end."
		}
		return role + " is active for you already. Microsoft takes no second activation before its end."
	case pim.CodePending:
		return "A request of yours for " + role + " waits at Microsoft already. Microsoft takes no second one before it is decided or canceled; /elevate status may show it."
	case pim.CodeStepUp:
		return "Microsoft will ask you for a stronger sign-in for " + role + " once you have sent this."
	case pim.CodeNotYet:
		return "Microsoft does not know your account for " + role + " yet, which happens right after it was made. Wait a few minutes before you send this."
	case pim.CodePolicy:
		rules := refusal(f.err).Rules
		for _, rule := range rules {
			switch rule {
			case pim.RuleMFA:
				return "Microsoft will ask you for a sign-in with MFA for " + role + " once you have sent this."
			case pim.RuleEligibility:
				return "Microsoft says that you are not eligible for " + role + " now. A new eligibility may need some minutes; try again then."
			}
		}
	}
	return ""
}

func sayStartAfterEnd(e pim.EligibleAssignment) string {
	return "Your eligibility for " + roleAt(e) + " ends on " + e.Until.UTC().Format("2 January 2006, 15:04 UTC") + ". Choose a start and a duration that fit before it."
}

func sayNoLonger(gone []pim.EligibleAssignment) string {
	names := make([]string, len(gone))
	for n, e := range gone {
		names[n] = roleAt(e)
	}
	return "You are no longer eligible for " + sayList(names, "or") + ". Choose another role, or ask your administrator."
}

func sayReservedName(name string) string {
	return fmt.Sprintf("%q means something to /elevate already, so it cannot be a name. Choose another word.", cut(name, maxName))
}

func sayNotSaved(name string) string {
	return fmt.Sprintf("You have saved nothing as %q. /elevate saved lists what you saved.", cut(name, maxName))
}

func sayForgotten(name string) string {
	return fmt.Sprintf("%q is forgotten. What you asked for with it goes on.", cut(name, maxName))
}

// wishText is a form in one line.
func (f favourite) wishText() string {
	names := make([]string, len(f.Roles))
	for n, e := range f.Roles {
		names[n] = roleAt(e)
	}
	return sayList(names, "and") + ", " + sayDuration(f.Ask.Duration)
}

func savedCard(f favourite) *Card {
	return &Card{Title: "Saved as " + f.Name, Tone: Good, Text: f.wishText() + ".",
		Note: "/elevate " + f.Name + " opens the form with it. Nothing is sent before you send it."}
}

// mostSavedButtons is how many buttons a platform shows in one row.
const mostSavedButtons = 5

// savedCards list what was saved, a row of buttons to each.
func savedCards(all []favourite) []Card {
	var cards []Card
	for n, f := range all {
		if n%mostSavedButtons == 0 {
			cards = append(cards, Card{})
		}
		c := &cards[len(cards)-1]
		c.Facts = append(c.Facts, Fact{Name: f.Name, Value: f.wishText()})
		c.Actions = append(c.Actions, Action{Label: f.Name, Verb: VerbSaved, ID: f.Name})
	}
	for n := range cards {
		cards[n].Title = "Saved"
		if len(cards) > 1 {
			cards[n].Title = fmt.Sprintf("Saved, %d of %d", n+1, len(cards))
		}
	}
	cards[len(cards)-1].Note = "A button opens the form. /elevate forget <name> drops one."
	return cards
}

// sentFacts are what the answer to a sent form repeats of it.
func (r Request) sentFacts() []Fact {
	f := []Fact{{Name: "For", Value: sayDuration(r.Ask.Duration)}}
	if !r.Ask.Start.IsZero() {
		f = append(f, Fact{Name: "Starts", At: r.Ask.Start})
	}
	return f
}

// sentSeveral is the one answer to a form for several roles.
func (p Projection) sentSeveral(all []sent) Card {
	c := Card{Text: saySentToMS}
	fresh := 0
	for _, s := range all {
		word := stateWord(s.r)
		if s.fresh {
			fresh++
			for _, i := range s.r.Intents {
				if i.State == IntentWaiting && len(c.Actions) == 0 {
					c.Tone, c.Actions = Waiting, p.signInActions(i.Ticket, p.silently(s.r, i))
				}
			}
		} else {
			word += "; you asked for it before, so nothing new was sent"
		}
		c.Facts = append(c.Facts, Fact{Name: roleAt(s.r.Role), Value: word})
	}
	switch {
	case fresh == 0:
		c.Title, c.Text = "You asked for these already", "Nothing new was sent. /elevate status shows where your requests stand."
	case fresh == 1:
		c.Title = "Sent: 1 request"
	default:
		c.Title = fmt.Sprintf("Sent: %d requests", fresh)
	}
	if fresh > 0 {
		c.Facts = append(c.Facts, all[0].r.sentFacts()...)
		c.Note = "Each role has a card of its own in our chat."
	}
	if len(c.Actions) > 0 {
		c.Text = "Belay asks Microsoft with your own sign-in. It goes on with all of them by itself when you are back."
	}
	return c
}

// summaryCard is where the requester follows all that was sent with one form.
func summaryCard(first Request) Card {
	c := Card{Title: fmt.Sprintf("Your %d requests", len(first.With))}
	for _, w := range first.With {
		r := Request{State: w.State, End: w.End, Ask: first.Ask}
		if w.ID == first.ID {
			r = first
		}
		if !r.State.Final() && r.State != Active {
			c.Tone = Waiting
		}
		c.Facts = append(c.Facts, Fact{Name: roleAt(w.Role), Value: stateWord(r)})
	}
	return c
}

// secondStepCard adds to the word that a membership is active that the roles of the
// group are a second step, and offers it.
func (r Request) secondStepCard(c Card) Card {
	if !r.groupMember() {
		return c
	}
	step := "Roles that the group is eligible for are a second step: choose the role and activate it for yourself."
	if len(r.GroupRoles) > 0 {
		var names []string
		for _, e := range r.GroupRoles {
			names = append(names, roleAt(e))
		}
		step = "The group is eligible for " + sayList(names, "and") + ". That is a second step: choose the role and activate it for yourself."
	}
	c.Text = sentences(c.Text, step)
	c.Actions = append([]Action{{Label: "Choose a role", Style: Primary, Verb: VerbElevate}}, c.Actions...)
	return c
}
