package postgres_test

import (
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
)

// How busy the database is, is seen while an update runs and when it has ended.
func TestConnectionsAreSeen(t *testing.T) {
	s := open(t, postgres.Options{URL: server(t).Admin(), Schema: schema(), Connections: 4})
	var inside postgres.Connections
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		err := put(tx, "k", "v")
		inside = s.Connections()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if inside.Most != 4 || inside.Busy < 1 || inside.Open < inside.Busy || inside.Updates != 1 {
		t.Errorf("within an update: %+v", inside)
	}
	if after := s.Connections(); after.Open == 0 || after.Updates != 0 {
		t.Errorf("after it: %+v", after)
	}
}
