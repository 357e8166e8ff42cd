package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// alertSeen reads an alert for somebody who acts on it from a place. Who may do so is who
// reads it: the platform vouches for the place of a press. Nobody handles what is about
// themselves.
func (b *Bot) alertSeen(tx store.Tx, a actor, at Conversation, id string) (Alert, error) {
	al, err := getAlert(tx, id)
	if err != nil {
		return al, err
	}
	here, err := b.toldAt(tx, id, at)
	if err != nil {
		return al, err
	}
	if !here {
		return al, bar("not-theirs", sayNotInChannel)
	}
	return al, al.notOwn(a)
}

func (a Alert) notOwn(who actor) error {
	if a.Subject.ID != "" && strings.EqualFold(a.Subject.ID, who.ID) {
		return bar("own-alert", sayOwnAlert)
	}
	return nil
}

// is says that both are one place.
func (c Conversation) is(o Conversation) bool {
	return c.ID != "" && placeSlot(c) == placeSlot(o) && strings.EqualFold(c.Tenant, o.Tenant)
}

// placeOf is where a button was pressed.
func placeOf(in Inbound, p Press) Conversation {
	if p.Copy.Conversation.ID != "" {
		return p.Copy.Conversation
	}
	return in.At
}

// alertPress does what the buttons of an alert are for.
func (b *Bot) alertPress(ctx context.Context, in Inbound, a actor, p Press) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	switch p.Verb {
	case VerbAcknowledge:
		return b.onAlert(ctx, in, a, p, b.acknowledge), nil
	case VerbAskThem:
		return b.onAlert(ctx, in, a, p, b.askThem), nil
	case VerbWasMe, VerbWasNotMe:
		return b.answered(ctx, in, a, p), nil
	case VerbUnmute:
		return b.unmute(ctx, in, a, p), nil
	}
	var al Alert
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		al, err = b.alertSeen(tx, a, placeOf(in, p), p.ID)
		return err
	})
	switch {
	case err != nil:
		return b.alertRefused(ctx, in, a, p, al, err), nil
	case p.Verb == VerbMute:
		return Reply{Form: b.muteForm(a, al, placeOf(in, p)), Replace: true}, nil
	}
	c := b.project.alertCard(al)
	return Reply{Card: &c, Replace: true}, nil
}

// onAlert lets somebody who reads an alert change it, in one transaction.
func (b *Bot) onAlert(ctx context.Context, in Inbound, a actor, p Press, do func(store.Tx, *Alert, actor, time.Time) (bool, error)) Reply {
	var al Alert
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if al, err = b.alertSeen(tx, a, placeOf(in, p), p.ID); err != nil {
			return err
		}
		changed, err := do(tx, &al, a, at)
		if err != nil || !changed {
			return err
		}
		return errors.Join(b.putAlert(tx, al), b.handled(tx, al, a.Person, string(p.Verb), at, nil))
	})
	if err != nil {
		return b.alertRefused(ctx, in, a, p, al, err)
	}
	b.kick(b.bulletinID(alertPost(al.ID)), true)
	return Reply{Card: b.project.alertReply(al, p.Verb)}
}

// acknowledge records that somebody takes care of it. The first one counts.
func (b *Bot) acknowledge(tx store.Tx, al *Alert, a actor, at time.Time) (bool, error) {
	if al.Acknowledged.ID != "" {
		return false, nil
	}
	al.Acknowledged, al.At = a.Principal, at
	if al.Accepts != nil {
		if err := b.accept(tx, *al.Accepts, at); err != nil {
			return false, err
		}
	}
	return true, alertsOpen.Delete(tx, al.ID)
}

// answered records what the person says. "It was me" can be taken back, by whoever reads
// it in another chat; "this was not me" cannot. Where it is about a decision of theirs, it
// goes the way of decisions first: that one ends their sign-in, and tells the channels.
func (b *Bot) answered(ctx context.Context, in Inbound, a actor, p Press) Reply {
	says := AnswerMe
	if p.Verb == VerbWasNotMe {
		says = AnswerNotMe
	}
	var al Alert
	var r Request
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if al, err = getAlert(tx, p.ID); err != nil {
			return err
		}
		if !strings.EqualFold(al.Subject.ID, a.ID) || al.Asked.ID == "" {
			return bar("not-theirs", sayNotAsked)
		}
		r, err = b.docs.get(tx, al.Request)
		return ignoreMissing(err)
	})
	if err != nil {
		return b.alertRefused(ctx, in, a, p, al, err)
	}
	var reply Reply
	who, decided := r.disowner(a)
	if decided = decided && says == AnswerNotMe && r.undisowned(who.ID); decided {
		reply = b.notMe(ctx, in, a, Press{Verb: VerbNotMe, ID: r.ID})
		if now, err := b.Request(ctx, r.ID); err != nil || now.undisowned(who.ID) {
			return reply // it was not taken, or not whole: the question stands, with its buttons
		}
	}
	if al, err = b.keepAnswer(ctx, a, p, says, decided); err != nil {
		return b.trouble(in, err)
	}
	for _, post := range []string{alertPost(al.ID), al.questionPost(), alertPost(al.ID) + "/not-me"} {
		b.kick(b.bulletinID(post), true)
	}
	if decided {
		return reply
	}
	c := b.project.questionCard(al)
	return Reply{Card: &c}
}

// keepAnswer records an answer, and tells the channel of the one that matters unless it
// was told: a card that is updated makes no sound.
func (b *Bot) keepAnswer(ctx context.Context, a actor, p Press, says Answer, told bool) (al Alert, err error) {
	at := b.o.Now().UTC()
	err = b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if al, err = getAlert(tx, p.ID); err != nil {
			return err
		}
		if al.Answer == AnswerNotMe || al.Answer == says {
			return nil
		}
		al.Answer, al.AnsweredAt = says, at
		if err := errors.Join(b.putAlert(tx, al), b.question(tx, al), b.handled(tx, al, a.Person, string(p.Verb), at, nil)); err != nil {
			return err
		}
		if says == AnswerMe || told {
			return nil
		}
		return b.post(tx, Bulletin{ID: alertPost(al.ID) + "/not-me", Event: NoticeNotMe, Severity: High, Role: al.Role, Requester: al.Subject.ID,
			Card: b.project.notThemCard(al), Below: alertPost(al.ID), At: at})
	})
	return al, err
}

// alertRefused explains why nothing was recorded, and tells the audit trail of what is
// not for the presser.
func (b *Bot) alertRefused(ctx context.Context, in Inbound, a actor, p Press, al Alert, err error) Reply {
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}
	}
	if why := whyRefused(err); why != "" {
		b.o.Links.refused(ctx, a.User, trail.Event{At: b.o.Now().UTC(), Kind: trail.Press, Outcome: trail.No, Actor: auditActor(a.Person), Verb: string(p.Verb),
			Subject: al.Subject.ID, Role: alertRole(al), Reason: why, Texts: trail.Texts{"actor": personText(a.Principal)}})
	}
	return b.trouble(in, err)
}
