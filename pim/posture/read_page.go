package posture

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/pim"
)

// pages reads a list to its end and gives each page to take, which says false when it has
// enough. What cannot be read is noted; what was read stays.
func pages[T any](ctx context.Context, r *reading, part Part, read func(context.Context, string) ([]T, string, error), take func([]T) bool) {
	page, some := "", false
	for {
		list, next, err := again(ctx, r, func() ([]T, string, error) { return read(ctx, page) })
		if err != nil {
			r.miss(part, Unseen{Some: some, Why: why(err), Permission: r.needed(part, err)})
			return
		}
		r.mu.Lock()
		enough := !take(list)
		r.mu.Unlock()
		if enough {
			// The audit log alone may be cut off: activations says since when it is known.
			if next != "" && part != Activations {
				r.miss(part, Unseen{Some: true, Why: "there is more than is looked at"})
			}
			return
		}
		if next == "" {
			return
		}
		page, some = next, true
	}
}

// again makes a read until it is answered, a few times at the most. Where Microsoft says
// how long to wait, everybody waits, and together: who was refused before a wait that is over by
// now asks again at once.
func again[T any](ctx context.Context, r *reading, read func() ([]T, string, error)) ([]T, string, error) {
	pause := firstPause
	for n := 1; ; n++ {
		before := r.pass()
		list, next, err := read()
		var e *pim.Error
		if err == nil || n == tries || !errors.As(err, &e) || !e.Temporary() {
			return list, next, err
		}
		wait, told := e.RetryAfter()
		if !told {
			wait = pause
			pause *= 2
		}
		if wait > longestPause*4 {
			return list, next, err
		}
		if err := r.wait(ctx, wait, before); err != nil {
			return nil, "", err
		}
	}
}

// pass goes on once nobody has to wait, and says how many waits there were.
func (r *reading) pass() (waits int) {
	r.pause.Lock()
	defer r.pause.Unlock()
	return r.waits
}

// wait has everybody wait, unless somebody did since there were so many waits.
func (r *reading) wait(ctx context.Context, d time.Duration, before int) error {
	r.pause.Lock()
	defer r.pause.Unlock()
	if r.waits != before {
		return ctx.Err()
	}
	r.waits++
	return r.src.Wait(ctx, d)
}

// miss notes what was not seen, each reason of a part once.
func (r *reading) miss(part Part, u Unseen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u.Part = part
	for i, known := range r.s.Unseen {
		if known.Part == part && known.Permission == u.Permission && known.Why == u.Why {
			r.s.Unseen[i].Some = known.Some || u.Some
			return
		}
	}
	r.s.Unseen = append(r.s.Unseen, u)
}

// needed is the permission that is missing, where that is why.
func (r *reading) needed(part Part, err error) string {
	if pim.CodeOf(err) == pim.CodeForbidden {
		return r.src.Permissions[part]
	}
	return ""
}

// Reasons that do not pass by themselves.
const (
	notPermitted = "not permitted"
	noLicence    = "no licence for PIM"
)

// why is the reason in a word or two, never the text of an answer.
func why(err error) string {
	switch pim.CodeOf(err) {
	case pim.CodeForbidden:
		return notPermitted
	case pim.CodeThrottled:
		return "throttled"
	case pim.CodeLicense:
		return noLicence
	case pim.CodeNotFound:
		return "not found"
	case pim.CodeInvalidClientConfig, pim.CodeSignIn:
		return "Belay's own sign-in was refused"
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "it took too long"
	}
	return "no answer"
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// groups reads the groups that can hold a directory role, those that hold a role of any
// kind, and, layer by layer, the groups inside them.
func (r *reading) groups(ctx context.Context) {
	pages(ctx, r, GroupList, r.src.Groups.Assignable, func(list []pim.NamedGroup) bool {
		r.s.Assignable = append(r.s.Assignable, list...)
		return len(r.s.Assignable) < mostGroups
	})
	var todo []string
	known := map[string]bool{}
	add := func(id string) {
		if id = strings.ToLower(id); !known[id] {
			known[id] = true
			todo = append(todo, id)
		}
	}
	for _, g := range r.s.Assignable {
		add(g.ID)
		r.opens[strings.ToLower(g.ID)] = true
	}
	for _, h := range r.s.Holdings {
		if h.Type == pim.GroupOfPeople && privileged(h.Assignment) {
			r.opens[strings.ToLower(h.Holder.ID)] = true
		}
	}
	next := 0
	for depth := 0; depth <= pathDepth; depth++ {
		for ; next < len(r.s.Holdings); next++ {
			if h := r.s.Holdings[next]; h.Type == pim.GroupOfPeople {
				add(h.Holder.ID)
			}
		}
		if len(known) > mostGroups {
			r.miss(GroupsActive, Unseen{Some: true, Why: "there are more groups than are looked at"})
			r.miss(GroupsElig, Unseen{Some: true, Why: "there are more groups than are looked at"})
			todo = todo[:max(0, len(todo)-(len(known)-mostGroups))]
		}
		abreast(todo, func(id string) { r.group(ctx, id) })
		if todo = nil; len(known) > mostGroups || ctx.Err() != nil {
			return
		}
	}
}

// abreast does something for each of all, for some at once: most of a reading is waiting
// for answers.
func abreast[T any](all []T, do func(T)) {
	work := make(chan T)
	var done sync.WaitGroup
	for range min(lanes, len(all)) {
		done.Go(func() {
			for one := range work {
				do(one)
			}
		})
	}
	for _, one := range all {
		work <- one
	}
	close(work)
	done.Wait()
}

// group reads who is in a group, who may be, and, where that opens the way to a privileged
// role, its settings.
func (r *reading) group(ctx context.Context, id string) {
	if ctx.Err() != nil {
		r.miss(GroupsActive, Unseen{Some: true, Why: "it took too long"})
		r.miss(GroupsElig, Unseen{Some: true, Why: "it took too long"})
		return
	}
	eligible, whole := false, true
	read := func(part Part, of bool) {
		list, seen := r.members(ctx, part, id, of)
		r.mu.Lock()
		kept := r.keep(list)
		r.mu.Unlock()
		if seen && !kept {
			r.miss(part, Unseen{Some: true, Why: "there is more than is looked at"})
		}
		whole = whole && seen && kept
		eligible = eligible || of && len(list) > 0
	}
	read(GroupsActive, false)
	read(GroupsElig, true)
	if whole {
		r.mu.Lock()
		r.s.Looked[id] = true
		r.mu.Unlock()
	}
	if eligible && r.opens[id] {
		pages(ctx, r, GroupSettings, func(ctx context.Context, _ string) ([]pim.Settings, string, error) {
			s, err := r.src.Groups.Settings(ctx, id)
			return s, "", err
		}, r.settings)
	}
}

// members reads one list of a group, and says whether it was seen to its end. A group
// that is gone has nobody. A permission that is missing is missing for every group.
func (r *reading) members(ctx context.Context, part Part, id string, eligible bool) (all []pim.Holding, seen bool) {
	r.mu.Lock()
	barred := r.barred[part]
	r.mu.Unlock()
	if barred {
		return nil, false
	}
	for page := ""; ; {
		list, next, err := again(ctx, r, func() ([]pim.Holding, string, error) { return r.src.Groups.Holdings(ctx, id, eligible, page) })
		switch code := pim.CodeOf(err); {
		case code == pim.CodeNotFound:
			return all, true
		case code == pim.CodeForbidden:
			r.mu.Lock()
			r.barred[part] = true
			r.mu.Unlock()
			r.miss(part, Unseen{Why: why(err), Permission: r.needed(part, err)})
			return all, false
		case err != nil:
			r.miss(part, Unseen{Some: true, Why: why(err)})
			return all, false
		}
		if all = append(all, list...); next == "" {
			return all, true
		}
		page = next
	}
}
