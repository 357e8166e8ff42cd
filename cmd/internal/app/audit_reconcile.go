package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store/trail"
)

const (
	// auditLag is how late Entra's audit log and Belay's own observation may be.
	auditLag = 15 * time.Minute
	// auditOverlap is how much earlier Entra's log is read, for what Belay saw late.
	auditOverlap = time.Hour
	// auditKept is how long Entra keeps its log.
	auditKept = 30 * 24 * time.Hour
)

// AuditReconcile is the input of /audit/reconcile.
type AuditReconcile struct {
	Since string `json:"since"` // as of AuditExport
}

// AuditReconciled is one line of the output of /audit/reconcile: a difference, or, as the last,
// the sum.
type AuditReconciled struct {
	Difference *bot.Difference `json:"difference,omitempty"`
	Sum        *AuditSum       `json:"sum,omitempty"`
}

// AuditSum is what was compared.
type AuditSum struct {
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until"`
	Compared  int       `json:"compared"`  // acts that both logs have
	Missing   int       `json:"missing"`   // acts that one of them lacks
	Elsewhere int       `json:"elsewhere"` // acts that were not made through Belay, and that it knows of
	Azure     int       `json:"azure"`     // acts on Azure resource roles: not in Entra's log
}

func reconcileAudit(ctx context.Context, a *App, _ operator, in json.RawMessage, emit func(any) error) error {
	given, err := input[AuditReconcile](in)
	if err != nil {
		return err
	}
	now := a.now().UTC()
	since, err := when("--since", given.Since, now)
	until := now.Add(-auditLag)
	switch {
	case err != nil:
		return err
	case since.Before(now.Add(-auditKept)):
		return refused("--since must be within the last 30 days: Entra keeps its audit log no longer")
	case !since.Before(until):
		return refused("--since must be more than %v ago: Entra's audit log is some minutes late", auditLag)
	}
	var traces []pim.Trace
	for _, kind := range []pim.Kind{pim.EntraRole, pim.Group} {
		read, err := a.finders[kind].Traces(ctx, since.Add(-auditOverlap))
		switch code := pim.CodeOf(err); {
		case code == pim.CodeForbidden:
			return refused("Entra's audit log cannot be read: Belay's registration needs the application permission AuditLog.Read.All, with an administrator's consent (%v)", err)
		case err != nil:
			return fmt.Errorf("Entra's audit log cannot be read now; try again later: %w", err)
		}
		traces = append(traces, read...)
	}
	r := bot.NewReconciler(since, until, traces)
	err = a.trail.Read(ctx, 0, func(record trail.Record) error {
		r.Take(record.Event)
		return nil
	})
	if err != nil {
		return err
	}
	result := r.Result()
	sum := AuditSum{Since: since, Until: until, Compared: result.Compared, Azure: result.Azure}
	for _, d := range result.Differences {
		if d.Lacks == "" {
			sum.Elsewhere++
		} else {
			sum.Missing++
		}
		if err := emit(AuditReconciled{Difference: &d}); err != nil {
			return err
		}
	}
	return emit(AuditReconciled{Sum: &sum})
}
