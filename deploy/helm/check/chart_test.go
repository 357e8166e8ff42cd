package check

import (
	"maps"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func TestTheChartIsSound(t *testing.T) {
	for _, name := range cases {
		for _, m := range lint.RunAll(chartDir, values(t, name), "identity").Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

// Each way to run has its own objects, and no others.
func TestWhatIsRendered(t *testing.T) {
	for name, want := range map[string][]string{
		"bolt":     {"ConfigMap belay", "Deployment belay", "Ingress belay", "NetworkPolicy belay", "PersistentVolumeClaim belay", "Service belay", "ServiceAccount belay"},
		"postgres": {"ConfigMap belay", "Deployment belay", "NetworkPolicy belay", "PodDisruptionBudget belay", "PrometheusRule belay", "Service belay", "Service belay-private", "ServiceAccount belay", "ServiceMonitor belay"},
		"azure":    {"ConfigMap belay", "Deployment belay", "Ingress belay", "NetworkPolicy belay", "PodDisruptionBudget belay", "Service belay", "ServiceAccount belay"},
	} {
		if got := slices.Sorted(maps.Keys(objects(t, values(t, name)))); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// What does not go together is refused, by the schema and, without it, in a sentence.
func TestWhatIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, from, at string
		value          any
		says           string
	}{
		{"two replicas with the file", "bolt", "replicas", 2, "one Belay alone may have the file"},
		{"a file share", "bolt", "store|bolt|accessMode", "ReadWriteMany", "must never be on a share"},
		{"a store that is none", "bolt", "store|kind", "mysql", "bolt or postgres"},
		{"an address beside the file", "bolt", "store|postgres|url", "postgres://belay@db.example.com/belay", "address of PostgreSQL"},
		{"a shared key file beside the file", "bolt", "keys|existingSecret", "belay-keys", "Belay makes the key file"},
		{"replicas without shared keys", "postgres", "keys|existingSecret", "", "share one key file"},
		{"a password in the address", "azure", "store|postgres|url", "postgres://belay:hunter2@db.example.com/belay", "a password is a secret"},
		{"no image", "bolt", "image|repository", "", "no public image"},
		{"a setting as a variable", "bolt", "env|BELAY_SLACK_BOT_TOKEN", "xoxb-1", "belongs into config"},
	} {
		for _, schema := range []bool{true, false} {
			_, err := render(t, with(values(t, c.from), c.at, c.value), schema)
			switch {
			case err == nil:
				t.Errorf("%s was taken (schema: %v)", c.name, schema)
			case !schema && !strings.Contains(err.Error(), c.says):
				t.Errorf("%s: %v does not say %q", c.name, err, c.says)
			}
		}
	}
	for _, at := range []string{"config|slack|bot_token", "config|siem|webhook|secret", "config|store|postgres_url", "config|data", "config|keys|file"} {
		if _, err := render(t, with(values(t, "bolt"), at, "x"), true); err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(at, "|", ".")) {
			t.Errorf("%s: %v", at, err)
		}
	}
}

func TestOneReplicaHasTheFileAlone(t *testing.T) {
	all := objects(t, values(t, "bolt"))
	d := of[*apps.Deployment](t, all, "Deployment belay")
	if *d.Spec.Replicas != 1 || d.Spec.Strategy.Type != apps.RecreateDeploymentStrategyType {
		t.Errorf("%d replicas, %s", *d.Spec.Replicas, d.Spec.Strategy.Type)
	}
	disk := of[*core.PersistentVolumeClaim](t, all, "PersistentVolumeClaim belay")
	if !slices.Equal(disk.Spec.AccessModes, []core.PersistentVolumeAccessMode{core.ReadWriteOnce}) || disk.Annotations["helm.sh/resource-policy"] != "keep" {
		t.Errorf("the disk: %v, %v", disk.Spec.AccessModes, disk.Annotations)
	}
	if v := volume(t, d, "data"); v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != disk.Name {
		t.Errorf("the data is in %+v", v)
	}
	if *d.Spec.Template.Spec.SecurityContext.FSGroupChangePolicy != core.FSGroupChangeOnRootMismatch {
		t.Error("each start would open the key file to the group")
	}
}

func TestReplicasHandOver(t *testing.T) {
	for name, replicas := range map[string]int32{"postgres": 3, "azure": 2} {
		all := objects(t, values(t, name))
		d := of[*apps.Deployment](t, all, "Deployment belay")
		rolling := d.Spec.Strategy.RollingUpdate
		if *d.Spec.Replicas != replicas || rolling == nil || rolling.MaxUnavailable.IntValue() != 0 || rolling.MaxSurge.IntValue() != 1 {
			t.Errorf("%s: %d replicas, %+v", name, *d.Spec.Replicas, d.Spec.Strategy)
		}
		budget := of[*policy.PodDisruptionBudget](t, all, "PodDisruptionBudget belay")
		if budget.Spec.MaxUnavailable.IntValue() != 1 || budget.Spec.Selector.MatchLabels["app.kubernetes.io/name"] != "belay" {
			t.Errorf("%s: %+v", name, budget.Spec)
		}
		pod := d.Spec.Template.Spec
		if pod.Affinity.PodAntiAffinity == nil || len(pod.TopologySpreadConstraints) == 0 {
			t.Errorf("%s: all replicas may lie on one machine", name)
		}
		if v := volume(t, d, "keys"); v.Secret == nil || v.Secret.SecretName != "belay-keys" || *v.Secret.DefaultMode != 0o400 {
			t.Errorf("%s: the key file is in %+v", name, v)
		}
		if v := volume(t, d, "data"); v.EmptyDir == nil {
			t.Errorf("%s: replicas share a data directory", name)
		}
	}
}

func TestThePodIsShutIn(t *testing.T) {
	for _, name := range cases {
		d := of[*apps.Deployment](t, objects(t, values(t, name)), "Deployment belay")
		pod, container := d.Spec.Template.Spec, d.Spec.Template.Spec.Containers[0]
		s := container.SecurityContext
		for what, held := range map[string]bool{
			"not root":                  *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser == 65532,
			"seccomp":                   pod.SecurityContext.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault,
			"no token of Kubernetes":    !*pod.AutomountServiceAccountToken,
			"no links of Services":      !*pod.EnableServiceLinks,
			"nothing of the node":       !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
			"a read-only root":          *s.ReadOnlyRootFilesystem,
			"no more rights":            !*s.AllowPrivilegeEscalation && s.Privileged == nil,
			"no capability":             slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) && len(s.Capabilities.Add) == 0,
			"a limit of memory":         !container.Resources.Limits.Memory().IsZero(),
			"one container, no secrets": len(pod.Containers) == 1 && len(pod.InitContainers) == 0 && len(container.Env) == 0 && len(container.EnvFrom) == 0,
			"a pinned image":            strings.ContainsAny(container.Image, "@:") && !strings.HasSuffix(container.Image, ":latest"),
		} {
			if !held {
				t.Errorf("%s: not so: %s", name, what)
			}
		}
		for _, m := range container.VolumeMounts {
			if m.Name != "data" && !m.ReadOnly {
				t.Errorf("%s: %s can be written", name, m.Name)
			}
		}
	}
}

// A proxy can be named, for Belay and for a restore.
func TestTheEnvironmentIsGivenOn(t *testing.T) {
	v := with(with(values(t, "bolt"), "env|HTTPS_PROXY", "http://proxy.example.com:3128"), "restore|identitySecret", "belay-backup-key")
	all := objects(t, v)
	want := []core.EnvVar{{Name: "HTTPS_PROXY", Value: "http://proxy.example.com:3128"}}
	for name, pod := range map[string]core.PodSpec{
		"Belay":   of[*apps.Deployment](t, all, "Deployment belay").Spec.Template.Spec,
		"restore": of[*batch.Job](t, all, "Job belay-restore").Spec.Template.Spec,
	} {
		if got := pod.Containers[0].Env; !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheStopIsWaitedFor(t *testing.T) {
	for name, stop := range map[string]int64{"bolt": 20, "postgres": 40 + 5} {
		d := of[*apps.Deployment](t, objects(t, values(t, name)), "Deployment belay")
		if got := *d.Spec.Template.Spec.TerminationGracePeriodSeconds; got != stop+10 {
			t.Errorf("%s: killed after %d s, and the stop takes up to %d", name, got, stop)
		}
	}
}

// Only the ingress controller reaches the public listener, only Prometheus the private one,
// and what goes out is https, names and, where it is used, PostgreSQL.
func TestTheNetworkPolicy(t *testing.T) {
	for name, out := range map[string][]int{"bolt": {53, 53, 443}, "azure": {53, 53, 443, 5432}, "postgres": {53, 53, 443, 5432, 6514}} {
		p := of[*network.NetworkPolicy](t, objects(t, values(t, name)), "NetworkPolicy belay")
		if len(p.Spec.PolicyTypes) != 2 || len(p.Spec.Ingress) != 2 {
			t.Fatalf("%s: %+v", name, p.Spec)
		}
		for n, port := range []string{"public", "private"} {
			if r := p.Spec.Ingress[n]; len(r.From) == 0 || len(r.Ports) != 1 || r.Ports[0].Port.String() != port {
				t.Errorf("%s: %+v is not for %s", name, r, port)
			}
		}
		var ports []int
		for _, r := range p.Spec.Egress {
			if len(r.To) == 0 || len(r.Ports) == 0 {
				t.Errorf("%s: %+v lets everything out", name, r)
			}
			for _, port := range r.Ports {
				ports = append(ports, port.Port.IntValue())
			}
		}
		if !slices.Equal(ports, out) {
			t.Errorf("%s: out go %v, want %v", name, ports, out)
		}
	}
	shut := with(with(values(t, "bolt"), "networkPolicy|ingressFrom", []any{}), "networkPolicy|metricsFrom", []any{})
	if p := of[*network.NetworkPolicy](t, objects(t, shut), "NetworkPolicy belay"); len(p.Spec.Ingress) != 0 {
		t.Errorf("empty lists let everybody in: %+v", p.Spec.Ingress)
	}
}

// Services, probes, policies and monitors mean the pod that is there, and its ports.
func TestWhatIsNamedIsThere(t *testing.T) {
	for _, name := range cases {
		all := objects(t, values(t, name))
		d := of[*apps.Deployment](t, all, "Deployment belay")
		pod := labels.Set(d.Spec.Template.Labels)
		ports := map[string]int32{}
		for _, p := range d.Spec.Template.Spec.Containers[0].Ports {
			ports[p.Name] = p.ContainerPort
		}
		for key, o := range all {
			switch o := o.(type) {
			case *core.Service:
				if !labels.SelectorFromSet(o.Spec.Selector).Matches(pod) || ports[o.Spec.Ports[0].TargetPort.String()] == 0 {
					t.Errorf("%s: %s means no pod", name, key)
				}
			case *network.NetworkPolicy:
				if !labels.SelectorFromSet(o.Spec.PodSelector.MatchLabels).Matches(pod) {
					t.Errorf("%s: %s means no pod", name, key)
				}
			case *monitoring.ServiceMonitor:
				found := 0
				for _, s := range all {
					if s, ok := s.(*core.Service); ok && labels.SelectorFromSet(o.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
						found++
						if s.Spec.Ports[0].Name != o.Spec.Endpoints[0].Port {
							t.Errorf("%s: %s has no port %s", name, s.Name, o.Spec.Endpoints[0].Port)
						}
					}
				}
				if found != 1 {
					t.Errorf("%s: %s means %d Services", name, key, found)
				}
			case *network.Ingress:
				b := o.Spec.Rules[0].HTTP.Paths[0].Backend.Service
				if s := of[*core.Service](t, all, "Service "+b.Name); s.Spec.Ports[0].Name != b.Port.Name || o.Spec.Rules[0].Host != "belay.example.com" || len(o.Spec.TLS) != 1 {
					t.Errorf("%s: %+v", name, o.Spec)
				}
			}
		}
		mounted := map[string]bool{}
		for _, m := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
			mounted[m.Name] = true
			volume(t, d, m.Name)
		}
		if len(mounted) != len(d.Spec.Template.Spec.Volumes) {
			t.Errorf("%s: %d of %d volumes are mounted", name, len(mounted), len(d.Spec.Template.Spec.Volumes))
		}
	}
}

func volume(t *testing.T, d *apps.Deployment, name string) core.VolumeSource {
	t.Helper()
	for _, v := range d.Spec.Template.Spec.Volumes {
		if v.Name == name {
			return v.VolumeSource
		}
	}
	t.Fatalf("no volume %s", name)
	return core.VolumeSource{}
}
