package bot

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/belaybot/belay/pim"
)

const (
	titleReviews     = "Access reviews"
	titleReviewOver  = "This review has ended"
	titleReviewKnown = "There is nothing to do"
	titleUnreviewed  = "Privileged roles that nobody reviews"
	titleAllReviewed = "Every privileged role is reviewed"

	// portalReviews is where access reviews are made.
	portalReviews = "/#view/Microsoft_AAD_ERM/DashboardBlade/~/Controls"

	sayReviewsOff       = "Access reviews are not answered here. Use the address in Microsoft's mail, or ask whoever runs Belay to turn on reviews in its configuration."
	sayCannotSeeReviews = "cannot see access reviews, because a permission is missing"
	sayReviewsBlind     = "Microsoft does not let your account decide here. Use the My Access portal, or ask your administrator which role it takes."
	sayReviewWaits      = "Microsoft asks you who is to keep this access. Decide here, person by person or several at once; it is recorded as your own decision."
	sayReviewStaged     = "This review is held in stages, which cannot be answered here. Decide in the My Access portal."
	sayReviewUnsure     = "Some may still be open for you. Open the review to see."
	sayReminder         = "You have not decided about everybody yet. What nobody decides is treated as the review's settings say, which may take access away."
	sayReviewDone       = "Everybody is decided. You can change that until the review ends."
	sayReviewOver       = "The review has ended, so nothing can be decided any more. Ask its owner, or an administrator, if something has to be changed."
	sayReviewOutdated   = "This card is outdated. Type /elevate reviews to see what waits for you."
	sayNotReviewer      = "This review asks somebody else. Type /elevate reviews to see those that ask you."
	sayChangedMeanwhile = "Nothing was done: somebody decided about this person meanwhile, or they are not in the review any more. This is how it stands now."
	sayReviewKnown      = "That is decided, or on its way to Microsoft, already. Open the review again to see how it stands."
	sayReviewInPerson   = "This role asks you to sign in again for every decision, even where you are signed in. Use the link that Belay sent to our chat within 10 minutes; what you decided is then sent by itself."
	sayNotYourReview    = "Not you? Open the review and decide anew before it ends, end your sign-in with /elevate unlink, and tell your security team."
	sayWhyReview        = "It is kept with the decision, for auditors."
	sayWhyKeep          = "This review wants to know why somebody keeps the access."
	sayPickVerdict      = "Choose one of these."
	sayPickPeople       = "Choose at least one person."
	sayListChanged      = "The list has changed meanwhile. Look at it again before you send it."

	sayNothingRecommended = "Microsoft recommends nothing for those who are left. Decide about them one by one."
	sayAllReviewed        = "Each privileged role that somebody holds has a review that recurs every quarter."
	sayUnreviewedNote     = "Belay says this once a quarter, and keeps this card true until the next one."
)

func sayReviewName(r pim.AccessReviewRound) string { return cmp.Or(r.Name, "Access review") }

func sayReviewTitle(r accessReview) string { return "Access review: " + sayReviewName(r.Round) }

func sayReminderTitle(r accessReview) string { return "Reminder: " + sayReviewName(r.Round) }

func sayReviewsWait(n, more int) string {
	switch {
	case n == 0:
		return "No access review waits for you."
	case more > 0:
		return fmt.Sprintf("%d reviews wait for you; these are some of them. More shows the next.", n)
	case n == 1:
		return "1 review waits for you."
	}
	return fmt.Sprintf("%d reviews wait for you.", n)
}

// sayReviewsMissing says what a list of reviews lacks, and what to do next.
func sayReviewsMissing(why error) string {
	if pim.CodeOf(why) == pim.CodeForbidden {
		return "Some access reviews are missing here: Microsoft does not let your account see them. Use the My Access portal, or ask your administrator which role it takes."
	}
	return "Some access reviews are missing here: they could not be read at Microsoft. Type /elevate reviews again in a minute, or use the My Access portal."
}

func sayReviewedHere(p Platform) string {
	return fmt.Sprintf("Decided in %s through Belay.", platformName(p))
}

func sayReviewSending(n int) string {
	if n == 1 {
		return "Sent to Microsoft with your sign-in. A message in our chat says when it is recorded."
	}
	return fmt.Sprintf("%d decisions are sent to Microsoft with your sign-in. A message in our chat says when they are recorded.", n)
}

// sayReviewWhat names an act, for its reviewer to check before they sign in for it.
func sayReviewWhat(r accessReview, a reviewAct) string {
	if len(a.Decisions) == 1 {
		return sayVerdict(a.Decisions[0].Verdict) + ": " + personName(a.Decisions[0].Of) + ", in " + sayReviewName(r.Round)
	}
	return fmt.Sprintf("%d decisions in %s", len(a.Decisions), sayReviewName(r.Round))
}

func sayVerdict(v pim.Verdict) string {
	switch v {
	case pim.VerdictApprove:
		return "Keep"
	case pim.VerdictDeny:
		return "Remove"
	}
	return "Don't know"
}

func sayVerdictButton(v Verb) string { return sayVerdict(verdictOf(v)) }

// sayVerdictFor names whom a button is about: there are several of its kind in a message.
func sayVerdictFor(v Verb, who pim.Principal) string {
	if v == VerbCannotTell {
		return sayVerdictButton(v)
	}
	return sayVerdictButton(v) + " " + cut(personName(who), 40)
}

func sayRecommends(v pim.Verdict) string {
	switch v {
	case pim.VerdictApprove:
		return "Microsoft recommends keeping this access."
	case pim.VerdictDeny:
		return "Microsoft recommends removing this access."
	}
	return "Microsoft recommends nothing."
}

func sayReviewRecorded(i pim.AccessReviewItem) string {
	s := sayVerdict(i.Verdict) + ", recorded in Entra"
	if i.By.ID != "" {
		s += " by " + personName(i.By)
	}
	if i.Applied {
		return s + ", and carried out."
	}
	return s + "."
}

func sayAcceptAll(n int) string { return fmt.Sprintf("Accept recommendations (%d)", n) }

func sayNextPeople(from, to, of int) string { return fmt.Sprintf("%d to %d of %d", from+1, to, of) }

func sayPickHint(n int) string {
	if n > itemsPicked {
		return fmt.Sprintf("The first %d of %d; the others follow when these are decided.", itemsPicked, n)
	}
	return "Those that you have not decided about."
}

func sayKeep(r accessReview, i pim.AccessReviewItem) string {
	return personLine(i.Principal) + " keeps " + cmp.Or(i.Resource, "the access") + ". " + sayRecommends(i.Recommend)
}

// sayRecommended lists what accepting the recommendations decides.
func sayRecommended(r accessReview, want map[string]pim.Verdict) string {
	var keep, remove []string
	for _, i := range r.Items {
		switch want[i.ID] {
		case pim.VerdictApprove:
			keep = append(keep, personName(i.Principal))
		case pim.VerdictDeny:
			remove = append(remove, personName(i.Principal))
		}
	}
	lines := []string{sayGroup("Keep", keep), sayGroup("Remove", remove)}
	switch left := len(r.open()) - len(want); {
	case left > 0 && len(want) == mostDecided:
		lines = append(lines, fmt.Sprintf("Left for later, because this is as many as one form decides: %d", left))
	case left > 0:
		lines = append(lines, fmt.Sprintf("Left open, because Microsoft recommends nothing: %d", left))
	}
	return joinLines(lines)
}

// sayGroup is a line of names, of which a form has room for some.
func sayGroup(what string, names []string) string {
	const most, longest = 20, 40
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = cut(n, longest)
	}
	return what + ": " + strings.Join(short, ", ") + more
}

func joinLines(lines []string) string {
	var all []string
	for _, l := range lines {
		if l != "" {
			all = append(all, l)
		}
	}
	return strings.Join(all, "\n")
}

func sayActTitle(a reviewAct) string {
	recorded, settled := 0, a.settled()
	for _, d := range a.Decisions {
		if d.Outcome == reviewRecorded {
			recorded++
		}
	}
	switch {
	case !settled && a.State == IntentWaiting:
		return "Sign in to finish"
	case !settled:
		return "Your decisions are on their way"
	case recorded == len(a.Decisions):
		return "Recorded in Entra"
	case recorded > 0:
		return "Recorded in Entra in part"
	}
	return "Not recorded"
}

// sayAct tells a reviewer what they decided, and what did not come of it.
func sayAct(a reviewAct) string {
	names := map[string][]string{}
	for _, d := range a.Decisions {
		if d.Outcome == "" || d.Outcome == reviewRecorded {
			what := sayVerdict(d.Verdict)
			names[what] = append(names[what], personName(d.Of))
		}
	}
	lines := []string{sayGroup("Keep", names["Keep"]), sayGroup("Remove", names["Remove"]), sayGroup("Don't know", names["Don't know"])}
	failed := map[string][]string{}
	var order []string
	for _, d := range a.Decisions {
		if why := sayNoDecision(d); why != "" {
			if failed[why] == nil {
				order = append(order, why)
			}
			failed[why] = append(failed[why], personName(d.Of))
		}
	}
	for _, why := range order {
		lines = append(lines, sayGroup("Not decided", failed[why])+". "+why)
	}
	if a.State == IntentWaiting && !a.settled() {
		lines = append(lines, "Nothing was sent yet; it is sent by itself as soon as you are back.")
	}
	return joinLines(lines)
}

// sayNoDecision says why a decision came to nothing, and what to do next.
func sayNoDecision(d reviewDecision) string {
	switch d.Outcome {
	case reviewLapsed:
		return "You did not sign in within 10 minutes, so nothing was sent. Open the review and decide again."
	case reviewWithdrawn:
		return "Your sign-in was ended before it was sent. Link again with /elevate link, and decide again."
	case reviewTurnedOff:
		return "Access reviews are not answered here any more, so nothing was sent. Decide in the My Access portal."
	case reviewReplaced:
		return "You decided anew before this was sent, so only that counts."
	case reviewLost:
		return "Microsoft did not say what became of it. Open the review to see what it holds."
	case reviewRefused:
		return sayReviewRefusal(*d.Refusal)
	}
	return ""
}

func sayReviewRefusal(why Refusal) string {
	switch why.Code {
	case pim.CodeDecided:
		if why.By != "" && why.By != "somebody" {
			return why.By + " decided about it meanwhile, elsewhere. Open the review to see that, and to change it."
		}
		return "It was decided or reset elsewhere meanwhile. Open the review to see that, and to change it."
	case pim.CodeNotApprover:
		return "Microsoft does not have you decide about this person. Ask the review's owner who does."
	case pim.CodeCannotCancel:
		return "The review's result was carried out already, so nothing can be changed."
	case pim.CodeNotFound:
		return sayReviewOver
	case pim.CodeForbidden:
		return sayReviewsBlind
	}
	return "Microsoft refused it" + reference(why.Ref) + ". The review may have ended; open it again, or use the My Access portal."
}

func sayUnreviewed(roles []string) string {
	return "Somebody holds these roles, and no access review of them recurs every quarter: " + sayGroup("roles", roles)[len("roles: "):] +
		". In Identity Governance, Access reviews, make one for each."
}
