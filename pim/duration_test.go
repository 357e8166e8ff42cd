package pim_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/pim"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"PT5M": 5 * time.Minute, "PT8H": 8 * time.Hour, "PT1H45M": 105 * time.Minute, "PT5H30M": 330 * time.Minute,
		"PT24H": 24 * time.Hour, "P1D": 24 * time.Hour, "P365D": 365 * 24 * time.Hour, "P180D": 180 * 24 * time.Hour,
		"P2W": 14 * 24 * time.Hour, "P52W1D": 365 * 24 * time.Hour, "P1DT2H3M4S": 26*time.Hour + 3*time.Minute + 4*time.Second,
		"PT0S": 0, "PT90M": 90 * time.Minute, "P36500D": 36500 * 24 * time.Hour, "PT876000H": 36500 * 24 * time.Hour,
	} {
		if got, err := pim.ParseDuration(s); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "P", "PT", "P1DT", "8H", "PT8", "P1Y", "P6M", "P1M", "PT0.5H", "PT1,5H", "-PT1H", "PT-1H", "+PT1H", " PT1H", "PT1H ", "pt1h",
		"PT1H\n", "PT1M1H", "P36501D", "PT876001H", "PT999999999H", "P999999999W", "PT9999999999S", "PT99999999999999999999S", strings.Repeat("9", 1<<16)} {
		if got, err := pim.ParseDuration(s); err == nil || got != 0 {
			t.Errorf("%.20q is %v, which should be refused", s, got)
		} else if len(err.Error()) > 200 {
			t.Errorf("the error is %d bytes long", len(err.Error()))
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "PT0S", time.Second: "PT1S", 5 * time.Minute: "PT5M", time.Hour: "PT1H", 90 * time.Minute: "PT1H30M",
		24 * time.Hour: "PT24H", 365 * 24 * time.Hour: "PT8760H", 61 * time.Second: "PT1M1S", time.Hour + time.Second: "PT1H1S",
		time.Minute + 999*time.Millisecond: "PT1M", 999 * time.Millisecond: "PT0S",
	} {
		if got := pim.FormatDuration(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}

// What is written is read back as the same.
func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 36500*86400).Draw(t, "seconds")) * time.Second
		if got, err := pim.ParseDuration(pim.FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v becomes %v, %v", d, got, err)
		}
	})
}

// FuzzParseDuration: whatever is accepted is in range and survives being written.
func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"PT8H", "P365D", "P1DT2H3M4S", "P52W1D", "P6M", "PT0.5H", "PT", "P999999999W", "PT876000H"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := pim.ParseDuration(s)
		if err != nil {
			if d != 0 {
				t.Fatalf("%q is refused and yet %v", s, d)
			}
			return
		}
		if d < 0 || d > 36500*24*time.Hour {
			t.Fatalf("%q is %v", s, d)
		}
		if again, err := pim.ParseDuration(pim.FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q is %v, then %v, %v", s, d, again, err)
		}
	})
}
