package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

const password = "a-password-that-nobody-may-see"

// refused opens a store that must be refused, in a sentence without the password.
func refused(t *testing.T, opt postgres.Options, want postgres.Reason) {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Hasty(opt))
	if err == nil {
		s.Close()
		t.Errorf("it was opened; want the reason %q", want)
		return
	}
	wantReason(t, err, want)
	wantReason(t, postgres.Probe(t.Context(), postgres.Hasty(opt), nil), want)
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), password) {
		t.Errorf("the password is in %#v", err)
	}
	t.Log(err)
}

func TestWhatIsRefusedWithoutAServer(t *testing.T) {
	for _, c := range []struct {
		url  string
		want postgres.Reason
	}{
		{"", postgres.BadURL},
		{"host=localhost password=" + password, postgres.BadURL},
		{"mysql://u:" + password + "@localhost/x", postgres.BadURL},
		{"postgres://u:" + password + "@local host/x", postgres.BadURL},
		{"postgres://u:" + password + "@localhost:99999999/x", postgres.BadURL},
		{"postgres://u:" + password + "@db.example.com/x?sslmode=disable", postgres.PlainText},
		{"postgres://u:" + password + "@db.example.com/x?sslmode=prefer", postgres.PlainText},
		{"postgres://u:" + password + "@db.example.com/x?sslmode=require", postgres.PlainText},
		{"postgres://u:" + password + "@db.example.com/x?sslmode=verify-ca", postgres.PlainText},
		{"postgres://u:" + password + "@localhost,db.example.com/x?sslmode=prefer", postgres.PlainText},
		{"postgres:///x?host=db.example.com&sslmode=disable&password=" + password, postgres.PlainText},
		{"postgres://u:" + password + "@127.0.0.1:1/x", postgres.Unreachable},
	} {
		refused(t, postgres.Options{URL: c.url}, c.want)
	}
	if err := postgres.Check("postgres://u:" + password + "@db.example.com/x"); err != nil { // verify-full by default
		t.Error(err)
	}
	if got := postgres.Place("postgres://u:" + password + "@db.example.com/x"); strings.Contains(got, password) || !strings.Contains(got, "db.example.com:5432") {
		t.Error(got)
	}
}

// The address is said once, and so is what every server says alike.
func TestAFailureIsSaidOnce(t *testing.T) {
	for _, hosts := range []string{"127.0.0.1:1", "127.0.0.1:1,127.0.0.1:2"} {
		err := postgres.Probe(t.Context(), postgres.Hasty(postgres.Options{URL: "postgres://u@" + hosts + "/x"}), nil)
		wantReason(t, err, postgres.Unreachable)
		for _, once := range []string{"127.0.0.1:1", "connection refused"} {
			if n := strings.Count(fmt.Sprint(err), once); n != 1 {
				t.Errorf("%s: %q is said %d times: %v", hosts, once, n, err)
			}
		}
	}
}

func TestWhoIsRefused(t *testing.T) {
	srv := postgrestest.Start(t)
	err := errors.Join(
		srv.Exec("create user locked password '"+password+"'", "create user small connection limit 1 ", "create user nobody_much",
			"create database theirs owner locked", "create database owned owner small"),
		srv.Allow("local all locked scram-sha-256", "host all locked all scram-sha-256"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(user string) string {
		return strings.Replace(srv.URL(user, "theirs"), user+"@", user+":not-"+password+"@", 1)
	}
	refused(t, postgres.Options{URL: wrong("locked")}, postgres.Password)
	refused(t, postgres.Options{URL: srv.URL("who", "postgres")}, postgres.Password)
	refused(t, postgres.Options{URL: srv.URL("postgres", "nowhere")}, postgres.NoDatabase)
	refused(t, postgres.Options{URL: srv.URL("nobody_much", "postgres")}, postgres.NoSchema)
	s := open(t, postgres.Options{URL: srv.URL("small", "owned")})
	refused(t, postgres.Options{URL: srv.URL("small", "owned")}, postgres.Full)
	wantReason(t, s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") }), postgres.Full) // it cannot make the table
	if err := srv.Exec("alter user small connection limit 5"); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") }); err != nil {
		t.Error(err)
	}

	asked := 0
	entra := postgres.Options{URL: srv.URL("locked", "theirs"), Password: func(context.Context) (string, error) { asked++; return password, nil }}
	open(t, entra)
	if asked == 0 {
		t.Error("nobody was asked for the password")
	}
	entra.Password = func(context.Context) (string, error) { return "", errors.New("no identity here") }
	refused(t, entra, postgres.SignIn)
}

// A user may connect and see the schema, and not do what Belay must: an update finds that, and a probe before.
func TestProbeSeesRights(t *testing.T) {
	srv := postgrestest.Start(t)
	if err := srv.Exec("create user maker", "create user reader", "create database shared owner maker"); err != nil {
		t.Fatal(err)
	}
	owner := postgres.Options{URL: srv.URL("maker", "shared")}
	if err := postgres.Probe(t.Context(), owner, nil); err != nil {
		t.Errorf("nothing is there yet: %v", err)
	}
	s := open(t, owner)
	if err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") }); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Probe(t.Context(), owner, nil); err != nil {
		t.Errorf("its owner: %v", err)
	}
	mine := errors.New("mine")
	if err := postgres.Probe(t.Context(), owner, func(tx store.Tx) error {
		v, err := tx.Get("a", []byte("k"))
		if perr := tx.Put("a", []byte("k"), nil); !errors.Is(perr, store.ErrReadOnly) {
			t.Errorf("it was written: %v", perr)
		}
		if _, nerr := tx.Get("nowhere", []byte("k")); !errors.Is(nerr, store.ErrNotFound) {
			t.Errorf("a bucket that is not there: %v", nerr)
		}
		return errors.Join(err, mine, fmt.Errorf("it holds %s", v))
	}); !errors.Is(err, mine) || !strings.Contains(err.Error(), "it holds v") {
		t.Errorf("what is in it: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), srv.URL("maker", "shared"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	reader := postgres.Options{URL: srv.URL("reader", "shared")}
	for _, step := range []struct {
		grant string
		want  string // that the user may not; empty: nothing
	}{
		{"grant usage on schema belay to reader; grant select on all tables in schema belay to reader", "make tables"},
		{"grant create on schema belay to reader", "read and write format"},
		{"grant insert, update, delete on all tables in schema belay to reader", ""},
	} {
		if _, err := conn.Exec(t.Context(), step.grant); err != nil {
			t.Fatal(err)
		}
		err := postgres.Probe(t.Context(), reader, nil)
		if step.want == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantReason(t, err, postgres.Denied)
		if !strings.Contains(fmt.Sprint(err), step.want) {
			t.Errorf("%v does not name %q", err, step.want)
		}
	}
}

func TestWhichServersAreRefused(t *testing.T) {
	srv := postgrestest.Start(t)
	for _, setting := range []string{"fsync=off", "full_page_writes=off"} {
		if err := srv.Alter(setting); err != nil {
			t.Fatal(err)
		}
		refused(t, postgres.Options{URL: srv.Admin()}, postgres.Unsafe)
		if err := srv.AsBefore(); err != nil {
			t.Fatal(err)
		}
	}
	if err := srv.Alter("default_transaction_read_only=on"); err != nil {
		t.Fatal(err)
	}
	refused(t, postgres.Options{URL: srv.Admin()}, postgres.ReadOnly)
	if err := srv.Exec("set default_transaction_read_only = off", "alter system reset all", "select pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}

	s := open(t, postgres.Options{URL: srv.Admin()})
	if err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") }); err != nil {
		t.Fatal(err)
	}
	copied, err := srv.Standby("copy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(copied.Close)
	refused(t, postgres.Options{URL: copied.Admin()}, postgres.Standby)
	both := fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres", copied.Port, srv.Port)
	if got := get(t, open(t, postgres.Options{URL: both}), "k"); got != "v" {
		t.Errorf("the primary of the two holds %q", got)
	}

	if err := srv.Exec("create schema another", "create table another.something ()"); err != nil {
		t.Fatal(err)
	}
	refused(t, postgres.Options{URL: srv.Admin(), Schema: "another"}, postgres.Foreign)
	if err := srv.Exec("update belay.format set version = version + 1"); err != nil {
		t.Fatal(err)
	}
	refused(t, postgres.Options{URL: srv.Admin()}, postgres.TooNew)
}

// TestCommitsAreSynced has a server that would acknowledge before its disk does.
func TestCommitsAreSynced(t *testing.T) {
	srv := postgrestest.Start(t)
	for setting, want := range map[string]string{"off": "on", "local": "on", "remote_write": "on", "on": "on", "remote_apply": "remote_apply"} {
		if err := srv.Alter("synchronous_commit=" + setting); err != nil {
			t.Fatal(err)
		}
		s := open(t, postgres.Options{URL: srv.Admin()})
		if got := s.Setting(t.Context(), "synchronous_commit"); got != want {
			t.Errorf("synchronous_commit = %s becomes %s, want %s", setting, got, want)
		}
	}
}

// No statement here is worth compiling, and a server that may do so takes a scan for worth it.
func TestNothingIsCompiled(t *testing.T) {
	srv, name := server(t), schema()
	s := open(t, postgres.Options{URL: srv.Admin() + "&jit=on", Schema: name})
	plan, err := s.Explain(t.Context(), "update "+name+".format set pinged = now()")
	if err != nil || !strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "JIT") {
		t.Errorf("%s, %v", plan, err)
	}
}

func TestOnlyATrustedServer(t *testing.T) {
	srv := postgrestest.Start(t)
	certificate, key := selfSigned(t)
	verified := strings.Replace(srv.TCP("postgres", "postgres")+"?sslmode=verify-full", "127.0.0.1", "localhost", 1)
	refused(t, postgres.Options{URL: verified}, postgres.Untrusted) // it offers no TLS
	if err := srv.Certificate(certificate, key); err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	if err := srv.Up(); err != nil {
		t.Fatal(err)
	}
	refused(t, postgres.Options{URL: verified}, postgres.Untrusted)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	open(t, postgres.Options{URL: verified, RootCAs: pool})
	refused(t, postgres.Options{URL: strings.Replace(verified, "localhost", "127.0.0.1", 1), RootCAs: pool}, postgres.Untrusted) // another name
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, postgres.Options{URL: verified + "&sslrootcert=" + file})
	if err := srv.Allow("hostssl all all all trust", "host all all all reject"); err != nil {
		t.Fatal(err)
	}
	refused(t, postgres.Options{URL: srv.TCP("postgres", "postgres") + "?sslmode=disable"}, postgres.Password)
}

func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP(nil),
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}
