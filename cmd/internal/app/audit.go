package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// refused is an operation that was refused for its input.
func refused(format string, args ...any) error {
	return &OperationError{Refused: true, Message: fmt.Sprintf(format, args...)}
}

// input reads the input of an operation.
func input[T any](in json.RawMessage) (v T, err error) {
	if err := json.Unmarshal(in, &v); err != nil {
		return v, refused("the input cannot be read: %v", err)
	}
	return v, nil
}

// AuditKeyLine is the output of /audit/key.
type AuditKeyLine struct {
	Key string `json:"key"` // for golang.org/x/mod/sumdb/note
}

func auditKey(_ context.Context, a *App, _ operator, _ json.RawMessage, emit func(any) error) error {
	return emit(AuditKeyLine{a.trail.PublicKey()})
}

// AuditVerify is the input of /audit/verify.
type AuditVerify struct {
	Checkpoints []string `json:"checkpoints,omitempty"` // signed, kept outside of the store
}

// AuditReport is the output of /audit/verify.
type AuditReport struct {
	Begin       uint64 `json:"begin"`       // index of the first event that is kept
	Size        uint64 `json:"size"`        // index after the last event that is whole
	Loose       int    `json:"loose"`       // events that are not chained yet
	Erased      int    `json:"erased"`      // events of which texts were erased
	Unsigned    uint64 `json:"unsigned"`    // events that no checkpoint covers yet
	Checkpoints int    `json:"checkpoints"` // that hold
	Dropped     int    `json:"dropped"`     // checkpoints of events that were dropped for their age
	Bad         *Bad   `json:"bad,omitempty"`
}

// Bad is the first thing that is wrong with the trail.
type Bad struct {
	Index uint64 `json:"index"`
	What  string `json:"what"`
}

func verifyAudit(ctx context.Context, a *App, _ operator, in json.RawMessage, emit func(any) error) error {
	given, err := input[AuditVerify](in)
	if err != nil {
		return err
	}
	var anchors []trail.Checkpoint
	for _, text := range given.Checkpoints {
		c, err := a.trail.ParseCheckpoint(text)
		if err != nil {
			return refused("a checkpoint that was given is none that this Belay signed: it was changed, or is another Belay's")
		}
		anchors = append(anchors, c)
	}
	r, err := a.trail.Verify(ctx, anchors...)
	if err != nil {
		return err
	}
	return emit(newAuditReport(r))
}

func newAuditReport(r trail.Report) AuditReport {
	out := AuditReport{Begin: r.Begin, Size: r.Size, Loose: r.Loose, Unsigned: r.Unsigned, Erased: r.Erased, Checkpoints: r.Checkpoints, Dropped: r.Dropped}
	if r.Bad != nil {
		out.Bad = &Bad{Index: r.Bad.Index, What: r.Bad.What}
	}
	return out
}

// AuditExport is the input of /audit/export: what is wanted. What is empty is no
// condition. Each line of the output is a siem.Line.
type AuditExport struct {
	Since   string `json:"since,omitempty"` // a time, a day or how long ago
	Until   string `json:"until,omitempty"`
	Person  string `json:"person,omitempty"`  // Entra object id: who did it, whose token was used, whom it is about
	Request string `json:"request,omitempty"` // Belay's id, or Microsoft's
	Kind    string `json:"kind,omitempty"`    // such as request.decided, or request for all that begin so
	Texts   bool   `json:"texts"`
}

func exportAudit(ctx context.Context, a *App, by operator, in json.RawMessage, emit func(any) error) error {
	want, err := input[AuditExport](in)
	if err != nil {
		return err
	}
	fits, err := want.filter(a.now())
	if err != nil {
		return err
	}
	// Before anything goes out: what people wrote leaves the sealed store here.
	e := by.event("audit export", a.now())
	e.Subject = want.Person
	if want.Texts {
		e.More = map[string]string{"texts": "yes"}
	}
	if err := a.sealed.Update(ctx, func(tx store.Tx) error { return a.trail.Append(tx, e) }); err != nil {
		return fmt.Errorf("nothing is exported, because the export cannot be recorded: %w", err)
	}
	return a.trail.Read(ctx, 0, func(r trail.Record) error {
		if !fits(r.Event) {
			return nil
		}
		return emit(siem.NewLine(r, want.Texts))
	})
}

// filter says which events are wanted.
func (w AuditExport) filter(now time.Time) (func(trail.Event) bool, error) {
	since, err := when("--since", w.Since, now)
	if err != nil {
		return nil, err
	}
	until, err := when("--until", w.Until, now)
	if err != nil {
		return nil, err
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return nil, refused("--since must be before --until")
	}
	if w.Person != "" && uuid.Validate(w.Person) != nil {
		return nil, refused("--person must be an Entra object id, such as 7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70")
	}
	known := w.Kind == ""
	for _, k := range siem.Kinds() {
		known = known || ofKind(k, w.Kind)
	}
	if !known {
		return nil, refused("--kind %.40q is no kind of event; there are %s", w.Kind, strings.Trim(fmt.Sprint(siem.Kinds()), "[]"))
	}
	return func(e trail.Event) bool {
		switch {
		case !since.IsZero() && e.At.Before(since), !until.IsZero() && !e.At.Before(until):
			return false
		case w.Kind != "" && !ofKind(e.Kind, w.Kind):
			return false
		case w.Request != "" && !strings.EqualFold(e.Request, w.Request) && !strings.EqualFold(e.Held, w.Request):
			return false
		}
		return w.Person == "" || about(e, w.Person)
	}, nil
}

func ofKind(k trail.Kind, wanted string) bool {
	return string(k) == wanted || strings.HasPrefix(string(k), wanted+".")
}

// about says whether a person did it, or it was done to them or with their token.
func about(e trail.Event, person string) bool {
	return strings.EqualFold(e.Actor.Principal, person) || strings.EqualFold(e.Subject, person) || strings.EqualFold(e.Token, person)
}

// when reads a time: 2026-11-23, 2026-11-23T12:00:00Z, or 168h for as long ago.
func when(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, refused("%s must be a time such as 2026-11-23 or 2026-11-23T12:00:00Z, or how long ago, such as 168h", flag)
}

// AuditErase is the input of /audit/erase: one of the two.
type AuditErase struct {
	Person  string `json:"person,omitempty"`
	Request string `json:"request,omitempty"`
}

// AuditErased is the output of /audit/erase.
type AuditErased struct {
	Events   int `json:"events"`   // of the trail, that lost texts
	Requests int `json:"requests"` // that lost texts
	Open     int `json:"open"`     // requests that still run and keep them
}

func eraseAudit(ctx context.Context, a *App, by operator, in json.RawMessage, emit func(any) error) error {
	whose, err := input[AuditErase](in)
	if err != nil {
		return err
	}
	switch {
	case (whose.Person == "") == (whose.Request == ""):
		return refused("say whose texts are to be erased: one of --person and --request")
	case whose.Person != "" && uuid.Validate(whose.Person) != nil:
		return refused("--person must be an Entra object id, such as 7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70")
	case whose.Request != "" && uuid.Validate(whose.Request) != nil:
		return refused("--request must be Belay's id of a request, as audit export shows it")
	}
	e := by.event("audit erase", a.now())
	e.Subject, e.Request = whose.Person, whose.Request
	record := &e
	var done AuditErased
	done.Events, err = a.trail.Erase(ctx, func(e trail.Event) bool {
		return whose.Request != "" && e.Request == whose.Request || whose.Person != "" && about(e, whose.Person)
	}, record)
	if err != nil {
		return err
	}
	if done.Events > 0 {
		record = nil // it is on record
	}
	requests, err := a.bot.Erase(ctx, bot.Whose(whose), record)
	if err != nil {
		return err
	}
	done.Requests, done.Open = requests.Requests, requests.Open
	return emit(done)
}
