package bot

import (
	"context"
	"slices"
	"time"

	"github.com/belaybot/belay/store"
)

// listAlerts answers /elevate alerts with what was told in the place where it is asked: what
// nobody has acknowledged, and what is muted. What a rule keeps to other places is not
// shown here, and its mutes cannot be ended from here.
func (b *Bot) listAlerts(ctx context.Context, in Inbound, a actor) Reply {
	now := b.o.Now().UTC()
	var open []Alert
	var mutes []Mute
	more := 0
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		open, more, err = b.openAt(tx, in.At)
		if err != nil {
			return err
		}
		mutes, err = b.mutesAt(tx, in.At, now)
		return err
	})
	switch {
	case err != nil:
		return b.trouble(in, err)
	case len(open)+len(mutes) == 0 && !b.o.Notices.hears(in.At, NoticeAlert):
		return b.alertRefused(ctx, in, a, Press{Verb: "alerts"}, Alert{}, bar("not-theirs", sayAlertsElsewhere))
	}
	c := alertsCard(open, mutes, more, b.unseenNotes())
	return Reply{Card: &c}
}

// openAt are alerts that nobody has acknowledged and that are told in a place; more is how
// many others there are.
func (b *Bot) openAt(tx store.Tx, at Conversation) (open []Alert, more int, err error) {
	err = alertsOpen.Scan(tx, "", "", func(id string, _ struct{}) error {
		here, err := b.toldAt(tx, id, at)
		if err != nil || !here {
			return err
		}
		if len(open) >= mostMutes {
			more++
			return nil
		}
		al, err := alerts.Get(tx, id)
		open = append(open, al)
		return err
	})
	return open, more, err
}

// mutesAt are the mutes that were made of alerts that are told in a place.
func (b *Bot) mutesAt(tx store.Tx, at Conversation, now time.Time) (mutes []Mute, err error) {
	err = alertMutes.Scan(tx, "", "", func(_ string, m Mute) error {
		if len(mutes) >= mostMutes || !now.Before(m.Until) {
			return nil
		}
		here, err := b.toldAt(tx, m.Alert, at)
		if here {
			mutes = append(mutes, m)
		}
		return err
	})
	return mutes, err
}

// toldAt says that an alert is told in a place.
func (b *Bot) toldAt(tx store.Tx, alert string, at Conversation) (bool, error) {
	all, err := b.placesOf(tx, alert)
	return slices.ContainsFunc(all, at.is), err
}

// toldAtName is toldAt of a place that only its pseudonym tells.
func (b *Bot) toldAtName(tx store.Tx, alert, place string) (bool, error) {
	all, err := b.placesOf(tx, alert)
	return slices.ContainsFunc(all, func(at Conversation) bool { return b.placeName(at) == place }), err
}

func (b *Bot) placesOf(tx store.Tx, alert string) ([]Conversation, error) {
	p, err := getBulletin(tx, b.bulletinID(alertPost(alert)))
	return p.Places, ignoreMissing(err)
}

// hears says that some of an event is told in a place, by whichever rule.
func (t Routing) hears(at Conversation, n Notice) bool {
	for _, r := range t.Rules {
		if r.hears(n) && slices.ContainsFunc(r.To, at.is) {
			return true
		}
	}
	return slices.ContainsFunc(t.Targets(Happening{Event: n, Severity: High}), func(to Target) bool { return at.is(to.At) })
}
