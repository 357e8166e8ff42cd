package posture

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/pim"
)

// The readers give a page at a time: page is "" for the first one, and afterwards what
// the one before gave as next; next is "" with the last. All read as Belay itself, and
// nothing is tried twice there. Errors are *pim.Error.

// Directory is what is read of directory roles and of the tenant.
type Directory interface {
	RoleNames(ctx context.Context, page string) (names map[string]string, next string, err error)
	Holdings(ctx context.Context, eligible bool, page string) ([]pim.Holding, string, error)
	Settings(ctx context.Context, page string) ([]pim.Settings, string, error)
	// Guests tells which of at most 15 users are guests.
	Guests(ctx context.Context, ids []string) (guests []string, err error)
}

// Groups is what is read of groups.
type Groups interface {
	Assignable(ctx context.Context, page string) ([]pim.NamedGroup, string, error)
	Holdings(ctx context.Context, group string, eligible bool, page string) ([]pim.Holding, string, error)
	// Settings gives those of membership and ownership.
	Settings(ctx context.Context, group string) ([]pim.Settings, error)
}

// Azure is what is read of Azure resources, at and below a scope.
type Azure interface {
	Holdings(ctx context.Context, scope string, eligible bool, page string) ([]pim.Holding, string, error)
	Settings(ctx context.Context, a pim.Assignment) (pim.Settings, error)
}

// Tenant is what else is read.
type Tenant interface {
	Licences(ctx context.Context) ([]pim.Licence, error)
	Reviews(ctx context.Context, page string) ([]pim.AccessReview, string, error)
	// Activations are those that came about, newest first.
	Activations(ctx context.Context, since time.Time, page string) ([]pim.Trace, string, error)
}

// Sources are what Read reads from.
type Sources struct {
	TenantID  string
	Directory Directory
	Groups    Groups
	Azure     Azure // nil: Azure is left out
	Tenant    Tenant
	// Scopes are the places of Azure below which is read.
	Scopes []string
	// Permissions names what a part takes, for the sentence that says what is missing.
	Permissions map[Part]string

	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error // sleeps; nil: by the machine's clock
}

// Bounds of one reading. What goes beyond is named as not seen.
const (
	mostHoldings = 200_000
	mostGroups   = 10_000
	mostPlaces   = 200 // scopes of Azure whose settings are read
	mostPages    = 20  // of the audit log
	logKept      = 30 * 24 * time.Hour
	tries        = 5
	firstPause   = time.Second
	longestPause = 30 * time.Second
	lanes        = 10 // calls that are made at once
	guestsAtOnce = 15
)

// reading is one run of Read.
type reading struct {
	src Sources
	mu  sync.Mutex
	s   Snapshot
	// words makes one string of equal ones: ids come again and again.
	words  map[string]string
	opens  map[string]bool // groups that can hold a directory role, or hold a privileged one
	barred map[Part]bool   // lists of groups that Belay may not read
	pause  sync.Mutex      // held while Microsoft asked to wait
	waits  int             // how often it did; of pause
}

// Read reads the tenant. It fails only when ctx ends; what cannot be read is in Unseen.
func Read(ctx context.Context, src Sources) (Snapshot, error) {
	return read(ctx, src, func(r *reading) {
		r.guests(ctx)
		r.tenant(ctx)
	})
}

// ReadAccess is Read without what is no assignment and no setting: what can be read again
// and again. Without src.Groups groups are left out.
func ReadAccess(ctx context.Context, src Sources) (Snapshot, error) {
	return read(ctx, src, func(*reading) {})
}

func read(ctx context.Context, src Sources, more func(*reading)) (Snapshot, error) {
	if src.Wait == nil {
		src.Wait = sleep
	}
	r := &reading{src: src, words: map[string]string{}, barred: map[Part]bool{}, opens: map[string]bool{}, s: Snapshot{Taken: src.Now().UTC(), Tenant: src.TenantID, Roles: map[string]string{},
		Looked: map[string]bool{}, Guests: map[string]bool{}, Activated: map[Deed]time.Time{}}}
	r.names(ctx)
	r.holdings(ctx, RolesActive, func(ctx context.Context, page string) ([]pim.Holding, string, error) {
		return src.Directory.Holdings(ctx, false, page)
	})
	r.holdings(ctx, RolesEligible, func(ctx context.Context, page string) ([]pim.Holding, string, error) {
		return src.Directory.Holdings(ctx, true, page)
	})
	pages(ctx, r, RoleSettings, src.Directory.Settings, r.settings)
	r.azure(ctx)
	if src.Groups != nil {
		r.groups(ctx)
	}
	more(r)
	r.words = nil
	slices.SortStableFunc(r.s.Unseen, func(a, b Unseen) int { return strings.Compare(string(a.Part), string(b.Part)) })
	return r.s, ctx.Err()
}

func (r *reading) names(ctx context.Context) {
	pages(ctx, r, RoleNames, func(ctx context.Context, page string) ([]map[string]string, string, error) {
		names, next, err := r.src.Directory.RoleNames(ctx, page)
		return []map[string]string{names}, next, err
	}, func(list []map[string]string) bool {
		for _, names := range list {
			for id, name := range names {
				r.s.Roles[strings.ToLower(id)] = name
			}
		}
		return true
	})
}

func (r *reading) holdings(ctx context.Context, part Part, read func(context.Context, string) ([]pim.Holding, string, error)) {
	pages(ctx, r, part, read, r.keep)
}

// keep takes holdings; false: there are too many.
func (r *reading) keep(list []pim.Holding) bool {
	for _, h := range list {
		if len(r.s.Holdings) >= mostHoldings {
			return false
		}
		for _, text := range []*string{&h.Role, &h.Scope, &h.Holder.ID, &h.Holder.Name, &h.Holder.UPN, &h.RoleName, &h.ScopeName} {
			*text = r.word(*text)
		}
		r.s.Holdings = append(r.s.Holdings, h)
	}
	return true
}

// word is text, and the same string for the same text.
func (r *reading) word(text string) string {
	if known, ok := r.words[text]; ok {
		return known
	}
	text = strings.Clone(text) // not the page that it is a piece of
	r.words[text] = text
	return text
}

func (r *reading) settings(list []pim.Settings) bool {
	r.s.Settings = append(r.s.Settings, list...)
	return true
}

// azure reads each scope. Scopes may lie in one another: what is told twice is kept once.
func (r *reading) azure(ctx context.Context) {
	if r.src.Azure == nil {
		return
	}
	type once struct {
		role, scope, who    string
		eligible, activated bool
	}
	seen := map[once]int{} // where among the holdings
	for _, scope := range r.src.Scopes {
		here := []string{strings.ToLower(scope)}
		for part, eligible := range map[Part]bool{AzureActive: false, AzureEligible: true} {
			pages(ctx, r, part, func(ctx context.Context, page string) ([]pim.Holding, string, error) {
				return r.src.Azure.Holdings(ctx, scope, eligible, page)
			}, func(list []pim.Holding) bool {
				fresh := make([]pim.Holding, 0, len(list))
				for _, h := range list {
					o := once{h.Identity(), strings.ToLower(h.Scope), strings.ToLower(h.Holder.ID), h.Eligible, h.Activated}
					if n, known := seen[o]; known {
						r.alsoBelow(n, here)
						continue
					}
					seen[o] = len(r.s.Holdings) + len(fresh)
					h.Below = here
					fresh = append(fresh, h)
				}
				return r.keep(fresh)
			})
		}
	}
	places := map[string]bool{}
	var todo []pim.Holding
	for _, h := range r.s.Holdings {
		place := strings.ToLower(h.Scope + " " + h.Identity())
		if h.Kind != pim.AzureResource || !h.Eligible || !privileged(h.Assignment) || places[place] {
			continue
		}
		if places[place] = true; len(places) > mostPlaces {
			r.miss(AzureSettings, Unseen{Some: true, Why: "there are more places than are looked at"})
			break
		}
		todo = append(todo, h)
	}
	abreast(todo, func(h pim.Holding) {
		read := func(ctx context.Context, _ string) ([]pim.Settings, string, error) {
			s, err := r.src.Azure.Settings(ctx, h.Assignment)
			s.RoleName, s.ScopeName, s.Below = h.RoleName, h.ScopeName, h.Below
			return []pim.Settings{s}, "", err
		}
		pages(ctx, r, AzureSettings, read, r.settings)
	})
}

// alsoBelow notes that a holding was read below another place, too.
func (r *reading) alsoBelow(n int, place []string) {
	if n < len(r.s.Holdings) && !slices.Contains(r.s.Holdings[n].Below, place[0]) {
		h := &r.s.Holdings[n]
		h.Below = slices.Concat(h.Below, place)
	}
}

// guests asks which users with a privileged role are guests.
func (r *reading) guests(ctx context.Context) {
	asked := map[string]bool{}
	var ids []string
	for _, h := range r.s.Holdings {
		id := strings.ToLower(h.Holder.ID)
		if privileged(h.Assignment) && (h.Type == pim.User || h.Type == "") && !asked[id] {
			asked[id] = true
			ids = append(ids, id)
		}
	}
	abreast(slices.Collect(slices.Chunk(ids, guestsAtOnce)), func(chunk []string) {
		pages(ctx, r, Accounts, func(ctx context.Context, _ string) ([]string, string, error) {
			found, err := r.src.Directory.Guests(ctx, chunk)
			return found, "", err
		}, func(found []string) bool {
			for _, id := range found {
				r.s.Guests[strings.ToLower(id)] = true
			}
			return true
		})
	})
}

func (r *reading) tenant(ctx context.Context) {
	pages(ctx, r, Licences, func(ctx context.Context, _ string) ([]pim.Licence, string, error) {
		found, err := r.src.Tenant.Licences(ctx)
		return found, "", err
	}, func(found []pim.Licence) bool {
		r.s.Licences = found
		return true
	})
	pages(ctx, r, Reviews, r.src.Tenant.Reviews, func(found []pim.AccessReview) bool {
		r.s.Reviews = append(r.s.Reviews, found...)
		return true
	})
	r.activations(ctx)
}

// activations reads the log newest first, so that a log that is too long is known from
// some day on. A log that was read to its end is known for as long as Microsoft keeps
// it: 30 days, or more where an entry is older.
func (r *reading) activations(ctx context.Context) {
	from := r.s.Taken.Add(-staleAfter)
	read, oldest, whole := 0, r.s.Taken, true
	pages(ctx, r, Activations, func(ctx context.Context, page string) ([]pim.Trace, string, error) {
		return r.src.Tenant.Activations(ctx, from, page)
	}, func(list []pim.Trace) bool {
		for _, t := range list {
			d := Deed{r.word(strings.ToLower(t.Principal)), r.word(t.Assignment.Identity())}
			if t.At.After(r.s.Activated[d]) {
				r.s.Activated[d] = t.At
			}
			if t.At.Before(oldest) {
				oldest = t.At
			}
		}
		read++
		whole = read < mostPages
		return whole
	})
	r.s.Since = oldest
	switch short := r.s.Taken.Sub(oldest) < logKept; {
	case short && whole:
		r.s.Since = r.s.Taken.Add(-logKept)
	case short:
		r.miss(Activations, Unseen{Some: true, Why: "its last 30 days are longer than is looked at"})
	}
}
