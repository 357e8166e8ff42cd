package bot

import (
	"cmp"
	"fmt"
	"time"
)

const (
	sayOnHoliday       = "It is a holiday there: %s."
	sayOffDay          = "It is %s there, which is no working day."
	sayOffHours        = "Working hours there are %s to %s."
	sayHasty           = "%s for %s, after %s"
	sayUnanswered      = "Nobody has answered this request yet."
	sayUnansweredAtAll = "Nobody answered this request, and its time is over."
	sayWeakened        = "The role's settings demand less than was accepted. Acknowledge this to accept them as they are."
	sayOutsidePIM      = "The directory's audit log says that the role was assigned outside of Privileged Identity Management."

	sayNotInChannel    = "Only people in the channel where this alert is told can do that. Press the button there."
	sayOwnAlert        = "This alert is about you, so somebody else has to take care of it."
	sayNobodyToAsk     = "This alert is not about a person, so there is nobody to ask."
	sayNotReached      = "Could not be reached in chat, so was not asked"
	sayNotAsked        = "Nobody asked you about this. If you see something that is not right, tell your security team."
	sayAlertsElsewhere = "Type this in a channel where alerts are told."
	sayFormTooOld      = "This form was opened too long ago, so nothing was done. Press [Mute…] on the alert again."
	sayMuteHowLong     = "Choose one of these times."
	sayMuteWhy         = "Say why this is a false alarm."
	sayErased          = "erased"
	sayUnmuted         = "The next one like it is an alert again."
)

// title says what an alert is about, in one line.
func (a Alert) title() string {
	who, role := personName(a.Subject), roleAt(a.Role)
	switch a.Kind {
	case AlertHours:
		return who + " activated " + role + " outside business hours"
	case AlertPerson:
		return "Many activations by " + who
	case AlertRole:
		return "Many activations of " + role
	case AlertDenied:
		if a.Role.Role == "" {
			return "Requests of " + who + " are denied again and again"
		}
		return role + " was denied to " + who
	case AlertHasty:
		return who + " decides within seconds"
	case AlertUnanswered:
		return "Nobody answers the request of " + who + " for " + role
	case AlertWeakened:
		return "The settings of " + role + " became weaker"
	case AlertOutside:
		return cmp.Or(role, "A role") + " was assigned to " + who + " outside of PIM"
	case AlertPlace:
		return who + " activated " + role + " after a sign-in from an unusual place"
	case AlertGlass:
		if a.Changed != "" {
			return "A break-glass account was changed: " + a.Changed
		}
		return "The break-glass account " + who + " was used"
	}
	return string(a.Kind)
}

// reason says what a full counter counted.
func (c count) reason(r Request, n int, within time.Duration) string {
	in := ""
	if within >= time.Second {
		in = " within " + sayDuration(within.Round(time.Second))
	}
	switch c.kind {
	case AlertPerson:
		return fmt.Sprintf("%d roles became active for one person%s.", n, in)
	case AlertRole:
		return fmt.Sprintf("%s became active %d times%s.", roleAt(r.Role), n, in)
	case AlertHasty:
		return fmt.Sprintf("%d requests were decided%s, each sooner than one can read it.", n, in)
	case AlertDenied:
		if n == 1 {
			return "Microsoft says that the request was denied."
		}
		return fmt.Sprintf("%d requests were denied%s.", n, in)
	}
	return ""
}

func saySeconds(d time.Duration) string {
	n := int(max(d, 0) / time.Second)
	if n == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", n)
}

// alertCard is an alert as every place shows it.
func (p Projection) alertCard(a Alert) Card {
	c := Card{Title: a.title(), Tone: Bad, Text: a.Reason}
	if a.Subject.ID != "" {
		c.Facts = append(c.Facts, Fact{Name: "Who", Value: personText(a.Subject)})
	}
	if a.Role.Role != "" {
		c.Facts = append(c.Facts, Fact{Name: "Role", Value: roleAt(a.Role)})
	}
	c.Facts = append(c.Facts, a.Evidence...)
	if a.Asked.ID != "" {
		c.Facts = append(c.Facts, Fact{Name: "Asked by " + personName(a.Asked), At: a.AskedAt})
	}
	if !a.Unreached.IsZero() {
		c.Facts = append(c.Facts, Fact{Name: sayNotReached, At: a.Unreached})
	}
	switch a.Answer {
	case AnswerMe:
		c.Facts = append(c.Facts, Fact{Name: personName(a.Subject) + " says: it was me", At: a.AnsweredAt})
	case AnswerNotMe:
		c.Facts = append(c.Facts, Fact{Name: personName(a.Subject) + " says: this was not me", At: a.AnsweredAt})
	}
	if m := a.Mute; m != nil {
		c.Facts = append(c.Facts, Fact{Name: "Muted by " + personName(m.Owner.Principal) + " until", At: m.Until}, Fact{Name: "Why muted", Value: cmp.Or(m.Reason, sayErased)})
	}
	if a.Acknowledged.ID != "" {
		c.Facts = append(c.Facts, Fact{Name: "Acknowledged by " + personName(a.Acknowledged), At: a.At})
		if c.Tone = Good; a.Answer == AnswerNotMe {
			c.Tone = Bad
		}
	} else {
		c.Actions = append(c.Actions, Action{Label: "Acknowledge", Style: Primary, Verb: VerbAcknowledge, ID: a.ID})
		if a.Subject.ID != "" && !a.Unowned && (a.Asked.ID == "" || !a.Unreached.IsZero()) {
			c.Actions = append(c.Actions, Action{Label: "Ask the person", Verb: VerbAskThem, ID: a.ID})
		}
		if a.Mute == nil {
			c.Actions = append(c.Actions, Action{Label: "Mute…", Verb: VerbMute, ID: a.ID})
		}
	}
	c.Actions = append(c.Actions, p.portal(a.Role.Kind))
	return c
}

// alertReply tells who pressed what came of it, or what had come of it before. It is short
// enough for a platform to show it beside the alert: in the place of the alert it would hide
// what the card says from then on.
func (p Projection) alertReply(a Alert, verb Verb) *Card {
	switch verb {
	case VerbAcknowledge:
		return plain(Good, "Acknowledged", "By "+personName(a.Acknowledged)+".")
	case VerbAskThem:
		return plain(Waiting, "Asked", personName(a.Subject)+" is asked directly. The answer shows on the alert.")
	case VerbMute:
		by := ""
		if a.Mute != nil {
			by = "By " + personName(a.Mute.Owner.Principal) + ". "
		}
		return plain(Neutral, "Muted", by+"It is in the audit trail all the same, and /elevate alerts lists what is muted.")
	}
	return plain(Neutral, a.title(), a.Reason)
}

// questionCard asks the person that an alert is about.
func (p Projection) questionCard(a Alert) Card {
	c := Card{Title: "Was this you?", Tone: Waiting, Text: sentences(a.title()+".", a.Reason), Facts: a.Evidence,
		Note: personName(a.Asked) + " of your security team asks. If it was not you, your security team is told at once."}
	me, notMe := Action{Label: "It was me", Verb: VerbWasMe, ID: a.ID}, Action{Label: "This was not me", Style: Danger, Verb: VerbWasNotMe, ID: a.ID}
	switch a.Answer {
	case AnswerMe:
		c.Title, c.Tone, c.Note, c.Actions = "You said that it was you", Good, "If you did not say that, press the button.", []Action{notMe}
	case AnswerNotMe:
		c.Title, c.Tone, c.Actions = "You said that it was not you", Bad, []Action{p.portal(a.Role.Kind)}
		c.Note = "Your security team knows. Next: change your password, have your sessions revoked in Entra, and sign out of your chat apps everywhere."
	default:
		c.Actions = []Action{me, notMe}
	}
	return c
}

// notThemCard tells the channel of the answer that matters.
func (p Projection) notThemCard(a Alert) Card {
	return Card{Title: personName(a.Subject) + " says: this was not me", Tone: Bad, Text: a.title() + ".",
		Facts: []Fact{{Name: "Who", Value: personText(a.Subject)}, {Name: "Answered", At: a.AnsweredAt}}, Note: sayNextForSO, Actions: []Action{p.portal(a.Role.Kind)}}
}

// muteForm asks for how long an alert's like are to be quiet, and why.
func muteForm(a Alert, id string, values, problems map[string]string) *Form {
	long := Field{Name: fieldHowLong, Label: "For how long", Kind: Choice, Required: true, Value: values[fieldHowLong], Error: problems[fieldHowLong]}
	for _, d := range a.muteTimes() {
		long.Options = append(long.Options, Option{Value: d.String(), Label: sayDays(d)})
	}
	about := roleAt(a.Role)
	if a.Subject.ID != "" {
		about = personName(a.Subject)
	}
	if a.Changed != "" {
		about += ", and with this change,"
	}
	return &Form{ID: id, Verb: VerbMute, Title: "Mute a false alarm", Submit: "Mute", Text: a.title() + ". Alerts of this kind about " + about + " are kept quiet.",
		Fields: []Field{long, {Name: fieldReason, Label: "Why", Hint: "It stands on the alert, with your name.", Kind: Paragraph, Required: true, Max: maxReason,
			Value: values[fieldReason], Error: problems[fieldReason]}},
		Back: &Action{Label: "Back", Verb: VerbAlert, ID: a.ID}}
}

func sayDays(d time.Duration) string {
	switch days := int(d / (24 * time.Hour)); days {
	case 0:
		return sayDuration(d)
	case 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", days)
	}
}

// alertsCard lists what is open and what is muted.
func alertsCard(open []Alert, mutes []Mute, more int, unseen []string) Card {
	c := Card{Title: "Alerts", Text: "Nobody has to take care of anything, and nothing is muted.", Note: sentences(unseen...)}
	if len(unseen) > 0 {
		c.Tone = Waiting
	}
	if len(open)+len(mutes) > 0 {
		c.Text = fmt.Sprintf("%s not acknowledged, %d muted.", sayCount(len(open)+more, "alert is", "alerts are"), len(mutes))
	}
	for _, a := range open {
		c.Facts = append(c.Facts, Fact{Name: a.title(), At: a.Made})
	}
	for _, m := range mutes {
		c.Facts = append(c.Facts, Fact{Name: fmt.Sprintf("Muted by %s: %s, %s, until", personName(m.Owner.Principal), m.Kind, m.About()), At: m.Until},
			Fact{Name: "Why", Value: cmp.Or(m.Reason, sayErased)})
		c.Actions = append(c.Actions, Action{Label: "Unmute " + string(m.Kind), Verb: VerbUnmute, ID: m.ID})
	}
	return c
}

func sayCount(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
