package bot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/belaybot/belay/pim"
)

const (
	sayNotYourDecision = "Belay knows of no decision of yours on this request, so there is nothing to take back. If you see something that is not right, tell your security team."
	sayHalfReported    = "The rest could not be recorded just now: nobody was alerted yet. Please press the button again in a minute."
	sayReported        = "You have reported this already. Your security team knows."
	sayBrowserOnlyNow  = "You reported a decision that was not yours, so Belay wants you to sign in with your browser. Use the link on the card; without one, type /elevate link."

	sayNotMeNote = "Was this not you? Press the button: Belay then ends your sign-in, unlinks your chat accounts, takes back what it has not sent yet, and alerts your security team."
	sayNextForMe = "Next: change your password, have your sessions revoked in Entra, and sign out of your chat apps everywhere. To use Belay again, type /elevate link and sign in anew."
	sayNextForSO = "Next: revoke the person's sessions in Entra and in chat, look at what else was done in their name (belay audit export), and end the activation if it is not wanted."
)

// decisionSlot begins the slots that tell an approver of one decision.
func decisionSlot(i Intent) Slot { return Slot("decision/" + i.ID + "/") }

// decisions tell each approver of what was decided in their name, wherever only they
// read, and the security channels of what they disown. Unlike a notice they are kept
// true: the message comes with the press, says what Microsoft made of it, and after
// [This was not me] has no button, but what was undone and what is left to do. Updates
// make no sound, so that each decision is still heard of once.
func (p Projection) decisions(r Request, add func(slot Slot, at Conversation, c Card, once bool)) {
	for _, i := range r.Intents {
		for _, t := range i.Told {
			add(decisionSlot(i)+Slot(string(t.User.Platform)+"/"+t.User.ID), t.At, p.decisionCard(r, i), false)
		}
	}
	if d := r.Decided; d != nil && r.elsewhereBy(d.By.ID) {
		for _, reach := range r.Reach {
			if !strings.EqualFold(reach.Principal, d.By.ID) {
				continue
			}
			for _, at := range reach.At {
				add(Slot("decision/elsewhere/"+string(at.Platform)), at, p.elsewhereDecisionCard(r), false)
			}
		}
	}
	for n := range r.Reports {
		for _, at := range p.places(r, NoticeNotMe) {
			add(Slot(fmt.Sprintf("not-me/%d/%s/%s", n, at.Platform, at.ID)), at, p.alarmCard(r, n), false)
		}
	}
}

// decisionCard tells an approver, at once, what is decided in their name.
func (p Projection) decisionCard(r Request, i Intent) Card {
	if i.Disowned {
		return p.disownedCard(r, i)
	}
	what := roleAt(r.Role) + " for " + personName(r.Requester.Principal)
	c := Card{Facts: decisionFacts(r, i), Note: sayNotMeNote, Actions: []Action{notMe(r)}}
	switch {
	case i.Outcome == Accepted && i.Kind == ToApprove:
		c.Title, c.Tone, c.Text = "You approved "+what, Good, "Microsoft recorded it under your name."
	case i.Outcome == Accepted:
		c.Title, c.Text = "You denied "+what, "Microsoft recorded it under your name."
	case i.State == IntentDone:
		c.Title, c.Text = "No effect: your "+decisionWord(i.Kind)+" of "+what, "Nothing was changed in your name."
	case i.State == IntentWaiting:
		c.Title, c.Tone, c.Text = "Your "+decisionWord(i.Kind)+" of "+what+" waits for your sign-in", Waiting, "It has no effect until you sign in."
	default:
		c.Title, c.Tone, c.Text = "Your "+decisionWord(i.Kind)+" of "+what+" is on its way", Waiting, "Belay relays it to Microsoft with your sign-in."
	}
	return c
}

func notMe(r Request) Action {
	return Action{Label: "This was not me", Style: Danger, Verb: VerbNotMe, ID: r.ID}
}

// decisionFacts tell where and when somebody pressed.
func decisionFacts(r Request, i Intent) []Fact {
	return []Fact{
		{Name: "Who", Value: personText(r.Requester.Principal)},
		{Name: "Role", Value: roleName(r.Role)},
		{Name: scopeWord(r.Role), Value: sayScope(r)},
		{Name: "Pressed in", Value: platformName(i.By.User.Platform)},
		{Name: "Pressed", At: i.Made},
	}
}

func decisionWord(k IntentKind) string {
	if k == ToDeny {
		return "denial"
	}
	return "approval"
}

// elsewhereDecisionCard tells an approver of a decision that Belay did not send and for
// which Microsoft names them.
func (p Projection) elsewhereDecisionCard(r Request) Card {
	d := r.Decided
	if r.disownedElsewhere(d.By.ID) {
		return p.disownedElsewhereCard(r)
	}
	c := Card{Title: "You approved " + roleAt(r.Role) + " for " + personName(r.Requester.Principal) + ", in Entra", Tone: Neutral,
		Text:  "Microsoft names you for it. It was not made through Belay.",
		Facts: []Fact{{Name: "Seen", At: d.At}}, Note: sayNotMeNote, Actions: []Action{notMe(r)}}
	if d.Result == pim.Denied {
		c.Title = "You denied " + roleAt(r.Role) + " for " + personName(r.Requester.Principal) + ", in Entra"
	}
	return c
}

// sayEnded says what every report does.
const sayEnded = "Your sign-in was ended and your chat accounts are unlinked: nothing more can be sent in your name without a new sign-in in a browser. Your security team was alerted."

// disownedCard says what became of a decision that was disowned.
func (p Projection) disownedCard(r Request, i Intent) Card {
	c := Card{Title: "Not you: the " + decisionWord(i.Kind) + " of " + roleAt(r.Role) + " for " + personName(r.Requester.Principal), Tone: Bad,
		Text: sentences(sayEnded, effect(r, i, "your")), Facts: append(decisionFacts(r, i), effectFacts(r)...), Note: sayNextForMe}
	c.Actions = []Action{p.portal(r.Role.Kind)}
	return c
}

func (p Projection) disownedElsewhereCard(r Request) Card {
	c := Card{Title: "Not you: the decision on " + roleAt(r.Role) + " for " + personName(r.Requester.Principal), Tone: Bad, Note: sayNextForMe,
		Actions: []Action{p.portal(r.Role.Kind)}, Facts: effectFacts(r), Text: sayEnded}
	if d := r.Decided; d != nil {
		c.Text = sentences(sayEnded, "It was made in Entra and not through Belay.", sayRecorded(r, d.Result == pim.Denied, "your"))
	}
	return c
}

// effect says what of a disowned decision was undone, and what cannot be. whose: your,
// or their.
func effect(r Request, i Intent, whose string) string {
	d := r.Decided
	took := i.Outcome == Accepted ||
		d != nil && !i.SentAt.IsZero() && strings.EqualFold(d.By.ID, i.By.ID) && (d.Result == pim.Denied) == (i.Kind == ToDeny)
	switch {
	case took:
		return sayRecorded(r, i.Kind == ToDeny, whose)
	case i.open():
		return "The " + decisionWord(i.Kind) + " was being sent at that moment; whether Microsoft took it is not known yet. It is not sent again."
	case i.Outcome == TakenBack && r.State == PendingApproval:
		return "The " + decisionWord(i.Kind) + " had not reached Microsoft and was taken back. The request still waits for a decision."
	case i.Outcome == TakenBack:
		return "The " + decisionWord(i.Kind) + " had not reached Microsoft and was taken back."
	case !i.SentAt.IsZero() && i.Refusal != nil && i.Refusal.Code == pim.CodeUnavailable:
		return "The " + decisionWord(i.Kind) + " was sent, and Belay cannot see whether Microsoft took it. Look it up in the Entra portal."
	}
	return "The " + decisionWord(i.Kind) + " had no effect at Microsoft, so there is nothing to undo."
}

// sayRecorded says what can be done about a decision that Microsoft has recorded.
// Belay undoes none of it: it has no rights of its own, and the approver has none to
// end what they approved.
func sayRecorded(r Request, deny bool, whose string) string {
	name := personName(r.Requester.Principal)
	if deny {
		return "Microsoft has recorded the denial, and a denial cannot be undone. " + name + " can ask again, and another approver can decide."
	}
	recorded := "Microsoft has recorded the approval, and Belay cannot undo it in " + whose + " name. "
	switch {
	case r.State == Scheduled && r.ahead():
		return recorded + "The role is not active yet. Before it starts, " + name + " can cancel it, and an administrator can remove it in the Entra portal."
	case r.State == Active:
		return recorded + "The role is active. " + name + " can deactivate it, and an administrator can remove the active assignment in the Entra portal."
	case r.State.Final():
		return "Microsoft had recorded the approval. What it allowed is over" + sayHow(r) + "."
	}
	return recorded + "The role is about to become active. " + name + " can then deactivate it, and an administrator can remove the active assignment in the Entra portal."
}

// sayHow says how something ended, where more is to be said than that it did.
func sayHow(r Request) string {
	how := strings.TrimPrefix(strings.TrimPrefix(stateWord(r), "over"), "; ")
	if how == "" {
		return ""
	}
	return ": " + how
}

func effectFacts(r Request) []Fact {
	switch {
	case r.State == Scheduled && r.ahead():
		return []Fact{{Name: "Starts", At: r.Ask.Start}}
	case r.State == Active:
		return []Fact{{Name: "Active until", At: r.Held.Until}}
	}
	return nil
}

// alarmCard tells the security channels that somebody disowns a decision: what the
// n-th report is about, and no earlier one was.
func (p Projection) alarmCard(r Request, n int) Card {
	report := r.Reports[n]
	told := func(i Intent) bool {
		return slices.ContainsFunc(r.Reports[:n], func(o Report) bool { return strings.EqualFold(o.By.ID, i.By.ID) && !i.Made.After(o.At) })
	}
	who := personName(report.By.Principal)
	c := Card{Title: who + " says: this was not me", Tone: Bad, Note: sayNextForSO, Actions: []Action{p.portal(r.Role.Kind)}}
	c.Facts = []Fact{
		{Name: "In whose name", Value: personText(report.By.Principal)},
		{Name: "Requester", Value: personText(r.Requester.Principal)},
		{Name: "Role", Value: roleName(r.Role)},
		{Name: scopeWord(r.Role), Value: sayScope(r)},
	}
	text := []string{"A decision in the name of " + who + " was not theirs, they say."}
	for _, i := range r.Intents {
		if !i.Disowned || !strings.EqualFold(i.By.ID, report.By.ID) || i.Made.After(report.At) || told(i) {
			continue
		}
		text = append(text, effect(r, i, "their"))
		c.Facts = append(c.Facts, Fact{Name: "Pressed", At: i.Made}, Fact{Name: "Pressed in", Value: platformName(i.By.User.Platform)})
	}
	if report.Elsewhere && r.Decided != nil {
		text = append(text, "It was made in Entra and not through Belay.", sayRecorded(r, r.Decided.Result == pim.Denied, "their"))
	}
	text = append(text, fmt.Sprintf("Their sign-in was ended, and %s unlinked.", sayAccounts(len(report.Unlinked))))
	c.Text = sentences(text...)
	c.Facts = append(c.Facts, Fact{Name: "Reported in", Value: platformName(report.By.User.Platform)}, Fact{Name: "Reported", At: report.At})
	var undone []string
	for _, u := range report.Undone {
		undone = append(undone, sayUndone(u))
	}
	if len(undone) > 0 {
		c.Facts = append(c.Facts, Fact{Name: "Also taken back", Value: sayList(undone, "and")})
	}
	c.Facts = append(c.Facts, effectFacts(r)...)
	return c
}

func sayAccounts(n int) string {
	switch n {
	case 0:
		return "no chat account had to be"
	case 1:
		return "one chat account was"
	}
	return fmt.Sprintf("%d chat accounts were", n)
}

func sayUndone(u Undone) string {
	if u.Kind == ToActivate {
		return "their own request for " + roleAt(u.Role)
	}
	return "the " + decisionWord(u.Kind) + " of " + roleAt(u.Role) + " for " + personName(u.For)
}
