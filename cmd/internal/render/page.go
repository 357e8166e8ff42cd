package render

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/belaybot/belay/pim/posture"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"number": func(n *int) string {
		if n == nil {
			return "?"
		}
		return number(n)
	},
	"less": func(a, b int) int { return a - b },
	"single": func(n int, one, many string) string {
		if n == 1 {
			return one
		}
		return many
	},
	"width": width,
	"pillar": func(kind string) string {
		return map[string]string{"entra-role": "directory role", "group": "group", "azure-resource": "Azure"}[kind]
	},
}).Parse(pageText))

// width is a share of the widest bar, in percent.
func width(n, of int) int {
	if of == 0 {
		return 0
	}
	if w := n * 100 / of; w > 0 || n == 0 {
		return w
	}
	return 1
}

func postureHTML(w io.Writer, r posture.Report, days []posture.Day) error {
	roles := r.Numbers.Roles
	widest := 0
	for _, n := range roles {
		widest = max(widest, n.Standing+n.Eligible)
	}
	counts := map[posture.Severity]int{}
	for _, f := range r.Findings {
		counts[f.Severity]++
	}
	return page.ExecuteTemplate(w, "posture", map[string]any{"Title": "Posture", "R": r, "Stamp": stamp(r), "Chart": chart(days), "Days": len(days), "Roles": roles[:min(len(roles), shownRoles)],
		"MoreRoles": len(roles) - shownRoles, "Widest": widest, "High": counts[posture.High], "Medium": counts[posture.Medium], "Low": counts[posture.Low]})
}

func checklistHTML(w io.Writer, tenant, taken string, answers []posture.Answer) error {
	counts := map[posture.Reply]int{}
	for _, a := range answers {
		counts[a.Answer]++
	}
	return page.ExecuteTemplate(w, "checklist", map[string]any{"Title": "Checklist", "Tenant": tenant, "Stamp": taken, "Answers": answers,
		"Yes": counts[posture.Yes], "No": counts[posture.No], "Unseen": counts[posture.CannotSee]})
}
