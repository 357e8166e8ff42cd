package teams

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/adaptertest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

func TestAdapter(t *testing.T) {
	adaptertest.Run(t, func(t *testing.T, h bot.Handler) adaptertest.Harness {
		return &harness{rig: newRig(t, h, teamstest.Unkind{}), seen: map[string]sight{}}
	})
}

// harness is the suite's view of the adapter over a simulated Teams.
type harness struct {
	*rig
	seen map[string]sight // by user: what they alone were shown last
}

// sight is a message, or a toast.
type sight struct{ conversation, id, toast string }

var names = map[string]string{aliceID: "Alice", bobID: "Bob"}

func (h *harness) Chat() bot.Chat { return whispering{h.a, h} }

// whispering is the adapter; what it whispers is noticed by the harness.
type whispering struct {
	bot.Chat
	h *harness
}

func (w whispering) Whisper(ctx context.Context, at bot.Conversation, to bot.User, c bot.Card) (err error) {
	w.h.act(func() { err = w.Chat.Whisper(ctx, at, to, c) })
	return err
}

func user(id string) bot.User {
	return bot.User{Platform: bot.Teams, Tenant: tenantID, ID: id, Name: names[id]}
}

func (h *harness) Alice() bot.User                     { return user(aliceID) }
func (h *harness) Bob() bot.User                       { return user(bobID) }
func (h *harness) Principal(u bot.User) pim.Principal  { return pim.Principal{ID: u.ID} }
func (h *harness) Stranger() pim.Principal             { return pim.Principal{ID: carolID} }
func (h *harness) Channel() bot.Conversation           { return channelAt() }
func (h *harness) Private(u bot.User) bot.Conversation { return h.personal(names[u.ID]) }
func (h *harness) Nowhere() bot.Conversation {
	c := channelAt()
	c.ID = "19:nowhere@thread.tacv2"
	return c
}

// act does something and notes what each person alone was shown by it. A message
// outweighs the toast that announced it.
func (h *harness) act(do func()) {
	h.t.Helper()
	before := h.State()
	do()
	h.settled()
	after := h.State()
	for _, p := range after.Users {
		if old := before.Person(p.Name); len(p.Toasts) > len(old.Toasts) {
			h.seen[p.Name] = sight{toast: p.Toasts[len(p.Toasts)-1].Text}
		}
		for _, c := range after.Conversations {
			was := map[string]teamstest.Activity{}
			for _, a := range before.In(c.ID, p.Name) {
				was[a.ID] = a
			}
			for _, a := range after.In(c.ID, p.Name) {
				old, there := was[a.ID]
				alone := c.Kind == teamstest.Personal || a.Only == p.Name
				viewed := a.Views[p.Name] != nil && string(a.Views[p.Name]) != string(old.Views[p.Name])
				if a.From == "" && (viewed || alone && (!there || a.Updates > old.Updates)) {
					h.seen[p.Name] = sight{conversation: c.ID, id: a.ID}
				}
			}
		}
	}
}

func (h *harness) find(conversation, id, user string) (teamstest.Activity, bool) {
	all := h.State().In(conversation, user)
	i := slices.IndexFunc(all, func(a teamstest.Activity) bool { return a.ID == id })
	if i < 0 {
		return teamstest.Activity{}, false
	}
	return all[i], true
}

func (h *harness) Shown(m bot.Message) (adaptertest.Shown, bool) {
	for _, name := range []string{"Alice", "Bob"} {
		if a, ok := h.find(m.Conversation.ID, m.ID, name); ok {
			s := screen(a.Card)
			if a.Root != a.ID {
				s.Below = a.Root
			}
			return s, true
		}
	}
	return adaptertest.Shown{}, false
}

func (h *harness) ShownTo(u bot.User) (adaptertest.Shown, bool) {
	s, ok := h.seen[names[u.ID]]
	if !ok || s.toast != "" {
		return adaptertest.Shown{Text: s.toast}, ok
	}
	a, ok := h.find(s.conversation, s.id, names[u.ID])
	if !ok {
		return adaptertest.Shown{}, false
	}
	return screen(a.CardFor(names[u.ID])), true
}

// screen is a card as the simulated client shows it.
func screen(raw json.RawMessage) adaptertest.Shown {
	s := teamstest.ReadCard(raw)
	shown := adaptertest.Shown{Text: strings.Join(s.Lines, "\n"), Alive: s.Links}
	for _, b := range s.Buttons {
		shown.Actions = append(shown.Actions, adaptertest.Action{Label: b.Title, URL: b.URL})
	}
	errors := fieldErrors(raw)
	for _, in := range s.Inputs {
		name := fieldOf(in.ID)
		f := adaptertest.Field{Name: name, Value: in.Value, Error: errors[name]}
		switch {
		case strings.HasSuffix(in.ID, dateMark):
			continue // the time stands next
		case strings.HasSuffix(in.ID, timeMark):
			date := s.Inputs[slices.IndexFunc(s.Inputs, func(d teamstest.Input) bool { return d.ID == name+dateMark })].Value
			f.Value, _ = join(date, in.Value, "Europe/London")
		case in.Value == unticked:
			f.Value = ""
		}
		for _, c := range in.Choices {
			label, _, _ := strings.Cut(c.Title, " — ")
			f.Options = append(f.Options, label)
		}
		shown.Fields = append(shown.Fields, f)
	}
	return shown
}

// fieldOf is the name of the field that an input belongs to.
func fieldOf(id string) string {
	for _, mark := range []string{dateMark, timeMark, tickMark} {
		id = strings.TrimSuffix(id, mark)
	}
	return id
}

// entering are values of fields as they are entered into the inputs of a card.
func entering(inputs []teamstest.Input, values map[string]string) map[string]string {
	entered := map[string]string{}
	for name, value := range values {
		for _, in := range inputs {
			date, clock := split(value, "Europe/London")
			switch {
			case fieldOf(in.ID) != name:
			case strings.HasSuffix(in.ID, dateMark):
				entered[in.ID] = date
			case strings.HasSuffix(in.ID, timeMark):
				entered[in.ID] = clock
			case strings.HasSuffix(in.ID, tickMark) && value == "":
				entered[in.ID] = unticked
			default:
				entered[in.ID] = value
			}
		}
	}
	return entered
}

// fieldErrors are the red lines below the inputs of a card, by field.
func fieldErrors(raw json.RawMessage) map[string]string {
	var c struct {
		Body []struct {
			ID      string    `json:"id"`
			Inlines []textRun `json:"inlines"`
		} `json:"body"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return nil
	}
	found := map[string]string{}
	for i, e := range c.Body[:max(0, len(c.Body)-1)] {
		for _, run := range c.Body[i+1].Inlines {
			if e.ID != "" && run.Color == "Attention" {
				found[fieldOf(e.ID)] += run.Text
			}
		}
	}
	return found
}

func (h *harness) Command(u bot.User, at bot.Conversation, text string) {
	h.t.Helper()
	h.act(func() { h.says(names[u.ID], at.ID, "/elevate "+text, !at.Private) })
}

func (h *harness) Press(u bot.User, m bot.Message, label string) {
	h.t.Helper()
	h.act(func() { h.presses(names[u.ID], m.Conversation.ID, m.ID, label, nil) })
}

func (h *harness) Use(u bot.User, label string) {
	h.t.Helper()
	at := h.seen[names[u.ID]]
	h.act(func() { h.presses(names[u.ID], at.conversation, at.id, label, nil) })
}

// form is the message in which a person sees a form.
func (h *harness) form(u bot.User) (conversation, id string, s teamstest.Screen) {
	h.t.Helper()
	at := h.seen[names[u.ID]]
	a, ok := h.find(at.conversation, at.id, names[u.ID])
	if !ok {
		h.t.Fatalf("%s sees no form", names[u.ID])
	}
	s = teamstest.ReadCard(a.CardFor(names[u.ID]))
	if len(s.Inputs) == 0 || len(s.Buttons) == 0 {
		h.t.Fatalf("%s sees no form, but %q", names[u.ID], s.Lines)
	}
	return at.conversation, at.id, s
}

// Choose chooses and sends the form: only then does Teams tell. Whatever else
// the client wants filled in, the person fills in.
func (h *harness) Choose(u bot.User, field, value string) {
	h.t.Helper()
	_, _, s := h.form(u)
	values := map[string]string{}
	for _, in := range s.Inputs {
		switch {
		case strings.HasSuffix(in.ID, tickMark) && in.Required:
			values[fieldOf(in.ID)] = ticked
		case in.Required && in.Value == "" && len(in.Choices) == 0:
			values[in.ID] = "later"
		}
	}
	values[field] = value
	h.Submit(u, values)
}

func (h *harness) Submit(u bot.User, values map[string]string) {
	h.t.Helper()
	conversation, id, s := h.form(u)
	h.act(func() { h.presses(names[u.ID], conversation, id, s.Buttons[0].Title, entering(s.Inputs, values)) })
}

func (h *harness) Search(u bot.User, field, text string) (labels []string) {
	h.t.Helper()
	conversation, id, _ := h.form(u)
	found, err := h.rig.Search(h.t.Context(), names[u.ID], conversation, id, field, text, nil)
	h.must(err)
	for _, c := range found {
		label, _, _ := strings.Cut(c.Title, " — ")
		labels = append(labels, label)
	}
	return labels
}

func (h *harness) Deliver(u bot.User, m bot.Message, label string, how adaptertest.How) (statuses []int) {
	h.t.Helper()
	body := h.tap.held(func() {
		_, err := h.rig.Press(h.t.Context(), names[u.ID], m.Conversation.ID, m.ID, label, nil)
		h.must(err)
	})
	token := h.Token(nil, teamstest.KeyCurrent)
	times := 1
	switch how {
	case adaptertest.Forged:
		token = h.Token(nil, teamstest.KeyImposter)
	case adaptertest.Altered:
		// The token binds the service URL only, so that is the byte to alter.
		body = []byte(strings.Replace(string(body), "/emea/", "/emeb/", 1))
	case adaptertest.Expired:
		h.clock.add(2 * time.Hour)
	case adaptertest.Twice:
		times = 2
	}
	for range times {
		statuses = append(statuses, h.deliver(token, body))
	}
	h.settled()
	return statuses
}

func (h *harness) deliver(token string, body []byte) int {
	h.t.Helper()
	status, _, err := h.rig.Deliver(h.t.Context(), token, body)
	h.must(err)
	return status
}

func (h *harness) Throttle(after time.Duration) { h.ThrottleNext(after) }
func (h *harness) Delete(m bot.Message)         { h.must(h.Remove(m.Conversation.ID, m.ID)) }
