package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// server bounds what one connection may take of time and memory. Whoever sends a
// request slowly has ten seconds for all of it.
func server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// guarded answers a panic with 500 and a log line: one bad delivery stops nobody
// else's. What was thrown may hold what somebody wrote, so only its type is logged.
func guarded(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				log.Error("a delivery caused a panic", "path", r.URL.Path, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// privatePages are for whoever runs Belay: alive, ready, measured.
func (a *App) privatePages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		err := a.store.Ping(ctx)
		if err == nil {
			err = ctx.Err() // it was written, but too late for anybody who acts
		}
		if err != nil {
			a.log.Error("not ready: the store does not write", "error", err)
			http.Error(w, "the store does not write", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics, promhttp.HandlerOpts{}))
	return guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header(), false)
		mux.ServeHTTP(w, r)
	}), a.log)
}

// overHTTPS says whether browsers come to Belay by https.
func overHTTPS(publicURL string) bool { return strings.HasPrefix(publicURL, "https://") }
