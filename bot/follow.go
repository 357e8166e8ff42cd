package bot

import (
	"errors"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// An extension is two requests, because Microsoft does not extend what is active:
// the running one is deactivated (or left to end by itself), and the other one
// follows it. Each event of one that matters to the other is told to it in the same
// transaction, so that no crash lies between them; and Sending refuses to send the
// second before the end of the first was observed.

// Belay's own words for why a request that was to follow another was not sent.
const (
	codeKept    pim.Code = "kept"    // the deactivation was taken back
	codeStopped pim.Code = "stopped" // the person ended the activation for good
	codeRevoked pim.Code = "revoked" // somebody ended it in Entra
)

// Followed records on a running activation that another request follows it.
type Followed struct {
	By  string // the other request
	Who string // the person
}

func (e Followed) apply(r *Request, at time.Time) error {
	if err := r.mayExtend(e.Who); err != nil {
		return err
	}
	r.FollowedBy = e.By
	r.note(at, "is to be asked for again", e.Who, "")
	return nil
}

// mayExtend refuses on what is stored.
func (r Request) mayExtend(who string) error {
	stop, stopping := r.stopping()
	switch {
	case !strings.EqualFold(who, r.Requester.ID):
		return bar("not-theirs", sayNotYours)
	case r.State != Active:
		return refuse(CodeInvalid, sayNotExtendable(r))
	case r.FollowedBy != "":
		return refuse(CodeBusy, sayExtendedAlready)
	case stopping:
		return refuse(CodeBusy, sayAlreadyUnderWay(stop))
	}
	return nil
}

// Unfollowed records on a running activation that the other request does not follow
// it any more. Its deactivation, if it was for that one only, is not made.
type Unfollowed struct{ By string }

func (e Unfollowed) apply(r *Request, at time.Time) error {
	if r.FollowedBy != e.By {
		return nil
	}
	for n := range r.Intents {
		if i := &r.Intents[n]; i.open() && i.Then == e.By && i.SentAt.IsZero() {
			r.finish(i, TakenBack, nil)
		}
	}
	r.FollowedBy = ""
	r.note(at, "is not to be asked for again", "", "")
	return nil
}

// pointless says that an intent which Microsoft has not heard of was for a request
// that does not follow any more, or is disowned.
func (r *Request) pointless(i Intent) bool {
	return i.SentAt.IsZero() && i.Disowned || i.Then != "" && i.Then != r.FollowedBy && i.SentAt.IsZero()
}

// unplan forgets what was to follow a deactivation that is not made.
func (r *Request) unplan(i Intent) {
	if i.Then == "" || i.Then != r.FollowedBy || r.State.Final() || i.Outcome == Accepted {
		return
	}
	if i.Refusal != nil && i.Refusal.Code == pim.CodeNotActive {
		return // it has ended by itself, which is about to be observed
	}
	r.FollowedBy = ""
}

// Free lets a request be sent: the end of the activation that it follows was
// observed. Its time counts from here.
type Free struct{}

func (Free) apply(r *Request, at time.Time) error {
	if r.Follows == "" || !r.Freed.IsZero() || r.State.Final() {
		return nil
	}
	r.Freed, r.Made = at, at
	for n := range r.Intents {
		r.Intents[n].Made = at
	}
	r.note(at, "the activation it follows is over", "", "")
	return nil
}

// Unfollow ends a request that was to follow another before it was sent.
type Unfollow struct{ Why Refusal }

func (e Unfollow) apply(r *Request, at time.Time) error {
	if r.Follows == "" || !r.Freed.IsZero() || r.State.Final() {
		return nil
	}
	why := e.Why
	r.Trouble = &why
	for n := range r.Intents {
		r.finish(&r.Intents[n], Dropped, nil)
	}
	r.move(Canceled)
	r.note(at, "does not follow any more, so it was not sent", "", string(why.Code))
	return nil
}

// handOver tells the other request of an extension what became of this one, in the
// same transaction. The due index brings the other one up.
func (b *Bot) handOver(tx store.Tx, before, r Request, at time.Time) error {
	ended := r.State.Final() && !before.State.Final()
	switch {
	case r.FollowedBy != "" && ended && r.handsOver():
		return b.hand(tx, r.FollowedBy, at, Free{})
	case r.FollowedBy != "" && ended:
		return b.hand(tx, r.FollowedBy, at, Unfollow{Refusal{Code: codeRevoked}})
	case before.FollowedBy != "" && r.FollowedBy == "":
		return b.hand(tx, before.FollowedBy, at, Unfollow{r.whyNotFollowed(before.FollowedBy)})
	case r.Follows != "" && ended && r.Freed.IsZero():
		return b.hand(tx, r.Follows, at, Unfollowed{By: r.ID})
	}
	return nil
}

// handsOver says that the end was one that was wanted. What somebody ended in Entra
// is not asked for again by itself.
func (r Request) handsOver() bool { return r.End == EndExpired || r.End == EndDeactivated }

// whyNotFollowed is why the deactivation before another request is not made.
func (r Request) whyNotFollowed(by string) Refusal {
	for _, i := range r.Intents {
		switch {
		case i.Then != by:
		case i.Refusal != nil:
			return *i.Refusal
		case i.Outcome == Lapsed:
			return Refusal{Code: pim.CodeSignIn}
		default:
			return Refusal{Code: codeKept}
		}
	}
	return Refusal{Code: codeStopped}
}

// hand applies an event to another request; one that is not there any more needs
// to hear nothing.
func (b *Bot) hand(tx store.Tx, id string, at time.Time, e Event) error {
	if _, err := b.docs.get(tx, id); errors.Is(err, store.ErrNotFound) {
		return nil
	}
	_, err := b.changeIn(tx, id, at, e)
	return err
}

// afterGap is for how long after the end of an activation was observed Microsoft may
// still say that it exists. Source: a gap of about 12 seconds is seen in practice.
const afterGap = 2 * time.Minute

// waits says that the request is not sent before what it follows is over.
func (r Request) waits() bool { return r.Follows != "" && r.Freed.IsZero() }

// lingers says that what Microsoft holds may be what this request followed.
func (r Request) lingers(now time.Time) bool {
	return !r.Freed.IsZero() && now.Before(r.Freed.Add(afterGap))
}

// older says that an instance began before this request was free to be sent, or was
// made, where that has to tell it from one at another scope.
func (r Request) older(i pim.Instance) bool {
	from := r.Freed
	if r.Role.Scope == "" {
		from = r.Made
	}
	return !from.IsZero() && i.Start.Before(from.Add(-time.Minute))
}
