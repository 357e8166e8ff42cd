package check

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

// Belay itself takes the rendered belay.yaml, with each file that it names where the pod
// mounts it.
func TestBelayTakesItsConfiguration(t *testing.T) {
	belay := os.Getenv("TEST_BELAY")
	if belay == "" {
		t.Fatal("TEST_BELAY names no Belay: run deploy/check")
	}
	for _, name := range cases {
		all := objects(t, values(t, name))
		text := of[*core.ConfigMap](t, all, "ConfigMap belay").Data["belay.yaml"]
		root := t.TempDir()
		place(t, root, of[*apps.Deployment](t, all, "Deployment belay"))
		text = strings.ReplaceAll(text, "/etc/belay/", root+"/etc/belay/")
		text = strings.ReplaceAll(text, "/var/", root+"/var/")
		config := filepath.Join(root, "belay.yaml")
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(belay, "serve", "--check", "--config", config).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, text)
		}
		broken := strings.Replace(text, "tenant_id: ", "tenant_id: not-", 1)
		if err := os.WriteFile(config, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(belay, "serve", "--check", "--config", config).CombinedOutput(); err == nil {
			t.Errorf("%s: a broken one is taken: %s", name, out)
		}
	}
}

// place writes what the volumes of the pod hold, below root.
func place(t *testing.T, root string, d *apps.Deployment) {
	t.Helper()
	for _, m := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
		v := volume(t, d, m.Name)
		var files []string
		switch {
		case v.Secret != nil:
			for _, item := range v.Secret.Items {
				files = append(files, item.Path)
			}
		case v.Projected != nil:
			files = append(files, v.Projected.Sources[0].ServiceAccountToken.Path)
		}
		for _, f := range files {
			full := filepath.Join(root, m.MountPath, f)
			if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, content(t, f), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// content is something of the right form.
func content(t *testing.T, file string) []byte {
	t.Helper()
	switch file {
	case "postgres-url":
		return []byte("postgres://belay:0123456789@db.example.com:5432/belay")
	case "hook-secret":
		return []byte("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	case "belay.pem":
		return certificate(t)
	}
	return []byte("0123456789abcdef0123456789abcdef")
}

func certificate(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
}
