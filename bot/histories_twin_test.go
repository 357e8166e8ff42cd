package bot_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Two lives of one history: in the first nothing fails; in the second answers of Microsoft and
// of the chats are lost, chats refuse, the process is restarted, and killed while somebody
// acts, and every delivery may come again, as platforms do when they hear nothing. All of these
// Belay promises to hide: Microsoft holds the same in the end, and the cards say the same.
func TestAHistoryAndItsTwinWithFaultsEndAlike(t *testing.T) {
	usual := 60
	if raceDetector {
		usual = 10
	}
	histories(t, usual, func(t *testing.T) {
		seen := map[string]int{}
		rapid.Check(t, func(rt *rapid.T) {
			script := rapid.SliceOfN(rapid.Custom(drawAct), 1, 14).Draw(rt, "acts")
			calm, stormy := lives(rt, script, false), lives(rt, script, true)
			if d := cmp.Diff(calm.told, stormy.told); d != "" {
				rt.Fatalf("faults change what happens (-without, +with):\n%s", d)
			}
			seen["deaths"] += stormy.deaths
			seen["histories"]++
			for _, line := range calm.told {
				what, _, _ := strings.Cut(line, ":")
				seen[what]++
			}
		})
		for _, key := range slices.Sorted(maps.Keys(seen)) {
			t.Logf("%7d %s", seen[key], key)
		}
		if !t.Failed() && seen["histories"] >= 50 && (seen["deaths"] == 0 || seen["Microsoft Denied"] == 0 || seen["Microsoft Canceled"] == 0 || seen["Microsoft Provisioned"] == 0) {
			t.Error("too little happens in these histories: they test nothing")
		}
	})
}

// act is one thing that somebody does, with what goes wrong meanwhile in the second life.
type act struct {
	What   string
	Who    string
	Role   string
	Number int // which request, counted from the newest
	Long   string
	For    time.Duration

	Lost    string // the operation of Microsoft whose next answer is lost
	Fails   int    // calls that the chats refuse
	Loses   int    // answers of the chats that are lost
	Restart bool   // the process is restarted before
	Dies    int    // points until it is killed; 0: it is not
	Again   int    // how often the delivery is repeated
}

func drawAct(rt *rapid.T) act {
	sometimes := func(what string, most int) int { return max(0, rapid.IntRange(-most, most).Draw(rt, what)) }
	return act{
		What: rapid.SampledFrom([]string{"ask", "ask", "ask", "approve", "approve", "deny", "cancel", "stop", "keep", "extend", "extend after",
			"asks elsewhere", "approves elsewhere", "revokes", "time"}).Draw(rt, "what"),
		Who:     rapid.SampledFrom(everybody).Draw(rt, "who"),
		Role:    rapid.SampledFrom([]string{"reports", "user admin", "privileged role"}).Draw(rt, "role"),
		Number:  sometimes("request", 3),
		Long:    rapid.SampledFrom([]string{"PT30M", "PT1H", "PT2H"}).Draw(rt, "duration"),
		For:     rapid.SampledFrom([]time.Duration{7 * time.Minute, 47 * time.Minute, 3 * time.Hour, 26 * time.Hour}).Draw(rt, "time"),
		Lost:    rapid.SampledFrom([]string{"", "activate", "review", "cancel", "deactivate"}).Draw(rt, "lost"),
		Fails:   sometimes("refused", 3),
		Loses:   sometimes("answers lost", 3),
		Restart: rapid.Bool().Draw(rt, "restart"),
		Dies:    sometimes("dies after", 25),
		Again:   sometimes("again", 2),
	}
}

// twin is a history that is played by a script.
type twin struct {
	*fleet
	faults bool
	deaths int
	n      int // of the act

	deliveries int
	told       []string // what Microsoft holds and what the cards say, line by line
}

func lives(rt *rapid.T, script []act, faults bool) *twin {
	open, end := memory(rt)
	defer end()
	l := &twin{fleet: newFleet(rt, 1, open), faults: faults}
	defer l.stop()
	for _, a := range script {
		l.plays(a)
	}
	l.ms.Heal()
	l.flaky.set(0, 0)
	l.settles(5, time.Minute)
	l.tells("")
	l.settles(6, 9*time.Hour)
	l.tells("later, ")
	if fault := l.books.trouble(); fault != "" {
		rt.Fatal(fault)
	}
	return l
}

func (l *twin) plays(a act) {
	r := l.all[0]
	l.n++
	if l.faults {
		if a.Restart {
			r.restart()
		}
		if a.Lost != "" {
			l.ms.Lose(a.Lost, 1)
		}
		l.flaky.set(a.Fails, a.Loses)
		r.m.mu.Lock()
		r.m.left = -1
		if a.Dies > 0 {
			r.m.left = a.Dies
		}
		r.m.mu.Unlock()
	}
	l.does(a)
	l.settles(6, 20*time.Second)
	l.ms.Heal() // what was not asked for meanwhile
	l.flaky.set(0, 0)
	l.settles(3, 20*time.Second)
}

// opens opens a form: who sees none tries again.
func (l *twin) opens(who string, said bot.Said) *bot.Form {
	return l.says(act{}, l.in(who, said)).Form
}

// sends delivers what has a name, by which it is known when it comes again.
func (l *twin) sends(a act, said bot.Said) bot.Reply {
	l.deliveries++
	in := l.in(a.Who, said)
	in.Delivery = fmt.Sprint("delivery ", l.deliveries)
	return l.says(a, in)
}

// says delivers something, again and again until a process that lives has answered, and then
// as often as its platform repeats it.
func (l *twin) says(a act, in bot.Inbound) bot.Reply {
	again := 0
	if l.faults {
		again = a.Again
	}
	var first *bot.Reply
	for again >= 0 {
		reply, later := l.all[0].bot.Handle(l.ctx, in)
		if later != nil {
			reply = later(l.ctx)
		}
		if l.revives() {
			continue
		}
		if again--; first == nil {
			first = &reply
		}
	}
	return *first
}

// revives starts a process anew that was killed.
func (l *twin) revives() bool {
	r := l.all[0]
	dead := r.m.isDead()
	if dead {
		l.deaths++
		r.restart()
	}
	return dead
}

// request is the nth of those that Belay knows, from the newest on, as far as both lives count
// alike: by when they were made, to the second.
func (l *twin) request(n int, fits func(bot.Request) bool) (bot.Request, bool) {
	all := slices.Collect(maps.Values(documentsOf(l.fleet)))
	slices.SortFunc(all, func(a, b bot.Request) int {
		if c := b.Made.Truncate(time.Second).Compare(a.Made.Truncate(time.Second)); c != 0 {
			return c
		}
		return strings.Compare(a.Requester.ID+a.Role.Role, b.Requester.ID+b.Role.Role)
	})
	all = slices.DeleteFunc(all, func(r bot.Request) bool { return !fits(r) })
	if len(all) == 0 {
		return bot.Request{}, false
	}
	return all[n%len(all)], true
}

func (l *twin) does(a act) {
	me := people[a.Who].ID
	open := func(s ...bot.State) func(bot.Request) bool {
		return func(r bot.Request) bool { return slices.Contains(s, r.State) }
	}
	mine := func(s ...bot.State) func(bot.Request) bool {
		return func(r bot.Request) bool { return r.Requester.ID == me && slices.Contains(s, r.State) }
	}
	switch a.What {
	case "ask":
		l.asks(a)
	case "approve", "deny":
		if q, ok := l.request(a.Number, open(bot.PendingApproval)); ok {
			l.decides(a, q)
		}
	case "cancel":
		if q, ok := l.request(a.Number, mine(bot.Submitting, bot.SignInRequired, bot.PendingApproval, bot.Scheduled)); ok {
			l.books.want(bot.ToCancel, me, (&history{fleet: l.fleet}).named(q))
			l.sends(a, bot.Press{Verb: bot.VerbCancel, ID: q.ID})
		}
	case "stop", "keep":
		if q, ok := l.request(a.Number, mine(bot.Active)); ok {
			l.books.want(bot.ToDeactivate, me, q.Role.Role)
			verb := map[string]bot.Verb{"stop": bot.VerbStop, "keep": bot.VerbKeep}[a.What]
			l.sends(a, bot.Press{Verb: verb, ID: q.ID})
		}
	case "extend", "extend after":
		if q, ok := l.request(a.Number, mine(bot.Active)); ok {
			l.extends(a, q)
		}
	case "asks elsewhere":
		if !slices.Contains(asking, a.Who) {
			return
		}
		role := map[string]pim.EligibleAssignment{"reports": reports, "user admin": users, "privileged role": admin}[a.Role]
		l.books.portal(me, pim.Activation{Assignment: role.Assignment, Duration: time.Hour, Justification: fmt.Sprint("elsewhere ", l.n)})
	case "approves elsewhere":
		l.books.decideElsewhere(people["carol"].ID, bot.ToApprove)
	case "revokes":
		l.ms.Revoke()
		l.settles(16, time.Minute) // until it is seen: whose call is lost meanwhile cannot know who ended it
	case "time":
		l.advance(a.For)
	}
}

func (l *twin) asks(a act) {
	form := l.opens(a.Who, bot.Command{Text: a.Role})
	if form == nil {
		return
	}
	values := map[string]string{}
	for _, field := range form.Fields {
		values[field.Name] = field.Value
	}
	values["duration"], values["reason"] = a.Long, fmt.Sprint("canary ", l.n)
	l.books.want(bot.ToActivate, people[a.Who].ID, form.ID)
	l.fills(a, bot.Submit{Verb: form.Verb, ID: form.ID, Values: values})
}

// fills sends a form: a process that was started since it was opened reads the rules again, and
// asks for it once more.
func (l *twin) fills(a act, s bot.Submit) {
	for range 3 {
		if l.sends(a, s).Form == nil {
			return
		}
	}
}

// decides lets an approver decide, and sign in for it where the role asks for that.
func (l *twin) decides(a act, q bot.Request) {
	who, me := a.Who, people[a.Who].ID
	kind, said := bot.ToApprove, bot.Said(bot.Press{Verb: bot.VerbApprove, ID: q.ID})
	if a.What == "deny" {
		kind, said = bot.ToDeny, bot.Submit{Verb: bot.VerbReason, ID: q.ID, Values: map[string]string{"reason": "not today"}}
	}
	name := (&history{fleet: l.fleet}).named(q)
	l.books.want(kind, me, name)
	l.sends(a, said)
	for again := true; again; again = l.revives() {
		for _, i := range documentsOf(l.fleet)[q.ID].Intents {
			if i.State == bot.IntentWaiting && i.By.ID == me && i.Ticket != "" {
				l.books.prove(i.Kind, me, name)
				_ = l.walk(l.all[0], i.Ticket, who, false) // refused, or killed, or done
			}
		}
	}
}

func (l *twin) extends(a act, q bot.Request) {
	if l.opens(a.Who, bot.Press{Verb: bot.VerbExtend, ID: q.ID}) == nil {
		return
	}
	me, when := people[a.Who].ID, "now"
	if a.What == "extend after" {
		when = "after"
	}
	l.books.want(bot.ToDeactivate, me, q.Role.Role)
	l.books.want("extend", me, q.Role.Role)
	l.fills(a, bot.Submit{Verb: bot.VerbExtend, ID: q.ID, Values: map[string]string{"when": when, "duration": "PT1H", "reason": fmt.Sprint("canary ", l.n)}})
}

// settles lets time pass, in steps in which everything is settled and what was made elsewhere is
// looked for. Who is killed meanwhile is started anew.
func (l *twin) settles(steps int, step time.Duration) {
	for range steps {
		l.advance(step)
		for again := true; again; again = l.revives() {
			l.all[0].bot.LookAround(l.ctx)
			l.quiet()
		}
	}
}

// tells writes down what Microsoft holds, and what the cards say, without ids and times.
func (l *twin) tells(when string) {
	byHeld := map[string]bot.Request{}
	for _, r := range documentsOf(l.fleet) {
		byHeld[r.Held.ID] = r
	}
	var lines []string
	for n, m := range l.ms.Holds() {
		lines = append(lines, fmt.Sprintf("Microsoft %s: %s%d. %s of %s for %v, active %v, %s by %q, %q", m.Status, when, n, m.Assignment.Role, m.Principal, m.Duration, m.Active,
			m.Stage.Result, m.Stage.Reviewer.ID, m.Stage.Justification))
	}
	for _, r := range documentsOf(l.fleet) {
		lines = append(lines, l.shows(when, r)...)
	}
	slices.Sort(lines)
	l.told = append(l.told, lines...)
}

// shows is what the cards of a request say. What is told besides them depends on what a
// card showed at first, and so on when it could be posted.
func (l *twin) shows(when string, r bot.Request) (lines []string) {
	for slot, shown := range r.Shown {
		part, _, _ := strings.Cut(string(slot), "/")
		if part != "requester" && part != "approver" && part != "notice" {
			continue
		}
		for _, m := range l.chats[shown.Message.Conversation.Platform].In(shown.Message.Conversation.ID) {
			if m.ID == shown.Message.ID {
				lines = append(lines, fmt.Sprintf("card of %s: %s%s, %s: %s", part, when, r.Ask.Justification, slot, words(m.Card)))
			}
		}
	}
	return lines
}
