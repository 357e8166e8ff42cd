package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Count is how many findings come to a verdict.
func Count(all []Finding, verdict Verdict) (n int) {
	for _, f := range all {
		if f.Verdict == verdict {
			n++
		}
	}
	return n
}

// same is what several findings may have in common.
type same struct{ found, mend string }

// shared counts how many checks could not be looked at for the same reason.
func shared(all []Finding) map[same]int {
	n := map[same]int{}
	for _, f := range all {
		if f.Verdict == Unknown {
			n[same{f.Found, f.Mend}]++
		}
	}
	return n
}

// Print writes findings for people: each in its group, then what to do, the faults
// last, because that is where a reader ends. What could not be looked at for one reason
// is said once.
func Print(to io.Writer, all []Finding) error {
	var b strings.Builder
	wide, group := 0, ""
	hidden := shared(all)
	for _, f := range all {
		wide = max(wide, len(f.Check))
	}
	for _, f := range all {
		if hidden[same{f.Found, f.Mend}] > 1 {
			continue // said once, below
		}
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "%s\n", group)
		}
		fmt.Fprintf(&b, "  %-7s  %-*s  %s: %s\n", f.Verdict, wide, f.Check, f.Looked, f.Found)
	}
	for _, part := range []struct {
		verdict Verdict
		title   string
	}{{Unknown, "Could not be looked at"}, {Warning, "Should be mended"}, {Fault, "Must be mended"}} {
		mends(&b, all, hidden, part.verdict, part.title)
	}
	fmt.Fprintf(&b, "\n%d ok, %d unknown, %s, %s\n", Count(all, OK), Count(all, Unknown), counted(Count(all, Warning), "warning"), counted(Count(all, Fault), "fault"))
	_, err := io.WriteString(to, b.String())
	return err
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// mends writes what to do about one kind of finding; those of which the same is to
// be said stand together.
func mends(b *strings.Builder, all []Finding, hidden map[same]int, verdict Verdict, title string) {
	var order []same
	checks := map[same][]string{}
	for _, f := range all {
		if f.Verdict != verdict || f.Mend == "" && (verdict != Unknown || hidden[same{f.Found, f.Mend}] < 2) {
			continue
		}
		at := same{f.Found, f.Mend}
		if checks[at] == nil {
			order = append(order, at)
		}
		checks[at] = append(checks[at], f.Check)
	}
	if len(order) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, at := range order {
		fmt.Fprintf(b, "  %s: %s\n", strings.Join(checks[at], ", "), at.found)
		if at.mend != "" {
			fmt.Fprintf(b, "      %s\n", at.mend)
		}
	}
}
