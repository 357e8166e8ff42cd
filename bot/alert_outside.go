package bot

import (
	"cmp"
	"context"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// outside makes an alert of a line of the audit log that tells of an assignment without
// PIM. The line is the cause: read again, it makes none.
func (l *lookout) outside(ctx context.Context, t pim.Trace) error {
	b, at := l.b, l.b.o.Now().UTC()
	if _, done := l.seen[t.ID]; done || t.ID == "" || !b.o.Alerts.on(AlertOutside) {
		return nil
	}
	who := pim.Principal{ID: t.Principal}
	if t.Principal != "" {
		if p, err := b.identified(ctx, t.Principal); err == nil {
			who = p
		}
	}
	if err := b.o.Store.Update(ctx, func(tx store.Tx) error { return b.raise(tx, assignedOutside(t, who), at) }); err != nil {
		return err
	}
	if len(l.seen) < mostLines {
		l.seen[t.ID] = at
	}
	return nil
}

func assignedOutside(t pim.Trace, who pim.Principal) detection {
	role := pim.EligibleAssignment{Assignment: t.Assignment, RoleName: t.RoleName, ScopeName: t.ScopeName}
	a := Alert{Kind: AlertOutside, Severity: High, Subject: who, Role: role, Reason: sayOutsidePIM,
		Evidence: []Fact{{Name: "Assigned", At: t.At}, {Name: "By", Value: cmp.Or(personText(t.By), sayUntold)}}}
	return detection{Alert: a, cause: t.ID}
}
