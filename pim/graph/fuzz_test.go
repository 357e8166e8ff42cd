package graph

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// FuzzAnswer: no 2xx body brings the decoder down.
func FuzzAnswer(f *testing.F) {
	files, err := filepath.Glob("testdata/examples/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var doc struct{ ResponseBody json.RawMessage }
		if err := json.Unmarshal(b, &doc); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(doc.ResponseBody))
	}
	c, err := New(Options{BaseURL: "https://graph.example", Tokens: nobody{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		k := &call{client: c, Call: wire.Call{Op: "request"}}
		if r, err := c.request(k, body, held.role); err == nil && (r.ID == "" || r.Status == "" || r.Duration < 0) {
			t.Errorf("%+v", r)
		}
		if r, err := c.request(k, body, held.membership); err == nil && (r.ID == "" || r.Status == "" || r.Duration < 0) {
			t.Errorf("%+v", r)
		}
		for _, decode := range []func() error{
			func() error {
				p, err := one[page[audit]](k, body)
				for _, a := range p.Value {
					a.trace(pim.TraceAsked)
				}
				return err
			},
			func() error { _, err := one[page[instance]](k, body); return err },
			func() error { _, err := one[page[step]](k, body); return err },
			func() error { _, err := one[account](k, body); return err },
			func() error {
				p, err := one[page[policyAssignment]](k, body)
				for _, a := range p.Value {
					if r, err := activationRules(a.Policy.Rules); err == nil && r.maxDuration <= 0 {
						t.Errorf("%+v", r)
					}
				}
				return err
			},
		} {
			if err := decode(); err != nil && pim.CodeOf(err) != pim.CodeUnavailable {
				t.Errorf("%v", err)
			}
		}
	})
}
