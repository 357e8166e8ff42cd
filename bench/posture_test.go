// Package bench measures what Belay claims, against what it is measured for. Its
// figures are in RESULTS.md, each with its command.
package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/arm"
	"github.com/belaybot/belay/pim/graph"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/pim/signin"
)

// The tenant: 50,000 assignments in all, and 5,000 groups that hold roles.
const (
	people        = 20_000
	groups        = 5_000
	roles         = 100
	rolesStanding = 14_000
	rolesEligible = 16_000
	azureEach     = 5_000 // standing, and as many eligible
	subscriptions = 200
	tenant        = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"
	client        = "b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5"
	secret        = "a-client-secret-of-the-bench"
	root          = "/providers/Microsoft.Management/managementGroups/" + tenant
	owner         = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	simulate      = "TEST_BENCH_SIMULATOR" // milliseconds that each answer takes
)

func id(kind byte, n int) string { return fmt.Sprintf("%c0000000-0000-4000-8000-%012d", kind, n) }

// TestMain is the simulated tenant where it is told to be: a process of its own, so that
// its memory is not Belay's.
func TestMain(m *testing.M) {
	if wait := os.Getenv(simulate); wait != "" {
		if err := serve(wait); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// where is what the simulator says once it serves.
type where struct {
	Login, Graph, ARM string
	CA                string
	Assignments       int
	Seeded            time.Duration // processor time that it has had so far
}

func serve(answersIn string) error {
	ms, err := strconv.Atoi(answersIn)
	if err != nil {
		return err
	}
	t, err := pimtest.New(pimtest.Options{TenantID: tenant, Unkind: pimtest.Kind(),
		Unhandled: func(s string) { fmt.Fprintln(os.Stderr, "the tenant does not know", s) },
		App:       pimtest.App{ClientID: client, ClientSecret: secret, Application: pim.ApplicationPermissions()}})
	if err != nil {
		return err
	}
	n, err := seed(t)
	if err != nil {
		return err
	}
	wait := time.Duration(ms) * time.Millisecond
	w := where{Assignments: n, Seeded: used()}
	for _, s := range []struct {
		at *string
		h  http.Handler
	}{{&w.Login, t.Login()}, {&w.Graph, before(t.Graph(), graphLimits(), wait)}, {&w.ARM, before(t.ARM(), armLimits(), wait)}} {
		server := httptest.NewTLSServer(s.h)
		*s.at = server.URL
		w.CA += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	}
	t.SetURLs(pimtest.URLs{Login: w.Login, Graph: w.Graph, ARM: w.ARM})
	if err := json.NewEncoder(os.Stdout).Encode(w); err != nil {
		return err
	}
	_, err = bufio.NewReader(os.Stdin).ReadByte() // until the bench is over
	if err == nil {
		return errors.New("something was said to the simulator")
	}
	return nil
}

// seed fills the tenant and counts the assignments.
func seed(t *pimtest.Tenant) (n int, _ error) {
	var errs []error
	do := func(err error) { errs = append(errs, err); n++ }
	must := func(err error) { errs = append(errs, err) }
	strong := pimtest.Policy{MaxDuration: 2 * time.Hour, MFA: true, Justification: true}
	for i := range people {
		must(t.AddUser(pimtest.User{ID: id('a', i), Name: fmt.Sprintf("Person Number %d", i), UPN: fmt.Sprintf("person.number.%d@contoso.example", i), Guest: i%50 == 0}))
	}
	for i := range groups {
		must(t.AddGroup(pimtest.Group{ID: id('9', i), Name: fmt.Sprintf("Group Number %d", i), RoleAssignable: i%10 == 0}))
	}
	for i := range roles {
		name := id('f', i)
		if i == 0 {
			name = "62e90394-69f5-4237-9190-012177145e10"
		}
		must(t.AddRole(pimtest.Role{ID: name, Name: fmt.Sprintf("Role Number %d", i), Policy: strong}))
	}
	role := func(i int) string {
		if i%roles == 0 {
			return "62e90394-69f5-4237-9190-012177145e10"
		}
		return id('f', i%roles)
	}
	must(t.AddAzureRole(pimtest.AzureRole{ID: owner, Name: "Owner", Actions: []string{"*"}}))
	must(t.AddResource(pimtest.Resource{ID: root, Name: "Tenant Root Group"}))
	for i := range subscriptions {
		must(t.AddResource(pimtest.Resource{ID: "/subscriptions/" + id('5', i), Name: fmt.Sprintf("Subscription %d", i), Parent: root}))
	}
	must(t.GrantReader(root))
	var always time.Time
	for i := range rolesStanding {
		do(t.Assign(id('a', i%people), role(i), "/"))
	}
	for i := range rolesEligible {
		do(t.Eligible(id('a', (i*7)%people), role(i), "/", always, always))
	}
	for i := range groups { // each is eligible for a role, and one may join it
		do(t.Eligible(id('9', i), role(i+1), "/", always, always))
		do(t.EligibleInGroup(id('a', i), id('9', i), "member", always, always))
	}
	for i := range azureEach {
		at := "/subscriptions/" + id('5', i%subscriptions)
		do(t.AssignAzure(id('a', i), owner, at))
		do(t.EligibleAzure(id('a', people-1-i), owner, at, always, always, ""))
	}
	return n, errors.Join(errs...)
}

type own struct{ of azcore.TokenCredential }

func (own) Person(context.Context, string) (string, error) { return "", errors.New("nobody") }

type ownFor struct {
	own
	resource string
}

func (o ownFor) App(ctx context.Context) (string, error) {
	t, err := o.of.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{o.resource + "/.default"}})
	return t.Token, err
}

// BenchmarkPosture reads and examines the whole tenant.
func BenchmarkPosture(b *testing.B) {
	for _, wait := range []string{"0", "20"} {
		b.Run("answers in "+wait+" ms", func(b *testing.B) { measure(b, wait) })
	}
}

func measure(b *testing.B, wait string) {
	at, stop := start(b, wait)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(at.CA))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16}
	counted := &counter{next: transport}
	h := &http.Client{Transport: counted}
	defer transport.CloseIdleConnections()
	credential, err := signin.Credential{Secret: secret}.Application(at.Login, tenant, client, h)
	if err != nil {
		b.Fatal(err)
	}
	directory, err := graph.New(graph.Options{BaseURL: at.Graph, HTTP: h, Tokens: ownFor{own{credential}, "https://graph.microsoft.com"}})
	if err != nil {
		b.Fatal(err)
	}
	azure, err := arm.New(arm.Options{BaseURL: at.ARM, HTTP: h, Tokens: ownFor{own{credential}, "https://management.azure.com"}, Approvers: directory})
	if err != nil {
		b.Fatal(err)
	}
	began := used()
	for b.Loop() {
		watched := watch()
		s, err := posture.Read(b.Context(), posture.Sources{TenantID: tenant, Directory: directory.Lists(), Groups: directory.Groups().Lists(), Tenant: directory.Lists(),
			Azure: azure.Lists(), Scopes: []string{root}, Permissions: posture.Permissions(), Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		r := posture.Examine(s, posture.Rules{})
		if len(s.Holdings) < at.Assignments || len(r.Blind) > 0 {
			b.Fatalf("%d holdings of %d, %+v", len(s.Holdings), at.Assignments, s.Unseen)
		}
		b.ReportMetric(float64(watched())/(1<<20), "MB-heap")
	}
	b.ReportMetric(float64(at.Assignments), "assignments")
	b.ReportMetric(float64(counted.calls)/float64(b.N), "calls")
	b.ReportMetric(float64(counted.throttled)/float64(b.N), "throttled")
	b.ReportMetric(counted.asked.Seconds()/float64(b.N), "s-asked-to-wait")
	b.ReportMetric((used()-began).Seconds()/float64(b.N), "CPU-s")
	b.ReportMetric((stop()-at.Seeded).Seconds()/float64(b.N), "simulator-CPU-s")
	b.ReportMetric(float64(usage().Maxrss)/1024, "MB-resident")
}

// used is the processor time that this process has had; the simulator is another one.
func used() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func usage() (u syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u
}

// counter counts the calls.
type counter struct {
	next             http.RoundTripper
	mu               sync.Mutex
	calls, throttled int
	asked            time.Duration // the longest waits that Microsoft asked for, each counted once
	until            time.Time
}

// RoundTrip implements http.RoundTripper.
func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if err == nil && res.StatusCode == http.StatusTooManyRequests {
		c.throttled++
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
			now := time.Now()
			until := now.Add(time.Duration(seconds) * time.Second)
			if c.until.Before(now) {
				c.until = now
			}
			if until.After(c.until) {
				c.asked, c.until = c.asked+until.Sub(c.until), until
			}
		}
	}
	return res, err
}

// watch looks at the heap every 50 ms, and gives the most that was seen.
func watch() func() uint64 {
	done, most := make(chan struct{}), make(chan uint64)
	go func() {
		var peak uint64
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
			select {
			case <-done:
				most <- peak
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(done); return <-most }
}

// start runs the simulator and waits until it serves. stop ends it, and says how much
// processor time it has had.
func start(b *testing.B, wait string) (at where, stop func() time.Duration) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), simulate+"="+wait)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop = sync.OnceValue(func() time.Duration {
		in.Close()
		if err := cmd.Wait(); err != nil && b.Context().Err() == nil {
			b.Error(err)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	})
	b.Cleanup(func() { stop() })
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		b.Fatal(err)
	}
	return at, stop
}
