package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestBelayItself is Belay in a process of its own, for TestMemoryUnderLoad.
func TestBelayItself(t *testing.T) {
	file := os.Getenv("TEST_BELAY_CONFIG")
	if file == "" {
		t.Skip("only for TestMemoryUnderLoad, which starts it")
	}
	if code := run(context.Background(), []string{"serve", "--config", file}, nil, io.Discard, os.Stderr); code != 0 {
		t.Errorf("ended with %d", code)
	}
}

// A thousand requests at once, most of them as bad as they can be, do not take
// Belay beyond 128 MiB, and it serves afterwards. (fault 70)
func TestMemoryUnderLoad(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the peak of a process's memory is read from /proc")
	}
	if raceDetector {
		t.Skip("the race detector's own memory would be measured")
	}
	dir, public, private := t.TempDir(), free(t), free(t)
	file := filepath.Join(dir, "belay.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, public, private, filepath.Join(dir, "data")), 0o600); err != nil {
		t.Fatal(err)
	}
	belay := exec.Command(os.Args[0], "-test.run=^TestBelayItself$")
	belay.Env = append(os.Environ(), "TEST_BELAY_CONFIG="+file)
	var log lockedBuffer
	belay.Stderr = &log
	if err := belay.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := belay.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = belay.Wait() // killed
	})
	ready := func() bool {
		status, _ := get(t, "http://"+private+"/readyz")
		return status == http.StatusOK
	}
	for end := time.Now().Add(time.Minute); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not ready; log:\n%s", log.String())
		}
	}
	t.Logf("at rest: %d MiB", peak(t, belay.Process.Pid))

	// 800 send all but the last byte of the longest body and wait; 200 are signed and
	// come meanwhile, each of another person.
	const slow, honest = 800, 200
	var held, done sync.WaitGroup
	var answers [600]atomic.Int32
	release := make(chan struct{})
	body := strings.Repeat("x", 256<<10-1)
	for range slow {
		held.Add(1)
		done.Go(func() {
			c, err := net.Dial("tcp", public)
			if err != nil {
				held.Done()
				t.Error(err)
				return
			}
			defer c.Close()
			_, err = fmt.Fprintf(c, "POST /slack/commands HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body)+1, body)
			held.Done()
			<-release
			if err == nil {
				_, _ = io.WriteString(c, "x") // who is refused already cannot be written to
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil { // refused while it was still sending
				answers[0].Add(1)
				return
			}
			_ = resp.Body.Close()
			answers[resp.StatusCode].Add(1)
		})
	}
	held.Wait()
	for n := range honest {
		done.Go(func() {
			resp, err := http.DefaultClient.Do(signedCommand(t, public, fmt.Sprintf("U%06d", n), "help"))
			if err != nil {
				answers[0].Add(1)
				return
			}
			_ = resp.Body.Close()
			answers[resp.StatusCode].Add(1)
		})
	}
	close(release)
	done.Wait()
	all := 0
	for status := range answers {
		n := int(answers[status].Load())
		all += n
		if n > 0 && status != 0 && status != 200 && status != 400 && status != 401 && status != 503 {
			t.Errorf("%d answers are %d", n, status)
		}
	}
	if all != slow+honest {
		t.Errorf("%d of %d got an answer", all, slow+honest)
	}
	most := peak(t, belay.Process.Pid)
	t.Logf("peak: %d MiB; answers: %d × 200, %d × 400, %d × 401, %d × 503, %d hung up on", most, answers[200].Load(), answers[400].Load(), answers[401].Load(), answers[503].Load(), answers[0].Load())
	if most > 128 {
		t.Errorf("Belay took %d MiB, want 128 at the most", most)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.DefaultClient.Do(signedCommand(t, public, "U0ALICE", "help"))
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK && ready() {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("Belay does not serve any more (%v); log:\n%.2000s", err, log.String())
		}
	}
}

// signedCommand is what somebody types after /elevate.
func signedCommand(t *testing.T, public, user, text string) *http.Request {
	body := url.Values{"command": {"/elevate"}, "text": {text}, "team_id": {"T0CONTOSO"}, "api_app_id": {"A0BELAY"}, "user_id": {user},
		"user_name": {"alice"}, "channel_id": {"C0GENERAL"}, "trigger_id": {"1.2.x"}, "response_url": {"https://hooks.slack.com/commands/x"}}.Encode()
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req, err := http.NewRequest(http.MethodPost, "http://"+public+"/slack/commands", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Slack-Request-Timestamp", at)
	req.Header.Set("X-Slack-Signature", signature("canary-signing-secret", at, body))
	return req
}

// peak is the most memory that a process had, in MiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n >> 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
