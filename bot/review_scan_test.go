package bot_test

import (
	"testing"
	"time"
)

// A look goes in parts, and where it could not see everything nothing is taken for ended.
func TestALookIsTakenForWholeOnlyWhereItWas(t *testing.T) {
	w, r := reviewWorld(t, nil)
	r.InParts()
	w.found()
	r.Miss(1)
	for range 3 {
		before := r.Looks()
		w.passes(time.Minute, func() bool { return r.Looks() > before+1 })
	}
	w.logs.wait(t, "some access reviews could not be read")
	w.sees(w.teams, "chat-bob", "Access review: Who", "[Open]")
	r.Miss(0)
	r.Stop()
	w.seesLater(5*time.Minute, w.teams, "chat-bob", "Access review: Who", "The review has ended")
}
