package bot_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
)

// FuzzElevate: whatever is typed after /elevate is a command of ours, and holds
// nothing that was not typed. A duration is one that Belay could ask for, however it
// was spelt.
func FuzzElevate(f *testing.F) {
	for _, s := range []string{"", "status", "user admin 1h reset a password", "user admin 8 hours long shift", "x PT1H30M y", "again 2h because", "save nightly",
		"forget nightly", "reader P1M", "reader -1h", "reader 9999h z", "a 1.5h b", "PT0S", "99999999999999h", "reader 1h\x00\nmore"} {
		f.Add(s)
	}
	for _, a := range bottest.Attacks {
		f.Add(a.Text[:min(len(a.Text), 300)] + " 1h " + a.Name)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		e := bot.ParseCommand(typed)
		if e.Duration != 0 && (e.Duration < time.Minute || e.Duration > 9999*time.Hour) || e.Duration != 0 && e.BadTime != "" {
			t.Errorf("%q asks for %s (%q)", typed, e.Duration, e.BadTime)
		}
		have := strings.Join(strings.Fields(typed), " ")
		for _, part := range []string{e.Role, e.Reason, e.Name} {
			if !strings.Contains(have, part) {
				t.Errorf("%q was typed, and %q is heard", typed, part)
			}
		}
		if e.Key != "" {
			t.Errorf("%q names a role by its key", typed)
		}
		for _, word := range append(strings.Fields(typed), typed) {
			d, err := bot.ParseTime(word)
			if err != nil {
				if s, ok := bot.ErrorMessage(err); !ok || utf8.ValidString(word) && !utf8.ValidString(s) || len(s) > 1000 {
					t.Errorf("%q is refused with %q", word, s)
				}
				continue
			}
			if d < time.Minute || d > 9999*time.Hour {
				t.Errorf("%q is %s", word, d)
			}
			if again, err := pim.ParseDuration(pim.FormatDuration(d)); err != nil || again != d {
				t.Errorf("%q is %s, and comes back as %s (%v)", word, d, again, err)
			}
		}
	})
}
