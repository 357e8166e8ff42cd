package bot

import (
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/store"
)

// Notices of a request: which places hear of what happens to it. They are wanted like
// every card, in one thread for each place; those that a digest gathers are recorded with
// the state itself, so that each is told once, either way.

// lifeOrder is the order in which a place may be told of a request.
var lifeOrder = []Notice{NoticeAsked, NoticeUnreached, NoticeApproved, NoticeActive, NoticeDenied, NoticeFailed, NoticeEnded}

// noticeSlot is the slot of one notice in one place. An extension takes that of the
// activation that it is.
func noticeSlot(n Notice, t Target) Slot {
	if n == NoticeExtended {
		n = NoticeActive
	}
	return Slot("notice/" + string(n) + "/" + t.key())
}

// threadIn is the message that begins r's thread in a place; empty: there is none. Where
// what began it was deleted, what was posted next to it since begins another.
func (r Request) threadIn(at Conversation) (thread string) {
	for _, n := range lifeOrder {
		if m := r.Shown[noticeSlot(n, Target{At: at})].Message; m.ID != "" && m.Conversation.Thread == "" {
			thread = m.ID
		}
	}
	return thread
}

// happening is an event of r, for the rules.
func (p Projection) happening(r Request, n Notice) Happening {
	h := Happening{Event: n, Severity: Low, Role: r.Role, Groups: r.Groups}
	switch {
	case n == NoticeNotMe || p.presence(r.Role):
		h.Severity = High
	case n == NoticeUnreached:
		h.Severity = Medium
	}
	return h
}

// hearers are the targets of an event of r. A person who is told by a card of their own
// does not hear it twice.
func (p Projection) hearers(r Request, n Notice) []Target {
	return slices.DeleteFunc(p.Notices.Targets(p.happening(r, n)), func(t Target) bool {
		_, decides := r.approver(t.Person)
		return t.Person != "" && (strings.EqualFold(t.Person, r.Requester.ID) || n == NoticeAsked && decides)
	})
}

// places are the conversations in which an event of r is told at once, as far as they
// are known.
func (p Projection) places(r Request, n Notice) []Conversation {
	var all []Conversation
	for _, t := range p.hearers(r, n) {
		switch {
		case !t.Digest.Zero():
		case t.Person == "":
			all = withPlaces(all, []Conversation{t.At})
		default:
			at, _ := r.named(t.Person)
			all = withPlaces(all, at)
		}
	}
	return all
}

// named is where a person whom a rule names can be reached; known: that was looked up.
func (r Request) named(person string) (at []Conversation, known bool) {
	for _, n := range r.Named {
		if strings.EqualFold(n.Principal, person) {
			return n.At, true
		}
	}
	return nil, false
}

// noticeWants are the notices that are told at once. The first in a place begins the
// thread, and those after it wait for that.
func (p Projection) noticeWants(r Request) []Want {
	var all []Want
	begins := map[string]bool{} // by place: its thread is about to begin
	for _, n := range p.heard(r) {
		for _, at := range p.places(r, n.what) {
			slot, place := noticeSlot(n.what, Target{At: at}), Target{At: at}.key()
			at.Thread = r.threadIn(at)
			s := r.Shown[slot]
			told := s.Message.ID != "" || s.GivenUp != "" || s.Gathered
			if at.Thread == "" && begins[place] {
				continue
			}
			begins[place] = begins[place] || !told
			all = append(all, Want{Slot: slot, At: at, Card: n.card, Once: true})
		}
	}
	return all
}

// heard are the notices of r that can be routed by now.
func (p Projection) heard(r Request) []noticeCard {
	if p.owesGroups(r) {
		return nil
	}
	return p.notices(r)
}

// owesGroups says that the rules ask for groups, and it is not known which of them the
// requester is in.
func (p Projection) owesGroups(r Request) bool {
	return !r.GroupsKnown && len(p.Notices.Groups()) > 0 && len(p.notices(r)) > 0
}

// owesNamed lists the people whom rules name for what happened, and who have to be found.
func (p Projection) owesNamed(r Request) (ids []string) {
	all := p.heard(r)
	if len(r.Reports) > 0 {
		all = append(all, noticeCard{what: NoticeNotMe})
	}
	for _, n := range all {
		for _, t := range p.hearers(r, n.what) {
			if _, known := r.named(t.Person); t.Person != "" && t.Digest.Zero() && !known && !containsFold(ids, t.Person) {
				ids = append(ids, t.Person)
			}
		}
	}
	return ids
}

// Belongs records of which of the rules' groups the requester is a member.
type Belongs struct {
	Groups []string
	Again  time.Time // it could not be read: look again then; zero: this is all that can be known
}

func (e Belongs) apply(r *Request, _ time.Time) error {
	if r.Groups, r.GroupsKnown, r.HearAt = e.Groups, e.Again.IsZero(), e.Again; !r.GroupsKnown {
		r.HearTries++
		return nil
	}
	r.HearTries = 0
	return nil
}

// Located records where people whom rules name can be reached.
type Located struct {
	Reach []Reach
	Again time.Time // somebody could not be looked up: again then
}

func (e Located) apply(r *Request, _ time.Time) error {
	r.Named, r.HearAt = append(slices.Clone(r.Named), e.Reach...), e.Again
	if r.HearTries++; e.Again.IsZero() {
		r.HearTries = 0
	}
	return nil
}

// gatherNotices puts what a digest is to tell of r into it, in the transaction of the
// state itself.
func (b *Bot) gatherNotices(tx store.Tx, r Request, at time.Time) (Request, error) {
	if !b.project.Notices.gathers() {
		return r, nil
	}
	copied := false
	for _, n := range b.project.heard(r) {
		for _, t := range b.project.hearers(r, n.what) {
			slot := noticeSlot(n.what, t)
			if _, told := r.Shown[slot]; told || t.Digest.Zero() {
				continue
			}
			if !copied {
				r, copied = r.clone(), true
			}
			if r.Shown == nil {
				r.Shown = map[Slot]Shown{}
			}
			r.Shown[slot] = Shown{Gathered: true}
			if err := b.gather(tx, t, gatheredLine{At: at, Event: n.what, Title: n.card.Title}); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}
