package pimtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAnOlderWorldHoldsDirectoryRoles loads a file from before there were other
// kinds.
func TestAnOlderWorldHoldsDirectoryRoles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.json")
	h := newHarness(t, func(o *Options) { o.File = file })
	id := h.activate(h.as(alice), activation(alice, roleApproved))["id"].(string)
	h.must(h.portalActivate(alice))
	b, err := os.ReadFile(file)
	h.must(err)
	var old []string
	for line := range strings.Lines(string(b)) {
		for _, added := range []string{`"Kind": "role"`, `"kind": "role"`, `"Request": "`} {
			if strings.Contains(line, added) {
				line = ""
			}
		}
		old = append(old, line)
	}
	h.must(os.WriteFile(file, []byte(strings.Join(old, "")), 0o600))

	again := newHarness(t, func(o *Options) { o.File, o.Now = file, h.business.now })
	again.must(again.PortalDecide(bob, id, true, "fine"))
	h.business.advance(time.Hour)
	s := again.State()
	if len(s.Active) != 1 || len(s.Eligible) != 5 {
		t.Errorf("active %v, eligible %v", s.Active, s.Eligible)
	}
	for _, e := range s.Audit {
		if e.Kind != "role" || e.RequestID == "" {
			t.Errorf("audit %v", e)
		}
	}
}
