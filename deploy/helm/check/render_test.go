package check

import (
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const chartDir = "../belay"

// cases are the values in testdata.
var cases = []string{"bolt", "postgres", "azure"}

func values(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	v := map[string]any{}
	if err := yaml.UnmarshalStrict(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// render is what helm template does; schema false: as with --skip-schema-validation.
func render(t *testing.T, v map[string]any, schema bool) (map[string]string, error) {
	t.Helper()
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: "belay", Namespace: "identity", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValuesWithSchemaValidation(chart, v, release, common.DefaultCapabilities, !schema)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(chart, all)
}

// objects decodes what was rendered: an unknown field, a field twice or a wrong type is a
// failure. The key is kind and name.
func objects(t *testing.T, v map[string]any) map[string]runtime.Object {
	t.Helper()
	files, err := render(t, v, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := monitoring.AddToScheme(scheme.Scheme); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	all := map[string]runtime.Object{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) != ".yaml" {
			continue
		}
		for document := range strings.SplitSeq(files[name], "\n---\n") {
			if strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(document), "---")) == "" {
				continue
			}
			object, kind, err := decoder.Decode([]byte(document), nil, nil)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			key := kind.Kind + " " + named(t, object)
			if all[key] != nil {
				t.Fatalf("%s is there twice", key)
			}
			all[key] = object
		}
	}
	return all
}

func named(t *testing.T, o runtime.Object) string {
	t.Helper()
	m, ok := o.(interface{ GetName() string })
	if !ok || m.GetName() == "" {
		t.Fatalf("%T has no name", o)
	}
	return m.GetName()
}

// of is the object of a type that has the name.
func of[T runtime.Object](t *testing.T, all map[string]runtime.Object, key string) T {
	t.Helper()
	o, ok := all[key].(T)
	if !ok {
		t.Fatalf("no %s among %v", key, slices.Sorted(maps.Keys(all)))
	}
	return o
}

// with puts a value at a dotted path.
func with(v map[string]any, at string, value any) map[string]any {
	parts := strings.Split(at, "|")
	m := v
	for _, p := range parts[:len(parts)-1] {
		next, ok := m[p].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[p] = next
		}
		m = next
	}
	m[parts[len(parts)-1]] = value
	return v
}
