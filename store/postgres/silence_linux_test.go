package postgres_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

const ownNetwork = "TEST_OWN_NETWORK"

// The network goes away without a word in the middle of an update. The kernel gives the
// connection up long before the limit of a round trip, and the update can run again. The test
// runs itself in a network of its own.
func TestANetworkThatIsGoneWithoutAWord(t *testing.T) {
	if os.Getenv(ownNetwork) == "" {
		inOwnNetwork(t)
		return
	}
	network(t, true)
	srv := postgrestest.Start(t)
	s := open(t, postgres.Options{URL: srv.TCP("postgres", "postgres")})
	var lost error
	runs := 0
	update := func() error {
		return s.Update(t.Context(), func(tx store.Tx) error {
			runs++
			if err := put(tx, "k", "v"); err != nil {
				return err
			}
			_, err := tx.Get("a", []byte("k"))
			if err == nil && runs == 1 {
				network(t, false)
				_, err = tx.Get("a", []byte("k"))
				lost = err
				network(t, true)
			}
			return err
		})
	}
	for err := update(); err != nil; err = update() {
		t.Log(err) // the patience of an update may be over
	}
	if !errors.Is(lost, syscall.ETIMEDOUT) && !errors.Is(lost, syscall.ENETUNREACH) && !errors.Is(lost, syscall.EHOSTUNREACH) {
		t.Errorf("the kernel did not give the connection up: %v", lost)
	}
	if got := get(t, s, "k"); got != "v" {
		t.Errorf("it holds %q", got)
	}
}

// inOwnNetwork runs a test again in a process that has its own network.
func inOwnNetwork(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: only root may make a network of its own")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), ownNetwork+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	said, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("NOT TESTED: a network of its own is not allowed here")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, said)
	}
	if strings.Contains(string(said), "--- SKIP") {
		t.Skipf("%s", said)
	}
}

// network switches the only device of this process's network on or off.
func network(t *testing.T, on bool) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	if on {
		lo.SetUint16(unix.IFF_UP)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}
