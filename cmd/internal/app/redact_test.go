package app

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim"
)

func TestRedact(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(redact{slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})})
	said := func(write func(*slog.Logger)) string {
		b.Reset()
		write(log)
		return b.String()
	}
	const jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.canary"
	for name, write := range map[string]func(*slog.Logger){
		"a key nobody allowed":   func(l *slog.Logger) { l.Info("x", "justification", "canary") },
		"such a key, early":      func(l *slog.Logger) { l.With("token", "canary").Info("x") },
		"such a key, in a group": func(l *slog.Logger) { l.WithGroup("request").Info("x", "ticket", "canary") },
		"a group":                func(l *slog.Logger) { l.Info("x", slog.Group("request", "reason", "canary")) },
		"a structure":            func(l *slog.Logger) { l.Info("x", "request", struct{ A string }{"canary"}) },
		"bytes":                  func(l *slog.Logger) { l.Info("x", "what", []byte("canary")) },
		"a secret":               func(l *slog.Logger) { l.Info("x", "what", Secret("canary")) },
		"a token in an error":    func(l *slog.Logger) { l.Error("x", "error", fmt.Errorf("bad token %s", jwt)) },
		"a token in a text":      func(l *slog.Logger) { l.Error("x", "why", jwt) },
		"a token in the message": func(l *slog.Logger) { l.Error("x " + jwt) },
		"a header":               func(l *slog.Logger) { l.Error("x", "error", errors.New("Authorization: Bearer canary")) },
		"Slack's token":          func(l *slog.Logger) { l.Error("x", "error", errors.New("token xoxb-1-canary is no good")) },
		"an address with a secret": func(l *slog.Logger) {
			l.Error("x", "error", &url.Error{Op: "Post", URL: "https://hooks.slack.com/actions/T1/canary", Err: errors.New("EOF")})
		},
		"a query": func(l *slog.Logger) {
			l.Error("x", "error", errors.New(`Get "https://belay.example/signin?code=canary&state=canary": EOF`))
		},
		"a password": func(l *slog.Logger) { l.Error("x", "error", errors.New("https://canary:canary@proxy.example failed")) },
		"an opaque token": func(l *slog.Logger) {
			l.Error("x", "error", errors.New("refresh 0.AXwAcanary"+strings.Repeat("Ab1-", 20)))
		},
	} {
		if got := said(write); strings.Contains(got, "canary") || !strings.Contains(got, "x") {
			t.Errorf("%s: %s", name, got)
		}
	}
	got := said(func(l *slog.Logger) {
		l.With("request", "0192d3c4-0000-7000-8000-000000000001").Warn("refused", "code", pim.CodeThrottled, "status", 429,
			"error", fmt.Errorf("activate: %w", &pim.Error{Op: "activate", Code: pim.CodeThrottled, Status: 429, RequestID: "aaaaaaaa-0000-4000-8000-00000000000a"}),
			"what", nil, "why", errors.New(`Get "https://graph.microsoft.com/v1.0/me": dial tcp: i/o timeout`))
	})
	note := "belay/trail\n7\n" + strings.Repeat("Ab+/", 11) + "\n\n— belay " + strings.Repeat("cD12", 25) + "\n"
	if line := said(func(l *slog.Logger) { l.Info("audit checkpoint", "size", 7, "checkpoint", note) }); !strings.Contains(line, strconv.Quote(note)) {
		t.Errorf("a checkpoint is not logged as it is: %s", line)
	}
	for _, want := range []string{"level=WARN", "msg=refused", "request=0192d3c4-0000-7000-8000-000000000001", "code=throttled", "status=429",
		"request-id aaaaaaaa-0000-4000-8000-00000000000a", "https://graph.microsoft.com/…", "i/o timeout"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
}

// FuzzScrub: of what looks like a secret nothing is left, however it is wrapped.
func FuzzScrub(f *testing.F) {
	f.Add(`Get "`, `": EOF`)
	f.Add("https://", "@evil.example")
	f.Add("xoxb-", "-1")
	f.Fuzz(func(t *testing.T, before, after string) {
		const token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
		if got := scrub(before + token + after); strings.Contains(got, "eyJzdWIiOiIxIn0") || strings.Contains(got, "c2lnbmF0dXJl") {
			t.Errorf("%q is left", got)
		}
		once := scrub(before + after)
		if strings.Contains(once, "://") && strings.Contains(once, "?code=") {
			t.Errorf("%q has a query", once)
		}
	})
}

// Every key that the product logs under is allowed, each allowed one is in use, and
// the message is always a sentence of ours: what varies is an attribute.
func TestLogKeys(t *testing.T) {
	used := map[string]bool{}
	for _, folder := range []string{"adapters", "bot", "cmd/belay", "cmd/internal", "pim", "store", "manifest"} {
		err := filepath.WalkDir(filepath.Join("../../..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && strings.HasSuffix(d.Name(), "test") {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || d.Name() == "redact.go" {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					for _, key := range keysOf(t, path, call) {
						used[key] = true
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for key := range used {
		if !slices.Contains(logKeys, key) {
			t.Errorf("%q is logged and not allowed: add it to logKeys if nothing that people write, and no secret, is under it", key)
		}
	}
	for _, key := range logKeys {
		if !used[key] {
			t.Errorf("%q is allowed and not used", key)
		}
	}
}

// keysOf are the keys of a call that logs.
func keysOf(t *testing.T, path string, call *ast.CallExpr) (keys []string) {
	t.Helper()
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if from, ok := method.X.(*ast.Ident); ok && from.Name == "slog" {
		switch method.Sel.Name {
		case "String", "Int", "Int64", "Bool", "Any", "Duration", "Time":
			return []string{text(t, path, call.Args[0])}
		}
		return nil
	}
	switch from := method.X.(type) {
	case *ast.Ident:
		ok = strings.EqualFold(from.Name, "log")
	case *ast.SelectorExpr:
		ok = strings.EqualFold(from.Sel.Name, "log")
	default:
		ok = false
	}
	if !ok {
		return nil
	}
	first := map[string]int{"With": 0, "Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2, "Log": 3, "LogAttrs": 3}
	at, logs := first[method.Sel.Name]
	if !logs {
		return nil
	}
	if at > 0 {
		text(t, path, call.Args[at-1])
	}
	for i := at; i < len(call.Args) && method.Sel.Name != "LogAttrs"; i += 2 {
		keys = append(keys, text(t, path, call.Args[i]))
	}
	return keys
}

// text is a literal, or several of them joined.
func text(t *testing.T, path string, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
	case *ast.BinaryExpr:
		return text(t, path, e.X) + text(t, path, e.Y)
	}
	t.Errorf("%s logs a message or a key that is no literal", path)
	return ""
}
