package bot

import (
	"fmt"
	"strings"

	"github.com/belaybot/belay/pim"
)

// What the pages say that a browser sees during a sign-in, and why one may fail.

const (
	sayLinkUnknown     = "This link is not known. Go back to the chat and type /elevate link for a new one."
	sayLinkUsed        = "This link was used already. If you still need to sign in, go back to the chat and type /elevate link, or press the button again."
	sayLinkExpired     = "This link has expired: it works for 10 minutes. Go back to the chat and type /elevate link, or press the button again."
	sayHopUnknown      = "This page was opened too late, a second time or out of order. Go back to the link in the chat and begin again."
	sayOtherBrowser    = "This sign-in was begun in another browser. If you began it, open the link in the chat again and stay in one browser. If somebody sent you here, close this page: nothing was linked."
	sayOtherSlackUser  = "This link belongs to another Slack user, so nothing was linked. Type /elevate link in Slack for a link of your own."
	sayOtherAccount    = "You signed in to Microsoft as %s, which is not the account this sign-in is for. Nothing was kept. Open the link in the chat again and choose the right account."
	sayLinkedAlready   = "Your chat account is linked with %s. To use another Microsoft account, type /elevate unlink first, then /elevate link."
	sayPrincipalTaken  = "This Microsoft account is linked with another user of the same workspace. Type /elevate unlink there first, or ask your administrator."
	sayUnlinkedSince   = "Your chat account was unlinked meanwhile, so nothing was kept. Type /elevate link to link it again."
	sayNoProfile       = "Slack does not answer just now, so Belay cannot tell who you are there. Nothing was linked; open the link in the chat again in a minute."
	sayNoDirectory     = "Microsoft's directory does not answer just now, so nothing was linked. Open the link in the chat again in a minute."
	sayNotSameAddress  = "The e-mail address in your Slack profile is not that of %s, so nothing was linked. Correct your Slack profile, or ask your administrator to map your Slack user to your Microsoft account."
	sayMappedElsewhere = "Your administrator has mapped your Slack user to another Microsoft account than %s, so nothing was linked. Open the link in the chat again and sign in with that other account, or ask your administrator."
	sayNotKept         = "You signed in, but Belay could not record it. Go back to the chat and press the button again."
	sayNotResumed      = "You are signed in, but Belay could not go on by itself. Go back to the chat and press the button again."

	saySilent       = "Microsoft Teams signed you in. Belay goes on by itself."
	sayBrowserOnly  = "This sign-in needs your browser: Teams cannot do it by itself. Use the button on the card; without one, type /elevate link."
	sayProofFirst   = "Microsoft wants more proof than Teams can give by itself, such as MFA. Sign in with your browser; Belay then goes on by itself."
	sayNotForTeams  = "Microsoft did not take the sign-in that Teams brought: a policy of your organisation may stand in the way. Sign in with your browser; Belay then goes on by itself."
	sayTeamsUnclear = "What Teams brought could not be verified, so it was not used. Sign in with your browser; if this happens again, tell your administrator."
	sayTeamsLater   = "Microsoft's sign-in is not answering just now. Sign in with your browser in a minute; Belay then goes on by itself."

	sayFromElsewhere = "Another site tried to begin this sign-in, so nothing was done. Open the link in the chat and press Continue there."
	sayCancelled     = "The sign-in was cancelled or refused, and nothing was kept. To try again, open the link in the chat once more."
	sayNoConsent     = "Your organisation has not agreed to the permissions that Belay needs. Ask an administrator to grant admin consent to Belay in the Entra admin centre, then open the link in the chat again."
	sayNotAnswering  = "Microsoft's sign-in is not answering just now. Nothing was kept; open the link in the chat again in a minute."
	saySlackDown     = "Sign in with Slack is not answering just now. Nothing was linked; open the link in the chat again in a minute."
	saySlackRefused  = "Slack did not confirm who you are, so nothing was linked. Open the link in the chat again; if it happens again, tell your administrator."
	sayNotVerified   = "Microsoft's answer could not be verified, so nothing was kept. Open the link in the chat again; if it happens again, tell your administrator."
	sayCodeRefused   = "Microsoft did not accept this sign-in: it was used already or took too long. Open the link in the chat again."
	sayMoreProof     = "Microsoft wants more proof than this sign-in gave. Open the link in the chat again and finish what Microsoft asks for."
	sayNotFresh      = "Microsoft did not confirm that you signed in just now, so nothing was sent and nothing was kept. Open the link in the chat again and sign in anew. If this happens again, tell your administrator: belay doctor says what is missing."
	sayBelayRefused  = "Microsoft refuses Belay itself, so nobody can sign in. Tell your administrator that Belay's app registration or its credential needs attention."
)

// platformName is a platform as people call it.
func platformName(p Platform) string {
	if p == Teams {
		return "Microsoft Teams"
	}
	return "Slack"
}

// LinkPage is what a one-time link shows before anything happens.
func LinkPage(t Ticket) Card {
	name := t.User.Name
	if name == "" {
		name = t.User.ID
	}
	c := Card{Title: "Sign in with Microsoft", Tone: Waiting,
		Text:  "Belay waits for a fresh sign-in with your own Microsoft account, and then goes on with what you asked for.",
		Facts: []Fact{{Name: platformName(t.User.Platform) + " user", Value: name}},
		Note:  "If this is not you, close this page. Nothing happens until you continue.",
	}
	if t.Expect == "" {
		c.Text = "This links your chat account with your Microsoft account, so that Belay can act with your own rights. It has none of its own."
	}
	if firstSlack(t) {
		c.Facts = append(c.Facts, Fact{Name: "Slack workspace", Value: t.User.Tenant})
		c.Text += " Slack is asked first who you are, then Microsoft."
	}
	if t.Fresh {
		c.Text = "This decision needs you yourself: Microsoft asks you to sign in again, even where you are signed in. Belay then goes on with what you decided, and with nothing else."
	}
	if t.Each {
		c.Text += " " + sayEachTime
	}
	if t.What != "" {
		c.Facts = append(c.Facts, Fact{Name: "Goes on with", Value: t.What})
	}
	c.Actions = []Action{{Label: "Continue", Style: Primary}}
	return c
}

// LinkedPage is what a finished sign-in shows.
func LinkedPage(l Link) Card {
	name := l.User.Name
	if name == "" {
		name = l.User.ID
	}
	return Card{Title: "You are signed in", Tone: Good,
		Text: "You can close this page. Belay goes on by itself in " + platformName(l.User.Platform) + ".",
		Facts: []Fact{
			{Name: platformName(l.User.Platform) + " user", Value: name},
			{Name: "Microsoft account", Value: personText(l.Principal)},
		},
		Note: "If this is not right, type /elevate unlink in the chat.",
	}
}

// LinkTroublePage is what a sign-in that failed shows. ref is in the operator's
// log when err is nothing a person can be told.
func LinkTroublePage(err error, ref string) Card {
	text, ok := ErrorMessage(err)
	if !ok {
		text = fmt.Sprintf(sayUnknown, ref)
	}
	return Card{Title: "This sign-in did not work", Tone: Bad, Text: text}
}

// SignInRefused is an *Error for a browser that came back from a sign-in page with
// an OAuth error instead of a code. Source: RFC 6749, section 4.1.2.1, OpenID
// Connect Core, section 3.1.2.6, and Entra's consent_required.
// detail is Microsoft's number, for the operator.
func SignInRefused(step Step, code, detail string) error {
	letters := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || r == '_' {
			return r
		}
		return -1
	}, code[:min(len(code), 64)])
	err := fmt.Errorf("%s: OAuth error %s %s", step, letters, detail)
	switch code {
	case "access_denied", "login_required", "account_selection_required":
		return &Error{Code: CodeSignIn, Message: sayCancelled, Err: err}
	case "consent_required":
		return &Error{Code: CodeNotAllowed, Message: sayNoConsent, Err: err, why: "no-consent"}
	case "interaction_required":
		return &Error{Code: CodeSignIn, Message: sayMoreProof, Err: err}
	case "temporarily_unavailable", "server_error":
		if step == StepSlack {
			return &Error{Code: CodeBusy, Message: saySlackDown, Err: err}
		}
		return &Error{Code: CodeBusy, Message: sayNotAnswering, Err: err}
	}
	if step == StepSlack {
		return &Error{Code: CodeInternal, Message: saySlackRefused, Err: err, why: "slack-refused"}
	}
	return &Error{Code: CodeInternal, Message: sayBelayRefused, Err: err, why: "entra-refused"}
}

// SignInFailed is an *Error for what pim/signin answered.
func SignInFailed(err error) error {
	e := &Error{Code: CodeInternal, Message: sayBelayRefused, Err: err}
	switch pim.CodeOf(err) {
	case pim.CodeSignIn:
		e.Code, e.Message, e.why = CodeSignIn, sayCodeRefused, "code-refused"
	case pim.CodeStepUp:
		e.Code, e.Message = CodeSignIn, sayMoreProof
	case pim.CodeNotFresh:
		e.Code, e.Message, e.why = CodeSignIn, sayNotFresh, "not-fresh"
	case pim.CodeInvalid:
		e.Code, e.Message, e.why = CodeInvalid, sayNotVerified, "not-verified"
	case pim.CodeForbidden:
		e.Code, e.Message, e.why = CodeNotAllowed, sayNoConsent, "no-consent"
	case pim.CodeThrottled, pim.CodeUnavailable:
		e.Code, e.Message = CodeBusy, sayNotAnswering
	}
	return e
}

// saySilentFailed is why a chat client's own sign-in did not do. What concerns the
// whole organisation is told as after a browser's sign-in.
func saySilentFailed(err error) string {
	if sentence, ok := ErrorMessage(err); ok {
		return sentence
	}
	switch pim.CodeOf(err) {
	case pim.CodeStepUp:
		return sayProofFirst
	case pim.CodeSignIn:
		return sayNotForTeams
	case pim.CodeInvalid:
		return sayTeamsUnclear
	case pim.CodeThrottled, pim.CodeUnavailable:
		return sayTeamsLater
	}
	sentence, _ := ErrorMessage(SignInFailed(err))
	return sentence
}

// SlackFailed is an *Error for a Sign in with Slack that could not be finished:
// down says that Slack did not answer, otherwise its answer was not right.
func SlackFailed(err error, down bool) error {
	if down {
		return &Error{Code: CodeBusy, Message: saySlackDown, Err: err}
	}
	return &Error{Code: CodeInvalid, Message: saySlackRefused, Err: err, why: "slack-not-verified"}
}

// FromElsewhere is an *Error for a form that another site sent.
func FromElsewhere(err error) error {
	return &Error{Code: CodeNotAllowed, Message: sayFromElsewhere, Err: err}
}

// BadReturn is an *Error for a browser that came back from a sign-in page with
// something that cannot be read.
func BadReturn(err error) error { return &Error{Code: CodeInvalid, Message: sayHopUnknown, Err: err} }
