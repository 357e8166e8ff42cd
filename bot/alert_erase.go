package bot

import (
	"context"
	"errors"
	"time"

	"github.com/belaybot/belay/store"
)

// signedIn says that an alert tells of sign-ins: when, from where, and with what device.
func (a Alert) signedIn() bool {
	return a.Kind == AlertPlace || a.Kind == AlertGlass && a.Changed == ""
}

// eraseSignIns drops what alerts tell of a person's sign-ins, and says whether there was
// anything. Their cards say that it is gone.
func (b *Bot) eraseSignIns(tx store.Tx, whose Whose, at time.Time) (any bool, err error) {
	var told []Alert
	err = alerts.Scan(tx, "", "", func(_ string, a Alert) error {
		if a.signedIn() && whose.is(a.Subject.ID) && len(a.Evidence) > 0 {
			told = append(told, a)
		}
		return nil
	})
	for _, a := range told {
		a.Evidence, a.Reason = nil, saySignInErased
		err = errors.Join(err, b.retell(tx, a, at))
	}
	return len(told) > 0, err
}

// retell keeps an alert, and what tells of it still: nothing is told anew.
func (b *Bot) retell(tx store.Tx, a Alert, at time.Time) error {
	switch _, err := getBulletin(tx, b.bulletinID(alertPost(a.ID))); {
	case errors.Is(err, store.ErrNotFound):
		return alerts.Put(tx, a.ID, a)
	case err != nil:
		return err
	}
	err := b.putAlert(tx, a)
	for try := a; a.Asked.ID != "" && try.Asks >= 0; try.Asks-- {
		key := b.bulletinID(try.questionPost())
		p, gerr := getBulletin(tx, key)
		if gerr != nil {
			err = errors.Join(err, ignoreMissing(gerr))
			continue
		}
		next := p
		next.Card = b.project.questionCard(a)
		err = errors.Join(err, b.putBulletin(tx, key, p, next, at))
	}
	return err
}

// dropChecks drops looks at sign-ins that are still to come, and says whether it dropped any.
func dropChecks(tx store.Tx, drop func(placeCheck) bool) (bool, error) {
	var keys []string
	err := placeChecks.Scan(tx, "", "", func(key string, c placeCheck) error {
		if drop(c) {
			keys = append(keys, key)
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, placeChecks.Delete(tx, key))
	}
	return len(keys) > 0, err
}

// sweepChecks forgets looks that nobody makes: where the detector is off, or which should
// have been over a day ago.
func (b *Bot) sweepChecks(ctx context.Context) error {
	off, before := !b.o.Alerts.on(AlertPlace) || b.o.Accounts == nil, b.o.Now().Add(-placeGiveUp-day)
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		_, err := dropChecks(tx, func(c placeCheck) bool { return off || c.Began.Before(before) })
		return err
	})
}
