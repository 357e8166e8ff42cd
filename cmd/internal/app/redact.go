package app

import (
	"context"
	"log/slog"
	"reflect"
	"regexp"
	"slices"
)

// logKeys are the only keys under which anything is logged. A value under another
// key is not written, so that nothing new is logged without a line here. None of
// them is for anything that a person wrote, nor for a secret.
var logKeys = []string{
	"account", "activity", "at", "checkpoint", "code", "command", "correlation", "enterprise", "error", "event", "graph_request_id", "id", "in", "intent", "items", "key", "kind", "lost",
	"new", "owner", "page", "panic", "path", "permission", "pillar", "platform", "principal", "private", "public", "reason", "records", "reference", "request", "role", "service", "setting", "shape", "size", "slot",
	"socket", "stack", "state", "status", "target", "team", "trace", "tries", "type", "user", "user_team", "what", "why",
}

// exact are those of them whose texts are written as they are, although they look
// like secrets: a signed checkpoint of the audit trail is meant to be kept elsewhere.
var exact = []string{"checkpoint"}

const redacted = "REDACTED"

// redact stands before the log that the operator chose. It lets known keys and
// simple types through, and takes out of every text what looks like a secret: the
// texts of errors come from libraries too, which quote addresses and answers.
type redact struct{ next slog.Handler }

// Enabled implements slog.Handler.
func (h redact) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h redact) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, scrub(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(fit(a))
		return true
	})
	out.AddAttrs(traced(ctx)...)
	return h.next.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h redact) WithAttrs(attrs []slog.Attr) slog.Handler {
	fitting := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		fitting[i] = fit(a)
	}
	return redact{h.next.WithAttrs(fitting)}
}

// WithGroup implements slog.Handler.
func (h redact) WithGroup(name string) slog.Handler { return redact{h.next.WithGroup(name)} }

// fit is an attribute as it may be logged.
func fit(a slog.Attr) slog.Attr {
	if !slices.Contains(logKeys, a.Key) {
		return slog.String(a.Key, redacted)
	}
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration, slog.KindTime:
		return slog.Attr{Key: a.Key, Value: v}
	case slog.KindString:
		if slices.Contains(exact, a.Key) {
			return slog.Attr{Key: a.Key, Value: v}
		}
		return slog.String(a.Key, scrub(v.String()))
	}
	if err, is := v.Any().(error); is {
		return slog.String(a.Key, scrub(err.Error()))
	}
	if text := reflect.ValueOf(v.Any()); text.Kind() == reflect.String { // a code, a state, a kind
		return slog.String(a.Key, scrub(text.String()))
	}
	if v.Any() == nil {
		return slog.Attr{Key: a.Key, Value: v}
	}
	return slog.String(a.Key, redacted) // a structure may hold anything
}

var (
	address = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^\s/?#"'@]*@)?([^\s/?#"']*)[^\s"']*`)
	secrets = regexp.MustCompile(`eyJ[\w-]{6,}[\w.=-]*|xox[a-z]-[\w-]+|xapp-[\w-]+|(?i:bearer)\s+\S+|[\w~+=-]{40,}`)
)

// scrub leaves of addresses the host only, and nothing of what has the shape of a
// token, a key or a signature.
func scrub(text string) string {
	text = address.ReplaceAllString(text, "$1$2/…")
	return secrets.ReplaceAllString(text, redacted)
}
