package bot

import "fmt"

// What people read when a link ends, or is made somewhere else.

const (
	sayUnlinkedAsked  = "Your chat account was unlinked before Microsoft was asked, so nothing was asked of Microsoft."
	sayNotLinkedThere = "That account is not linked with your Microsoft account any more. Type /elevate unlink to unlink this one."
	sayUnlinkedAnswer = "Your chat account was unlinked before Belay could relay it, so nothing was sent. If it is still wanted, link again and press the button on the card."
)

// farewellCard tells somebody that their link ended, and what that means.
func farewellCard(l Link, why string) Card {
	c := Card{Title: "You are not linked any more", Tone: Waiting,
		Text: fmt.Sprintf("The link with %s and your sign-in were forgotten, and what Microsoft had not heard of yet is not sent.", personText(l.Principal))}
	switch why {
	case EndedByOperator:
		c.Text = "The people who run Belay ended it. " + c.Text
		c.Note = "Ask them why before you link again. What is active at Microsoft stays as it is."
		c.Actions = []Action{{Label: "Link again", Verb: VerbLink}}
	case EndedAsGuest, EndedAsNoMember:
		c.Text = "Belay serves full members of the workspace only. " + c.Text
		c.Note = "Type /elevate link when you are a full member again. What is active at Microsoft stays as it is."
	default:
		c.Note = "Type /elevate link to link again."
	}
	return c
}

// linkedElsewhereCard tells somebody in one chat what was linked in another. key names that
// link, which they may end from here.
func linkedElsewhereCard(made Link, key string) Card {
	return Card{Title: "Your Microsoft account was linked in " + platformName(made.User.Platform), Tone: Waiting,
		Text:    fmt.Sprintf("Belay acts for %s there too now, as %s.", chatName(made.User), personText(made.Principal)),
		Note:    "Was this not you? Press Unlink and tell your security team: somebody has signed in with your Microsoft account.",
		Actions: []Action{{Label: "Unlink " + platformName(made.User.Platform), Style: Danger, Verb: VerbUnlink, ID: key}}}
}

// triedCard tells somebody that another user of their workspace signed in with their
// Microsoft account. Nothing was linked.
func triedCard(tried Link) Card {
	return Card{Title: "Somebody tried to link your Microsoft account", Tone: Bad,
		Text: fmt.Sprintf("%s signed in as %s to link another user of %s. Nothing was linked: one Microsoft account goes with one user of a workspace.",
			chatName(tried.User), personText(tried.Principal), platformName(tried.User.Platform)),
		Note:    "If this was you, press Unlink here and link there. If not, tell your security team at once: somebody can sign in with your Microsoft account.",
		Actions: []Action{{Label: "Unlink", Style: Danger, Verb: VerbUnlink}}}
}

func chatName(u User) string {
	if u.Name == "" {
		return u.ID
	}
	return u.Name
}
