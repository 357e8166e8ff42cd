package bot

import (
	"fmt"
	"time"

	"github.com/belaybot/belay/pim"
)

// signInCard asks somebody to sign in so that their answer can be relayed.
func (p Projection) signInCard(r Request, i Intent) Card {
	if i.State == IntentWaiting {
		if i.Kind == ToActivate {
			return Card{Title: headline(r), Tone: Waiting, Text: requesterText(r), Actions: p.signInActions(i.Ticket, p.silently(r, i)), Note: p.linkNote()}
		}
		text := "Your answer on %s for %s is recorded. Belay relays it to Microsoft with your own sign-in, by itself, as soon as you are back."
		if i.Challenge {
			text = "Microsoft wants a fresh sign-in before it takes your answer on %s for %s. Belay goes on by itself when you are back."
		}
		if i.Fresh {
			text = "Your answer on %s for %s waits for you to sign in again, even where you are signed in: so nobody can decide on this role in your name. Nothing was sent yet; Belay goes on by itself when you are back."
		}
		return Card{Title: "Sign in to finish", Tone: Waiting,
			Text:    fmt.Sprintf(text, roleAt(r.Role), personName(r.Requester.Principal)),
			Actions: p.signInActions(i.Ticket, p.silently(r, i)), Note: p.linkNote()}
	}
	if i.Outcome == Lapsed {
		return Card{Title: "The sign-in came too late", Text: "Nothing was sent. Press the button on the card again if it still waits."}
	}
	if i.Outcome == Dropped || i.Outcome == TakenBack || i.Outcome == Unlinked {
		return Card{Title: "No sign-in is needed any more", Text: "Nothing was sent. Type /elevate status to see where your requests stand."}
	}
	text := "Belay goes on by itself."
	if i.Kind.review() {
		text = fmt.Sprintf("Belay goes on by itself with your answer on %s for %s.", roleAt(r.Role), personName(r.Requester.Principal))
	}
	return Card{Title: "Signed in", Tone: Good, Text: text}
}

// answerCard tells somebody, at once, what came of what they did.
func answerCard(r Request, i Intent) (Card, bool) {
	if i.State != IntentDone || i.Kind == ToActivate || i.Then != "" { // what follows tells
		return Card{}, false
	}
	switch {
	case i.Outcome == Unlinked:
		return Card{Title: "Your answer was not sent", Tone: Bad, Text: sayUnlinkedAnswer}, true
	case i.Outcome == Lapsed:
		return Card{Title: "Your answer was not sent", Tone: Bad, Text: "You did not sign in within 10 minutes. Press the button again if it still waits."}, true
	case i.Outcome == Refused && i.Refusal != nil:
		return Card{Title: "Nothing was changed", Tone: Bad, Text: sayRefusal(i.Kind, *i.Refusal)}, true
	case i.Outcome == Dropped && i.Kind != ToCancel:
		return Card{Title: "Nothing was left to do", Text: sayDropped(r, i)}, true
	}
	return Card{}, false
}

// sayWhat names a call, for the person to check before they sign in for it.
func sayWhat(r Request, kind IntentKind) string {
	what := roleAt(r.Role) + ", " + sayDuration(r.Ask.Duration)
	switch kind {
	case ToApprove:
		return "Approve " + what + ", for " + personName(r.Requester.Principal)
	case ToDeny:
		return "Deny " + what + ", for " + personName(r.Requester.Principal)
	case ToCancel:
		return "Cancel " + what
	case ToDeactivate:
		return "Deactivate " + roleAt(r.Role)
	}
	return "Ask for " + what
}

// sayDropped says why somebody's act came too late.
func sayDropped(r Request, i Intent) string {
	if i.Kind.review() && r.Decided != nil {
		return decidedText(*r.Decided) + " Your answer was not needed any more."
	}
	return fmt.Sprintf("%s is %s meanwhile, so nothing was sent.", roleAt(r.Role), stateWord(r))
}

// sentCard is what stands in the form's place once it is sent.
func (p Projection) sentCard(r Request, now time.Time) Card {
	if r.State == SignInRequired {
		return p.requesterCard(r, now)
	}
	return Card{Title: "Sent: " + roleAt(r.Role), Text: saySentToMS, Facts: r.sentFacts()}
}

// toldCard is the one new message by which the requester notices an outcome: an
// updated card makes no sound.
func toldCard(r Request) (what string, c Card, ok bool) {
	c = Card{Title: headline(r), Tone: tone(r.State), Text: requesterText(r)}
	switch r.State {
	case Active:
		c.Facts = []Fact{{Name: "Active until", At: r.Held.Until}}
		return "active", r.secondStepCard(c), true
	case Denied:
		return "denied", c, true
	case Failed:
		c = standsAside(c, r)
		return "failed", c, true
	case Ended:
		return "ended", c, r.FollowedBy == "" || r.End != EndDeactivated // else the new request's card says it
	case Canceled:
		why := r.Trouble
		return "canceled", c, r.Follows != "" && r.Freed.IsZero() && why != nil && why.Code != codeKept && why.Code != codeStopped
	}
	return "", Card{}, false
}

type noticeCard struct {
	what Notice
	card Card
}

// notices are the channel messages of a request so far, for the state it is in.
func (p Projection) notices(r Request) []noticeCard {
	who, role := personName(r.Requester.Principal), roleAt(r.Role)
	var n []noticeCard
	if r.State == PendingApproval {
		n = append(n, noticeCard{NoticeAsked, Card{Title: who + " asks for " + role, Tone: Waiting, Text: "It waits for approval.", Facts: facts(r)[1:]}})
	}
	if len(r.Unreached) > 0 && r.State == PendingApproval {
		n = append(n, noticeCard{NoticeUnreached, Card{Title: "An approver cannot be reached", Tone: Waiting,
			Text: fmt.Sprintf("%s waits for approval of %s. Not reachable in chat: %s.", who, role, sayList(r.Unreached, "and"))}})
	}
	if d := r.Decided; d != nil && d.Result == pim.Approved && (r.State == Scheduled || r.State == Active) {
		n = append(n, noticeCard{NoticeApproved, Card{Title: role + " was approved: " + who, Tone: Good, Text: decidedText(*d), Facts: facts(r)[1:]}})
	}
	switch r.State {
	case Active:
		what := NoticeActive
		if r.Follows != "" {
			what = NoticeExtended
		}
		c := Card{Title: role + " is active: " + who, Tone: Good, Text: beganText(r), Facts: facts(r)[1:]}
		c.Facts = append(c.Facts, Fact{Name: "Active until", At: r.Held.Until})
		n = append(n, noticeCard{what, c})
	case Denied:
		c := Card{Title: role + " was denied: " + who, Tone: Bad, Facts: facts(r)[1:]}
		if r.Decided != nil {
			c.Text = decidedText(*r.Decided)
		}
		n = append(n, noticeCard{NoticeDenied, c})
	case Failed:
		n = append(n, noticeCard{NoticeFailed, Card{Title: role + " was not activated: " + who, Tone: Bad, Text: noticeFailure(r)}})
	case Ended:
		n = append(n, noticeCard{NoticeEnded, Card{Title: headline(r) + ": " + who, Tone: Neutral, Text: endText(r)}})
	}
	return n
}

func noticeFailure(r Request) string {
	if r.Trouble == nil {
		return "Microsoft could not activate it."
	}
	if r.Trouble.Code == codeUndecided {
		return "Nobody decided within 24 hours."
	}
	return "Microsoft refused it. The requester knows why."
}

func endText(r Request) string {
	switch r.End {
	case EndDeactivated:
		if r.FollowedBy != "" {
			return "Deactivated by the requester, who asks for it again."
		}
		return "Deactivated by the requester before its time."
	case EndRevoked:
		return "Ended before its time, in Entra."
	case EndNotVisible:
		return "Belay could not see how it came out."
	}
	return "Its time is over."
}
