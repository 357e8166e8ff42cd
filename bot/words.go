package bot

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// Every English sentence of Belay stands in the words*.go files. A refusal ends
// with what the person can do next.

func refuse(code Code, sentence string) error { return &Error{Code: code, Message: sentence} }

// bar refuses for security's sake: the audit trail hears why.
func bar(why, sentence string) error {
	return &Error{Code: CodeNotAllowed, Message: sentence, why: why}
}

const (
	sayAlreadySent = "This form was sent already. The request goes on as it was; /elevate status shows it."
	sayOwnRequest  = "You asked for this role yourself, so somebody else has to decide."
	sayNotApprover = "The role's policy does not name you as an approver, so you cannot decide this. Ask one of the approvers named on the card."
	sayNotYours    = "Only the person who asked for this role can do that."
	sayTooMany     = "Too much was tried on this request already. Ask for the role anew."
	saySentToMS    = "Belay asks Microsoft with your own sign-in. Follow it in our chat: the card there changes as Microsoft answers."
	sayOutdated    = "This card is outdated. Type /elevate status to see where your requests stand."
	sayNotRecorded = "Belay could not record that just now, so nothing was done. Please try again in a minute."
	sayUncertain   = "Belay cannot tell whether that was recorded. Type /elevate status to see whether it goes on, before you do it again."
	sayUnknown     = "Something went wrong here and nothing was done. Please try again; if it happens again, give your administrator the reference %s."
	saySignInAgain = "This role asks you to sign in again for every decision, even where you are signed in. Use the link that Belay sent to our chat within 10 minutes; your answer is then relayed by itself."
	saySignInSent  = "Your answer is recorded. Sign in with the link that Belay sent to our chat; it is then relayed by itself."
	saySending     = "Sent to Microsoft with your sign-in. The card changes when Microsoft has answered."
	sayOneMoment   = "One moment: Belay is asking Microsoft what you are eligible for."
	sayGuest       = "Belay serves full members of this workspace only. Guests, bots and people from other organisations use the Entra portal instead."
	sayLinkFirst   = "Sign in with Microsoft once, so that Belay can act with your own rights. It has none of its own."
	sayEachTime    = "Your organisation has Belay keep no sign-in: it asks each time, and forgets it when this is done."
	sayLinkOnce    = "The link works once, for you only, for 10 minutes."
	sayNoRoles     = "You are not eligible for any role right now. Ask an administrator for an eligible assignment in Privileged Identity Management."
	sayRestarted   = "Belay had to read the role's rules again. Nothing was sent yet: check what you filled in and send it once more."
	sayUnlinked    = "Your sign-in is forgotten and this account is no longer linked. Type /elevate link to link it again."
	sayNotLinked   = "This account is not linked. Type /elevate link to link it."
	sayNothingOpen = "You have no open request and no active role through Belay. Type /elevate to activate one."
	sayNoApprovals = "Nothing waits for your decision."
	sayNothingStop = "You have no active role through Belay to deactivate. Type /elevate status to see your requests."
	sayFiveMinutes = "Microsoft still says that the role is too young to be deactivated, after several tries. Please try again later, or end it in the Entra portal."
)

// sayTooOften is short enough for an option of a list.
func sayTooOften(wait time.Duration) string {
	return "Too fast: nothing was done. Try again in " + sayDuration(wait) + "."
}

// Roles and people in one breath.
func roleAt(r pim.EligibleAssignment) string {
	if r.Kind == pim.Group {
		return groupRole(r) + " of " + cmp.Or(r.ScopeName, "a group")
	}
	if r.ScopeName == "" || r.Scope == "/" {
		return r.RoleName
	}
	return r.RoleName + " (" + r.ScopeName + ")"
}

func personText(p pim.Principal) string {
	switch {
	case p.Name == "":
		return p.UPN
	case p.UPN == "":
		return p.Name
	}
	return p.Name + " (" + p.UPN + ")"
}

// personLine is personText, and the object id of somebody whose names were erased.
func personLine(p pim.Principal) string { return cmp.Or(personText(p), personName(p)) }

func personName(p pim.Principal) string {
	for _, s := range []string{p.Name, p.UPN, p.ID} {
		if s != "" {
			return s
		}
	}
	return "somebody"
}

// sayDuration writes a whole duration in words: "1 hour 30 minutes".
func sayDuration(d time.Duration) string {
	var parts []string
	unit := func(n int, word string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+word)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, word))
		}
	}
	unit(int(d/time.Hour), "hour")
	unit(int(d%time.Hour/time.Minute), "minute")
	unit(int(d%time.Minute/time.Second), "second")
	if len(parts) == 0 {
		return "no time"
	}
	return strings.Join(parts, " ")
}

// sayList joins names: "A, B or C"; longer lists end with a count.
func sayList(names []string, last string) string {
	const most = 6
	if len(names) > most {
		names = append(append([]string{}, names[:most-1]...), fmt.Sprintf("%d more", len(names)-most+1))
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}

func sayNotPending(r Request) string {
	switch {
	case r.Decided != nil && r.Decided.By.ID != "":
		return fmt.Sprintf("%s already %s this, so your press changed nothing.", personName(r.Decided.By), decidedWord(r.Decided.Result))
	case r.State.Final(), r.State == Active, r.State == Scheduled:
		return fmt.Sprintf("This request is not waiting for a decision any more: it is %s.", stateWord(r))
	}
	return "Microsoft has not put this request up for approval yet. Please try again in a moment."
}

func sayCannotCancel(r Request) string {
	if r.State == Active {
		return "The role is active already, so there is nothing to cancel. Use Deactivate, or type /elevate stop."
	}
	return fmt.Sprintf("There is nothing to cancel: the request is %s.", stateWord(r))
}

func sayNotActive(r Request) string {
	return fmt.Sprintf("There is nothing to deactivate: the request is %s.", stateWord(r))
}

func sayAlreadyUnderWay(i Intent) string {
	if i.Kind == ToDeactivate && i.State == IntentReady && i.SentAt.IsZero() && !i.NotBefore.IsZero() {
		return "It is going to be deactivated already; the card says when. Press Keep it there to take that back."
	}
	if i.State == IntentWaiting {
		return "Your answer is recorded and waits for your sign-in. Use the sign-in link you were sent."
	}
	return "Your answer is on its way to Microsoft already. The card changes when Microsoft has answered."
}

func sayBeingDecided(who string) string {
	return fmt.Sprintf("%s was first: that decision is on its way to Microsoft now.", who)
}

func decidedWord(r pim.Result) string {
	if r == pim.Denied {
		return "denied"
	}
	return "approved"
}

// stateWord is the state as a person reads it.
func stateWord(r Request) string {
	switch r.State {
	case Submitting:
		if r.waits() {
			return "waiting for the running activation to end"
		}
		return "being sent to Microsoft"
	case SignInRequired:
		return "waiting for your sign-in"
	case PendingApproval:
		return "waiting for approval"
	case Scheduled:
		if r.ahead() {
			return "agreed, and starts later"
		}
		return "agreed and being set up by Microsoft"
	case Ended:
		switch r.End {
		case EndDeactivated:
			return "deactivated"
		case EndRevoked:
			return "ended early, by somebody in Entra"
		case EndNotVisible:
			return "over; Belay could not see how it came out"
		}
		return "over"
	}
	return string(r.State)
}

// sayRefusal explains a no of Microsoft to the person whose call it was.
func sayRefusal(kind IntentKind, why Refusal) string {
	switch why.Code {
	case pim.CodePolicy:
		return sayRules(why.Rules)
	case pim.CodeExists:
		if why.Request != "" {
			return "This role is active for you already, and it cannot be made longer while it runs. Use it, deactivate it, or extend it: then it is deactivated and asked for again."
		}
		if !why.Until.IsZero() {
			return "This role is active for you already. It cannot be made longer while it runs: wait for its end, or deactivate it and ask again."
		}
		return "This role is active for you already, so there is nothing to activate."
	case pim.CodePending:
		if why.Held != "" {
			return "Another request of yours for this role waits at Microsoft already, made with another time or reason. Follow that one, or cancel it and ask again."
		}
		return "A request for this role is waiting at Microsoft already. Cancel it in the Entra portal or wait until it is decided."
	case pim.CodeTooShort:
		if kind == ToDeactivate {
			return sayFiveMinutes
		}
		return "Microsoft accepts five minutes at the least. Ask again with a longer time."
	case pim.CodeNotActive:
		return "Microsoft says that this role is not active for you, so there was nothing to deactivate."
	case pim.CodeCannotCancel:
		return "Microsoft says that this request can no longer be canceled."
	case pim.CodeNotFound:
		return "Microsoft no longer knows this request. Ask again if you still need the role."
	case pim.CodeDecided:
		if why.By != "" {
			return why.By + " decided first, so your answer changed nothing."
		}
		return "Somebody else decided first, so your answer changed nothing."
	case pim.CodeNotApprover:
		return "Microsoft does not accept you as an approver of this request. The role's policy may have changed; ask one of the current approvers."
	case pim.CodeLicense:
		return "This tenant has no licence for Privileged Identity Management (Entra ID P2 or Governance). Ask your administrator."
	case pim.CodeForbidden:
		return "Microsoft refused for want of a permission or consent. Ask your administrator to check the permissions of Belay's registration in Entra."
	case pim.CodeStepUp, pim.CodeSignIn:
		return "Microsoft still wants a stronger sign-in after several. Check with your administrator which sign-in method the role's authentication context demands, then ask again."
	case pim.CodeNotFresh:
		return "Belay needed a fresh sign-in for this decision and did not get one in time, so nothing was sent. Press the button on the card again if it still waits."
	case pim.CodeNotYet:
		return "Microsoft does not know your account here yet, which happens right after it was made. Ask again in a few minutes."
	case pim.CodeThrottled, pim.CodeUnavailable:
		return "Microsoft did not answer in time. Type /elevate status later, and ask again if the role is not active."
	case codeUndecided:
		return "Nobody decided within 24 hours, so Microsoft closed the request. Ask again if you still need the role."
	}
	return "Microsoft refused the request. Open it in the Entra portal to see why, or ask your administrator" + reference(why.Ref) + "."
}

func reference(ref string) string {
	if ref == "" {
		return ""
	}
	return " (reference " + ref + ")"
}

func sayRules(rules []pim.Rule) string {
	var all []string
	for _, rule := range rules {
		switch rule {
		case pim.RuleMFA:
			all = append(all, "it wants a sign-in with MFA")
		case pim.RuleJustification:
			all = append(all, "it wants a justification")
		case pim.RuleTicketing:
			all = append(all, "it wants a ticket number")
		case pim.RuleExpiration:
			all = append(all, "the time you asked for is longer than it allows")
		case pim.RuleEligibility:
			all = append(all, "you are not eligible for it (a new eligibility may need some minutes)")
		default:
			all = append(all, "its rule "+string(rule)+" was not met")
		}
	}
	if len(all) == 0 {
		return "The role's policy was not met. Check its settings in the Entra portal and ask again."
	}
	return "The role's policy was not met: " + sayList(all, "and") + ". Ask again with that changed."
}

// sayDelay tells the requester what holds a call up.
func sayDelay(why Refusal) string {
	if why.Code == pim.CodeThrottled {
		return "Microsoft is busy and asked Belay to wait. It tries again by itself."
	}
	if why.Code == pim.CodeNotYet {
		return "Microsoft does not take this yet, as happens in the first minutes of a new account or eligibility. Belay tries again by itself."
	}
	return "Microsoft is not answering just now. Belay tries again by itself; nothing is lost."
}

// sayTrouble turns any error into a sentence for a person and says whether the
// operator must be told as well.
func sayTrouble(err error, ref string) (sentence string, tell bool) {
	if s, ok := ErrorMessage(err); ok {
		return s, false
	}
	switch pim.CodeOf(err) {
	case pim.CodeThrottled, pim.CodeUnavailable:
		return "Microsoft is not answering just now. Nothing was sent; please try again in a minute.", true
	case pim.CodeForbidden, pim.CodeLicense, pim.CodeInvalidClientConfig:
		return sayRefusal("", Refusal{Code: pim.CodeOf(err)}), true
	}
	return fmt.Sprintf(sayUnknown, ref), true
}
