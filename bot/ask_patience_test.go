package bot

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belaybot/belay/pim"
)

// busy is a pillar that asks everybody to wait the first few times, by question.
type busy struct {
	Pillar
	after time.Duration
	mu    *sync.Mutex // of left
	left  map[string]int
}

func (b busy) ask(what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left[what]--; b.left[what] >= 0 {
		return &pim.Error{Op: what, Code: pim.CodeThrottled, After: b.after}
	}
	return nil
}

func (b busy) Eligible(context.Context, string) ([]pim.EligibleAssignment, error) {
	if err := b.ask("eligible"); err != nil {
		return nil, err
	}
	return []pim.EligibleAssignment{{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: "reader", Scope: "/s"}, RoleName: "Reader"}}, nil
}

func (b busy) Policy(context.Context, string, pim.Assignment) (pim.Policy, error) {
	return pim.Policy{MaxDuration: time.Hour}, b.ask("policy")
}

func (b busy) Children(context.Context, string, pim.EligibleAssignment) ([]pim.Scope, error) {
	if err := b.ask("children"); err != nil {
		return nil, err
	}
	return []pim.Scope{{ID: "/s/rg", Name: "rg"}}, nil
}

func (busy) Check(context.Context, string, pim.Activation) error { return nil }

// Whoever sits before a form waits the moment that Microsoft asks for; what asks for
// longer is told at once.
func TestAMomentsPatience(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		times int
		opens bool
	}{
		"a moment":             {time.Second, 1, true},
		"a moment three times": {time.Second, 3, true},
		"again and again":      {time.Second, 4, false},
		"two minutes":          {2 * time.Minute, 1, false},
		"not told":             {0, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				for _, what := range []string{"eligible", "policy", "children"} {
					b := slowBot(map[pim.Kind]Pillar{pim.AzureResource: busy{after: c.after, mu: &sync.Mutex{}, left: map[string]int{what: c.times}}}, &log)
					begun := time.Now()
					m, err := b.readMenu(t.Context(), "alice")
					if err == nil {
						values := map[string]string{fieldRole: m.items[0].key}
						m, err = b.prepare(t.Context(), "alice", "form", m, values)
					}
					opens := err == nil && len(m.policies) == 1 && len(m.children[m.items[0].Assignment]) == 1
					if opens != c.opens {
						t.Errorf("%s: opens %v, %v", what, opens, err)
					}
					if took := time.Since(begun); took > aMoment || c.opens && took != time.Duration(c.times)*c.after {
						t.Errorf("%s: it took %v", what, took)
					}
				}
			})
		})
	}
}

// torn is a pillar of whose list only a part can be read.
type torn struct{ busy }

func (p torn) Eligible(ctx context.Context, person string) ([]pim.EligibleAssignment, error) {
	all, _ := p.busy.Eligible(ctx, person)
	return all, &pim.Error{Op: "eligible", Code: pim.CodeForbidden}
}

// A list of which a part is missing is offered, and says so; it does not count as
// everything that there is.
func TestAPartOfAListIsMissing(t *testing.T) {
	var log bytes.Buffer
	b := slowBot(map[pim.Kind]Pillar{pim.AzureResource: torn{busy{mu: &sync.Mutex{}, left: map[string]int{}}}}, &log)
	m, err := b.readMenu(t.Context(), "alice")
	if err != nil || len(m.items) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	note := m.Form("alice", "form", nil, nil, "").Note
	if !strings.Contains(note, "Some Azure resource roles are missing here: Belay lacks a permission or consent.") {
		t.Errorf("the form says %q", note)
	}
	if !m.patchy(b.o.Now().Add(patchAge + time.Second)) {
		t.Error("the list is not read anew before its time")
	}
	if !strings.Contains(log.String(), "could not be read") {
		t.Error("the operator does not hear of it")
	}
}
