package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// What is muted is listed and ended, by the process that serves and without one.
func TestAlertsMutes(t *testing.T) {
	for _, serving := range []bool{false, true} {
		t.Run(map[bool]string{false: "nobody serves", true: "while it serves"}[serving], func(t *testing.T) {
			d := newData(t)
			d.open(func(s store.Store, _ *store.Keyset) error {
				return s.Update(t.Context(), func(tx store.Tx) error {
					mutes := store.NewBucket[bot.Mute]("alert-mutes")
					for id, until := range map[string]time.Duration{"m-old": -time.Hour, "m-late": 48 * time.Hour, "m-soon": time.Hour} {
						m := bot.Mute{ID: id, Kind: bot.AlertHours, Subject: pim.Principal{ID: alice, Name: "Alice Adams"}, Owner: bot.Person{Principal: pim.Principal{ID: bob, Name: "Bob\x1b[31m Brown"}},
							Reason: "a drill", Made: time.Now().Add(-2 * time.Hour), Until: time.Now().Add(until)}
						if err := mutes.Put(tx, id, m); err != nil {
							return err
						}
					}
					return nil
				})
			})
			if serving {
				d.serves()
			}
			alerts := func(want int, args ...string) string {
				t.Helper()
				var out, said bytes.Buffer
				if got := run(t.Context(), append(append([]string{"alerts"}, args...), "--config", d.file), nil, &out, &said); got != want {
					t.Fatalf("alerts %v exits %d, want %d: %s%s", args, got, want, out.String(), said.String())
				}
				return out.String() + said.String()
			}
			lines := strings.Split(strings.TrimSpace(alerts(exitOK, "mutes", "--json")), "\n")
			var first app.MuteLine
			if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 2 || first.ID != "m-soon" || first.About != "Alice Adams" || first.Person != alice || first.Reason != "a drill" || first.OwnerID != bob {
				t.Errorf("%v: %q", err, lines)
			}
			if out := alerts(exitRefused, "unmute", "m-none"); !strings.Contains(out, "belay alerts mutes lists") {
				t.Errorf("an unknown id: %s", out)
			}
			if out := alerts(exitOK, "unmute", "m-soon"); !strings.Contains(out, "not muted any more") {
				t.Errorf("the operator is told %q", out)
			}
			if out := alerts(exitOK, "mutes"); strings.Contains(out, "m-soon") || !strings.Contains(out, "m-late") || strings.Contains(out, "m-old") || strings.Contains(out, "\x1b") {
				t.Errorf("after it:\n%s", out)
			}
		})
	}
}
