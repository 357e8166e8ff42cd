package check

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const recipient = "age1zj74n8udt6xmtxumxuax4juvppcv7vtn0yj86vclqcdmaanzdpvqas3zyx"

func backedUp(t *testing.T) map[string]any {
	t.Helper()
	v := with(with(values(t, "bolt"), "backup|schedule", "30 2 * * *"), "backup|existingClaim", "backups")
	return with(v, "backup|recipients", []any{recipient})
}

// A backup is asked of the Belay that serves, on its node, by a pod that can change nothing of the
// store and reaches no other.
func TestABackupIsMadeEveryNight(t *testing.T) {
	all := objects(t, backedUp(t))
	d := of[*apps.Deployment](t, all, "Deployment belay")
	job := of[*batch.CronJob](t, all, "CronJob belay-backup").Spec
	pod := job.JobTemplate.Spec.Template
	c := pod.Spec.Containers[0]
	if job.Schedule != "30 2 * * *" || job.ConcurrencyPolicy != batch.ForbidConcurrent || job.JobTemplate.Spec.ActiveDeadlineSeconds == nil {
		t.Errorf("%+v", job)
	}
	near := pod.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if len(near) != 1 || near[0].TopologyKey != "kubernetes.io/hostname" || !labels.SelectorFromSet(near[0].LabelSelector.MatchLabels).Matches(labels.Set(d.Spec.Template.Labels)) {
		t.Errorf("it may run where the socket is not: %+v", near)
	}
	if labels.SelectorFromSet(d.Spec.Selector.MatchLabels).Matches(labels.Set(pod.Labels)) {
		t.Error("the Service takes it for Belay")
	}
	serving := d.Spec.Template.Spec
	if *pod.Spec.SecurityContext.RunAsUser != *serving.SecurityContext.RunAsUser || !*c.SecurityContext.ReadOnlyRootFilesystem || c.Image != serving.Containers[0].Image || *pod.Spec.AutomountServiceAccountToken {
		t.Error("it runs otherwise than Belay")
	}
	held := map[string]core.VolumeSource{}
	for _, v := range pod.Spec.Volumes {
		held[v.Name] = v.VolumeSource
	}
	for _, m := range c.VolumeMounts {
		if m.ReadOnly == (m.Name == "backups") {
			t.Errorf("%s: read-only is %v", m.Name, m.ReadOnly)
		}
		delete(held, m.Name)
		if m.Name == "data" && m.MountPath != "/var/lib/belay" {
			t.Errorf("the socket is not where belay.yaml says: %s", m.MountPath)
		}
	}
	if len(held) > 0 {
		t.Errorf("not mounted: %v", slices.Sorted(maps.Keys(held)))
	}
	if v := volume(t, d, "data"); v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ReadOnly {
		t.Errorf("%+v", v)
	}
	if env := c.Env; len(env) != 1 || env[0].Name != "POD" || env[0].ValueFrom.FieldRef.FieldPath != "metadata.name" || !slices.Contains(c.Args, "/backups/$(POD)") {
		t.Errorf("two backups would have one name: %v, %v", env, c.Args)
	}
	for name, v := range map[string]map[string]any{"without a schedule": values(t, "bolt"), "while a backup is restored": with(backedUp(t), "restore|identitySecret", "x")} {
		if objects(t, v)["CronJob belay-backup"] != nil {
			t.Errorf("%s one is made", name)
		}
	}
}

// Belay takes the command as it stands in the job. Where none serves it says so, and no file is
// left that would be taken for a backup.
func TestTheBackupsCommand(t *testing.T) {
	all := objects(t, backedUp(t))
	root := t.TempDir()
	place(t, root, of[*apps.Deployment](t, all, "Deployment belay"))
	there := strings.NewReplacer("/etc/belay/", root+"/etc/belay/", "/var/", root+"/var/", "/backups/", root+"/", "$(POD)", "belay-backup-1-abcde")
	text := there.Replace(of[*core.ConfigMap](t, all, "ConfigMap belay").Data["belay.yaml"])
	for _, dir := range []string{"etc/belay", "var/lib/belay"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/belay/belay.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, a := range of[*batch.CronJob](t, all, "CronJob belay-backup").Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args {
		args = append(args, there.Replace(a))
	}
	out, err := exec.Command(os.Getenv("TEST_BELAY"), args...).CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(string(out), "no Belay serves from there") {
		t.Errorf("%v: %v\n%s", args, err, out)
	}
	if left, err := filepath.Glob(filepath.Join(root, "*belay-backup*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The notes say how the first one is tried, and otherwise that backups are to be made.
func TestTheNotesTellOfBackups(t *testing.T) {
	for want, v := range map[string]map[string]any{
		"\n\n4. It is backed up by schedule (30 2 * * *)": backedUp(t), "create job belay-backup-try --from=cronjob/belay-backup\n   The disk": backedUp(t),
		"\n\n4. Back it up every night": values(t, "bolt"),
	} {
		files, err := render(t, v, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := files["belay/templates/NOTES.txt"]; !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	for _, m := range lint.RunAll(chartDir, backedUp(t), "identity").Messages {
		if m.Severity > support.InfoSev {
			t.Error(m)
		}
	}
}

func TestWhatABackupNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		v    map[string]any
		says string
	}{
		"PostgreSQL":              {with(with(with(values(t, "postgres"), "backup|schedule", "30 2 * * *"), "backup|existingClaim", "backups"), "backup|recipients", []any{recipient}), "by its own means"},
		"a disk of one pod alone": {with(backedUp(t), "store|bolt|accessMode", "ReadWriteOncePod"), "no second pod"},
		"nobody to encrypt for":   {with(backedUp(t), "backup|recipients", []any{}), "backup.recipients"},
		"nowhere to put it":       {with(backedUp(t), "backup|existingClaim", ""), "a disk of its own"},
		"the store's own disk":    {with(backedUp(t), "backup|existingClaim", "belay"), "a disk of its own"},
	} {
		if _, err := render(t, c.v, false); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, v := range map[string]map[string]any{
		"no recipient": with(backedUp(t), "backup|recipients", []any{}),
		"no disk":      with(backedUp(t), "backup|existingClaim", ""),
		"PostgreSQL":   with(values(t, "postgres"), "backup|schedule", "30 2 * * *"),
		"no key":       with(backedUp(t), "backup|recipients", []any{"AGE-SECRET-KEY-1"}),
	} {
		if _, err := render(t, v, true); err == nil {
			t.Errorf("the schema takes it: %s", name)
		}
	}
}
