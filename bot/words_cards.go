package bot

import (
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// facts are the lines every card of a request has.
func facts(r Request) []Fact {
	f := []Fact{
		{Name: "Who", Value: personText(r.Requester.Principal)},
		{Name: "Role", Value: roleName(r.Role)},
		{Name: scopeWord(r.Role), Value: sayScope(r)},
		{Name: "For", Value: sayAsked(r)},
	}
	if !r.Ask.Start.IsZero() {
		f = append(f, Fact{Name: "Starts", At: r.Ask.Start})
	}
	if !r.FollowsUntil.IsZero() {
		f = append(f, Fact{Name: "Extends the one until", At: r.FollowsUntil})
	}
	if r.Ask.Justification != "" {
		f = append(f, Fact{Name: "Why", Value: r.Ask.Justification})
	}
	if t := r.Ask.Ticket; t.Number != "" {
		v := t.Number
		if t.System != "" {
			v += " (" + t.System + ")"
		}
		f = append(f, Fact{Name: "Ticket", Value: v})
	}
	return f
}

func (p Projection) portal(kind pim.Kind) Action {
	return Action{Label: "Open in Entra", URL: p.Portal + "/#view/Microsoft_Azure_PIMCommon/ApproveRequestMenuBlade/~/" + blade(kind)}
}

// fresh adds how old Microsoft's word is, once it is old.
func fresh(c Card, r Request, now time.Time) Card {
	open := r.State == PendingApproval || r.State == Scheduled && !r.ahead()
	if open && !r.Held.Seen.IsZero() && now.Sub(r.Held.Seen) > staleAfter {
		c.Facts = append(c.Facts, Fact{Name: "Last word from Microsoft", At: r.Held.Seen})
	}
	return c
}

func tone(s State) Tone {
	switch s {
	case Submitting, SignInRequired, PendingApproval, Scheduled:
		return Waiting
	case Active:
		return Good
	case Denied, Failed:
		return Bad
	}
	return Neutral
}

// headline is the card's title: the outcome first.
func headline(r Request) string {
	role := roleAt(r.Role)
	switch r.State {
	case Submitting:
		if r.waits() {
			return role + " will be asked for again"
		}
		return "Asking Microsoft for " + role
	case SignInRequired:
		return "Sign in to ask for " + role
	case PendingApproval:
		return role + " waits for approval"
	case Scheduled:
		if r.ahead() {
			return role + " is agreed and starts later"
		}
		return role + " is being set up"
	case Active:
		return role + " is active"
	case Denied:
		return role + " was denied"
	case Canceled:
		return "Canceled: " + role
	case Failed:
		return role + " was not activated"
	}
	if r.End == EndNotVisible {
		return role + ": outcome not known"
	}
	return role + " has ended"
}

// requesterCard is the one card in which the requester follows the request.
func (p Projection) requesterCard(r Request, now time.Time) Card {
	c := Card{Title: headline(r), Tone: tone(r.State), Text: requesterText(r), Facts: facts(r)[1:]}
	cancel := Action{Label: "Cancel", Verb: VerbCancel, ID: r.ID}
	again := Action{Label: "Ask again", Verb: VerbAgain, ID: r.ID}
	switch r.State {
	case SignInRequired:
		for _, i := range r.Intents {
			if i.Kind == ToActivate && i.State == IntentWaiting {
				c.Actions = append(c.Actions, p.signInActions(i.Ticket, p.silently(r, i))...)
				c.Note = p.linkNote()
			}
		}
		c.Actions = append(c.Actions, cancel)
	case Submitting, Scheduled:
		c.Actions = []Action{cancel}
	case PendingApproval:
		c.Facts = append(c.Facts, Fact{Name: "Open until", At: r.opened().Add(Window)})
		c.Actions = []Action{cancel}
		c.Note = routeNote(r)
	case Active:
		c = activeCard(c, r)
		if r.tells("active") {
			c = r.secondStepCard(c)
		}
	default:
		c.Actions = []Action{again}
		if r.State == Failed && r.Trouble != nil {
			c = standsAside(c, r)
		}
	}
	c.Text = elsewhereText(r) + c.Text
	return fresh(c, r, now)
}

func requesterText(r Request) string {
	switch r.State {
	case Submitting:
		if r.waits() {
			return sayFollows
		}
		if r.Trouble != nil {
			return sayDelay(*r.Trouble)
		}
		return "Microsoft has not answered yet."
	case SignInRequired:
		for _, i := range r.Intents {
			if i.Kind == ToActivate && i.Challenge {
				return "This role wants a stronger sign-in, such as MFA or an authentication context. Belay goes on by itself when you are back."
			}
		}
		return "Belay asks Microsoft with your own sign-in. It goes on by itself when you are back."
	case PendingApproval:
		return "Approvers: " + approverNames(r) + "."
	case Scheduled:
		s := "Microsoft is setting the role up."
		if r.ahead() {
			s = "Microsoft makes it active when its start has come. Belay tells you when you can use it."
		} else if r.Decided == nil {
			return "Microsoft agreed and is setting the role up."
		}
		if d := r.Decided; d != nil {
			return decidedText(*d) + " " + s
		}
		return s
	case Active:
		s := "You can use it now. Where it does not show yet, sign out and in again."
		if d := r.Decided; d != nil {
			s = decidedText(*d) + " " + s
		}
		return s
	case Denied:
		if d := r.Decided; d != nil {
			return decidedText(*d)
		}
		return "The request was denied."
	case Canceled:
		if r.Follows != "" && r.Trouble != nil && r.Freed.IsZero() {
			return sayNotFollowed(*r.Trouble)
		}
		for _, i := range r.Intents {
			if i.Kind == ToActivate && i.Outcome == Unlinked {
				return sayUnlinkedAsked
			}
			if i.Kind == ToActivate && i.Outcome == Lapsed {
				return "Nobody signed in within 10 minutes, so nothing was asked of Microsoft."
			}
		}
		return "The request was taken back. Nothing was activated."
	case Failed:
		if r.Trouble != nil && r.Trouble.Code == pim.CodeForbidden && r.Role.Kind == pim.AzureResource {
			return sayAzureForbids
		}
		if r.Trouble != nil {
			return sayRefusal(ToActivate, *r.Trouble)
		}
		return "Microsoft could not activate the role. Open it in the Entra portal to see why."
	}
	switch r.End {
	case EndDeactivated:
		if r.FollowedBy != "" {
			return "It was deactivated to be asked for again; that request has a card of its own."
		}
		return "You deactivated it before its time."
	case EndRevoked:
		return "It was ended before its time, in Entra. Ask your administrator if you did not expect that."
	case EndNotVisible:
		return "Belay could not see how it came out. Look it up in the Entra portal."
	}
	return "Its time is over."
}

func approverNames(r Request) string {
	var names []string
	for _, a := range r.Approvers {
		names = append(names, personName(a))
	}
	if len(names) == 0 {
		return "nobody. The role's policy names no approver but you, so nobody can decide; ask your administrator"
	}
	return sayList(names, "or")
}

func routeNote(r Request) string {
	if len(r.Unreached) == 0 {
		return ""
	}
	return "Not reachable in chat: " + sayList(r.Unreached, "and") + ". Microsoft writes to them by e-mail; you may want to tell them yourself."
}

func decidedText(d Decided) string {
	by := personName(d.By)
	if d.By.ID == "" {
		by = "an approver"
	}
	s := "Approved by " + by
	if d.Result == pim.Denied {
		s = "Denied by " + by
	}
	if d.Elsewhere {
		s += ", in Entra"
	}
	if d.Result == pim.Denied && d.Reason != "" {
		return s + ": " + d.Reason
	}
	return s + "."
}

// approverCard is the card of one approver.
func (p Projection) approverCard(r Request, who string, now time.Time) Card {
	name := personName(r.Requester.Principal)
	c := Card{Title: name + " asks for " + roleAt(r.Role), Tone: tone(r.State), Facts: facts(r)}
	if r.State == PendingApproval {
		c.Text = whyApprover(r, who)
		c.Facts = append(c.Facts, Fact{Name: "Decide before", At: r.opened().Add(Window)})
		c.Note = elsewhereNote(r) + presenceNote(p.presence(r.Role)) + "Microsoft records your decision under your own name."
		c.Actions = []Action{
			{Label: "Approve", Style: Primary, Verb: VerbApprove, ID: r.ID},
			{Label: "Deny", Style: Danger, Verb: VerbDeny, ID: r.ID},
			p.portal(r.Role.Kind),
		}
		return fresh(c, r, now)
	}
	c.Title = headline(r) + ": " + name
	c.Text = approverText(r, who)
	if r.State == Active {
		c.Facts = append(c.Facts, Fact{Name: "Active until", At: r.Held.Until})
	}
	return c
}

// presenceNote tells an approver before the press what it will ask for.
func presenceNote(fresh bool) string {
	if !fresh {
		return ""
	}
	return "Deciding this asks you to sign in again. "
}

func approverText(r Request, who string) string {
	if d := r.Decided; d != nil {
		if strings.EqualFold(d.By.ID, who) {
			if d.Result == pim.Denied {
				return "You denied it."
			}
			return "You approved it."
		}
		return decidedText(*d)
	}
	switch r.State {
	case Canceled:
		return "The requester took it back. There is nothing left to decide."
	case Failed:
		if r.Trouble != nil && r.Trouble.Code == codeUndecided {
			return "Nobody decided within 24 hours."
		}
		return "Microsoft could not activate it. There is nothing left to decide."
	case Ended:
		if r.End == EndNotVisible {
			return endText(r) + " There is nothing left to decide."
		}
	}
	return "There is nothing left to decide."
}
