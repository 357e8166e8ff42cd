//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServeItself is Belay in a process of its own, which is told to stop by a signal.
func TestServeItself(t *testing.T) {
	file := os.Getenv("TEST_SERVE_CONFIG")
	if file == "" {
		t.Skip("only for tests that start it")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, []string{"serve", "--config", file}, nil, os.Stdout, os.Stderr))
}

// fullPipe is a pipe that takes not a byte more until somebody reads.
func fullPipe(t *testing.T) (reads, writes *os.File) {
	t.Helper()
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		t.Fatal(err)
	}
	for _, end := range ends { // no process that is started gets them but as its output
		syscall.CloseOnExec(end)
	}
	for err := syscall.SetNonblock(ends[1], true); !errors.Is(err, syscall.EAGAIN); {
		_, err = syscall.Write(ends[1], make([]byte, 1))
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(ends[1], false); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(ends[0]), "reads"), os.NewFile(uintptr(ends[1]), "writes")
}

// The trail goes to a standard output that nobody reads, or whose reader is gone: Belay serves on, and a
// stop is as quick and as clean as ever.
func TestServeWhoseOutputNobodyReads(t *testing.T) {
	for name, gone := range map[string]bool{"nobody reads": false, "the reader is gone": true} {
		t.Run(name, func(t *testing.T) {
			dir, private := t.TempDir(), free(t)
			file := filepath.Join(dir, "belay.yaml")
			text := fmt.Appendf(nil, config+"siem: {file: {path: \"-\"}}\n", free(t), private, filepath.Join(dir, "data"))
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			reads, writes := fullPipe(t)
			defer reads.Close()
			belay := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeItself$")
			belay.Env = append(os.Environ(), "TEST_SERVE_CONFIG="+file)
			var log lockedBuffer
			belay.Stdout, belay.Stderr = writes, &log
			if err := belay.Start(); err != nil {
				t.Fatal(err)
			}
			writes.Close()
			if gone {
				reads.Close()
			}
			ended := make(chan error, 1)
			go func() { ended <- belay.Wait() }()
			await := func(what string, is func() bool) {
				t.Helper()
				for deadline := time.Now().Add(time.Minute); !is(); {
					select {
					case err := <-ended:
						t.Fatalf("it ended before %s: %v\n%s", what, err, log.String())
					case <-time.After(20 * time.Millisecond):
					}
					if time.Now().After(deadline) {
						t.Fatalf("it is not %s\n%s", what, log.String())
					}
				}
			}
			await("ready", func() bool { status, _ := get(t, "http://"+private+"/readyz"); return status == http.StatusOK })
			if code := run(t.Context(), []string{"keys", "rotate", "--config", file}, nil, io.Discard, &log); code != exitOK { // an event
				t.Fatalf("exit %d\n%s", code, log.String())
			}
			metric, least := `belay_siem_oldest_seconds{target="file"} `, 3.0 // it was tried long ago
			if gone {
				metric, least = `belay_siem_failures_total{target="file"} `, 1
			}
			await("meeting it", func() bool {
				_, body := get(t, "http://"+private+"/metrics")
				_, body, _ = strings.Cut(body, metric)
				value, _, _ := strings.Cut(body, "\n")
				n, err := strconv.ParseFloat(value, 64)
				return err == nil && n >= least
			})
			if err := belay.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil || strings.Contains(log.String(), `"level":"ERROR"`) {
					t.Errorf("the stop: %v\n%s", err, log.String())
				}
			case <-time.After(time.Minute):
				t.Errorf("it does not stop (%v)\n%s", belay.Process.Kill(), log.String())
				<-ended
			}
		})
	}
}
