package posture_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

// fake is a tenant whose lists come in pages of two, and whose calls fail as told.
type fake struct {
	mu       sync.Mutex
	standing []pim.Holding
	eligible []pim.Holding
	groups   map[string][]pim.Holding
	azure    []pim.Holding
	log      [][]pim.Trace // pages
	guests   []string
	fails    map[string][]error // by call, in order
	always   map[string]error
	calls    []string
	waits    []time.Duration
	before   func(name string) error // a call is answered
}

func (f *fake) call(name string) error {
	if f.before != nil {
		if err := f.before(name); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	if err := f.always[strings.Fields(name)[0]]; err != nil {
		return err
	}
	if list := f.fails[name]; len(list) > 0 {
		f.fails[name] = list[1:]
		return list[0]
	}
	return nil
}

func (f *fake) count(name string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c == name || strings.Fields(c)[0] == name {
			n++
		}
	}
	return n
}

func paged[T any](list []T, page string) ([]T, string) {
	from := 0
	if page != "" {
		fmt.Sscan(page, &from)
	}
	to := min(from+2, len(list))
	if to < len(list) {
		return slices.Clone(list[from:to]), fmt.Sprint(to)
	}
	return slices.Clone(list[from:to]), ""
}

type directory struct{ *fake }

func (d directory) RoleNames(context.Context, string) (map[string]string, string, error) {
	return map[string]string{globalAdmin: "Global Administrator"}, "", d.call("names")
}

func (d directory) Holdings(_ context.Context, eligible bool, page string) ([]pim.Holding, string, error) {
	name, of := "standing", d.standing
	if eligible {
		name, of = "eligible", d.eligible
	}
	if err := d.call(name + " " + page); err != nil {
		return nil, "", err
	}
	list, next := paged(of, page)
	return list, next, nil
}

func (d directory) Settings(context.Context, string) ([]pim.Settings, string, error) {
	return []pim.Settings{settings(globalAdmin)}, "", d.call("settings")
}

func (d directory) Guests(_ context.Context, ids []string) ([]string, error) {
	var found []string
	for _, id := range ids {
		if slices.Contains(d.guests, id) {
			found = append(found, id)
		}
	}
	return found, d.call(fmt.Sprint("guests ", len(ids)))
}

type groups struct{ *fake }

func (g groups) Assignable(context.Context, string) ([]pim.NamedGroup, string, error) {
	return []pim.NamedGroup{{ID: "OPS", Name: "Ops"}}, "", g.call("assignable")
}

func (g groups) Holdings(_ context.Context, group string, eligible bool, page string) ([]pim.Holding, string, error) {
	name := "members"
	if eligible {
		name = "candidates"
	}
	if err := g.call(name + " " + group); err != nil {
		return nil, "", err
	}
	of := slices.DeleteFunc(slices.Clone(g.groups[group]), func(h pim.Holding) bool { return h.Eligible != eligible })
	list, next := paged(of, page)
	return list, next, nil
}

func (g groups) Settings(_ context.Context, group string) ([]pim.Settings, error) {
	return nil, g.call("group-settings " + group)
}

type azureLists struct{ *fake }

func (a azureLists) Holdings(_ context.Context, scope string, eligible bool, page string) ([]pim.Holding, string, error) {
	of := slices.DeleteFunc(slices.Clone(a.azure), func(h pim.Holding) bool { return h.Eligible != eligible })
	list, next := paged(of, page)
	return list, next, a.call("azure " + scope)
}

func (a azureLists) Settings(_ context.Context, of pim.Assignment) (pim.Settings, error) {
	return pim.Settings{Assignment: of}, a.call("azure-settings " + of.Scope)
}

type whole struct{ *fake }

func (w whole) Licences(context.Context) ([]pim.Licence, error) {
	return []pim.Licence{{SKU: "x", Plan: pim.PlanP2}}, w.call("licences")
}

func (w whole) Reviews(context.Context, string) ([]pim.AccessReview, string, error) {
	return nil, "", w.call("reviews")
}

func (w whole) Activations(_ context.Context, _ time.Time, page string) ([]pim.Trace, string, error) {
	if err := w.call("log " + page); err != nil || len(w.log) == 0 {
		return nil, "", err
	}
	n := 0
	if page != "" {
		fmt.Sscan(page, &n)
	}
	if n+1 < len(w.log) {
		return w.log[n], fmt.Sprint(n + 1), nil
	}
	return w.log[n], "", nil
}

func (f *fake) read(t *testing.T) posture.Snapshot {
	t.Helper()
	if f.groups == nil {
		f.groups = map[string][]pim.Holding{"ops": {in("ops", "oscar", eligible)}}
	}
	s, err := posture.Read(t.Context(), posture.Sources{TenantID: "t", Directory: directory{f}, Groups: groups{f}, Azure: azureLists{f}, Tenant: whole{f},
		Scopes: []string{"/sub/a", "/sub"}, Permissions: map[posture.Part]string{posture.Licences: "LicenseAssignment.Read.All", posture.GroupsElig: "Groups.Read"},
		Now: func() time.Time { return taken }, Wait: func(_ context.Context, d time.Duration) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.waits = append(f.waits, d)
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func throttled(after time.Duration) error {
	return &pim.Error{Op: "x", Code: pim.CodeThrottled, After: after}
}

// Pages are put together, and a tenant that tells everything has nothing unseen.
func TestReadEverything(t *testing.T) {
	f := &fake{standing: []pim.Holding{role(globalAdmin, "a"), role(globalAdmin, "b"), role(globalAdmin, "c")}, eligible: []pim.Holding{role(globalAdmin, "d", eligible)}, guests: []string{"a"}}
	s := f.read(t)
	if len(s.Unseen) != 0 || len(s.Holdings) != 5 || !s.Guests["a"] || !s.Looked["ops"] || s.Roles[globalAdmin] == "" || len(s.Licences) != 1 {
		t.Errorf("%+v", s)
	}
	if f.count("group-settings") != 1 || f.count("guests") != 1 {
		t.Errorf("%v", f.calls)
	}
}

// A throttled page is asked for again after as long as Microsoft says; one that is not
// answered, after a pause that grows.
func TestAThrottledPageIsReadAgain(t *testing.T) {
	f := &fake{standing: []pim.Holding{role(globalAdmin, "a"), role(globalAdmin, "b"), role(globalAdmin, "c")},
		fails: map[string][]error{"standing 2": {throttled(7 * time.Second), &pim.Error{Code: pim.CodeUnavailable, Err: context.DeadlineExceeded}}}}
	s := f.read(t)
	if len(s.Unseen) != 0 || len(s.Holdings) != 4 {
		t.Errorf("%+v", s.Unseen)
	}
	if !slices.Equal(f.waits, []time.Duration{7 * time.Second, time.Second}) {
		t.Errorf("waits %v", f.waits)
	}
}

// What is read at once and is throttled at once waits once, together.
func TestThrottledReadsWaitTogether(t *testing.T) {
	for _, part := range []string{"members", "guests", "azure-settings"} {
		f := &fake{groups: map[string][]pim.Holding{}}
		for n := range posture.Lanes {
			id := fmt.Sprint("g", n)
			f.groups[id] = []pim.Holding{in(id, "oscar", eligible)}
			f.standing = append(f.standing, role("reader", id, isGroup))
			f.azure = append(f.azure, azure(fmt.Sprint("/sub/", n), "alice", eligible))
			for m := range 15 {
				f.standing = append(f.standing, role(globalAdmin, fmt.Sprint("a", n, "-", m)))
			}
		}
		var all sync.WaitGroup
		all.Add(posture.Lanes)
		asked := 0
		f.before = func(name string) error {
			f.mu.Lock()
			if strings.HasPrefix(name, part+" ") {
				asked++
			}
			first := strings.HasPrefix(name, part+" ") && asked <= posture.Lanes
			f.mu.Unlock()
			if !first {
				return nil
			}
			all.Done() // it is answered when every lane has asked
			all.Wait()
			return throttled(10 * time.Second)
		}
		s := f.read(t)
		if len(s.Unseen) != 0 || asked <= posture.Lanes {
			t.Errorf("%s: asked %d times, %+v", part, asked, s.Unseen)
		}
		if !slices.Equal(f.waits, []time.Duration{10 * time.Second}) {
			t.Errorf("%s: waits %v", part, f.waits)
		}
	}
}

// A page that never comes leaves what came before it, and is named.
func TestAPageThatNeverComesIsNamed(t *testing.T) {
	f := &fake{standing: []pim.Holding{role(globalAdmin, "a"), role(globalAdmin, "b"), role(globalAdmin, "c")}, fails: map[string][]error{}}
	for range 10 {
		f.fails["standing 2"] = append(f.fails["standing 2"], &pim.Error{Code: pim.CodeUnavailable, Err: context.DeadlineExceeded})
	}
	s := f.read(t)
	if len(s.Holdings) != 3 || len(s.Unseen) != 1 || s.Unseen[0] != (posture.Unseen{Part: posture.RolesActive, Some: true, Why: "it took too long"}) || f.count("standing 2") != 5 {
		t.Errorf("%d holdings, %+v, %d tries", len(s.Holdings), s.Unseen, f.count("standing 2"))
	}
	if got := s.Unseen[0].Say(); got != "Cannot see all of who has which directory role: it took too long." {
		t.Error(got)
	}
}

// A tenant that did not answer is read again later; one that does not permit it, or answers in
// part, is as it is.
func TestAReadingThatFailed(t *testing.T) {
	away, forbidden := error(&pim.Error{Code: pim.CodeUnavailable}), error(&pim.Error{Code: pim.CodeForbidden})
	for name, tc := range map[string]struct {
		always map[string]error
		failed bool
	}{
		"everything answers":   {nil, false},
		"nothing answers":      {map[string]error{"standing": away, "eligible": away}, true},
		"throttled throughout": {map[string]error{"standing": throttled(time.Second), "eligible": throttled(time.Second)}, true},
		"one list answers":     {map[string]error{"standing": away}, false},
		"a permission":         {map[string]error{"standing": forbidden, "eligible": forbidden}, false},
		"no licence":           {map[string]error{"standing": &pim.Error{Code: pim.CodeLicense}, "eligible": &pim.Error{Code: pim.CodeLicense}}, false},
		"the rest does not":    {map[string]error{"members": away, "candidates": away, "azure": away, "licences": away}, false},
	} {
		f := &fake{standing: []pim.Holding{role(globalAdmin, "a")}, always: tc.always}
		if got := f.read(t).Failed(); got != tc.failed {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A permission that is missing is named with what it hides, and is not asked for again and again.
func TestAMissingPermissionIsNamed(t *testing.T) {
	forbidden := &pim.Error{Code: pim.CodeForbidden, Err: errors.New("a text that is nobody's business")}
	f := &fake{always: map[string]error{"licences": forbidden, "candidates": forbidden}, standing: []pim.Holding{role(globalAdmin, "g1", isGroup), role(globalAdmin, "g2", isGroup)}}
	f.groups = map[string][]pim.Holding{}
	s := f.read(t)
	want := []posture.Unseen{
		{Part: posture.GroupsElig, Permission: "Groups.Read", Why: "not permitted"},
		{Part: posture.Licences, Permission: "LicenseAssignment.Read.All", Why: "not permitted"},
	}
	if !slices.Equal(s.Unseen, want) {
		t.Errorf("%+v", s.Unseen)
	}
	if f.count("licences") != 1 || f.count("candidates") > 3 || len(f.waits) != 0 {
		t.Errorf("%v", f.calls)
	}
	if got := s.Unseen[1].Say(); got != "Cannot see the licences, because permission LicenseAssignment.Read.All is missing." {
		t.Error(got)
	}
}

// Groups that hold a role, and groups inside them, are followed; a circle ends.
func TestGroupsInsideGroupsAreFollowed(t *testing.T) {
	f := &fake{standing: []pim.Holding{role(globalAdmin, "outer", isGroup)}, groups: map[string][]pim.Holding{
		"outer": {in("outer", "inner", isGroup, eligible)}, "inner": {in("inner", "core", isGroup)}, "core": {in("core", "outer", isGroup)}}}
	s := f.read(t)
	for _, g := range []string{"ops", "outer", "inner", "core"} {
		if !s.Looked[g] || f.count("members "+g) != 1 {
			t.Errorf("%s: looked %v, %d reads", g, s.Looked[g], f.count("members "+g))
		}
	}
}

// What two scopes of Azure tell is kept once, and a role's settings are read once per place.
func TestAzureIsCountedOnce(t *testing.T) {
	f := &fake{azure: []pim.Holding{azure(sub, "a"), azure(sub, "b", eligible), azure(sub, "c", eligible)}}
	s := f.read(t)
	n := 0
	for _, h := range s.Holdings {
		if h.Kind == pim.AzureResource {
			n++
			if !slices.Equal(h.Below, []string{"/sub/a", "/sub"}) {
				t.Errorf("%s is read below %v", h.Holder.ID, h.Below)
			}
		} else if h.Below != nil {
			t.Errorf("%+v", h)
		}
	}
	if n != 3 || f.count("azure-settings") != 1 {
		t.Errorf("%d of Azure, %v", n, f.calls)
	}
}

// How far back the log is known: Microsoft's 30 days where it was read to its end, its
// oldest entry where that is older, and nothing to judge by where it is too long.
func TestHowFarTheLogGoesBack(t *testing.T) {
	at := func(age time.Duration) []pim.Trace {
		return []pim.Trace{{Principal: "Uma", Assignment: pim.Assignment{Kind: pim.EntraRole, Role: userAdmin}, At: taken.Add(-age)}}
	}
	const day = 24 * time.Hour
	long := [][]pim.Trace{}
	for i := range 30 {
		long = append(long, at(time.Duration(i)*day/2))
	}
	for name, tc := range map[string]struct {
		log    [][]pim.Trace
		since  time.Duration
		unseen bool
	}{
		"empty":   {nil, 30 * day, false},
		"short":   {[][]pim.Trace{at(day)}, 30 * day, false},
		"old":     {[][]pim.Trace{at(day), at(80 * day)}, 80 * day, false},
		"endless": {long, 19 * day / 2, true},
	} {
		s := (&fake{log: tc.log}).read(t)
		if got := taken.Sub(s.Since); got != tc.since || tc.unseen != slices.ContainsFunc(s.Unseen, func(u posture.Unseen) bool { return u.Part == posture.Activations }) {
			t.Errorf("%s: since %s ago, %+v", name, got, s.Unseen)
		}
		if len(tc.log) > 0 && !s.Activated[posture.Deed{Principal: "uma", Role: userAdmin}].Equal(tc.log[0][0].At) {
			t.Errorf("%s: %v", name, s.Activated)
		}
	}
}

// A reading that is stopped says so.
func TestAReadingThatIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &fake{fails: map[string][]error{"standing ": {throttled(time.Second)}}}
	_, err := posture.Read(ctx, posture.Sources{Directory: directory{f}, Groups: groups{f}, Tenant: whole{f}, Now: func() time.Time { return taken }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
