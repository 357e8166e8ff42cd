package siemtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
)

// inbox is what every receiver has: what it took, what it complains of, and whether it takes
// anything now.
type inbox struct {
	mu     sync.Mutex
	events []json.RawMessage
	faults []string
	calls  int
	status int // answers everything with it; 0: it works
	wait   string
	poison func(event []byte) bool
	cut    bool // takes the next delivery and breaks the connection before it answers
}

// Events are the events of OCSF that were taken, in their order.
func (i *inbox) Events() []json.RawMessage {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]json.RawMessage(nil), i.events...)
}

// Faults are what was not as the documentation wants it: of the calls, and of the events by
// OCSF's schema.
func (i *inbox) Faults() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	faults := append([]string(nil), i.faults...)
	for _, e := range i.events {
		for _, f := range OCSF().Faults(e) {
			faults = append(faults, fmt.Sprintf("%s in %s", f, e))
		}
	}
	return faults
}

// Calls are how many deliveries came, taken or not.
func (i *inbox) Calls() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.calls
}

// Answer has every call answered with a status, and Retry-After where it is not empty; 0: it works again.
func (i *inbox) Answer(status int, retryAfter string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.wait = status, retryAfter
}

// Refuse says which events are refused; nil: none.
func (i *inbox) Refuse(poison func(event []byte) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.poison = poison
}

// LoseAnswer has the next delivery taken, and its answer lost.
func (i *inbox) LoseAnswer() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cut = true
}

// the methods below need the lock

func (i *inbox) fault(format string, args ...any) {
	i.faults = append(i.faults, fmt.Sprintf(format, args...))
}

// down answers a call if nothing is to be taken now.
func (i *inbox) down(w http.ResponseWriter) bool {
	i.calls++
	if i.status == 0 {
		return false
	}
	if i.wait != "" {
		w.Header().Set("Retry-After", i.wait)
	}
	w.WriteHeader(i.status)
	return true
}

func (i *inbox) refuses(event []byte) bool { return i.poison != nil && i.poison(event) }

// take keeps events. Where the answer is lost, it ends the handler.
func (i *inbox) take(events ...json.RawMessage) {
	i.events = append(i.events, events...)
	if i.cut {
		i.cut = false
		panic(http.ErrAbortHandler)
	}
}
