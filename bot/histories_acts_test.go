package bot_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// history is what people and the world do to a fleet, drawn at random, and what they were
// answered.
type history struct {
	*fleet
	rt    *rapid.T
	n     int            // of what was drawn by number: deliveries, reasons
	sent  []string       // forms that were taken: these requests must be there
	acked map[string]int // deed → how often somebody was told that it is on its way
	seen  map[string]int // what happened, over all histories
}

func pick[T any](h *history, what string, of ...T) T { return rapid.SampledFrom(of).Draw(h.rt, what) }

func (h *history) number(what string, least, most int) int {
	return rapid.IntRange(least, most).Draw(h.rt, what)
}

func (h *history) one() *replica { return h.all[h.number("process", 0, len(h.all)-1)] }

// documents are read past all deaths.
func (h *history) documents() (all map[string]bot.Request) { return documentsOf(h.fleet) }

// some is one of the requests, most often one that goes on; false: there are none.
func (h *history) some(fits func(bot.Request) bool) (bot.Request, bool) {
	all := h.documents()
	ids := slices.Sorted(maps.Keys(all))
	open := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !fits(all[id]) })
	if len(open) > 0 && h.number("any request", 0, 5) > 0 {
		ids = open
	}
	if len(ids) == 0 {
		return bot.Request{}, false
	}
	return all[ids[h.number("request", 0, len(ids)-1)]], true // by number: their names differ each time
}

// says lets somebody act at a process; nil: nobody answers.
func (h *history) says(r *replica, who string, said bot.Said, delivery string) *bot.Reply {
	in := h.in(who, said)
	in.Delivery = delivery
	reply, later := r.bot.Handle(h.ctx, in)
	if later != nil {
		reply = later(h.ctx)
	}
	if r.m.isDead() && (reply.Card == nil || reply.Card.Tone == bot.Bad) {
		return nil
	}
	return &reply
}

// wants lets somebody press, and writes down what they want and what they were told.
func (h *history) wants(r *replica, kind bot.IntentKind, who string, q bot.Request, said bot.Said, delivery string) {
	it := h.named(q)
	if kind == bot.ToDeactivate {
		it = q.Role.Role
	}
	h.books.want(kind, people[who].ID, it)
	reply := h.says(r, who, said, delivery)
	h.mu.Lock()
	defer h.mu.Unlock()
	d := deed(kind, people[who].ID, q.ID)
	if reply != nil && reply.Card != nil {
		h.rt.Logf("process %d answered to %s: %s. %s", r.n, d, reply.Card.Title, reply.Card.Text)
	}
	switch {
	case reply == nil || reply.Card == nil:
	case reply.Card.Title == "On its way" || reply.Card.Title == "Sign in to finish" || strings.HasSuffix(reply.Card.Title, "is deactivated later"):
		h.acked[d]++
	}
}

// named is how the books call a request.
func (h *history) named(q bot.Request) string {
	h.books.mu.Lock()
	defer h.books.mu.Unlock()
	if q.Held.ID == "" {
		return q.ID
	}
	return h.books.name(q.Held.ID)
}

func (h *history) ask() {
	who, r := pick(h, "who", asking...), h.one()
	reply := h.says(r, who, bot.Command{Text: pick(h, "role", "reports", "user admin", "privileged role")}, "")
	if reply == nil || reply.Form == nil {
		return
	}
	f := reply.Form
	values := map[string]string{}
	for _, field := range f.Fields {
		values[field.Name] = field.Value
	}
	h.n++
	values["duration"], values["reason"] = pick(h, "duration", "PT30M", "PT1H", "PT2H"), fmt.Sprint("canary ", h.n)
	h.books.want(bot.ToActivate, people[who].ID, f.ID)
	for range h.number("sent", 1, 2) { // by the same or by another process
		if sent := h.says(r, who, bot.Submit{Verb: f.Verb, ID: f.ID, Values: values}, fmt.Sprint("form ", h.n)); sent != nil && sent.Card != nil && (strings.HasPrefix(sent.Card.Title, "Sent: ") || strings.HasPrefix(sent.Card.Title, "Sign in to ask for") && !strings.Contains(sent.Card.Note, "already")) {
			h.rt.Logf("%s asked for %s: %s", who, f.ID, sent.Card.Title)
			h.sent = append(h.sent, f.ID)
			h.seen["asked"]++
		}
		r = h.one()
	}
}

func pending(q bot.Request) bool { return q.State == bot.PendingApproval }

// decide lets one or several people decide, one after the other or at the same moment, and
// platforms deliver a press again, to whichever process.
func (h *history) decide() {
	q, ok := h.some(pending)
	if !ok {
		return
	}
	var together sync.WaitGroup
	at := pick(h, "at once", false, false, true)
	for range h.number("deciders", 1, 3) {
		who, r := pick(h, "who", "bob", "carol", "bob", "carol", "alice", "dave"), h.one()
		kind, said := bot.ToApprove, bot.Said(bot.Press{Verb: bot.VerbApprove, ID: q.ID})
		if pick(h, "deny", false, false, true) {
			kind, said = bot.ToDeny, bot.Submit{Verb: bot.VerbReason, ID: q.ID, Values: map[string]string{"reason": "not today"}}
		}
		h.n++
		delivery, again := fmt.Sprint("press ", h.n), h.number("repeated", 0, 2)
		others := make([]*replica, again)
		for n := range others {
			others[n] = h.one()
		}
		do := func() {
			h.wants(r, kind, who, q, said, delivery)
			for _, other := range others {
				h.says(other, who, said, delivery)
			}
		}
		if at {
			together.Go(do)
		} else {
			do()
		}
	}
	together.Wait()
	h.seen["decided"]++
}

// requester lets a requester, or somebody else, do what only the requester may.
func (h *history) requester() {
	q, ok := h.some(func(q bot.Request) bool { return !q.State.Final() })
	if !ok {
		return
	}
	who := pick(h, "other", everybody...)
	if h.number("themselves", 0, 4) > 0 {
		for name, p := range people {
			if p.ID == q.Requester.ID {
				who = name
			}
		}
	}
	r := h.one()
	verb := bot.VerbCancel
	if q.State == bot.Active {
		verb = pick(h, "verb", bot.VerbStop, bot.VerbStop, bot.VerbKeep, bot.VerbExtend)
	}
	h.n++
	h.seen[string(verb)]++
	switch verb {
	case bot.VerbCancel:
		h.wants(r, bot.ToCancel, who, q, bot.Press{Verb: verb, ID: q.ID}, fmt.Sprint("press ", h.n))
	case bot.VerbStop:
		h.wants(r, bot.ToDeactivate, who, q, bot.Press{Verb: verb, ID: q.ID}, fmt.Sprint("press ", h.n))
	case bot.VerbKeep:
		h.says(r, who, bot.Press{Verb: verb, ID: q.ID}, fmt.Sprint("press ", h.n))
	case bot.VerbExtend:
		h.extend(r, who, q)
	}
}

func (h *history) extend(r *replica, who string, q bot.Request) {
	reply := h.says(r, who, bot.Press{Verb: bot.VerbExtend, ID: q.ID}, "")
	if reply == nil || reply.Form == nil {
		return
	}
	h.books.want(bot.ToDeactivate, people[who].ID, q.Role.Role)
	values := map[string]string{"when": pick(h, "when", "now", "after"), "duration": "PT1H", "reason": fmt.Sprint("canary ", h.n)}
	h.books.want("extend", people[who].ID, q.Role.Role) // whose id is not known yet
	h.says(r, who, bot.Submit{Verb: bot.VerbExtend, ID: q.ID, Values: values}, fmt.Sprint("extend ", h.n))
}

// elsewhere is what people do in the portal.
func (h *history) elsewhere() {
	h.n++
	switch pick(h, "in the portal", "asks", "decides", "decides", "revokes") {
	case "asks":
		who, role := pick(h, "who", asking...), pick(h, "role", reports, users, admin)
		h.books.portal(people[who].ID, pim.Activation{Assignment: role.Assignment, Duration: time.Hour, Justification: fmt.Sprint("elsewhere ", h.n)})
		h.seen["asked elsewhere"]++
	case "decides":
		if h.books.decideElsewhere(people[pick(h, "who", "bob", "carol")].ID, pick(h, "result", bot.ToApprove, bot.ToDeny)) {
			h.seen["decided elsewhere"]++
		}
	case "revokes":
		h.ms.Revoke()
		h.seen["revoked"]++
	}
}

// fails lets Microsoft or a chat fail, or a sign-in end.
func (h *history) fails() {
	op := pick(h, "call", "activate", "review", "cancel", "deactivate", "approval", "mine")
	switch how := pick(h, "fails", "lost", "lost", "unavailable", "throttled", "step-up", "chat", "signed out"); how {
	case "lost":
		h.ms.Lose(op, 1)
		h.seen[how]++
	case "unavailable":
		h.ms.Fail(op, &pim.Error{Op: op, Code: pim.CodeUnavailable, Ambiguous: true})
	case "throttled":
		h.ms.Fail(op, &pim.Error{Op: op, Code: pim.CodeThrottled, Status: 429, After: 7 * time.Second})
	case "step-up":
		h.ms.Fail(op, &pim.Error{Op: op, Code: pim.CodeStepUp, Claims: "{}"})
	case "chat":
		h.flaky.set(h.number("refused", 0, 3), h.number("answers lost", 0, 3))
	case "signed out":
		h.ms.SetLive(people[pick(h, "who", everybody...)].ID, false)
	}
}

// comes lets somebody sign in, most often one for whom something waits.
func (h *history) comes() {
	q, ok := h.some(func(q bot.Request) bool {
		return slices.ContainsFunc(q.Intents, func(i bot.Intent) bool { return i.State == bot.IntentWaiting })
	})
	who := pick(h, "who", everybody...)
	for _, i := range q.Intents {
		for name, p := range people {
			if ok && i.State == bot.IntentWaiting && p.ID == i.By.ID {
				who = name
			}
		}
	}
	h.signs(who)
}

// signs lets somebody sign in for whatever waits for them.
func (h *history) signs(who string) {
	h.ms.SetLive(people[who].ID, true)
	r := h.one()
	all := h.documents()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		for _, i := range all[id].Intents {
			if i.State != bot.IntentWaiting || i.By.ID != people[who].ID || i.Ticket == "" {
				continue
			}
			if i.Fresh {
				h.seen["proved"]++
				h.books.prove(i.Kind, i.By.ID, h.named(all[id]))
			}
			if h.walk(r, i.Ticket, who, false) == nil {
				h.seen["signed in"]++
			}
		}
	}
}

// links lets somebody unlink, or link again.
func (h *history) links() {
	who, r := pick(h, "who", everybody...), h.one()
	if pick(h, "unlinks", true, false) {
		h.says(r, who, bot.Press{Verb: bot.VerbUnlink}, "")
	}
	h.link(r, who)
}

// time lets time pass; a clock may also be set back a little.
func (h *history) time() {
	d := pick(h, "time", 20*time.Second, time.Minute, 3*time.Minute, 6*time.Minute, 11*time.Minute, 31*time.Minute, 2*time.Hour, 25*time.Hour, -5*time.Second, -40*time.Second)
	h.advance(d)
	h.quiet()
}

// dies lets a process be killed at the nth point from now, or restarts one.
func (h *history) dies() {
	r := h.one()
	if pick(h, "restarts", true, false) || r.m.isDead() {
		r.restart()
		h.seen["restarts"]++
		return
	}
	r.m.mu.Lock()
	r.m.left = h.number("dies after", 1, 25)
	r.m.mu.Unlock()
}

// looks lets a process look at what was made elsewhere.
func (h *history) looks() {
	if r := h.one(); !r.m.isDead() {
		r.bot.LookAround(h.ctx)
	}
}
