package bot_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

const (
	subscription = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	contributor  = subscription + "/providers/Microsoft.Authorization/roleDefinitions/contributor"
)

var (
	managers = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: "g-managers"}, RoleName: "Member", ScopeName: "Duty Managers"}
	owners   = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.Group, Role: pim.Owner, Scope: "g-managers"}, RoleName: "Owner", ScopeName: "Duty Managers"}
	azure    = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: contributor, Scope: subscription}, RoleName: "Contributor",
		ScopeName: "subscription Production", Schedule: subscription + "/schedules/s1", Condition: "@Resource", ConditionVersion: "2.0"}
	rgProd = pim.Scope{ID: subscription + "/resourceGroups/rg-prod", Name: "resource group rg-prod"}
	rgTest = pim.Scope{ID: subscription + "/resourceGroups/rg-test", Name: "resource group rg-test"}
)

// pillar is one of three over the same tenant: it lists its own kind only.
type pillar struct {
	bot.Pillar
	kind pim.Kind

	mu     sync.Mutex
	err    error // of Eligible
	checks []pim.Activation
	asked  []pim.Activation
}

func (p *pillar) Eligible(ctx context.Context, person string) ([]pim.EligibleAssignment, error) {
	p.mu.Lock()
	err := p.err
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	all, err := p.Pillar.Eligible(ctx, person)
	return slices.DeleteFunc(all, func(e pim.EligibleAssignment) bool { return e.Kind != p.kind }), err
}

func (p *pillar) Check(ctx context.Context, person string, a pim.Activation) error {
	p.mu.Lock()
	p.checks = append(p.checks, a)
	p.mu.Unlock()
	return p.Pillar.Check(ctx, person, a)
}

func (p *pillar) Activate(ctx context.Context, person string, a pim.Activation) (pim.Request, error) {
	p.mu.Lock()
	p.asked = append(p.asked, a)
	p.mu.Unlock()
	return p.Pillar.Activate(ctx, person, a)
}

func (p *pillar) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *pillar) checked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.checks)
}

func (p *pillar) activated(t *testing.T) pim.Activation {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) == 0 {
		t.Fatal("Microsoft was asked for nothing")
	}
	return p.asked[len(p.asked)-1]
}

// wide is a world in which Alice is eligible in all three pillars.
type wide struct {
	*world
	pillars map[pim.Kind]*pillar
}

func newWide(t *testing.T, change func(*bot.Options)) *wide {
	t.Helper()
	w := &wide{world: newWorld(t), pillars: map[pim.Kind]*pillar{}}
	w.stop()
	for _, kind := range []pim.Kind{pim.EntraRole, pim.Group, pim.AzureResource} {
		w.pillars[kind] = &pillar{Pillar: w.ms, kind: kind}
	}
	w.change = func(o *bot.Options) {
		o.Pillars = map[pim.Kind]bot.Pillar{}
		for kind, p := range w.pillars {
			o.Pillars[kind] = p
		}
		if change != nil {
			change(o)
		}
	}
	w.ms.AddRole("oid-alice", managers, pim.Policy{MaxDuration: 2 * time.Hour, Justification: true})
	w.ms.AddRole("oid-alice", owners, pim.Policy{MaxDuration: time.Hour, Approval: true})
	w.ms.AddRole("oid-alice", azure, pim.Policy{MaxDuration: 8 * time.Hour, Justification: true, Ticket: true, Approval: true,
		Approvers: []pim.Principal{people["bob"]}, ApproverGroups: []pim.ApproverGroup{{ID: "g", Name: "Cloud Owners", Size: 1}}})
	w.start()
	w.link("alice")
	return w
}

// form is what a command opens.
func (w *world) form(command string) *bot.Form {
	w.t.Helper()
	reply := w.says("alice", bot.Command{Text: command})
	if reply.Form == nil {
		w.t.Fatalf("%q opens no form: %+v", command, reply.Card)
	}
	return reply.Form
}

// choose changes what is filled in, as a Live field tells it, and gives the form anew.
func (w *world) choose(f *bot.Form, more map[string]string) *bot.Form {
	w.t.Helper()
	reply := w.says("alice", bot.Change{Verb: f.Verb, ID: f.ID, Values: answered(f, more)})
	if reply.Form == nil {
		w.t.Fatalf("no form: %+v", reply.Card)
	}
	return reply.Form
}

// send submits a form and wants it taken.
func (w *world) send(f *bot.Form, more map[string]string) bot.Card {
	w.t.Helper()
	reply := w.says("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: answered(f, more)})
	if reply.Card == nil {
		w.t.Fatalf("the form was not taken: %+v", problemsOf(reply.Form))
	}
	return *reply.Card
}

// refused submits a form and wants it back with a problem at a field.
func (w *world) refused(f *bot.Form, name string, more map[string]string) string {
	w.t.Helper()
	reply := w.says("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: answered(f, more)})
	if reply.Form == nil {
		w.t.Fatalf("the form was taken: %+v", reply.Card)
	}
	problem := fieldOf(reply.Form, name).Error
	if problem == "" {
		w.t.Fatalf("nothing is wrong with %s: %+v", name, problemsOf(reply.Form))
	}
	return problem
}

func problemsOf(f *bot.Form) map[string]string {
	problems := map[string]string{}
	for _, field := range f.Fields {
		if field.Error != "" {
			problems[field.Name] = field.Error
		}
	}
	return problems
}

// option is the value of the option with that label.
func option(t *testing.T, f bot.Field, label string) string {
	t.Helper()
	for _, o := range f.Options {
		if o.Label == label {
			return o.Value
		}
	}
	t.Fatalf("%s offers no %q: %+v", f.Name, label, f.Options)
	return ""
}

// fieldOf is the field of a form with that name, or one whose name begins so; none:
// the zero Field.
func fieldOf(f *bot.Form, name string) bot.Field {
	if n := slices.IndexFunc(f.Fields, func(f bot.Field) bool {
		return f.Name == name || strings.HasSuffix(name, "-") && strings.HasPrefix(f.Name, name)
	}); n >= 0 {
		return f.Fields[n]
	}
	return bot.Field{}
}

// valuesOf is what a form is filled in with.
func valuesOf(f *bot.Form) map[string]string {
	values := map[string]string{}
	for _, field := range f.Fields {
		values[field.Name] = field.Value
	}
	return values
}

// answered is what a form is filled in with, and more.
func answered(f *bot.Form, more map[string]string) map[string]string {
	values := valuesOf(f)
	maps.Copy(values, more)
	return values
}
