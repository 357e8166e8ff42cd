package bot

import (
	"strconv"
	"time"

	"github.com/belaybot/belay/store"
)

// askThem has the person asked, wherever only they read. They are asked once, unless they
// could not be reached.
func (b *Bot) askThem(tx store.Tx, al *Alert, a actor, at time.Time) (bool, error) {
	switch {
	case al.Subject.ID == "" || al.Unowned:
		return false, refuse(CodeInvalid, sayNobodyToAsk)
	case al.Asked.ID != "" && al.Unreached.IsZero():
		return false, nil
	case al.Asked.ID != "":
		al.Asks++
	}
	al.Asked, al.AskedAt, al.Unreached = a.Principal, at, time.Time{}
	return true, b.question(tx, *al)
}

// questionPost is the ID of the bulletin that asks the person. Each try is one of its own.
func (a Alert) questionPost() string {
	if a.Asks == 0 {
		return alertPost(a.ID) + "/ask"
	}
	return alertPost(a.ID) + "/ask/" + strconv.Itoa(a.Asks)
}

// question keeps the message true that asks the person.
func (b *Bot) question(tx store.Tx, al Alert) error {
	return b.post(tx, Bulletin{ID: al.questionPost(), Event: NoticeAlert, Severity: al.Severity, Role: al.Role, Requester: al.Subject.ID,
		Card: b.project.questionCard(al), People: []string{al.Subject.ID}, Asks: al.ID, At: al.AskedAt})
}

// notAsked has an alert say that the person of its question could not be reached.
func (b *Bot) notAsked(tx store.Tx, p posted, at time.Time) error {
	al, err := getAlert(tx, p.Asks)
	if err != nil || al.questionPost() != p.ID || al.Answer != "" || !al.Unreached.IsZero() {
		return ignoreMissing(err)
	}
	al.Unreached = at
	return b.putAlert(tx, al)
}

// unreached says that a bulletin reached none of those it is for, and is not tried again.
func (p posted) unreached() bool {
	if !p.Routed || len(p.Absent) > 0 {
		return false
	}
	for _, at := range p.Places {
		if s := p.Shown[placeSlot(at)]; s.Message.ID != "" || s.GivenUp == "" {
			return false
		}
	}
	return true
}
