package bot

import (
	"fmt"
	"strconv"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
)

const (
	titleDrifts      = "What is not as it was accepted"
	sayNoDriftViewer = "You may not accept changes of the tenant. Whoever may is named in security.viewers of Belay's configuration, by object ids of people or groups; ask whoever runs Belay."
	sayOwnDrift      = "This change is about you, or you made it, so somebody else has to accept it."
	saySamePerson    = "You accepted this first. It demands less than before, so a second person has to confirm it."
	sayDriftChanged  = "It changed once more since this card was shown. Look at the card again, and press the button there."
	sayDriftOff      = "Belay does not compare this tenant with what was accepted: drift.enabled is not set in its configuration."
	sayDriftLate     = "Belay has not been able to read the tenant for too long, so whether it is as it was accepted is not known. Its log says why; belay doctor says what is missing."
	sayDriftStopped  = "Belay compares this tenant no more: drift.enabled is not set in its configuration. Whether it is as it was accepted is not known since the last reading. Set it again to know."
	sayRestStays     = "What is about one of those who accepted, or was made by them, stays open on the card: somebody else has to accept it."
	sayAsItWas       = "It is as it was again."
	sayNotCompared   = "It is at a place of Azure that posture.azure_scopes does not name any more, so it is not compared."
	sayNeedsTwo      = "Less is demanded than before, or more is given: two people have to accept it."
	sayNeedsSecond   = "Less is demanded than before, or more is given: a second person has to confirm it."
	sayNobodyYet     = "Nobody has accepted this baseline yet. Changes are told all the same, against how the tenant was when it was read first."
	sayWhoLater      = "Who made the change is added when the directory's audit log tells."
	sayFirstSeen     = "Belay sees these for the first time, so there is nothing to compare them with. From now on changes of them are told."
	sayMany          = "So many at once are told in one card. /elevate drift shows what is open, and belay drift show all of it."
)

// entryTitle names what an entry is about.
func entryTitle(e drift.Entry) string {
	role := entryRole(e)
	switch e.What {
	case drift.Setting:
		return "the settings of " + role
	case drift.Eligible:
		return holderName(e) + ", eligible for " + role
	}
	return holderName(e) + ", assigned " + role
}

func entryRole(e drift.Entry) string {
	return roleAt(pim.EligibleAssignment{Assignment: pim.Assignment{Kind: e.Kind, Role: e.Role, Scope: e.Scope}, RoleName: e.RoleName, ScopeName: e.ScopeName})
}

func holderName(e drift.Entry) string {
	name := personName(e.Holder)
	switch e.Type {
	case pim.GroupOfPeople:
		return "group " + name
	case pim.ServicePrincipal:
		return "application " + name
	}
	return name
}

// title says what a drift is about, in one line.
func (d Drift) title() string {
	switch {
	case d.First != nil && d.First.All:
		return "The first baseline of the tenant"
	case d.First != nil:
		return "Seen for the first time: " + sayEntries(d.First.Settings, d.First.Assignments)
	case d.Many != nil:
		return fmt.Sprintf("%d changes in the tenant at once", len(d.Many.IDs))
	}
	c, e := d.Change, d.Change.Entry()
	role, who := entryRole(e), holderName(e)
	switch {
	case e.What == drift.Setting && d.Weaker:
		return "The settings of " + role + " became weaker"
	case e.What == drift.Setting:
		return "The settings of " + role + " changed"
	case c.Before != nil && c.After != nil:
		return role + " of " + who + " ends at another time"
	case c.After == nil && e.What == drift.Eligible:
		return who + " is not eligible for " + role + " any more"
	case c.After == nil:
		return role + " is not assigned to " + who + " any more"
	case e.What == drift.Eligible:
		return who + " became eligible for " + role
	}
	return role + " was assigned to " + who
}

func sayEntries(settings, assignments int) string {
	var parts []string
	if settings > 0 {
		parts = append(parts, sayCount(settings, "role's settings", "roles' settings"))
	}
	if assignments > 0 {
		parts = append(parts, sayCount(assignments, "assignment", "assignments"))
	}
	return sayList(parts, "and")
}

// by says who made the change; empty: it is not known yet.
func (d Drift) by() string {
	if len(d.By) > 0 {
		names := make([]string, 0, len(d.By))
		for _, p := range d.By {
			names = append(names, personLine(p))
		}
		return sayList(names, "and")
	}
	switch d.Blind {
	case blindNoLog:
		return "cannot see: Azure's log is not read"
	case blindMayNot:
		return "cannot see, because permission AuditLog.Read.All is missing"
	case blindFailed:
		return "cannot see: the directory's audit log could not be read"
	case blindSilent:
		return "the directory's audit log does not tell"
	}
	return ""
}

// DriftCard is a drift as every place shows it.
func (p Projection) DriftCard(d Drift) Card {
	c := Card{Title: d.title(), Tone: Waiting}
	kind := pim.EntraRole
	switch {
	case d.First != nil:
		c.Facts = append(c.Facts, Fact{Name: "Seen", Value: sayEntries(d.First.Settings, d.First.Assignments)})
		for _, title := range d.First.Titles {
			c.Facts = append(c.Facts, Fact{Name: "Among them", Value: title})
		}
		if c.Text = sayFirstSeen; d.First.All {
			c.Text, c.Note = sayNobodyYet, sentences(d.First.Unseen...)
		}
	case d.Many != nil:
		c.Text = sayMany
		for _, title := range d.Many.Titles {
			c.Facts = append(c.Facts, Fact{Name: "Among them", Value: title})
		}
		c.Facts = append(c.Facts, Fact{Name: "Weaker than before", Value: fmt.Sprintf("%d of %d", d.Many.Weaker, len(d.Many.IDs))})
		if d.Many.Back > 0 {
			c.Facts = append(c.Facts, Fact{Name: "As they were again", Value: fmt.Sprintf("%d of %d", d.Many.Back, len(d.Many.IDs))})
		}
		if by := d.by(); by != "" {
			c.Facts = append(c.Facts, Fact{Name: "Changed by", Value: by})
		} else if d.open() {
			c.Note = sayWhoLater
		}
	default:
		kind = d.Change.Entry().Kind
		c.Facts = append(c.Facts, d.facts()...)
		if by := d.by(); by != "" {
			c.Facts = append(c.Facts, Fact{Name: "Changed by", Value: by})
		} else if d.open() {
			c.Note = sayWhoLater
		}
	}
	c.Facts = append(c.Facts, Fact{Name: "Found", At: d.Found})
	if d.Weaker && d.open() {
		c.Tone, c.Text = Bad, sentences(c.Text, sayNeedsTwo)
	}
	label := "Accept"
	if d.One.ID != "" {
		c.Facts = append(c.Facts, Fact{Name: "Accepted by " + personName(d.One), At: d.OneAt})
		if label = "Confirm"; d.open() {
			c.Text = sayNeedsSecond
		}
	}
	switch {
	case d.Accepted.ID != "" && d.One.ID != "":
		c.Tone, c.Text = Good, ""
		c.Facts = append(c.Facts, Fact{Name: "Confirmed by " + personName(d.Accepted), At: d.AcceptedAt})
	case d.Accepted.ID != "":
		c.Tone, c.Text = Good, ""
		c.Facts = append(c.Facts, Fact{Name: "Accepted by " + personName(d.Accepted), At: d.AcceptedAt})
	case d.Left:
		c.Tone, c.Text = Neutral, sayNotCompared
		c.Facts = append(c.Facts, Fact{Name: "Not compared since", At: d.Back})
	case !d.Back.IsZero():
		c.Tone, c.Text = Good, sayAsItWas
		c.Facts = append(c.Facts, Fact{Name: "As it was since", At: d.Back})
	default:
		c.Actions = append(c.Actions, Action{Label: label, Style: Primary, Verb: VerbAccept, ID: d.button()})
	}
	c.Actions = append(c.Actions, p.settings(kind))
	return c
}

// settings opens the roles of a pillar in Entra, where their settings and assignments are.
func (p Projection) settings(kind pim.Kind) Action {
	at := "CommonMenuBlade/~/" + blade(kind)
	if kind == pim.EntraRole {
		at = "ResourceMenuBlade/~/roles/resourceId//resourceType/tenant/provider/aadroles"
	}
	return Action{Label: "Open in Entra", URL: p.Portal + "/#view/Microsoft_Azure_PIMCommon/" + at}
}

// driftReply tells who pressed what came of it, or what had come of it before.
func driftReply(d Drift) *Card {
	switch {
	case d.Accepted.ID != "" && d.One.ID != "":
		return plain(Good, "Accepted", fmt.Sprintf("By %s, confirmed by %s.", personName(d.One), personName(d.Accepted)))
	case d.Accepted.ID != "":
		return plain(Good, "Accepted", "By "+personName(d.Accepted)+".")
	case d.Left:
		return plain(Neutral, "Nothing to accept", sayNotCompared)
	case !d.Back.IsZero():
		return plain(Neutral, "Nothing to accept", sayAsItWas)
	case d.One.ID == "":
		return plain(Waiting, "Accepted in part", sayRestStays)
	}
	return plain(Waiting, "A second person has to confirm", personName(d.One)+" accepted it. The card in the channel has the button for a second person.")
}

// driftsCard lists what is open.
func driftsCard(state Baseline, open []Drift, off bool) Card {
	c := Card{Title: titleDrifts, Tone: Good, Text: "Everything that Belay could see is as it was accepted."}
	switch {
	case state.Read.IsZero():
		c.Tone, c.Text = Waiting, "The tenant was not read yet."
	case len(open) > 0:
		c.Tone, c.Text = Waiting, sayCount(len(open), "change waits to be accepted.", "changes wait to be accepted.")
		if len(open) > mostDrifts {
			c.Text += fmt.Sprintf(" The first %d follow; belay drift show lists all.", mostDrifts)
		}
	case len(state.Unseen) > 0:
		c.Tone = Waiting
	}
	for _, d := range open {
		if d.Weaker {
			c.Tone = Bad
		}
	}
	if state.Late {
		late := sayLate(off)
		if c.Tone = Bad; len(open) > 0 {
			late = sentences(late, c.Text)
		}
		c.Text = late
	}
	if !state.Read.IsZero() {
		c.Facts = append(c.Facts, Fact{Name: "Read", At: state.Read})
		if !state.Accepted {
			c.Facts = append(c.Facts, Fact{Name: "Baseline", Value: "as it was read first; nobody has accepted it yet"})
		}
	}
	c.Note = sentences(state.Unseen...)
	return c
}

func sayLate(off bool) string {
	if off {
		return sayDriftStopped
	}
	return sayDriftLate
}

// staleCard tells that nothing is compared any more.
func staleCard(state Baseline, off bool) Card {
	c := Card{Title: "Belay does not compare the tenant with what was accepted any more", Tone: Bad, Text: sayLate(off)}
	since := Fact{Name: "Read last", At: state.Read}
	if state.Read.IsZero() {
		since = Fact{Name: "Tried since", At: state.Begun}
	}
	c.Facts = append(c.Facts, since)
	return c
}

func comparedAgainCard(at time.Time) Card {
	return Card{Title: "Belay compares the tenant with what was accepted again", Tone: Good, Text: "What changed meanwhile is told now.", Facts: []Fact{{Name: "Read", At: at}}}
}

// ownDriftCard tells that who accepted a change is who made it.
func (p Projection) ownDriftCard(d Drift, who pim.Principal) Card {
	return Card{Title: "A change was accepted by who made it", Tone: Bad, Text: "It was accepted before the directory's audit log told who made it. Look at it, and have it taken back if it should not be.",
		Facts:   append([]Fact{{Name: "Change", Value: d.title()}, {Name: "Made and accepted by", Value: personLine(who)}, {Name: "Accepted", At: d.AcceptedAt}}, d.facts()...),
		Actions: []Action{p.settings(d.Change.Entry().Kind)}}
}

// blindCard tells of permissions that Belay does not have any more.
func blindCard(missing []string) Card {
	return Card{Title: "Belay cannot compare everything with what was accepted", Tone: Bad, Text: sentences(missing...),
		Note: "Until an administrator consents again, changes of that are not told."}
}

// leftCard tells of places of Azure that are not compared any more.
func leftCard(places []string) Card {
	const most = 10
	c := Card{Title: "Belay compares less of Azure than before", Tone: Bad, Text: "posture.azure_scopes of its configuration does not name these places any more. What was accepted there is forgotten.",
		Note: "If nobody of you took them out, ask whoever runs Belay. A place that is named again is taken in as it is then."}
	for _, place := range places[:min(len(places), most)] {
		c.Facts = append(c.Facts, Fact{Name: "Place", Value: place})
	}
	if n := len(places) - most; n > 0 {
		c.Facts = append(c.Facts, Fact{Name: "And more", Value: strconv.Itoa(n)})
	}
	return c
}

// blinderCard ends the card of what was missing before more was.
func blinderCard(missing []string) Card {
	return Card{Title: "Belay can compare even less", Tone: Neutral, Text: "A newer card says what is missing now. Before, it was: " + sentences(missing...)}
}

func seenAgainCard(missing []string) Card {
	return Card{Title: "Belay compares everything again", Tone: Good, Text: "It could not for a while: " + sentences(missing...)}
}
