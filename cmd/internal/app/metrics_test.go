package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"

	"github.com/belaybot/belay/store/postgres"
)

// described is a metric as Belay registers it.
type described struct {
	name, help string
	labels     []string
}

var descText = regexp.MustCompile(`fqName: "([^"]+)", help: "([^"]*)", .*variableLabels: \{([^}]*)\}`)

// registry is everything that a serving Belay registers, with either store.
func registry(t *testing.T) (*prometheus.Registry, map[string]described) {
	t.Helper()
	cfg, err := Load(write(t, good), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data = t.TempDir()
	a, err := openStore(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	measurePool(a.metrics, func() postgres.Connections { return postgres.Connections{} })
	all := map[string]described{}
	descs := make(chan *prometheus.Desc)
	go func() {
		a.metrics.Describe(descs)
		close(descs)
	}()
	for d := range descs {
		m := descText.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("what is %s?", d)
		}
		if strings.HasPrefix(m[1], "belay_") {
			all[m[1]] = described{m[1], m[2], strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })}
		}
	}
	return a.metrics, all
}

var documentedRow = regexp.MustCompile("(?m)^\\| `(belay_[a-z_]+)` \\| (counter|gauge|histogram) \\| ([a-z, ]*) ?\\| (.+) \\|$")

// Every metric is documented with its labels and its type, and every documented one is
// there. Names and helps are what promtool demands.
func TestMetricsAreDocumented(t *testing.T) {
	reg, all := registry(t)
	text, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]dto.MetricType{"counter": dto.MetricType_COUNTER, "gauge": dto.MetricType_GAUGE, "histogram": dto.MetricType_HISTOGRAM}
	told, families := map[string]string{}, []*dto.MetricFamily(nil)
	for _, m := range documentedRow.FindAllStringSubmatch(string(text), -1) {
		name, kind, labels := m[1], m[2], strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		d, there := all[name]
		switch {
		case !there:
			t.Errorf("docs/metrics.md has %s, which is not there", name)
			continue
		case told[name] != "":
			t.Errorf("docs/metrics.md has %s twice", name)
		case !slices.Equal(labels, d.labels):
			t.Errorf("%s has the labels %v, documented are %v", name, d.labels, labels)
		}
		told[name] = kind
		family := &dto.MetricFamily{Name: &name, Help: &d.help, Type: types[kind].Enum(), Metric: []*dto.Metric{{}}}
		for _, l := range d.labels {
			value := "x"
			family.Metric[0].Label = append(family.Metric[0].Label, &dto.LabelPair{Name: &l, Value: &value})
		}
		families = append(families, family)
	}
	for name := range all {
		if told[name] == "" {
			t.Errorf("%s is not in docs/metrics.md", name)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	more, err := testutil.GatherAndLint(reg, slices.Collect(maps.Keys(all))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(problems, more...) {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	shown, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range shown {
		if kind := told[f.GetName()]; kind != "" && f.GetType() != types[kind] {
			t.Errorf("%s is a %s, documented is a %s", f.GetName(), f.GetType(), kind)
		}
	}
}

var (
	selector = regexp.MustCompile(`([a-z_:][a-z0-9_:]*)(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`)
	quoted   = regexp.MustCompile(`"[^"]*"`)
	shown    = regexp.MustCompile(`\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}`)
)

// uses holds an expression, and what is written beside it, against the registry: each
// metric is there, and each label is one of a metric that the expression names.
func uses(t *testing.T, where, expr, beside string, all map[string]described) (named []string) {
	t.Helper()
	labels := map[string]bool{"instance": true, "job": true, "le": strings.Contains(expr, "_bucket")}
	bare := quoted.ReplaceAllString(expr, `""`)
	for _, m := range selector.FindAllStringSubmatch(bare, -1) {
		if !strings.HasPrefix(m[1], "belay_") {
			continue
		}
		name := m[1]
		if _, there := all[name]; !there {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, part)
			}
		}
		d, there := all[name]
		if !there {
			t.Errorf("%s names %s, which is not there", where, m[1])
			continue
		}
		named = append(named, name)
		for _, l := range d.labels {
			labels[l] = true
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(d.labels, l[1]) && l[1] != "instance" {
				t.Errorf("%s: %s has no label %s", where, name, l[1])
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(bare, -1) {
		for l := range strings.SplitSeq(g[1], ",") {
			if !labels[strings.TrimSpace(l)] {
				t.Errorf("%s groups by %s, which no metric of it has", where, l)
			}
		}
	}
	for _, m := range shown.FindAllStringSubmatch(beside, -1) {
		if !labels[m[1]] {
			t.Errorf("%s shows the label %s, which no metric of it has", where, m[1])
		}
	}
	return named
}

// Every alert rule names what is there, says why it matters, and leads to a page that says
// what to do.
func TestAlertRulesNameWhatIsThere(t *testing.T) {
	_, all := registry(t)
	text, err := os.ReadFile("../../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if slices.Contains(rules, r.Alert) {
				t.Errorf("%s is there twice", r.Alert)
			}
			rules = append(rules, r.Alert)
			if named := uses(t, r.Alert, r.Expr, r.Annotations["summary"]+r.Annotations["description"], all); len(named) == 0 {
				t.Errorf("%s names no metric of Belay: %s", r.Alert, r.Expr)
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s does not say how grave it is, what it is or why it matters", r.Alert)
			}
			_, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "docs/metrics.md#")
			if anchor != strings.ToLower(r.Alert) || !strings.Contains(string(page), "\n### "+r.Alert+"\n") {
				t.Errorf("%s leads to %q", r.Alert, r.Annotations["runbook_url"])
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Belay\w+)$`).FindAllStringSubmatch(string(page), -1) {
		if !slices.Contains(rules, m[1]) {
			t.Errorf("docs/metrics.md explains %s, which is no rule", m[1])
		}
	}
	if len(rules) < 10 {
		t.Errorf("only %d rules", len(rules))
	}
}

// Every panel of the dashboard names what is there, and together they show nearly all of it.
func TestDashboardNamesWhatIsThere(t *testing.T) {
	_, all := registry(t)
	text, err := os.ReadFile("../../../deploy/grafana/belay.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr, LegendFormat string }
			GridPos struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	seen, ids, cells := map[string]bool{}, map[int]bool{}, map[[2]int]string{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || (len(p.Targets) == 0) != (p.Type == "row") {
			t.Errorf("panel %d %q: its id is taken, or it has no title, or it shows nothing", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies over %q or beside the page", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			for _, name := range uses(t, fmt.Sprintf("the panel %q", p.Title), target.Expr, target.LegendFormat, all) {
				seen[name] = true
			}
		}
	}
	for name := range all {
		if !seen[name] && !slices.Contains([]string{"belay_surveyed_timestamp_seconds", "belay_postgres_connections_max", "belay_uncovered_roles"}, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}
