package siemtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Rsyslog is a real rsyslogd, with a configuration and certificates of its own, that takes syslog over TLS
// from whoever has a certificate of its authority.
type Rsyslog struct {
	t      *testing.T
	dir    string
	driver string
	port   string
	cmd    *exec.Cmd
	ended  chan error

	CAFile     string // of the authority that signed the server's certificate
	ClientFile string // certificate and key that the server takes
}

// Drivers are the TLS libraries that the rsyslog of this machine has; none: it is not installed.
func Drivers() (all []string) {
	if rsyslogd() == "" {
		return nil
	}
	for name, file := range map[string]string{"gtls": "lmnsd_gtls.so", "ossl": "lmnsd_ossl.so"} {
		for _, at := range []string{"/usr/lib/*/rsyslog/", "/usr/lib/rsyslog/", "/usr/lib64/rsyslog/"} {
			if found, err := filepath.Glob(at + file); err == nil && len(found) > 0 {
				all = append(all, name)
				break
			}
		}
	}
	return all
}

func rsyslogd() string {
	for _, name := range []string{"rsyslogd", "/usr/sbin/rsyslogd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// StartRsyslog starts one that ends with the test. Where none is installed the test is skipped, or
// fails if TEST_RSYSLOG is "required".
func StartRsyslog(t *testing.T, driver string) *Rsyslog {
	t.Helper()
	if rsyslogd() == "" || driver == "" {
		const without = "NOT TESTED: rsyslogd with TLS is not installed (packages rsyslog and rsyslog-gnutls or rsyslog-openssl)"
		if os.Getenv("TEST_RSYSLOG") == "required" {
			t.Fatal(without)
		}
		t.Skip(without)
	}
	s := &Rsyslog{t: t, dir: t.TempDir(), driver: driver, port: "0"}
	s.CAFile, s.ClientFile = filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "client.pem")
	if err := s.certify(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// certify makes an authority, and certificates of the server and of a client.
func (s *Rsyslog) certify() error {
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(90 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	sign := func(of *x509.Certificate, public any, files ...string) ([]byte, error) {
		der, err := x509.CreateCertificate(rand.Reader, of, authority, public, root)
		if err != nil {
			return nil, err
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		for _, f := range files {
			err = errors.Join(err, os.WriteFile(f, text, 0o600))
		}
		return text, err
	}
	if _, err := sign(authority, &root.PublicKey, s.CAFile); err != nil {
		return err
	}
	for n, name := range []string{"server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		text, err := sign(&x509.Certificate{SerialNumber: big.NewInt(int64(n + 2)), Subject: pkix.Name{CommonName: name}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}},
			&key.PublicKey, filepath.Join(s.dir, name+".crt"))
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		if err := errors.Join(os.WriteFile(filepath.Join(s.dir, name+".key"), private, 0o600), os.WriteFile(filepath.Join(s.dir, name+".pem"), append(text, private...), 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// Everything is written before the connection is closed: no queue of its own, no buffer.
const rsyslogConfig = `
global(workDirectory="%[1]s" maxMessageSize="64k" defaultNetstreamDriver="%[2]s" defaultNetstreamDriverCAFile="%[1]s/ca.pem"
  defaultNetstreamDriverCertFile="%[1]s/server.crt" defaultNetstreamDriverKeyFile="%[1]s/server.key")
main_queue(queue.type="Direct")
module(load="imtcp" streamDriver.name="%[2]s" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="parts" type="string" string="%%pri%%|%%protocol-version%%|%%timestamp:::date-rfc3339%%|%%hostname%%|%%app-name%%|%%procid%%|%%msgid%%|%%structured-data%%|%%msg%%\n")
input(type="imtcp" port="%[3]s" address="127.0.0.1" listenPortFileName="%[1]s/port")
action(type="omfile" file="%[1]s/messages" template="parts" asyncWriting="off" flushOnTXEnd="on")
`

// Start starts it, the second time on the same port.
func (s *Rsyslog) Start() {
	s.t.Helper()
	config, portFile := filepath.Join(s.dir, "rsyslog.conf"), filepath.Join(s.dir, "port")
	if err := os.WriteFile(config, fmt.Appendf(nil, rsyslogConfig, s.dir, s.driver, s.port), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var said bytes.Buffer
	s.cmd = exec.CommandContext(context.Background(), rsyslogd(), "-n", "-f", config, "-i", "NONE")
	s.cmd.Stdout, s.cmd.Stderr = &said, &said
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan error, 1)
	s.ended = ended
	go func() { ended <- cmd.Wait() }()
	late := time.After(time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C { // it tells nobody when it listens
		if text, err := os.ReadFile(portFile); s.port != "0" || err == nil && len(text) > 0 {
			if s.port == "0" { // it is written then only
				s.port = strings.TrimSpace(string(text))
			}
			if c, err := net.Dial("tcp", s.Address()); err == nil {
				_ = c.Close()
				return
			}
		}
		select {
		case err := <-ended:
			s.cmd = nil
			s.t.Fatalf("rsyslogd: %v\n%s", err, said.String())
		case <-late:
			s.Kill()
			s.t.Fatalf("rsyslogd does not listen\n%s", said.String())
		default:
		}
	}
}

// Address is where it listens.
func (s *Rsyslog) Address() string { return "127.0.0.1:" + s.port }

// Kill ends it without a warning.
func (s *Rsyslog) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // it may have ended
		<-s.ended
		s.cmd = nil
	}
}

// message is what its template writes of one message of RFC 5424.
var message = regexp.MustCompile(`^([0-9]{1,3})\|1\|([0-9T:.-]+(?:Z|[+-][0-9:]+))\|([!-~]+)\|belay\|-\|([a-z.-]{1,32})\|\[meta sequenceId="([0-9]+)"\]\[origin software="Belay" swVersion="([!-~]+)"\]\| ?(\{.*\})$`)

// Events are the events of OCSF that it wrote, in their order, and what is wrong with their messages.
func (s *Rsyslog) Events() (events []json.RawMessage, faults []string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "messages"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.Contains(line, "|rsyslogd|") || strings.Contains(line, "|rsyslogd-") { // its own words
			continue
		}
		m := message.FindStringSubmatch(line)
		if m == nil {
			faults = append(faults, "no message: "+line)
			continue
		}
		var e struct {
			Metadata struct {
				EventCode string `json:"event_code"`
			}
		}
		if err := json.Unmarshal([]byte(m[7]), &e); err != nil || e.Metadata.EventCode != m[4] {
			faults = append(faults, fmt.Sprintf("MSGID %s of %s: %v", m[4], m[7], err))
		}
		for _, f := range OCSF().Faults([]byte(m[7])) {
			faults = append(faults, f+" in "+m[7])
		}
		events = append(events, json.RawMessage(m[7]))
	}
	return events, faults
}
