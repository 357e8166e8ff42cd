package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// worn is a Belay in a process of its own, whose disk can be made to fail.
type worn struct {
	*installed
	public string
	belay  *exec.Cmd
	people int
	kept   []delivered // acknowledged
	lost   []delivered // refused
}

// delivered are the bytes of a delivery.
type delivered struct {
	header http.Header
	body   string
}

// acknowledged is how what is done here ends: nobody of these people is linked. It is
// recorded that they asked before they are told.
const acknowledged = "is not linked"

func newWorn(t *testing.T) *worn {
	t.Helper()
	traceable(t)
	w := &worn{installed: install(t, ""), public: free(t)}
	text := fmt.Sprintf(config, w.public, w.private, filepath.Join(w.dir, "data"))
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.starts()
	return w
}

func (w *worn) starts() {
	w.Helper()
	w.belay = itself(w.T, nil, "serve", "--config", w.file)
	w.belay.Stderr = w.log
	if err := w.belay.Start(); err != nil {
		w.Fatal(err)
	}
	w.await(http.StatusOK)
}

// dies ends it as a kill -9 does.
func (w *worn) dies() {
	w.Helper()
	if err := w.belay.Process.Kill(); err != nil {
		w.Error(err)
	}
	_ = w.belay.Wait() // killed
}

// await waits for what /readyz answers.
func (w *worn) await(status int) {
	w.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		got, _ := get(w.T, "http://"+w.private+"/readyz")
		if got == status {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("/readyz answers %d, not %d; log:\n%.4000s", got, status, w.log.String())
		}
	}
}

// under does something while strace changes what the disk answers.
func (w *worn) under(inject string, do func()) {
	w.Helper()
	call, _, _ := strings.Cut(inject, ":")
	pid := strconv.Itoa(w.belay.Process.Pid)
	strace := exec.CommandContext(w.Context(), "strace", "-f", "-qq", "-o", os.DevNull, "-p", pid, "-e", "trace="+call, "-e", "inject="+inject)
	if err := strace.Start(); err != nil {
		w.Fatal(err)
	}
	for !w.traced() {
		if w.Context().Err() != nil {
			w.Fatal("strace does not attach")
		}
	}
	do()
	if err := strace.Process.Signal(os.Interrupt); err != nil { // it lets go of the process
		w.Error(err)
	}
	_ = strace.Wait() // interrupted
}

// traced says whether all threads are.
func (w *worn) traced() bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", w.belay.Process.Pid))
	if err != nil {
		w.Fatal(err)
	}
	for _, task := range tasks {
		if text, err := os.ReadFile(task); err == nil && bytes.Contains(text, []byte("TracerPid:\t0\n")) {
			return false
		}
	}
	return len(tasks) > 0
}

// somebody is a delivery of a person who did nothing before.
func (w *worn) somebody() delivered {
	w.people++
	req := signedCommand(w.T, w.public, fmt.Sprintf("U%06d", w.people), "unlink")
	body, err := io.ReadAll(req.Body)
	if err != nil {
		w.Fatal(err)
	}
	return delivered{req.Header, string(body)}
}

// deliver gives what is answered.
func (w *worn) deliver(d delivered) string {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+w.public+"/slack/commands", strings.NewReader(d.body))
	if err != nil {
		w.Error(err)
		return ""
	}
	req.Header = d.header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Error(err)
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Error(err)
	}
	return string(text)
}

// acts lets somebody act, and says whether that was acknowledged.
func (w *worn) acts() bool {
	w.Helper()
	d := w.somebody()
	switch text := w.deliver(d); {
	case strings.Contains(text, acknowledged):
		w.kept = append(w.kept, d)
		return true
	case strings.Contains(text, "nothing was done"):
		w.lost = append(w.lost, d)
	case !strings.Contains(text, "cannot tell whether"):
		w.Errorf("answered %q", text)
	}
	return false
}

// remembers kills Belay, starts it anew, and delivers everything again: what was acknowledged
// is known, and what was refused is not.
func (w *worn) remembers() {
	w.Helper()
	w.dies()
	w.starts()
	for _, d := range w.kept {
		if text := w.deliver(d); text != "" {
			w.Errorf("what was acknowledged is not known any more: %s", text)
		}
	}
	for _, d := range w.lost {
		if text := w.deliver(d); !strings.Contains(text, acknowledged) {
			w.Errorf("what was refused is known: %q", text)
		}
	}
	w.Logf("%d acknowledged and known, %d refused and not known", len(w.kept), len(w.lost))
	w.dies()
	w.does(exitOK, "store", "verify")
}

// Whatever write fails, and from whichever on, Belay acknowledges nothing that it did not
// record, is not ready, and goes on by itself when the disk does. (fault 51)
func TestTheDiskFailsWhileItServes(t *testing.T) {
	w := newWorn(t)
	for _, how := range []string{"EIO", "ENOSPC"} {
		for _, call := range []string{"pwrite64", "fdatasync"} {
			w.under(fmt.Sprintf("%s:error=%s", call, how), func() {
				for range 3 {
					if w.acts() {
						t.Errorf("%s at every %s: acknowledged", how, call)
					}
				}
				w.await(http.StatusServiceUnavailable)
			})
			w.await(http.StatusOK)
			for from := 2; from <= 5; from++ {
				w.under(fmt.Sprintf("%s:error=%s:when=%d+", call, how, from), func() {
					for deadline := time.Now().Add(time.Minute); w.acts(); { // threads are counted by themselves
						if time.Now().After(deadline) {
							t.Fatalf("%s from %s %d on: it never fails", how, call, from)
						}
					}
				})
				w.await(http.StatusOK)
				if !w.acts() {
					t.Errorf("%s from %s %d on: it does not go on", how, call, from)
				}
			}
		}
	}
	if len(w.lost) == 0 {
		t.Error("nothing was refused")
	}
	w.remembers()
}

// A disk that takes seconds for each sync: who has to wait too long is told that nothing was
// done, Belay is not ready, and it goes on by itself. (fault 52)
func TestTheDiskIsSlowWhileItServes(t *testing.T) {
	w := newWorn(t)
	w.under("fdatasync:delay_enter=4000000", func() {
		// Whoever is in a commit waits for its outcome; so does whoever comes just as it ends,
		// and is in the next one.
		held := make(chan string, 1)
		first := w.somebody()
		go func() { held <- w.deliver(first) }()
		w.await(http.StatusServiceUnavailable)
		for refused := 0; refused == 0 && w.Context().Err() == nil; {
			told := make(chan string, 5)
			for range cap(told) {
				d := w.somebody()
				go func() { told <- w.deliver(d) }()
			}
			for range cap(told) {
				if text := <-told; strings.Contains(text, "nothing was done") {
					refused++
				} else if !strings.Contains(text, acknowledged) {
					t.Errorf("answered %q", text)
				}
			}
		}
		if text := <-held; !strings.Contains(text, acknowledged) && !strings.Contains(text, "nothing was done") {
			t.Errorf("answered %q", text)
		}
	})
	w.await(http.StatusOK)
	if !w.acts() {
		t.Error("it does not go on")
	}
	w.remembers()
}
