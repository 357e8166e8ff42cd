package teams

import "fmt"

// What the adapter itself has to say about Teams. Everything about requests is
// said by bot.
const (
	wordWait         = "One moment …"
	wordDone         = "Done."
	wordBusy         = "Too much is going on right now. Please try again in a minute."
	wordBack         = "Back"
	wordSignIn       = "Belay needs your sign-in with Microsoft."
	wordSignInButton = "Sign in"
	wordNoSignOn     = "Sign in with your browser."
	wordNoToken      = "Teams brought no token that can be used. Sign in with your browser."
	wordInChat       = "I answered you in our chat."
	wordFill         = "Please fill this in."
	wordChoose       = "Please choose one."
	wordSearch       = "Type to search"
	wordSome         = "Please choose at least one."
	wordAgree        = "Please tick this to go on."
	wordTick         = "I acknowledge this"
	wordTime         = "Time"
	wordListed       = "Teams can list only the first 100 here. Type /elevate with a part of the name for another one."
	wordUnsent       = "The form was not sent"
	wordHalf         = "Give both the date and the time, or neither."
	wordNoTime       = "There is no such time on that day: the clocks are changed. Please choose another."
)

// leftOut says how many cards there was no room for.
func leftOut(n int) string {
	return fmt.Sprintf("… and %d more, for which there is no room here. Type status or approvals.", n)
}

// tooMany says how many options may be chosen.
func tooMany(most int) string { return fmt.Sprintf("Please choose %d at the most.", most) }

func (a *Adapter) wordInstall() string {
	return fmt.Sprintf("I can only answer you in our own chat. Install %s for yourself first (Apps, then search for %s), and ask again.", a.opts.Name, a.opts.Name)
}
