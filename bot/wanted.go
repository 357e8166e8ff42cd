package bot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// Notice is an event that channels hear about.
type Notice string

// The notices.
const (
	NoticeAsked     Notice = "asked"    // a request waits for approval
	NoticeApproved  Notice = "approved" // by an approver
	NoticeActive    Notice = "activated"
	NoticeExtended  Notice = "extended" // activated again, after an activation that was given up for it
	NoticeDenied    Notice = "denied"
	NoticeFailed    Notice = "failed"
	NoticeEnded     Notice = "ended"
	NoticeUnreached Notice = "unreached" // an approver cannot be reached in chat
	NoticeNotMe     Notice = "not-me"    // an approver says that a decision was not theirs
	NoticeAlert     Notice = "alert"     // something unusual
	NoticeDrift     Notice = "drift"     // a policy or an assignment is not as it was accepted
	NoticePosture   Notice = "posture"   // a report on what is weak
)

// Want is a card that should be seen in a place.
type Want struct {
	Slot Slot
	At   Conversation
	Card Card
	Once bool // a notice: posted, never updated
}

// Projection is what the cards of a request depend on besides the request.
type Projection struct {
	Notices Routing                    // where a notice goes
	SignIn  func(ticket string) string // URL of a one-time link
	Silent  bool                       // chat clients may take a sign-in up
	// EachTime: no sign-in is kept, and people are told why they are asked each time.
	EachTime bool
	Portal   string // base URL of the Entra portal

	Presence func(pim.EligibleAssignment) bool // of which roles a decision needs a fresh sign-in; nil: of none

	WarnBefore time.Duration // how long before its end an activation is announced to end; 0: it is not
	Quiet      QuietHours
}

// staleAfter is the age of Microsoft's word from which a card says how old it is.
const staleAfter = 10 * time.Minute

// Wanted is every card that r should show at the time now. It is pure: what is
// shown is derived from the request, never the other way round.
func (p Projection) Wanted(r Request, now time.Time) []Want {
	var all []Want
	add := func(slot Slot, at Conversation, c Card, once bool) {
		if at.ID != "" {
			all = append(all, Want{Slot: slot, At: at, Card: c, Once: once})
		}
	}
	add(slotRequester, r.Requester.Direct, p.requesterCard(r, now), false)
	for _, reach := range r.Reach {
		for _, at := range reach.At {
			add(Slot("approver/"+reach.Principal+"/"+string(at.Platform)), at, p.approverCard(r, reach.Principal, now), false)
		}
	}
	for slot, shown := range r.Shown {
		if !strings.HasPrefix(string(slot), "copy/") {
			continue
		}
		who := strings.Split(string(slot), "/")[1]
		c := p.approverCard(r, who, now)
		if strings.EqualFold(who, r.Requester.ID) {
			c = p.requesterCard(r, now)
		}
		add(slot, shown.Message.Conversation, c, false)
	}
	for _, i := range r.Intents {
		at := r.direct(i.By)
		_, asked := r.Shown[Slot("sign-in/"+i.ID)]
		if (i.Kind != ToActivate || r.Follows != "") && (i.State == IntentWaiting || asked) {
			add(Slot("sign-in/"+i.ID), at, p.signInCard(r, i), false)
		}
		if c, ok := answerCard(r, i); ok {
			add(Slot("answer/"+i.ID), at, c, true)
		}
	}
	p.decisions(r, add)
	if what, c, ok := toldCard(r); ok && !r.tells(what) {
		add(Slot("told/"+what), r.Requester.Direct, c, true)
	}
	if r.leads() {
		add("summary", r.Requester.Direct, summaryCard(r), false)
	}
	all = append(all, p.noticeWants(r)...)
	all = append(all, p.timely(r, now)...)
	slices.SortStableFunc(all, func(a, b Want) int { return strings.Compare(string(a.Slot), string(b.Slot)) })
	return all
}

// slotRequester is where the requester follows the request.
const slotRequester Slot = "requester"

// tells says that the requester's card came, or is about to come, as a new message
// with that very outcome, so that no other message has to tell it.
func (r Request) tells(what string) bool {
	s := r.Shown[slotRequester]
	return s.Message.ID == "" && s.GivenUp == "" || s.Told == what
}

// direct is where only that person reads, as far as the request knows.
func (r Request) direct(p Person) Conversation {
	if p.Direct.ID != "" {
		return p.Direct
	}
	for _, reach := range r.Reach {
		if !strings.EqualFold(reach.Principal, p.ID) {
			continue
		}
		for _, at := range reach.At {
			if at.Platform == p.User.Platform {
				return at
			}
		}
	}
	return Conversation{}
}

// copySlot is the slot of a copy that was pressed without being on record.
func copySlot(presser string, m Message) Slot {
	return Slot("copy/" + presser + "/" + string(m.Conversation.Platform) + "/" + m.Conversation.ID + "/" + m.ID)
}

// onRecord says that a message is shown by some slot already.
func (r Request) onRecord(m Message) bool {
	for _, s := range r.Shown {
		if s.Message.ID == m.ID && s.Message.Conversation.ID == m.Conversation.ID {
			return true
		}
	}
	return false
}

// digest tells two cards apart.
func digest(c Card) string {
	text, err := json.Marshal(c)
	if err != nil {
		panic("a card always marshals: " + err.Error()) // strings, numbers and times only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// due are the wants whose cards are not what was last shown, and when the next
// of those that have to wait may be tried.
func due(wants []Want, shown map[Slot]Shown, now time.Time) (show []Want, next time.Time) {
	for _, w := range wants {
		s, known := shown[w.Slot]
		d := digest(w.Card)
		switch {
		case known && (s.Gathered || s.Message.ID != "" && (w.Once || s.Digest == d)):
			continue
		case known && s.GivenUp != "" && (w.Once || s.GivenUp == d):
			continue
		case known && now.Before(s.NotBefore):
			next = soonest(next, s.NotBefore)
			continue
		}
		show = append(show, w)
	}
	return show, next
}

// soonest is the earlier of two times, where zero means never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
