package bot

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belaybot/belay/pim"
)

// slow is a pillar that answers some questions never, and the others once all that
// are waited for have been asked.
type slow struct {
	Pillar
	kind  pim.Kind
	hangs bool
	all   *sync.WaitGroup
}

func (s slow) Eligible(ctx context.Context, _ string) ([]pim.EligibleAssignment, error) {
	if s.hangs {
		<-ctx.Done()
		return nil, &pim.Error{Code: pim.CodeUnavailable, Err: ctx.Err()}
	}
	s.all.Done()
	s.all.Wait()
	return []pim.EligibleAssignment{{Assignment: pim.Assignment{Kind: s.kind, Role: string(s.kind), Scope: "/"}, RoleName: string(s.kind)}}, nil
}

func (slow) Policy(context.Context, string, pim.Assignment) (pim.Policy, error) {
	return pim.Policy{MaxDuration: time.Hour}, nil
}

func (slow) Children(ctx context.Context, _ string, _ pim.EligibleAssignment) ([]pim.Scope, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (slow) Check(ctx context.Context, _ string, _ pim.Activation) error {
	<-ctx.Done()
	return ctx.Err()
}

func slowBot(pillars map[pim.Kind]Pillar, log *bytes.Buffer) *Bot {
	return &Bot{o: Options{Pillars: pillars, Now: time.Now, Random: zero{}, Log: slog.New(slog.NewTextHandler(log, nil))},
		menu: menus{now: time.Now, held: map[string]*Menu{}, sheets: map[string]*sheet{}}}
}

// The pillars are read at once, and one that never answers hides no other.
func TestPillarsAreReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		all.Add(2)
		var log bytes.Buffer
		b := slowBot(map[pim.Kind]Pillar{
			pim.EntraRole:     slow{kind: pim.EntraRole, all: &all},
			pim.Group:         slow{kind: pim.Group, hangs: true},
			pim.AzureResource: slow{kind: pim.AzureResource, all: &all},
		}, &log)
		begun := time.Now()
		m, err := b.readMenu(t.Context(), "alice")
		if err != nil || len(m.items) != 2 || len(m.missing) != 1 || m.missing[0].kind != pim.Group {
			t.Fatalf("got %+v, %v", m, err)
		}
		if took := time.Since(begun); took != pillarTime {
			t.Errorf("it took %v", took)
		}
	})
}

// half knows a part of what a person is eligible for.
type half struct{ slow }

func (h half) Eligible(ctx context.Context, person string) ([]pim.EligibleAssignment, error) {
	all, err := h.slow.Eligible(ctx, person)
	return all, errors.Join(err, &pim.Error{Op: "eligible", Code: pim.CodeUnavailable})
}

// A list that could be read in part is shown, and the person is told.
func TestHalfAListIsShown(t *testing.T) {
	var all sync.WaitGroup
	all.Add(1)
	b := slowBot(map[pim.Kind]Pillar{pim.EntraRole: half{slow{kind: pim.EntraRole, all: &all}}}, &bytes.Buffer{})
	m, err := b.readMenu(t.Context(), "alice")
	if err != nil || len(m.items) != 1 {
		t.Fatalf("got %+v, %v", m, err)
	}
	if said := sayMissing(m.missing); !strings.HasPrefix(said, "Some Entra roles are missing here: Microsoft did not answer.") {
		t.Errorf("said: %s", said)
	}
	if !m.patchy(m.read.Add(patchAge + time.Second)) {
		t.Error("it is not read again soon")
	}
}

// What is nice to know is waited for a moment only, and what was not said is not
// asked for again.
func TestNobodyWaitsForWhatMicrosoftWouldSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		all.Add(1)
		var log bytes.Buffer
		b := slowBot(map[pim.Kind]Pillar{pim.EntraRole: slow{kind: pim.EntraRole, all: &all}}, &log)
		m, err := b.readMenu(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]string{fieldRole: m.items[0].key}
		begun := time.Now()
		said := b.preflight(t.Context(), "alice", m.items[0].EligibleAssignment, values)
		if took := time.Since(begun); said != "" || took != askedTime {
			t.Errorf("said %q after %v", said, took)
		}
		if m, err = b.prepare(t.Context(), "alice", "form", m, values); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != askedTime+childrenTime {
			t.Errorf("all took %v", took)
		}
		if !b.ready(m, "alice", "form", values) {
			t.Error("the same is asked again at the next choice")
		}
		if f := m.Form("alice", "form", values, nil, ""); len(f.Fields) < 3 || f.Fields[1].Name == fieldWhere {
			t.Errorf("the form is %+v", f)
		}
		if !strings.Contains(log.String(), "could not be read") {
			t.Error("the operator does not hear of it")
		}
	})
}

// What is remembered of forms is bounded, and only for a while.
func TestSheetsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := menus{now: time.Now, held: map[string]*Menu{}, sheets: map[string]*sheet{}}
		b := &Bot{o: Options{Random: zero{}}}
		id := b.newID()
		for n := range mostSheets + 10 {
			m.sheet("alice", requestID(id, n), func(s *sheet) { s.typed = map[string]string{fieldReason: "because"} })
		}
		if len(m.sheets) != mostSheets {
			t.Errorf("%d forms are remembered", len(m.sheets))
		}
		if got := m.withTyped("alice", id, map[string]string{fieldTime: "PT1H"}); got[fieldReason] != "because" || got[fieldTime] != "PT1H" {
			t.Errorf("got %v", got)
		}
		time.Sleep(menuAge + time.Second)
		m.sheet("alice", "new", func(*sheet) {})
		if len(m.sheets) != 1 {
			t.Errorf("%d forms are remembered after a while", len(m.sheets))
		}
	})
}
