// Command sandbox is Belay to try: the real product with everything outside it
// simulated on this machine. Nothing leaves loopback and nothing needs an account.
//
//	go run ./cmd/sandbox                 opens a page in which to live the story
//	go run ./cmd/sandbox --story         lives the story by itself and says how long each step took
//	go run ./cmd/sandbox --json          prints where everything is as one JSON line
//
// Its clock is moved on the page, or at the address that --json calls clock:
//
//	curl -d '{"advance":"1h"}' ADDRESS
//
// The world, its keys, the clock and the story's position are kept in --data, so
// that a sandbox that was killed goes on where it was.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	Listen string `default:"127.0.0.1:8080" help:"Address of the page; of loopback only."`
	Data   string `placeholder:"DIR" help:"Directory of the sandbox's world. Default: belay-sandbox in the user's cache directory; with --story a new one that is removed afterwards."`
	JSON   bool   `xor:"output" help:"Print one JSON line that says where everything is, and nothing else. Not with --story."`
	Story  bool   `xor:"output" help:"Live the story without a browser, and exit. Not with --json."`
	Logs   bool   `help:"Show all of Belay's log on standard error. Without it, warnings and errors only."`
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	exited := -1
	parser, err := kong.New(&o, kong.Name("sandbox"), kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
		kong.Description("Belay on localhost, with a simulated tenant, Slack and Teams around it.\n\n"+
			"Its clock is moved on the page, or by a POST of {\"advance\":\"1h\"} to the address that --json calls clock."))
	if err == nil {
		_, err = parser.Parse(args)
	}
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 2
	}
	if err := o.run(ctx, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 1
	}
	return 0
}

func (o options) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	dir, listen := o.Data, o.Listen
	if o.Story {
		listen = "127.0.0.1:0"
	}
	switch {
	case dir != "":
	case o.Story:
		if dir, err = os.MkdirTemp("", "belay-story-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	default:
		if dir, err = defaultData(); err != nil {
			return err
		}
	}
	if err := private(dir); err != nil {
		return err
	}
	level := slog.LevelWarn
	if o.Logs {
		level = slog.LevelInfo
	}
	s, err := openLogged(dir, listen, logger(stderr, level), manners{compares: true})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.run(gctx) })
	switch {
	case o.Story:
		g.Go(func() error {
			defer stop()
			return s.tell(gctx, stdout)
		})
	case o.JSON:
		if err := json.NewEncoder(stdout).Encode(s.surfaces()); err != nil {
			stop()
			return errors.Join(err, g.Wait())
		}
	default:
		fmt.Fprintf(stdout, "Belay's sandbox is at %s\n\n", s.urls[atPage])
		fmt.Fprintf(stdout, "Open it in a browser: the tour on the page says what to do first.\n")
		fmt.Fprintf(stdout, "What belay doctor says of it: go run ./cmd/belay doctor --config %s\n", filepath.Join(dir, "belay.yaml"))
		fmt.Fprintf(stdout, "Its world is kept in %s. Press Ctrl+C to stop; the same command goes on where it was.\n", dir)
	}
	return g.Wait()
}

// defaultData is a directory of this user alone.
func defaultData() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("this user has no directory for the sandbox's world; name one with --data: %w", err)
	}
	return filepath.Join(cache, "belay-sandbox"), nil
}

// private refuses a directory in which somebody else could put a world, with its
// keys, before this user. One that is not there will be made.
func private(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("the data directory cannot be looked at: %w", err)
	case !owned(info):
		return fmt.Errorf("the directory %s is somebody else's; choose another --data", dir)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write to the directory %s; choose another --data, or run chmod go-w on it", dir)
	}
	return nil
}
