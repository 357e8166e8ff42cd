package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim"
)

// Approvers are read many at once; who is not among the answers is read alone, so
// that gone and unreadable are told apart as ever.
func TestManyApprovers(t *testing.T) {
	crowd := func(t *testing.T) *world {
		w := newWorld(t)
		var named []string
		for i := range 20 {
			id := fmt.Sprintf("00000000-0000-4000-8000-0000000000A%02d", i)
			named = append(named, `{"@odata.type":"#microsoft.graph.singleUser","userId":"`+id+`"}`)
			w.user(id, fmt.Sprintf("Person %02d", i), "")
		}
		w.approvers = strings.Join(append(named, named[0]), ",")
		return w
	}
	approvers := func(t *testing.T, w *world) (int, error) {
		p, err := w.client(t).Policy(t.Context(), alice, entraRole())
		return len(p.Approvers), err
	}
	t.Run("all there", func(t *testing.T) {
		w := crowd(t)
		if n, err := approvers(t, w); err != nil || n != 20 {
			t.Fatalf("%d, %v", n, err)
		}
		if n := len(w.requests()); n != 1+2 {
			t.Errorf("%d calls", n)
		}
		for _, r := range w.requests() {
			if r.auth != "Bearer token-of-belay" {
				t.Errorf("%s was asked by %s", r.target, r.auth)
			}
		}
	})
	const one = "/v1.0/users/00000000-0000-4000-8000-0000000000A07"
	t.Run("one is gone", func(t *testing.T) {
		w := crowd(t)
		w.refuse[one] = 404
		if n, err := approvers(t, w); err != nil || n != 19 {
			t.Errorf("%d, %v", n, err)
		}
		if n := len(w.requests()); n != 1+2+1 {
			t.Errorf("%d calls", n)
		}
	})
	t.Run("one cannot be read", func(t *testing.T) {
		w := crowd(t)
		w.refuse[one] = 503
		if _, err := approvers(t, w); pim.CodeOf(err) != pim.CodeUnavailable {
			t.Errorf("%v", err)
		}
	})
	t.Run("no list", func(t *testing.T) {
		w := crowd(t)
		w.refuse["/v1.0/users"] = 403
		if n, err := approvers(t, w); err != nil || n != 20 {
			t.Errorf("%d, %v", n, err)
		}
	})
}
