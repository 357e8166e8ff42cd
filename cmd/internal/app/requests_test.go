package app

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
)

func TestQuietHours(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"22:00-07:00 Europe/Berlin": "",
		"00:00-06:30 UTC":           "",
		"22-7":                      "two times and a time zone",
		"22:00-07:00":               "two times and a time zone",
		"25:00-07:00 UTC":           "not a time of day",
		"22:00-07:60 UTC":           "not a time of day",
		"22:00-07:00 Mars/Olympus":  "not known",
		"22:00-07:00 ../etc/passwd": "two times and a time zone",
	} {
		_, err := Requests{Quiet: text}.quiet()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	q, err := Requests{Quiet: "22:00-07:00 Europe/Berlin"}.quiet()
	if err != nil || q.From != 22*60 || q.To != 7*60 || q.Zone.String() != "Europe/Berlin" {
		t.Fatalf("got %+v, %v", q, err)
	}
	at := time.Date(2026, 11, 25, 22, 30, 0, 0, time.UTC) // 23:30 in Berlin
	if end, quiet := q.Until(at); !quiet || !end.Equal(time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)) {
		t.Errorf("at %s: quiet %v until %s", at, quiet, end)
	}
}

func TestAcknowledge(t *testing.T) {
	r := Requests{Acknowledge: []Acknowledgement{{Roles: []string{"global reader", "Finance Vault"}, Text: " I am on call. "}, {Roles: []string{"role-x"}, Text: "X"}}}
	for want, role := range map[string]pim.EligibleAssignment{
		"I am on call.":  {RoleName: "Global Reader"},
		"I am on call. ": {RoleName: "Owner", ScopeName: "Finance Vault"},
		"X":              {Assignment: pim.Assignment{Role: "ROLE-X"}, RoleName: "Another"},
		"":               {RoleName: "User Administrator", ScopeName: "Directory"},
	} {
		if got := r.acknowledge(role); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %q, want %q", role, got, want)
		}
	}
	if got := (Requests{Acknowledge: []Acknowledgement{{Text: "All"}}}).acknowledge(pim.EligibleAssignment{}); got != "All" {
		t.Errorf("a rule for every role: %q", got)
	}
}
