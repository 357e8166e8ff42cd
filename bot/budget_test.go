package bot_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// perMinute is the default budget of readings.
const perMinute = 60

// meter counts the calls that look, as Microsoft would.
type meter struct {
	*bottest.Microsoft
	mu    sync.Mutex
	calls []time.Time
	waits time.Duration // how long Microsoft asks everybody who looks to wait, when not zero
}

func (m *meter) count(n int, err error) {
	if pim.CodeOf(err) == pim.CodeSignIn {
		return // nobody was called
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		m.calls = append(m.calls, time.Now())
	}
}

func (m *meter) Pending(ctx context.Context, approver string) ([]pim.Request, error) {
	m.mu.Lock()
	waits := m.waits
	m.mu.Unlock()
	if waits > 0 {
		m.count(1, nil)
		return nil, &pim.Error{Op: "pending", Code: pim.CodeThrottled, After: waits}
	}
	all, err := m.Microsoft.Pending(ctx, approver)
	m.count(max(1, (len(all)+99)/100), err)
	return all, err
}

func (m *meter) Traces(ctx context.Context, since time.Time) ([]pim.Trace, error) {
	m.count(1, nil)
	return m.Microsoft.Traces(ctx, since)
}

func (m *meter) Request(ctx context.Context, person, id string) (pim.Request, error) {
	r, err := m.Microsoft.Request(ctx, person, id)
	m.count(1, err)
	return r, err
}

func (m *meter) Approval(ctx context.Context, approver, id string) (pim.Approval, error) {
	a, err := m.Microsoft.Approval(ctx, approver, id)
	m.count(1, err)
	return a, err
}

func (m *meter) Active(ctx context.Context, principal string, a pim.Assignment) ([]pim.Instance, error) {
	all, err := m.Microsoft.Active(ctx, principal, a)
	m.count(1, err)
	return all, err
}

func (m *meter) Policy(ctx context.Context, person string, a pim.Assignment) (pim.Policy, error) {
	p, err := m.Microsoft.Policy(ctx, person, a)
	m.count(1, err)
	return p, err
}

// between is how many calls there were in a span.
func (m *meter) between(from, to time.Time) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, at := range m.calls {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// busiest is the most calls in any span of that length.
func (m *meter) busiest(d time.Duration) (most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := 0
	for n, at := range m.calls {
		for at.Sub(m.calls[from]) >= d {
			from++
		}
		most = max(most, n-from+1)
	}
	return most
}

// office is a bot in a bubble of its own time, with approvers and many requesters.
type office struct {
	t     *testing.T
	ms    *meter
	slack *bottest.Chat
	disk  store.Store
	bot   *bot.Bot
	links *bot.Links
	kind  pim.Kind
	roles int
	asked int
}

// open has approvers, all signed in and linked, and a bot with the default budget.
// Everybody of them may decide on every role.
func open(t *testing.T, kind pim.Kind, approvers, roles int, reachable bool, change ...func(*bot.Options)) *office {
	o := &office{t: t, kind: kind, ms: &meter{Microsoft: bottest.NewMicrosoft(time.Now)}, slack: bottest.NewChat(bot.Slack), disk: &plain{}, roles: roles}
	hide := func(parts ...string) string { return strings.Join(parts, ".") }
	o.links = bot.NewLinks(bot.LinkOptions{Store: o.disk, Pseudonym: hide, PublicURL: "https://belay.example", Directory: o.ms})
	var all []pim.Principal
	for n := range approvers {
		p := pim.Principal{ID: fmt.Sprintf("approver-%02d", n), Name: fmt.Sprintf("Approver %02d", n), UPN: "a@contoso.example"}
		all = append(all, p)
		o.ms.AddPerson(p, true)
		if reachable {
			o.slack.Reachable(p.ID, bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-" + p.ID, Private: true})
		}
	}
	for n := range roles {
		o.ms.AddRole("nobody", o.role(n), pim.Policy{MaxDuration: 8 * time.Hour, Approval: true, Approvers: all})
	}
	for _, p := range all {
		o.link(p)
	}
	options := bot.Options{Store: o.disk, Pseudonym: hide, Pillars: map[pim.Kind]bot.Pillar{kind: o.ms},
		Finders: map[pim.Kind]bot.Finder{kind: o.ms}, Directory: o.ms, Grants: o.ms, Links: o.links,
		Chats: map[bot.Platform]bot.Chat{bot.Slack: o.slack}, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&options)
	}
	b, err := bot.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	o.bot = b
	return o
}

func (o *office) role(n int) pim.EligibleAssignment {
	return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: o.kind, Role: fmt.Sprintf("role-%d", n), Scope: "/"}, RoleName: fmt.Sprintf("Role %d", n)}
}

// link binds a Teams user, as the sign-in pages do.
func (o *office) link(p pim.Principal) {
	o.t.Helper()
	ctx := o.t.Context()
	id := "ticket-" + p.ID
	user := bot.User{Platform: bot.Teams, Tenant: tenant, ID: p.ID}
	if err := o.disk.Update(ctx, func(tx store.Tx) error { return o.links.Offer(tx, id, bot.Ticket{User: user}) }); err != nil {
		o.t.Fatal(err)
	}
	hop, err := o.links.Begin(ctx, id, "browser")
	if err == nil {
		hop, _, err = o.links.Take(ctx, bot.StepEntra, hop.State, "browser")
	}
	if err == nil {
		_, err = o.links.Complete(ctx, hop, pim.Identity{Tenant: tenant, Principal: p}, func(context.Context) error { return nil })
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

// asks lets somebody new ask in the portal.
func (o *office) asks() pim.Request {
	o.t.Helper()
	o.asked++
	p := pim.Principal{ID: fmt.Sprintf("requester-%05d", o.asked), Name: fmt.Sprintf("Requester %d", o.asked), UPN: "r@contoso.example"}
	o.ms.AddPerson(p, false)
	m, err := o.ms.Portal(p.ID, pim.Activation{Assignment: o.role(o.asked % o.roles).Assignment, Duration: time.Hour, Justification: "needed"})
	if err != nil {
		o.t.Fatal(err)
	}
	return m
}

// until lets time go on until something holds, and tells how long that took.
func (o *office) until(limit time.Duration, what string, holds func() bool) time.Duration {
	o.t.Helper()
	since := time.Now()
	for !holds() {
		if time.Since(since) > limit {
			o.t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(250 * time.Millisecond)
	}
	return time.Since(since)
}

// follows is the request that stands for Microsoft's, if there is one.
func (o *office) follows(m pim.Request) (id string) {
	o.t.Helper()
	err := o.disk.View(o.t.Context(), func(tx store.Tx) error {
		var err error
		id, err = store.NewBucket[string]("held").Get(tx, fmt.Sprintf("%x", sha256.Sum256([]byte(string(o.kind)+"\x00"+m.ID))))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return id
}

// plain is a store for many requests: in memory, undone when a function fails.
type plain struct {
	mu   sync.Mutex
	rows map[string]map[string][]byte
	keys map[string][]string // sorted
}

func (p *plain) View(ctx context.Context, fn func(store.Tx) error) error { return p.Update(ctx, fn) }

func (p *plain) Update(_ context.Context, fn func(store.Tx) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rows == nil {
		p.rows, p.keys = map[string]map[string][]byte{}, map[string][]string{}
	}
	tx := &plainTx{plain: p}
	err := fn(tx)
	if err != nil {
		for _, undo := range slices.Backward(tx.undo) {
			undo()
		}
	}
	return err
}

type plainTx struct {
	*plain
	undo []func()
}

func (t *plainTx) set(bucket, key string, value []byte) {
	rows := t.rows[bucket]
	if rows == nil {
		rows = map[string][]byte{}
		t.rows[bucket] = rows
	}
	before, was := rows[key]
	n, _ := slices.BinarySearch(t.keys[bucket], key)
	switch {
	case value == nil && was:
		delete(rows, key)
		t.keys[bucket] = slices.Delete(t.keys[bucket], n, n+1)
	case value != nil && !was:
		t.keys[bucket] = slices.Insert(t.keys[bucket], n, key)
		fallthrough
	case value != nil:
		rows[key] = value
	}
	t.undo = append(t.undo, func() {
		if !was {
			before = nil
		}
		(&plainTx{plain: t.plain}).set(bucket, key, before)
	})
}

func (t *plainTx) Get(bucket string, key []byte) ([]byte, error) {
	if value, ok := t.rows[bucket][string(key)]; ok {
		return value, nil
	}
	return nil, store.ErrNotFound
}

func (t *plainTx) Put(bucket string, key, value []byte) error {
	t.set(bucket, string(key), append([]byte{}, value...))
	return nil
}

func (t *plainTx) Delete(bucket string, key []byte) error {
	t.set(bucket, string(key), nil)
	return nil
}

func (t *plainTx) Scan(bucket string, from, to []byte, fn func(key, value []byte) error) error {
	for at := string(from); ; {
		n, _ := slices.BinarySearch(t.keys[bucket], at)
		if n == len(t.keys[bucket]) || to != nil && t.keys[bucket][n] >= string(to) {
			return nil
		}
		key := t.keys[bucket][n]
		if err := fn([]byte(key), t.rows[bucket][key]); err != nil {
			if errors.Is(err, store.Stop) {
				return nil
			}
			return err
		}
		at = key + "\x00"
	}
}

// TestBudget measures what looking costs and how old what is known gets, with few and
// with many open requests. With -v it prints the figures.
func TestBudget(t *testing.T) {
	for _, test := range []struct {
		open, samples int
		calm          time.Duration // in which only looking is measured
		fresh         time.Duration // a decision made elsewhere is noticed within that time
		card          time.Duration // a request has its card within that time
	}{
		{1, 10, 30 * time.Minute, 20 * time.Second, 15 * time.Second},
		{100, 10, 30 * time.Minute, 20 * time.Second, 15 * time.Second},
		{10_000, 1, 6 * time.Minute, 6 * time.Minute, 6 * time.Minute},
	} {
		t.Run(fmt.Sprintf("%d open", test.open), func(t *testing.T) {
			if testing.Short() && test.open > 100 {
				t.Skip("ten thousand requests take a while")
			}
			synctest.Test(t, func(t *testing.T) {
				o := open(t, pim.EntraRole, 2, 20, false)
				var all []pim.Request
				for range test.open {
					all = append(all, o.asks())
				}
				o.until(20*time.Minute, "all are found", func() bool { return o.follows(all[len(all)-1]) != "" })
				time.Sleep(test.calm / 2) // as it is from then on
				from := time.Now()
				time.Sleep(test.calm)
				quiet := float64(o.ms.between(from, time.Now())) / test.calm.Minutes()
				var stale, delay []time.Duration
				for n := range test.samples {
					m := o.asks()
					delay = append(delay, o.until(test.card, "a request is found", func() bool { return o.follows(m) != "" }))
					time.Sleep(17*time.Second + time.Duration(n)*time.Second)
					decided := all[len(all)/2]
					if err := o.ms.Microsoft.Review(t.Context(), "approver-01", pim.Decision{Approval: decided.ID, Result: pim.Denied, Justification: "no"}); err != nil {
						t.Fatal(err)
					}
					id := o.follows(decided)
					stale = append(stale, o.until(test.fresh, "a decision is noticed", func() bool {
						r, err := o.bot.Request(t.Context(), id)
						return err == nil && r.State == bot.Denied && r.Decided.By.Name == "Approver 01"
					}))
					all = append(slices.Delete(all, len(all)/2, len(all)/2+1), m)
				}
				busy := float64(o.ms.between(from, time.Now())) / time.Since(from).Minutes()
				hour := o.ms.busiest(time.Hour)
				t.Logf("%d open: %.1f calls a minute, %.1f with decisions; busiest minute %d, busiest hour %d; request to card %v at most, decision noticed after %v at most",
					test.open, quiet, busy, o.ms.busiest(time.Minute), hour, slices.Max(delay), slices.Max(stale))
				if quiet > perMinute || busy > perMinute || hour > 60*perMinute {
					t.Errorf("the budget is exceeded")
				}
				if pages := (test.open + 99) / 100; pages <= 10 && o.ms.busiest(time.Minute) > perMinute {
					t.Errorf("%d calls in one minute", o.ms.busiest(time.Minute))
				}
			})
		})
	}
}

// Fifty approvers get the card of a request from the portal.
func TestFiftyApprovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, pim.EntraRole, 50, 1, true)
		time.Sleep(10 * time.Minute)
		o.asks()
		took := o.until(15*time.Second, "everybody has the card", func() bool {
			for n := range 50 {
				if askers(o.slack, fmt.Sprintf("D-approver-%02d", n)) != 1 {
					return false
				}
			}
			return true
		})
		t.Logf("50 approvers have their cards %v after the request; busiest minute %d calls", took, o.ms.busiest(time.Minute))
		if n := o.ms.busiest(time.Minute); n > perMinute {
			t.Errorf("%d calls in one minute", n)
		}
	})
}

// A service that asks to be left alone is left alone.
func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, pim.EntraRole, 3, 1, false)
		o.ms.mu.Lock()
		o.ms.waits = 2 * time.Minute
		o.ms.mu.Unlock()
		time.Sleep(time.Hour)
		if n := o.ms.between(time.Now().Add(-50*time.Minute), time.Now()); n > 40 {
			t.Errorf("%d calls in 50 minutes", n)
		} else {
			t.Logf("%d calls in 50 minutes", n)
		}
	})
}

// Of an Azure request the log does not tell the approval: the approver's list does.
func TestAzureRequestFromTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, pim.AzureResource, 1, 1, true)
		o.ms.SetLive("approver-00", false)
		m := o.asks()
		o.ms.AddTrace(pim.Trace{ID: "t1", At: time.Now(), What: pim.TraceAsked, Request: m.ID, Assignment: m.Assignment, Principal: m.Principal, RoleName: "Owner"})
		o.until(10*time.Minute, "it is found", func() bool { return askers(o.slack, "D-approver-00") == 1 })
		if r, err := o.bot.Request(t.Context(), o.follows(m)); err != nil || r.Held.Approval != "" {
			t.Fatalf("%+v %v", r.Held, err)
		}
		o.ms.SetLive("approver-00", true)
		reply, _ := o.bot.Handle(t.Context(), bot.Inbound{User: bot.User{Platform: bot.Teams, Tenant: tenant, ID: "approver-00"}, Principal: "approver-00",
			At: bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "chat", Private: true}, Said: bot.Press{Verb: bot.VerbApprove, ID: o.follows(m)}})
		if reply.Card == nil || reply.Card.Title != "On its way" {
			t.Fatalf("the approver sees %+v", reply.Card)
		}
		o.until(time.Minute, "it is active", func() bool {
			r, err := o.bot.Request(t.Context(), o.follows(m))
			return err == nil && r.State == bot.Active && r.Decided.By.ID == "approver-00" && !r.Traced
		})
	})
}
