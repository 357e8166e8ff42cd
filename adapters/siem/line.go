// Package siem writes the audit trail for other systems: as lines of JSON, as CSV for
// people with a spreadsheet, and as events of the Open Cybersecurity Schema Framework
// (OCSF). Everything here is a pure function of one record.
package siem

import (
	"github.com/belaybot/belay/store/trail"
)

// Line is one event as a line of JSON: the event's own members, where it stands in
// the chain, and the personal texts that are still there.
type Line struct {
	Index uint64 `json:"index"`
	Loose bool   `json:"loose,omitempty"` // not chained yet; Index may still change
	trail.Event
	Texts  map[string]string `json:"texts,omitempty"`
	Erased []string          `json:"erased,omitempty"` // names of the texts that are not there any more
}

// NewLine is the line of a record. Without texts it says nothing of what is personal,
// not even what was erased.
func NewLine(r trail.Record, texts bool) Line {
	l := Line{Index: r.Index, Loose: r.Loose, Event: r.Event}
	l.Event.Texts = nil
	if texts {
		l.Texts, l.Erased = r.Texts, r.Erased
	}
	return l
}
