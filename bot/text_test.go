package bot_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"e\u0301":                             "é",
		"a\u202eb\u2066c\u200bd\ufeff":        "abcd",
		"tab\there\r\nand\u2028there\rnow":    "tab here\nand\nthere\nnow",
		"bad \xff byte":                       "bad \uFFFD byte",
		"\u3164\u115f\u00ad\u2800":            "",
		"\u0600١٢":                            "\u0600١٢",
		"  \x00nul\x1b[31m ":                  "nul[31m",
		"\U000E0041\U000E0042tag letters":     "tag letters",
		"क्षि 👍🏽 ⚠️":                          "क्षि 👍🏽 ⚠️",
		"👩🏽\u200d🚀 a\u200db":                  "👩🏽\u200d🚀 ab",
		"z" + strings.Repeat("\u0336", 50):    "z\u0336\u0336\u0336\u0336",
		"z\u0336\u0336\u0336\u0336\x00\u0336": "z\u0336\u0336\u0336\u0336",
		"e\u200b\u0301":                       "\u00e9",
		"Vi\u1ec7t שָׁלוֹם":                   "Vi\u1ec7t שָׁלוֹם",
	} {
		if got := bot.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzClean: what is clean is text, hides nothing, and stays as it is.
func FuzzClean(f *testing.F) {
	for _, a := range bottest.Attacks {
		f.Add(a.Text[:min(len(a.Text), 500)])
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := bot.Clean(s)
		if !utf8.ValidString(got) || bottest.Hidden(got) != "" {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		if again := bot.Clean(got); again != got {
			t.Errorf("Clean(%q) = %q, and once more %q", s, got, again)
		}
	})
}
