package siem_test

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/store/trail"
)

// No cell is a formula, whichever text or name a person chose for it.
func TestCSVInjection(t *testing.T) {
	for _, attack := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", "＝1", "－1"} {
		l := full(trail.Asked)
		for name := range l.Texts {
			l.Texts[name] = attack
		}
		l.Role = &trail.Role{Name: attack, ID: attack, Scope: attack, Kind: attack}
		l.Actor, l.Verb, l.Reason, l.Held, l.Request = trail.Actor{User: attack, Platform: attack}, attack, attack, attack, attack
		l.More = map[string]string{attack: attack}
		l.Texts["="] = attack
		var out strings.Builder
		w := csv.NewWriter(&out)
		if err := w.WriteAll([][]string{siem.Header(), siem.Row(l)}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%v: %q", err, out.String())
		}
		found := 0
		for n, cell := range rows[1] {
			if strings.HasPrefix(cell, attack) || cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
				t.Errorf("the cell %s is a formula: %q", siem.Header()[n], cell)
			}
			if strings.HasPrefix(cell, "'") {
				found++
			}
		}
		if found < 13 {
			t.Errorf("%q is in %d cells only: %q", attack, found, rows[1])
		}
	}
}

func TestCSV(t *testing.T) {
	l := full(trail.Asked)
	l.Texts["note"] = "a, \"b\""
	row, cell := siem.Row(l), map[string]string{}
	if len(row) != len(siem.Header()) {
		t.Fatalf("%d cells, %d columns", len(row), len(siem.Header()))
	}
	for n, name := range siem.Header() {
		cell[name] = row[n]
	}
	for name, want := range map[string]string{"index": "7", "at": "2026-11-23T12:00:00.005Z", "kind": "request.asked", "actor": bob, "subject": alice, "role_name": "User Administrator",
		"more": `{"duration":"PT1H"}`, "text_justification": "locked out", "text_other": `{"note":"a, \"b\""}`, "erased": "note"} {
		if cell[name] != want {
			t.Errorf("%s is %q, want %q", name, cell[name], want)
		}
	}
	// Without texts nothing personal is told, and a record without any has empty cells.
	bare := siem.NewLine(trail.Record{Event: l.Event, Erased: []string{"note"}}, false)
	if bare.Texts != nil || bare.Erased != nil {
		t.Errorf("%+v", bare)
	}
	if row := siem.Row(siem.Line{}); slices.Contains(row, "{}") || len(row) != len(siem.Header()) {
		t.Errorf("%q", row)
	}
}

// A line keeps everything on its way through JSON.
func TestLine(t *testing.T) {
	r := trail.Record{Index: 7, Event: full(trail.Asked).Event, Erased: []string{"ticket"}}
	r.Texts = trail.Texts{"justification": "locked out"}
	raw, err := json.Marshal(siem.NewLine(r, true))
	if err != nil {
		t.Fatal(err)
	}
	var l siem.Line
	if err := json.Unmarshal(raw, &l); err != nil || l.Index != 7 || l.Kind != trail.Asked || l.Role.Name != "User Administrator" ||
		l.Texts["justification"] != "locked out" || !slices.Equal(l.Erased, []string{"ticket"}) || l.Event.Texts != nil {
		t.Errorf("%v: %s", err, raw)
	}
	if raw, err := json.Marshal(siem.NewLine(r, false)); err != nil || strings.Contains(string(raw), "locked out") || strings.Contains(string(raw), "erased") {
		t.Errorf("%v: %s", err, raw)
	}
}
