package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
)

// keptDays is how many days of numbers are kept.
const keptDays = 400

// days are the numbers of each day, by the day; turns say who reads the tenant now.
var (
	postureBucket = store.NewBucket[posture.Day]("posture")
	postureTurns  = store.NewBucket[turn]("posture-turn")
)

// turn is one replica's right to read the tenant for a day.
type turn struct {
	Day   string    `json:"day"`
	Owner string    `json:"owner"`
	Until time.Time `json:"until"`
}

// One reading may take this long before another replica may begin it anew.
const postureTurn = 30 * time.Minute

// The first look comes a while after the start, when people's calls have gone before;
// then it is looked each hour whether today's is there.
const (
	firstLook = 10 * time.Minute
	eachLook  = time.Hour
)

// watchPosture keeps a day's numbers once a day, by one replica.
func (a *App) watchPosture(ctx context.Context) {
	if !a.cfg.Posture.Daily {
		return
	}
	wait := time.NewTimer(firstLook)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if _, err := a.daily(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("the posture of the tenant could not be kept", "error", err)
		}
		wait.Reset(eachLook)
	}
}

// daily reads the tenant and keeps the numbers, unless today's are there or another
// replica is at it. It says whether it did.
func (a *App) daily(ctx context.Context) (bool, error) {
	now := a.now().UTC()
	mine := false
	err := a.sealed.Update(ctx, func(tx store.Tx) error {
		mine = false
		today := now.Format(time.DateOnly)
		_, err := postureBucket.Get(tx, today)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		t, err := postureTurns.Get(tx, "turn")
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return err
		case err == nil && t.Day == today && t.Owner != a.owner && now.Before(t.Until):
			return nil
		}
		mine = true
		return postureTurns.Put(tx, "turn", turn{Day: today, Owner: a.owner, Until: now.Add(postureTurn)})
	})
	if err != nil || !mine {
		return false, err
	}
	s, err := a.snapshot(ctx)
	if err != nil {
		return false, err
	}
	return a.keepReading(ctx, s)
}

// keepReading keeps what was read, unless the tenant did not answer: then it is read again in an hour.
func (a *App) keepReading(ctx context.Context, s posture.Snapshot) (bool, error) {
	if s.Failed() {
		return false, errNoAnswer
	}
	r := posture.Examine(s, a.cfg.PostureRules())
	days, err := a.trend(ctx)
	if err != nil {
		return false, err
	}
	unreviewed, seen := posture.Unreviewed(s, a.cfg.PostureRules())
	return true, a.keepDay(ctx, r, days, func(tx store.Tx) error {
		if !a.cfg.Reviews.Nudge || !seen {
			return nil
		}
		return a.bot.TellUnreviewed(tx, unreviewed, r.Taken)
	})
}

// weekly is the week whose report was told last, by the day on which it was due. Where no
// reading succeeded on that day, the next one that does tells it.
type weekly struct {
	Week string `json:"week"` // 2026-11-23
}

var postureWeeks = store.NewBucket[weekly]("posture-week") // "told"

// weekOf is the week of a reading: the last day at or before it on which a report is due;
// empty: none is wanted.
func (a *App) weekOf(taken time.Time) string {
	day, wanted := weekdays[a.cfg.Posture.Digest]
	if !wanted {
		return ""
	}
	since := (int(taken.UTC().Weekday()) - int(day) + 7) % 7
	return taken.UTC().AddDate(0, 0, -since).Format(time.DateOnly)
}

// tellsWeek says whether a week's report is to be told with tx, and that it was. Two are never
// nearer than seven days, whatever day is set meanwhile; a Belay that is new has missed none.
func tellsWeek(tx store.Tx, week, today string) (bool, error) {
	last, err := postureWeeks.Get(tx, "told")
	isNew := errors.Is(err, store.ErrNotFound)
	if err != nil && !isNew {
		return false, err
	}
	if told, err := time.Parse(time.DateOnly, last.Week); err == nil && week < told.AddDate(0, 0, 7).Format(time.DateOnly) {
		return false, nil
	}
	return !isNew || week == today, postureWeeks.Put(tx, "told", weekly{week})
}

var errNoAnswer = errors.New("the tenant did not answer; it is read again in an hour")

// snapshot reads the tenant by the connection that serves.
func (a *App) snapshot(ctx context.Context) (posture.Snapshot, error) {
	return a.cfg.readPosture(ctx, a.outside, a.log, a.now)
}

// keepDay keeps the day of r and drops what is too old, and in the same transaction tells the
// week's report where it is due, and what else there is to tell: once, whatever happens
// afterwards and whoever reads besides.
func (a *App) keepDay(ctx context.Context, r posture.Report, days []posture.Day, also ...func(store.Tx) error) error {
	week := a.weekOf(r.Taken)
	return a.sealed.Update(ctx, func(tx store.Tx) error {
		var kept []string
		err := postureBucket.Scan(tx, "", "", func(day string, _ posture.Day) error {
			kept = append(kept, day)
			return nil
		})
		if err != nil {
			return err
		}
		for _, day := range kept[:max(0, len(kept)+1-keptDays)] {
			if err := postureBucket.Delete(tx, day); err != nil {
				return err
			}
		}
		d := r.Day()
		if err := postureBucket.Put(tx, d.Day, d); err != nil {
			return err
		}
		for _, tell := range also {
			if err := tell(tx); err != nil {
				return err
			}
		}
		if week == "" {
			return nil
		}
		if tell, err := tellsWeek(tx, week, d.Day); err != nil || !tell {
			return err
		}
		return a.bot.TellPosture(tx, r, days, week)
	})
}

// trend is what is kept, oldest first.
func (a *App) trend(ctx context.Context) (days []posture.Day, err error) {
	err = a.sealed.View(ctx, func(tx store.Tx) error {
		days = nil
		return postureBucket.Scan(tx, "", "", func(_ string, d posture.Day) error {
			days = append(days, d)
			return nil
		})
	})
	return days, err
}

// postureDays gives what is kept, for the trend of a report.
func postureDays(ctx context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	days, err := a.trend(ctx)
	if err != nil {
		return err
	}
	for _, d := range days {
		if err := emit(d); err != nil {
			return err
		}
	}
	return nil
}
