package main

import (
	"slices"
	"strings"

	"github.com/belaybot/belay/pim"
)

// permitted holds that Belay made no call in this world that pim.Operations does
// not have: everything that is asked of an administrator follows from that table.
func (w *world) permitted() {
	w.t.Helper()
	w.calls.mu.Lock()
	defer w.calls.mu.Unlock()
	for call := range w.calls.ever {
		method, path, _ := strings.Cut(call, " ")
		if !slices.ContainsFunc(pim.Operations(), func(o pim.Operation) bool { return o.Covers(o.Service, method, path) }) {
			w.t.Errorf("pim.Operations lacks the call %s", call)
		}
	}
}
