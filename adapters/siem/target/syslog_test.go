package target_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/siem/siemtest"
	"github.com/belaybot/belay/adapters/siem/target"
)

// drivers are the TLS libraries of the machine's rsyslog; one that is not there says so.
func drivers() []string {
	if all := siemtest.Drivers(); len(all) > 0 {
		return all
	}
	return []string{""}
}

func syslogTo(t *testing.T, s *siemtest.Rsyslog, known bool) *target.Syslog {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	conf := &tls.Config{RootCAs: pool}
	if known {
		cert, err := tls.LoadX509KeyPair(s.ClientFile, s.ClientFile)
		if err != nil {
			t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return &target.Syslog{Format: format, Address: s.Address(), TLS: conf, Host: "host-1"}
}

// A real rsyslogd takes everything, over TLS with a client's certificate, although it is killed in
// the middle: each event is there, in its order and as OCSF's schema wants it.
func TestRsyslog(t *testing.T) {
	for _, driver := range drivers() {
		t.Run(driver, func(t *testing.T) {
			s := siemtest.StartRsyslog(t, driver)
			w := newWorld(t)
			w.lives(4)
			f := w.feed("one", syslogTo(t, s, true))
			w.runs(f)
			if st := w.stands(); st.Waiting != 0 || st.Why != "" {
				t.Fatalf("%+v", st)
			}
			w.lives(15) // more than a batch
			if again, err := f.Step(t.Context()); err != nil || !again {
				t.Fatal(again, err)
			}
			s.Kill()
			w.runs(f)
			if st := w.stands(); st.Waiting == 0 || st.Why == "" {
				t.Errorf("it was killed: %+v", st)
			}
			s.Start()
			w.runs(w.feed("one", syslogTo(t, s, true)))
			if st := w.stands(); st.Waiting != 0 || st.Why != "" {
				t.Errorf("%+v", st)
			}
			events, faults := s.Events()
			w.arrived(events)
			for _, fault := range faults {
				t.Error(fault)
			}
			if !slices.ContainsFunc(events, func(e json.RawMessage) bool {
				return strings.Contains(string(e), `\u00c4rger`) && strings.Contains(string(e), `\ud83d\udd11`)
			}) {
				t.Error("what is not ASCII came otherwise, or not at all")
			}
		})
	}
}

// Whoever has no certificate is not listened to by rsyslogd, and Belay notices: nothing counts as taken.
func TestRsyslogRefusesStrangers(t *testing.T) {
	for _, driver := range drivers() {
		t.Run(driver, func(t *testing.T) {
			s := siemtest.StartRsyslog(t, driver)
			w := newWorld(t)
			w.lives(1)
			w.runs(w.feed("one", syslogTo(t, s, false)))
			if st := w.stands(); int(st.Waiting) != len(w.made) || st.Why == "" {
				t.Errorf("%+v", st)
			}
			if _, err := syslogTo(t, s, false).Check(t.Context()); err == nil {
				t.Error("the look at it finds nothing wrong")
			}
			c, err := syslogTo(t, s, true).Check(t.Context())
			if err != nil || c.Until.IsZero() {
				t.Errorf("%+v, %v", c, err)
			}
			other := syslogTo(t, s, true)
			other.TLS.RootCAs = x509.NewCertPool()
			if _, err := other.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not trusted") {
				t.Errorf("a server of another authority: %v", err)
			}
			if events, _ := s.Events(); len(events) != 0 {
				t.Errorf("%d events came", len(events))
			}
		})
	}
}
