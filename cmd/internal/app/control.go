package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"syscall"
	"time"

	"github.com/belaybot/belay/store/trail"
)

// A command such as "belay links list" works on the store of a Belay that serves, and
// one process alone may hold that. So the serving process does the work: it listens on
// a socket in the data directory that only its own account may open. Where nobody
// serves, the command opens the store and does the same work itself (ADR 9).

// operation is one thing that a command has done. in is its input as JSON; each
// value given to emit is one line of JSON of its output. What it changes it records
// in the audit trail, in the same transaction, with by.event.
type operation func(ctx context.Context, a *App, by operator, in json.RawMessage, emit func(any) error) error

// operations are all there are, by the path that the socket serves them at.
var operations = map[string]operation{
	"/links/list":      listLinks,
	"/links/revoke":    revokeLinks,
	"/keys/list":       listKeys,
	"/keys/rotate":     rotateKeys,
	"/keys/prune":      pruneKeys,
	"/keys/note":       noteKeysCommand,
	"/keys/prove":      proveKeys,
	"/audit/verify":    verifyAudit,
	"/audit/export":    exportAudit,
	"/audit/erase":     eraseAudit,
	"/audit/key":       auditKey,
	"/audit/reconcile": reconcileAudit,
	"/siem/list":       listSIEM,
	"/siem/retry":      retrySIEM,
	"/siem/discard":    discardSIEM,
	"/store/backup":    backupStore,
	"/store/restored":  restoredStore,
	"/store/verify":    verifyStore,
	"/posture/days":    postureDays,
	"/alerts/mutes":    listMutes,
	"/alerts/unmute":   unmute,
	"/drift/show":      showDrift,
	"/drift/export":    exportDrift,
	"/drift/history":   driftHistory,
}

// operator is whoever ran a command, as the machine knows them.
type operator struct{ account string }

// event begins the audit event of a command.
func (o operator) event(command string, at time.Time) trail.Event {
	return trail.Event{At: at, Kind: trail.Operator, Outcome: trail.OK, Verb: command, Actor: trail.Actor{Platform: "operator", User: o.account}}
}

// OperationError is an operation that was refused or failed. Its message is for the
// operator.
type OperationError struct {
	Message string `json:"message"`
	// Refused: nothing was changed, and the same again will be refused again.
	Refused bool `json:"refused,omitempty"`
}

// Error is the message.
func (e *OperationError) Error() string { return e.Message }

const (
	accountHeader = "Belay-Account"
	errorTrailer  = "Belay-Error"
	maxInput      = 1 << 20
)

// control serves the operations.
func (a *App) control() http.Handler {
	mux := http.NewServeMux()
	for path, do := range operations {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			in, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxInput))
			if err != nil {
				http.Error(w, "the input is too long", http.StatusRequestEntityTooLarge)
				return
			}
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.Header().Set("Trailer", errorTrailer)
			out := json.NewEncoder(w)
			err = do(r.Context(), a, operator{account: r.Header.Get(accountHeader)}, in, func(v any) error { return out.Encode(v) })
			w.Header().Set(errorTrailer, asTrailer(err))
			if err != nil {
				a.log.Error("a command failed", "command", path, "account", r.Header.Get(accountHeader), "error", err)
			}
		})
	}
	return guarded(mux, a.log)
}

func asTrailer(err error) string {
	if err == nil {
		return "none"
	}
	var e *OperationError
	if !errors.As(err, &e) {
		e = &OperationError{Message: err.Error()}
	}
	b, err := json.Marshal(e)
	if err != nil {
		return `{"message":"the operation failed"}`
	}
	return string(b)
}

// maxSocket is the longest path that every system takes for a socket, in bytes.
const maxSocket = 100

func (c Config) socket() string { return filepath.Join(c.Data, "belay.sock") }

// listenControl opens the socket. This process holds the store, so a socket that is
// there is one that a killed process left.
func (a *App) listenControl() (net.Listener, error) {
	path := a.cfg.socket()
	if len(path) > maxSocket {
		a.log.Warn("commands cannot reach this process: the path of its socket is too long; choose a shorter data directory", "socket", path)
		return nil, nil //nolint:nilnil // serving matters more
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the socket that an earlier process left cannot be removed: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket for commands cannot be opened: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("the socket for commands cannot be protected: %w", err), l.Close())
	}
	return onlyOurs{l}, nil
}

// onlyOurs lets in nobody but the account that serves, and root, whatever the
// file's mode was a moment ago.
type onlyOurs struct{ net.Listener }

// Accept waits for a connection that may come in.
func (l onlyOurs) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || sameAccount(c) {
			return c, err
		}
		_ = c.Close() // nothing was promised to them
	}
}

// Operate has an operation done: by the Belay that serves from cfg's data directory,
// or here where none does. each gets every line of its output. Errors: an
// *OperationError, those of Open, or that the connection broke.
func Operate(ctx context.Context, cfg Config, log *slog.Logger, path string, in any, each func(json.RawMessage) error) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	resp, err := cfg.control(ctx, path, body)
	switch {
	case err != nil:
		return err
	case resp == nil:
		return operateHere(ctx, cfg, log, path, body, each)
	}
	defer resp.Body.Close()
	return lines(resp, path, each)
}

// control asks the Belay that serves; without an answer and without an error none does.
func (c Config) control(ctx context.Context, path string, body []byte) (*http.Response, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", c.socket())
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://belay"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set(accountHeader, account())
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EINVAL):
		return nil, nil //nolint:nilnil // nobody serves, which is no fault
	case err != nil:
		return nil, fmt.Errorf("the Belay that serves does not answer: %w", err)
	}
	return resp, nil
}

// lines gives each line of an answer to each, and then what the operation came to.
func lines(resp *http.Response, path string, each func(json.RawMessage) error) error {
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the Belay that serves is another version: it answers %s with %d", path, resp.StatusCode)
	}
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the Belay that serves broke off: %w", err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
	return fromTrailer(resp.Trailer.Get(errorTrailer))
}

func fromTrailer(text string) error {
	if text == "none" {
		return nil
	}
	e := &OperationError{}
	if json.Unmarshal([]byte(text), e) != nil {
		return errors.New("the Belay that serves broke off")
	}
	return e
}

// operateHere opens the store and does the work.
func operateHere(ctx context.Context, cfg Config, log *slog.Logger, path string, in []byte, each func(json.RawMessage) error) (err error) {
	do, ok := operations[path]
	if !ok {
		return fmt.Errorf("there is no operation %s", path)
	}
	if _, err := os.Stat(cfg.Database()); err != nil && !cfg.Replicated() {
		return &OperationError{Refused: true, Message: fmt.Sprintf("there is no database in %s, and no Belay serves from there: is this the right configuration?", cfg.Data)}
	}
	a, err := openStore(ctx, cfg, Options{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return do(ctx, a, operator{account: account()}, in, func(v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return each(b)
	})
}

// account is who runs this process, for the audit trail.
func account() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if u, err := user.Current(); err == nil {
		return u.Username + "@" + host
	}
	return fmt.Sprintf("uid %d@%s", os.Getuid(), host)
}
