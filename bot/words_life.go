package bot

import (
	"fmt"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

const (
	formExtend            = "Extend the activation"
	extendTime            = "Counted from when it is active again."
	sayTooLateToKeep      = "It is too late to keep it: the deactivation is on its way to Microsoft. Type /elevate to ask for the role again."
	sayNothingToKeep      = "No deactivation waits, so there is nothing to take back. Type /elevate status to see where your requests stand."
	sayExtendedAlready    = "This activation is being extended already. The card of the new request shows where that stands; /elevate status brings it up."
	sayNotEligibleAnyMore = "You are not eligible for this role any more, so it could not be activated again. Use it until its end, or ask an administrator for a new eligible assignment."
	sayLooking            = "One moment: Belay is reading that request at Microsoft."
)

func sayNotExtendable(r Request) string {
	return fmt.Sprintf("There is nothing to extend: the request is %s. Type /elevate to ask for the role.", stateWord(r))
}

// sayLeft is how long is left, in words.
func sayLeft(d time.Duration) string {
	switch {
	case d <= 0:
		return "nothing, it is ending now"
	case d < time.Minute:
		return "less than a minute"
	}
	return sayDuration(d.Truncate(time.Minute))
}

// sayRemaining is sayLeft by itself: "55 minutes left".
func sayRemaining(d time.Duration) string {
	if d <= 0 {
		return "ending now"
	}
	return sayLeft(d) + " left"
}

// sayMine counts what a person has and what they asked for.
func sayMine(active, waiting int) string {
	var parts []string
	if active > 0 {
		parts = append(parts, fmt.Sprintf("%d active", active))
	}
	if waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d on the way", waiting))
	}
	return strings.Join(parts, ", ") + "."
}

func sayExtendReason(p Platform) string {
	return fmt.Sprintf("Deactivated in %s through Belay, to be activated again.", platformName(p))
}

// extendText says, before the person sends it, what an extension is.
func extendText(r Request, p pim.Policy) string {
	s := "Microsoft cannot make a running activation longer. Belay deactivates " + roleAt(r.Role) +
		" first and asks for it again when its end is seen; for some seconds you will not have it. "
	if p.Approval {
		s = "Microsoft cannot make a running activation longer. Belay deactivates " + roleAt(r.Role) +
			" first and asks for it again, and that wants approval: you will not have it until somebody approves. "
	}
	return s + "To use it to its end first, choose to ask again after that. What is asked for then may want a sign-in."
}

// plannedCard answers a deactivation that has to wait.
func plannedCard(r Request) *Card {
	i, _ := r.planned()
	return &Card{Title: roleAt(r.Role) + " is deactivated later", Tone: Waiting, Text: sayWaitsToStop,
		Facts: []Fact{{Name: "Deactivated at", At: i.NotBefore}}, Actions: []Action{keepAction(r)}}
}

const sayWaitsToStop = "Microsoft does not deactivate a role in its first five minutes. Belay does it by itself as soon as that is over."

func keepAction(r Request) Action { return Action{Label: "Keep it", Verb: VerbKeep, ID: r.ID} }
func stopAction(r Request) Action {
	return Action{Label: "Deactivate", Style: Danger, Verb: VerbStop, ID: r.ID}
}
func extendAction(r Request) Action { return Action{Label: "Extend", Verb: VerbExtend, ID: r.ID} }

// keptCard answers [Keep it].
func keptCard(r Request) *Card {
	return &Card{Title: roleAt(r.Role) + " stays active", Tone: Good, Text: "The deactivation is taken back. Nothing of it was sent to Microsoft.",
		Facts: []Fact{{Name: "Active until", At: r.Held.Until}}}
}

// activeCard adds to the card of an active role what is going to happen to it.
func activeCard(c Card, r Request) Card {
	c.Facts = append(c.Facts, Fact{Name: "Active until", At: r.Held.Until})
	stop, stopping := r.stopping()
	_, planned := r.planned()
	switch {
	case planned:
		c.Text = sayWaitsToStop
		c.Facts = append(c.Facts, Fact{Name: "Deactivated at", At: stop.NotBefore})
		c.Actions = []Action{keepAction(r)}
	case stopping && stop.State == IntentWaiting:
		c.Text = "It is deactivated as soon as you have signed in."
		c.Actions = []Action{keepAction(r)}
	case stopping || r.stopped():
		c.Text = "It is being deactivated."
	default:
		c.Actions = []Action{stopAction(r)}
	}
	if r.FollowedBy != "" {
		c.Text += " Belay asks for it again when its end is seen; that request has a card of its own."
	}
	return c
}

// endingCard warns of the end, and then tells how it came.
func (p Projection) endingCard(r Request) Card {
	if r.State != Active {
		return Card{Title: headline(r), Tone: tone(r.State), Text: "There is nothing left to extend."}
	}
	c := activeCard(Card{Title: roleAt(r.Role) + " ends soon", Tone: Waiting,
		Text: "Deactivate it if you are done with it. To have it longer, press Extend: it is deactivated and asked for again."}, r)
	if len(c.Actions) > 0 && c.Actions[0].Verb == VerbStop && r.FollowedBy == "" {
		c.Actions = append([]Action{extendAction(r)}, c.Actions...)
	}
	return c
}

// followCard answers an extension that was recorded.
func followCard(next, old Request, now bool) Card {
	c := Card{Title: roleAt(old.Role) + " will be asked for again", Tone: Waiting, Facts: []Fact{{Name: "For", Value: sayDuration(next.Ask.Duration)}},
		Text: "Belay asks for it when the running activation has ended by itself. The new request has a card of its own in our chat."}
	if now {
		c.Text = "Belay deactivates it, and asks for it again as soon as its end is seen. The new request has a card of its own in our chat."
		if i, planned := old.planned(); planned {
			c.Text = sayWaitsToStop + " Then it asks for the role again."
			c.Facts = append(c.Facts, Fact{Name: "Deactivated at", At: i.NotBefore})
			c.Actions = []Action{keepAction(old)}
		}
		return c
	}
	c.Facts = append(c.Facts, Fact{Name: "Active until", At: old.Held.Until})
	return c
}

// sayFollows says of a request that is not sent yet what it waits for.
const sayFollows = "It extends an activation that still runs. Microsoft takes it only when that one is over, so Belay sends it when its end is seen."

// standsAside adds to the card of a request that was not taken what stood in its way.
func standsAside(c Card, r Request) Card {
	why := r.Trouble
	if why == nil {
		return c
	}
	if !why.Until.IsZero() {
		c.Facts = append(c.Facts, Fact{Name: "Active until", At: why.Until})
	}
	switch {
	case why.Request != "":
		there := Request{ID: why.Request}
		c.Actions = []Action{extendAction(there), stopAction(there)}
	case why.Held != "":
		c.Actions = []Action{{Label: "Follow that one", Style: Primary, Verb: VerbFollow, ID: r.ID}}
	}
	return c
}

// sayNotFollowed says why a request that was to follow another one was not sent.
func sayNotFollowed(why Refusal) string {
	const unsent = " Nothing was asked of Microsoft anew."
	switch why.Code {
	case codeKept:
		return "You kept the running activation, so this request was taken back." + unsent
	case codeStopped:
		return "You deactivated the role for good, so this request was taken back." + unsent
	case codeRevoked:
		return "Somebody ended the running activation in Entra, so Belay did not ask for it again by itself. Press Ask again if you still need the role."
	case pim.CodeSignIn:
		return "You did not sign in within 10 minutes, so the running activation was not deactivated and goes on." + unsent
	}
	return "The running activation was not ended for this one, and goes on. " + sayRefusal(ToDeactivate, why)
}

// reminderCard reminds an approver of what still waits: of their decision, or of the
// sign-in that their decision waits for.
func (p Projection) reminderCard(r Request, who string) (Card, bool) {
	c := Card{Title: personName(r.Requester.Principal) + " still waits for " + roleAt(r.Role), Tone: Waiting,
		Text:    "Nobody has decided yet. The card above has the buttons; the first decision counts.",
		Facts:   []Fact{{Name: "Decide before", At: r.opened().Add(Window)}},
		Actions: []Action{{Label: "Show the card", Verb: VerbShow, ID: r.ID}}}
	if i, ok := r.answering(who); ok {
		if i.State != IntentWaiting {
			return Card{}, false // on its way
		}
		c.Text = "Your decision is recorded and waits for your sign-in. It is not sent without that."
		c.Actions = p.signInActions(i.Ticket, p.silently(r, i))
	}
	return c, true
}

// whyApprover says to an approver why they are one, and who else is.
func whyApprover(r Request, who string) string {
	why := "the role's policy names you as an approver"
	var in []string
	unknown := false
	for _, g := range r.ApproverGroups {
		unknown = unknown || g.Members == nil && g.Size > 0
		for _, m := range g.Members {
			if strings.EqualFold(m, who) {
				in = append(in, groupName(g))
			}
		}
	}
	switch {
	case r.DefaultApprovers:
		why = "you are a Privileged Role Administrator or Global Administrator, and the role's policy names nobody else"
	case len(in) > 0:
		why = "you are a member of " + sayList(in, "and") + ", which the role's policy names as approver"
	case r.Elsewhere && len(r.ApproverGroups) == 0:
		why = "Microsoft counts you among the role's approvers"
	case unknown:
		why = "the role's policy names you, or a group that you are in, as an approver"
	}
	return "You can decide this, because " + why + "." + others(r, who)
}

func groupName(g pim.ApproverGroup) string {
	if g.Name == "" {
		return "a group"
	}
	return g.Name
}

// others names who else can decide.
func others(r Request, who string) string {
	var names []string
	for _, a := range r.Approvers {
		if !strings.EqualFold(a.ID, who) {
			names = append(names, personName(a))
		}
	}
	if len(names) == 0 {
		return " Nobody else can."
	}
	return " So can " + sayList(names, "and") + ". The first decision counts."
}
