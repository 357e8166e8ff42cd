package check

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// The paths that are probed and scraped are those that Belay has.
func TestWhatIsProbedIsThere(t *testing.T) {
	source, err := os.ReadFile("../../../cmd/internal/app/serve.go")
	if err != nil {
		t.Fatal(err)
	}
	all := objects(t, values(t, "postgres"))
	c := of[*apps.Deployment](t, all, "Deployment belay").Spec.Template.Spec.Containers[0]
	paths := []string{of[*monitoring.ServiceMonitor](t, all, "ServiceMonitor belay").Spec.Endpoints[0].Path}
	for _, p := range []*core.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if p.HTTPGet.Port.String() != "private" {
			t.Errorf("%s is asked of the listener %s", p.HTTPGet.Path, p.HTTPGet.Port.String())
		}
		paths = append(paths, p.HTTPGet.Path)
	}
	for _, path := range paths {
		if !strings.Contains(string(source), `"GET `+path+`"`) {
			t.Errorf("Belay has no %s", path)
		}
	}
	if !slices.Equal(paths, []string{"/metrics", "/livez", "/livez", "/readyz"}) {
		t.Errorf("asked are %v", paths)
	}
}

// The alert rules are those of deploy/prometheus, to the last letter.
func TestTheAlertsAreTheSame(t *testing.T) {
	text, err := os.ReadFile("../../prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(chartDir + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(copied) != string(text) {
		t.Error("run: cp deploy/prometheus/alerts.yaml deploy/helm/belay/files/alerts.yaml")
	}
	var want monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &want); err != nil {
		t.Fatal(err)
	}
	got := of[*monitoring.PrometheusRule](t, objects(t, values(t, "postgres")), "PrometheusRule belay").Spec
	wantText, _ := yaml.Marshal(want)
	gotText, _ := yaml.Marshal(got)
	if string(wantText) != string(gotText) || len(want.Groups) == 0 || len(want.Groups[0].Rules) < 10 {
		t.Errorf("rendered:\n%s\nwant:\n%s", gotText, wantText)
	}
}

// Every key of Belay's that is a secret is one that the chart takes from a Secret only.
func TestEverySecretIsKnown(t *testing.T) {
	helpers, err := os.ReadFile(chartDir + "/templates/_helpers.tpl")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(helpers), `define "belay.secretKeys" -}}`)
	list, _, _ = strings.Cut(strings.TrimSpace(list), "\n")
	var have []string
	for path := range strings.FieldsSeq(list) {
		have = append(have, path[strings.LastIndex(path, ".")+1:])
	}
	var want []string
	for _, file := range []string{"config.go", "siem.go", "alerts.go", "posture.go", "requests.go", "approval.go", "notices.go"} {
		source, err := os.ReadFile("../../../cmd/internal/app/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\sSecret\s+.koanf:"([a-z_]+)"`).FindAllStringSubmatch(string(source), -1) {
			want = append(want, m[1])
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("the chart knows %v, Belay %v", have, want)
	}
}
