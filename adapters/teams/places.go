package teams

import (
	"encoding/json"
	"sync"

	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/bot"
)

// placesMax bounds what is remembered; beyond it something is forgotten and
// found again when it is needed.
const placesMax = 20_000

// places is what deliveries taught about where conversations are served. It is a
// memory only: everything in it can be found again.
type places struct {
	mu       sync.Mutex
	fallback string                      // service URL where nothing better is known
	service  map[string]string           // latest service URL, by conversation
	personal map[string]bot.Conversation // by Entra object id
	turns    map[string]int              // the latest deed on an answer, by message id
	turn     int
}

func newPlaces(fallback string) *places {
	return &places{fallback: fallback, service: map[string]string{}, personal: map[string]bot.Conversation{}, turns: map[string]int{}}
}

// heard remembers where an admitted delivery came from.
func (p *places) heard(d delivery) {
	id := baseID(d.Conversation.ID)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fallback = d.ServiceURL // one tenant is served from one region
	bounded(p.service, id, d.ServiceURL)
	if d.personal() {
		bounded(p.personal, d.user.ID, d.at())
	}
}

// serviceURL is the latest one that was seen for a conversation, else what its
// reference says, else the one seen last anywhere.
func (p *places) serviceURL(id string, ref schema.ConversationReference) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if latest := p.service[baseID(id)]; latest != "" {
		return latest
	}
	return or(ref.ServiceURL, p.fallback)
}

func (p *places) chatWith(person string) (bot.Conversation, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.personal[person]
	return c, ok
}

func (p *places) keepChat(person string, c bot.Conversation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bounded(p.personal, person, c)
}

// forget drops a conversation that cannot be written to.
func (p *places) forget(id string) {
	id = baseID(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.service, id)
	for person, c := range p.personal {
		if c.ID == id {
			delete(p.personal, person)
		}
	}
}

// take gives the next turn at the answer that stands in a message.
func (p *places) take(message string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	bounded(p.turns, message, p.turn)
	return p.turn
}

// overtaken reports whether a later turn was taken at that message.
func (p *places) overtaken(message string, turn int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.turns[message] > turn
}

// bounded sets m[key], making room first where there is none.
func bounded[V any](m map[string]V, key string, value V) {
	if _, ok := m[key]; !ok && len(m) >= placesMax {
		for any := range m {
			delete(m, any)
			break
		}
	}
	m[key] = value
}

// encodeRef is a conversation reference as bot keeps it in Conversation.Ref.
func encodeRef(ref schema.ConversationReference) string {
	raw, err := json.Marshal(ref)
	if err != nil {
		return "" // strings and booleans only: cannot happen
	}
	return string(raw)
}

// decodeRef reads Conversation.Ref. A configured channel has none, and a damaged
// one is as good as none: the conversation's id is what counts.
func decodeRef(raw string) schema.ConversationReference {
	var ref schema.ConversationReference
	if json.Unmarshal([]byte(raw), &ref) != nil {
		return schema.ConversationReference{}
	}
	return ref
}
