package bot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// A decision is told to its approver as soon as it is recorded, before Microsoft hears
// of it, in every chat where only they read: whoever forged the press in one of them
// cannot keep it from the others. [This was not me] ends the person's sign-in and links,
// takes back whatever Microsoft has not heard of, and alerts the security channels.

// Told is a chat account that hears of a decision, and where.
type Told struct {
	User User         `json:"user"`
	At   Conversation `json:"at"`
}

// Report says that a person disowned what was decided in their name.
type Report struct {
	By        Person    `json:"by"` // with the chat account that said so
	At        time.Time `json:"at"`
	Unlinked  []User    `json:"unlinked,omitempty"` // their chat accounts, none of which is linked any more
	Undone    []Undone  `json:"undone,omitempty"`   // what else was taken back, on other requests
	Elsewhere bool      `json:"elsewhere,omitempty"`
}

// Undone is a call of another request that was taken back before it was sent.
type Undone struct {
	Request string                 `json:"request"`
	Kind    IntentKind             `json:"kind"`
	Role    pim.EligibleAssignment `json:"role"`
	For     pim.Principal          `json:"for"`
}

// Disowned takes a person's decisions on a request back as far as Microsoft has not
// heard of them; what it may have heard of is not sent again. Without a Report it is
// about the decisions that are still owed only.
type Disowned struct {
	By     string
	Report *Report
}

func (e Disowned) apply(r *Request, at time.Time) error {
	any := false
	for n := range r.Intents {
		i := &r.Intents[n]
		if !i.Kind.review() || i.Disowned || !strings.EqualFold(i.By.ID, e.By) || e.Report == nil && !i.open() {
			continue
		}
		any, i.Disowned = true, true
		if i.SentAt.IsZero() {
			r.finish(i, TakenBack, nil)
		}
	}
	if e.Report == nil {
		return nil
	}
	report := *e.Report
	report.At, report.Elsewhere = at, r.elsewhereBy(e.By) && !r.disownedElsewhere(e.By)
	if !any && !report.Elsewhere {
		return refuse(CodeInvalid, sayReported)
	}
	r.Reports = append(r.Reports, report)
	r.note(at, "says it was not them", e.By, "")
	return nil
}

// Retract ends a disowned call of which it was found out that Microsoft did not do it.
type Retract struct{ Intent string }

func (e Retract) apply(r *Request, at time.Time) error {
	if i := r.intent(e.Intent); i != nil && i.open() && i.Disowned {
		r.finish(i, TakenBack, nil)
		r.note(at, "taken back: "+string(i.Kind), i.By.ID, "")
	}
	return nil
}

// elsewhereBy says that Microsoft names a person for a decision that Belay did not send.
func (r Request) elsewhereBy(who string) bool {
	d := r.Decided
	if d == nil || !d.Elsewhere || d.By.ID == "" || !strings.EqualFold(d.By.ID, who) {
		return false
	}
	return !slices.ContainsFunc(r.Intents, func(i Intent) bool {
		return i.Kind.review() && !i.SentAt.IsZero() && strings.EqualFold(i.By.ID, who)
	})
}

func (r Request) disownedElsewhere(who string) bool {
	return slices.ContainsFunc(r.Reports, func(p Report) bool { return p.Elsewhere && strings.EqualFold(p.By.ID, who) })
}

// disowner is whose decision somebody may disown: their own, as the link or the platform
// says who they are; or, as the link may be gone, as it said when the decision was told
// to that chat account.
func (r Request) disowner(a actor) (Person, bool) {
	var told, reported *Person
	for n := range r.Intents {
		i := &r.Intents[n]
		switch {
		case !i.Kind.review():
		case a.known && strings.EqualFold(i.By.ID, a.ID):
			return i.By, true
		case slices.ContainsFunc(i.Told, func(t Told) bool { return t.User.same(a.User) }):
			told = &i.By
		}
	}
	if a.known && r.elsewhereBy(a.ID) {
		return a.Person, true
	}
	for n := range r.Reports {
		if p := &r.Reports[n]; p.By.User.same(a.User) || slices.ContainsFunc(p.Unlinked, a.User.same) {
			reported = &p.By
		}
	}
	switch {
	case told != nil:
		return *told, true
	case reported != nil:
		return *reported, true
	}
	return Person{}, false
}

// undisowned says that there is a decision of a person which they have not disowned.
func (r Request) undisowned(who string) bool {
	return r.elsewhereBy(who) && !r.disownedElsewhere(who) || slices.ContainsFunc(r.Intents, func(i Intent) bool {
		return i.Kind.review() && !i.Disowned && strings.EqualFold(i.By.ID, who)
	})
}

// same says that both are one chat account.
func (u User) same(v User) bool {
	return u.ID != "" && u.Platform == v.Platform && u.Tenant == v.Tenant && strings.EqualFold(u.ID, v.ID)
}

// tellsOf lists the chat accounts that a decision of a person is told to: those that are
// linked, the one that pressed, and Teams, where the platform vouches for who reads.
func (b *Bot) tellsOf(tx store.Tx, r Request, a actor) ([]Told, error) {
	all := []Told{{User: a.User, At: a.Direct}}
	add := func(u User, at Conversation) {
		if !slices.ContainsFunc(all, func(t Told) bool { return t.User.same(u) }) {
			all = append(all, Told{User: u, At: at})
		}
	}
	links, err := b.o.Links.At(tx, a.ID)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		add(l.User, l.Direct)
	}
	at, ok, err := b.docs.place(tx, a.ID, Teams)
	if err != nil {
		return nil, err
	}
	if !ok {
		at = r.direct(Person{Principal: a.Principal, User: User{Platform: Teams}})
	}
	if at.ID != "" {
		add(User{Platform: Teams, Tenant: at.Tenant, ID: a.ID}, at)
	}
	for n := range all {
		if all[n].At.ID == "" {
			all[n].At = r.direct(Person{Principal: a.Principal, User: all[n].User})
		}
	}
	return all, nil
}

// notMe answers [This was not me]. The sign-in is dropped first: should Belay be killed
// before the rest is recorded, nothing can be sent any more and the press may be
// repeated. The rest is one transaction.
func (b *Bot) notMe(ctx context.Context, in Inbound, a actor, p Press) Reply {
	r, err := b.Request(ctx, p.ID)
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}
	}
	if err != nil {
		return b.trouble(in, err)
	}
	who, ok := r.disowner(a)
	switch {
	case !ok:
		return b.refusedPress(ctx, in, a, p, toDisown, refuse(CodeNotAllowed, sayNotYourDecision))
	case !r.undisowned(who.ID):
		return b.reported(r, who)
	}
	if err := b.o.Grants.Forget(ctx, who.ID); err != nil {
		return b.trouble(in, err)
	}
	who.User, who.Direct = a.User, a.Direct
	at, id := b.o.Now().UTC(), b.newID()
	var touched []string
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		touched = []string{p.ID}
		report := Report{By: who}
		links, err := b.o.Links.At(tx, who.ID)
		if err != nil {
			return err
		}
		for _, l := range links {
			if _, err := b.o.Links.Unlink(tx, l.User, auditActor(who), "not-me"); err != nil {
				return err
			}
			report.Unlinked = append(report.Unlinked, l.User)
		}
		if err := b.o.Links.distrusted(tx, who.ID, at); err != nil {
			return err
		}
		others, err := b.openOf(tx, who.ID, p.ID)
		if err != nil {
			return err
		}
		for _, o := range others {
			undone, err := b.takeBack(tx, o, who, id, at)
			if err != nil {
				return err
			}
			if len(undone) > 0 {
				report.Undone, touched = append(report.Undone, undone...), append(touched, o.ID)
			}
		}
		r, err = b.changeIn(tx, p.ID, at, Disowned{By: who.ID, Report: &report})
		return err
	})
	if err != nil {
		var no *Error
		if now, rerr := b.Request(ctx, p.ID); errors.As(err, &no) && rerr == nil && !now.undisowned(who.ID) {
			return b.reported(now, who) // the same press came twice at once
		}
		reply := b.trouble(in, err)
		reply.Card.Title, reply.Card.Text = "Your sign-in was ended", sayHalfReported
		return reply
	}
	b.menu.drop(who.ID)
	b.o.Log.InfoContext(ctx, "an approver says that a decision was not theirs", "request", r.ID, "principal", who.ID, "platform", a.User.Platform)
	for _, id := range touched {
		b.kick(id, true)
	}
	return b.reported(r, who)
}

// toDisown stands for the press in the audit trail. It is no call to Microsoft.
const toDisown IntentKind = "not-me"

// openOf lists the open requests, other than one, in which calls may be owed as a person.
func (b *Bot) openOf(tx store.Tx, who, not string) ([]Request, error) {
	var all []Request
	for _, p := range []part{partDecides, partWaits, partAsks} {
		some, err := b.docs.of(tx, who, p)
		if err != nil {
			return nil, err
		}
		for _, r := range some {
			if r.ID != not && !slices.ContainsFunc(all, func(o Request) bool { return o.ID == r.ID }) {
				all = append(all, r)
			}
		}
	}
	return all, nil
}

// takeBack undoes what is owed as a person on another request and would give somebody a
// role, or refuse it. Ends of roles stay owed: they only take power away.
func (b *Bot) takeBack(tx store.Tx, r Request, who Person, id string, at time.Time) ([]Undone, error) {
	var undone []Undone
	var events []Event
	for _, i := range r.Intents {
		if !i.open() || !strings.EqualFold(i.By.ID, who.ID) {
			continue
		}
		switch {
		case i.Kind.review():
			events = append(events, Disowned{By: who.ID})
		case i.Kind == ToActivate && r.Held.ID == "" && !r.sentActivation():
			events = append(events, Intended{ID: id, Kind: ToCancel, By: r.Requester})
		default:
			continue
		}
		if i.SentAt.IsZero() {
			undone = append(undone, Undone{Request: r.ID, Kind: i.Kind, Role: r.Role, For: r.Requester.Principal})
		}
	}
	if len(events) == 0 {
		return nil, nil
	}
	_, err := b.changeIn(tx, r.ID, at, events...)
	return undone, err
}

// reported is the answer to a press, and to its repetition.
func (b *Bot) reported(r Request, who Person) Reply {
	c := Card{}
	for _, i := range r.Intents {
		if i.Disowned && strings.EqualFold(i.By.ID, who.ID) {
			c = b.project.disownedCard(r, i)
		}
	}
	if c.Title == "" {
		c = b.project.disownedElsewhereCard(r)
	}
	return Reply{Card: &c}
}
