package app

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

// What a reading for chat may take, and how long it serves everybody who asks.
const (
	postureTime = 5 * time.Minute
	postureAge  = time.Hour
)

// opener opens a group into the ids of the people in it.
type opener interface {
	Members(ctx context.Context, group string) ([]string, error)
}

// postureView shows the posture in chat. It reads the tenant once for all who ask at the
// same time, and keeps what it read for an hour, in memory only.
type postureView struct {
	cfg    Config
	groups opener
	read   func(context.Context) (posture.Snapshot, error)
	trend  func(context.Context) ([]posture.Day, error)
	now    func() time.Time

	mu      sync.Mutex
	last    posture.Snapshot
	reading *reading
}

// reading is one that is under way.
type reading struct {
	done chan struct{}
	s    posture.Snapshot
	err  error
}

// Viewer says whether person is named in security.viewers, or is in a group that is.
func (v *postureView) Viewer(ctx context.Context, person string) (bool, error) {
	if slices.ContainsFunc(v.cfg.Security.Viewers, func(id string) bool { return strings.EqualFold(id, person) }) {
		return true, nil
	}
	for _, id := range v.cfg.Security.Viewers {
		in, err := v.groups.Members(ctx, id)
		if err != nil && pim.CodeOf(err) != pim.CodeNotFound { // an id of a person is no group, and holds nobody
			return false, err
		}
		if slices.ContainsFunc(in, func(member string) bool { return strings.EqualFold(member, person) }) {
			return true, nil
		}
	}
	return false, nil
}

// Report examines the tenant as it was read within the hour.
func (v *postureView) Report(ctx context.Context) (posture.Report, []posture.Day, error) {
	s, err := v.snapshot(ctx)
	if err != nil {
		return posture.Report{}, nil, err
	}
	days, err := v.trend(ctx)
	return posture.Examine(s, v.cfg.PostureRules()), days, err
}

// Checklist answers from the same.
func (v *postureView) Checklist(ctx context.Context) ([]posture.Answer, error) {
	s, err := v.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return posture.Checklist(s, v.cfg.PostureRules(), v.cfg.PostureOwn()), nil
}

// snapshot is what is remembered, or what is read now. Who does not want to wait any
// longer leaves the reading to the others.
func (v *postureView) snapshot(ctx context.Context) (posture.Snapshot, error) {
	v.mu.Lock()
	if age := v.now().Sub(v.last.Taken); !v.last.Taken.IsZero() && age >= 0 && age < postureAge {
		defer v.mu.Unlock()
		return v.last, nil
	}
	r := v.reading
	if r == nil {
		r = &reading{done: make(chan struct{})}
		v.reading = r
		go v.finish(context.WithoutCancel(ctx), r)
	}
	v.mu.Unlock()
	select {
	case <-r.done:
		return r.s, r.err
	case <-ctx.Done():
		return posture.Snapshot{}, ctx.Err()
	}
}

func (v *postureView) finish(ctx context.Context, r *reading) {
	ctx, cancel := context.WithTimeout(ctx, postureTime)
	defer cancel()
	r.s, r.err = v.read(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reading = nil; r.err == nil {
		v.last = r.s
	}
	close(r.done)
}
