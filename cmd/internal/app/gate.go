package app

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// maxBody is the longest body that anything on the public listener may have. Each
// endpoint has a shorter limit of its own; this one also holds for what is added.
const maxBody = 1 << 20

// gate stands before everything that is public, and before anybody is known: it
// bounds how much can be under way at once and how long a body may be. Addresses
// of clients are not looked at, since behind a proxy all have the same.
type gate struct {
	next    http.Handler
	slots   chan struct{}
	https   bool // browsers come by https
	refused *prometheus.CounterVec
}

func newGate(next http.Handler, c Config, reg prometheus.Registerer) *gate {
	g := &gate{next: next, slots: make(chan struct{}, c.Limits.Concurrent), https: overHTTPS(c.PublicURL),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "belay", Name: "gate_refused_total",
			Help: "Requests that were refused before they were looked at, by reason."}, []string{"reason"})}
	reg.MustRegister(g.refused)
	return g
}

// ServeHTTP lets a request in or refuses it.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header(), g.https)
	switch {
	case r.Header.Get("Content-Encoding") != "":
		g.refuse(w, http.StatusUnsupportedMediaType, "encoded", "an encoded body is not expected here")
		return
	case r.ContentLength > maxBody:
		g.refuse(w, http.StatusRequestEntityTooLarge, "large", "the body is too large")
		return
	}
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		g.refuse(w, http.StatusServiceUnavailable, "busy", "too much to do; nothing was done. Try again in a moment")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	g.next.ServeHTTP(w, r)
}

func (g *gate) refuse(w http.ResponseWriter, status int, reason, sentence string) {
	g.refused.WithLabelValues(reason).Inc()
	w.Header().Set("Connection", "close") // whatever is still coming is not read
	http.Error(w, sentence, status)
}

// safe are headers by their canonical names. Nobody changes the values: who sets such a
// header puts another value in its place.
var safe = []struct {
	name  string
	value []string
}{
	{"Content-Security-Policy", []string{"default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cache-Control", []string{"no-store"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
}

// secure sets what every answer has, also those that no page wrote: an answer is
// for one reader, is what its type says, runs nothing and stands in no frame. The
// pages name their own style on top of that.
func secure(h http.Header, https bool) {
	for _, f := range safe {
		h[f.name] = f.value
	}
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
