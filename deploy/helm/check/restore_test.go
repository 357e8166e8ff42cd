package check

import (
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
)

// A backup is restored onto a new disk while nobody serves; the old disk stays as it is.
func TestABackupIsRestored(t *testing.T) {
	v := with(with(values(t, "bolt"), "restore|identitySecret", "belay-backup-key"), "store|bolt|suffix", "-2")
	all := objects(t, v)
	d := of[*apps.Deployment](t, all, "Deployment belay")
	if *d.Spec.Replicas != 0 {
		t.Errorf("%d Belays have the disk meanwhile", *d.Spec.Replicas)
	}
	of[*core.PersistentVolumeClaim](t, all, "PersistentVolumeClaim belay-2")
	if all["PersistentVolumeClaim belay"] != nil {
		t.Error("the old disk is in the release again")
	}
	pod := of[*batch.Job](t, all, "Job belay-restore").Spec.Template.Spec
	c := pod.Containers[0]
	if !c.Stdin || !c.StdinOnce || !slices.Equal(c.Args[:2], []string{"store", "restore"}) || !slices.Contains(c.Args, "/dev/stdin") {
		t.Errorf("the job does %v, stdin %v", c.Args, c.Stdin)
	}
	serving := d.Spec.Template.Spec
	if *pod.SecurityContext.RunAsUser != *serving.SecurityContext.RunAsUser || !*c.SecurityContext.ReadOnlyRootFilesystem || c.Image != serving.Containers[0].Image {
		t.Error("the job runs otherwise than Belay")
	}
	if len(c.VolumeMounts) != len(serving.Containers[0].VolumeMounts)+1 || len(pod.Volumes) != len(serving.Volumes)+1 {
		t.Error("the job sees otherwise than Belay")
	}
	for _, vol := range pod.Volumes {
		if vol.PersistentVolumeClaim != nil && vol.PersistentVolumeClaim.ClaimName != "belay-2" {
			t.Errorf("it writes to %s", vol.PersistentVolumeClaim.ClaimName)
		}
	}
	files, err := render(t, v, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{"The disk is belay-2: keep store.bolt.suffix in your values file", "wait --for=condition=complete --timeout=60s job/belay-restore", "delete the job"} {
		if !strings.Contains(files["belay/templates/NOTES.txt"], said) {
			t.Errorf("the notes do not say %q:\n%s", said, files["belay/templates/NOTES.txt"])
		}
	}
	if _, err := render(t, with(values(t, "postgres"), "restore|identitySecret", "x"), false); err == nil || !strings.Contains(err.Error(), "by its own means") {
		t.Errorf("PostgreSQL: %v", err)
	}
}
