// Package render prints what posture found: as text, JSON, CSV, and as one HTML page
// that needs nothing from anywhere else.
package render

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/belaybot/belay/pim/posture"
)

// Format is how something is printed.
type Format string

// The formats.
const (
	Text Format = "text"
	JSON Format = "json"
	HTML Format = "html"
	CSV  Format = "csv"
)

// Posture prints a report with the days before it, oldest first.
func Posture(w io.Writer, f Format, r posture.Report, days []posture.Day) error {
	switch f {
	case JSON:
		return indented(w, struct {
			posture.Report
			Trend []posture.Day `json:"trend"`
		}{r, append([]posture.Day{}, days...)})
	case CSV:
		return postureCSV(w, r)
	case HTML:
		return postureHTML(w, r, days)
	}
	return postureText(w, r, days)
}

// Checklist prints answers.
func Checklist(w io.Writer, f Format, tenant, taken string, answers []posture.Answer) error {
	switch f {
	case JSON:
		return indented(w, struct {
			Tenant  string           `json:"tenant"`
			Taken   string           `json:"taken"`
			Answers []posture.Answer `json:"answers"`
		}{tenant, taken, answers})
	case CSV:
		rows := [][]string{{"id", "question", "answer", "evidence", "mend", "permission"}}
		for _, a := range answers {
			rows = append(rows, []string{a.ID, a.Question, string(a.Answer), strings.Join(a.Evidence, " "), a.Mend, a.Permission})
		}
		return table(w, rows)
	case HTML:
		return checklistHTML(w, tenant, taken, answers)
	}
	for n, a := range answers {
		fmt.Fprintf(w, "%2d. %-60s %s\n", n+1, a.Question, strings.ToUpper(string(a.Answer)))
		for _, e := range a.Evidence {
			fmt.Fprintf(w, "      %s\n", plain(e))
		}
		if a.Mend != "" {
			fmt.Fprintf(w, "      Mend: %s\n", a.Mend)
		}
	}
	return nil
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// postureCSV has a line for each piece of evidence, for each check that could not be made
// in full, and for each role's numbers.
func postureCSV(w io.Writer, r posture.Report) error {
	rows := [][]string{{"record", "id", "severity", "what", "evidence", "object_id", "why", "mend", "link", "standing", "eligible", "active"}}
	for _, f := range r.Findings {
		for _, e := range f.Evidence {
			rows = append(rows, []string{"finding", f.ID, string(f.Severity), f.What, e.What, e.ID, f.Why, f.Mend, f.Link, "", "", ""})
		}
		if more := f.Count - len(f.Evidence); more > 0 {
			rows = append(rows, []string{"finding", f.ID, string(f.Severity), f.What, fmt.Sprintf("and %d more", more), "", f.Why, f.Mend, f.Link, "", "", ""})
		}
	}
	for _, b := range r.Blind {
		rows = append(rows, []string{"cannot see", b.Check, "", b.What, "", b.Permission, "", "", "", "", "", ""})
	}
	for _, n := range r.Numbers.Roles {
		rows = append(rows, []string{"role", n.Role, "", n.Name, string(n.Kind), "", "", "", "", strconv.Itoa(n.Standing), strconv.Itoa(n.Eligible), strconv.Itoa(n.Active)})
	}
	return table(w, rows)
}

// table writes CSV. A name that a spreadsheet would take for a formula is made plain.
func table(w io.Writer, rows [][]string) error {
	out := csv.NewWriter(w)
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// most is how much evidence the text shows of a finding.
const most = 5

func postureText(w io.Writer, r posture.Report, days []posture.Day) error {
	fmt.Fprintf(w, "Posture of tenant %s at %s\n\n", plain(r.Tenant), stamp(r))
	n := r.Numbers
	fmt.Fprintf(w, "%s standing, %s eligible, %s activated now; %s can be Global Administrator\n%s\n", number(n.Standing), number(n.Eligible), number(n.Active), number(n.Admins), since(r, days))
	for _, f := range r.Findings {
		fmt.Fprintf(w, "\n%-6s  %s  [%s]\n", strings.ToUpper(string(f.Severity)), f.What, f.ID)
		for i, e := range f.Evidence {
			if i == most {
				fmt.Fprintf(w, "          and %d more\n", f.Count-most)
				break
			}
			fmt.Fprintf(w, "          %s\n", plain(e.What))
		}
		fmt.Fprintf(w, "        Why: %s\n        Mend: %s\n        %s\n", f.Why, f.Mend, f.Link)
	}
	if len(r.Findings) == 0 {
		fmt.Fprintf(w, "\nNothing was found in what could be seen.\n")
	}
	for i, b := range r.Blind {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "UNSEEN  %s  [%s]\n", plain(b.What), b.Check)
	}
	if len(r.Clear) > 0 {
		fmt.Fprintf(w, "\nClear: %s\n", strings.Join(r.Clear, ", "))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ROLE\tPILLAR\tSTANDING\tELIGIBLE\tACTIVATED")
	for i, n := range r.Numbers.Roles {
		if i == shownRoles {
			fmt.Fprintf(t, "and %d more\t\t\t\t\n", len(r.Numbers.Roles)-shownRoles)
			break
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\n", plain(n.Name), n.Kind, n.Standing, n.Eligible, n.Active)
	}
	return t.Flush()
}

// shownRoles is how many roles text and HTML show; JSON and CSV have all.
const shownRoles = 40

func stamp(r posture.Report) string { return r.Taken.UTC().Format("2006-01-02 15:04 UTC") }

// number is a count, or that it could not be seen.
func number(n *int) string {
	if n == nil {
		return "an unseen number"
	}
	return strconv.Itoa(*n)
}

// since says how it was on the oldest day that is known, of the last 30.
func since(r posture.Report, days []posture.Day) string {
	if len(days) == 0 {
		return fmt.Sprintf("%d findings", len(r.Findings))
	}
	d := days[max(0, len(days)-30)]
	return fmt.Sprintf("%d findings; on %s: %s standing, %s eligible, %d findings", len(r.Findings), d.Day, number(d.Standing), number(d.Eligible), d.Findings())
}

// plain keeps names from moving a terminal's cursor or turning its text.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '�'
		}
		return r
	}, s)
}
