package slack

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

const (
	maxBody  = 256 << 10
	maxSkew  = 300 * time.Second
	keepSeen = 10 * time.Minute // longer than a signature can be valid
	maxSeen  = 1 << 16
)

// signature identifies one delivery: the same bytes at the same second have the
// same one.
type signature [sha256.Size]byte

// String is the signature in hexadecimal digits.
func (s signature) String() string { return hex.EncodeToString(s[:]) }

// delivery is a request whose every byte Slack has signed.
type delivery struct {
	body []byte
	sig  signature
	act  trace.SpanContext // of what is traced of it; zero: nothing is
}

// verified hands a request's body to next once it is proven to come from Slack,
// now, and for the first time. The same bytes again are answered 200 and nothing
// else: what they did is done. The signature does not cover the query string, so
// there must be none.
//
// Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
func (a *Adapter) verified(next func(http.ResponseWriter, *http.Request, delivery)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" || r.URL.ForceQuery {
			http.Error(w, "a query string is not expected here", http.StatusBadRequest)
			return
		}
		if r.Header.Get("Content-Encoding") != "" {
			http.Error(w, "an encoded body is not expected here", http.StatusUnsupportedMediaType)
			return
		}
		body, err := bodyOf(w, r)
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
			return
		} else if err != nil {
			http.Error(w, "the body could not be read", http.StatusBadRequest)
			return
		}
		sig, ok := verify(a.opts.SigningSecrets, r.Header, body, a.opts.Now())
		if !ok {
			drop(body)
			a.opts.Log.Warn("refused a delivery that Slack did not sign", "path", r.URL.Path)
			http.Error(w, "not signed by Slack", http.StatusUnauthorized)
			return
		}
		next(w, r, delivery{body: body, sig: sig, act: trace.SpanContextFromContext(r.Context())})
	}
}

// bodyOf takes the body into memory that is had once: bodies that grow bit by bit
// would cost several times their length while nobody knows yet who sent them.
func bodyOf(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= maxBody {
		if n >= longBody {
			if old, ok := refused.Get().(*[]byte); ok {
				b = *bytes.NewBuffer((*old)[:0])
			}
		}
		b.Grow(int(n) + bytes.MinRead)
	}
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return b.Bytes(), err
}

// refused are long bodies that Slack did not sign, used again: nobody but verified has seen
// them, and whoever sends many at once is not to cost memory for each of them.
var refused sync.Pool // of *[]byte

// longBody is longer than what Slack sends, but for a few.
const longBody = 64 << 10

func drop(body []byte) {
	if cap(body) >= longBody {
		refused.Put(&body)
	}
}

// once answers identical bytes that come again with 200, without effect. A search
// goes without: it is a read, and the same letters within one second are the same
// bytes.
func (a *Adapter) once(next func(http.ResponseWriter, *http.Request, delivery)) func(http.ResponseWriter, *http.Request, delivery) {
	return func(w http.ResponseWriter, r *http.Request, d delivery) {
		if !a.replays.first(d.sig, a.opts.Now()) {
			w.WriteHeader(http.StatusOK)
			return
		}
		next(w, r, d)
	}
}

// verify tells whether one of the secrets signed body less than five minutes
// from now, and returns the signature. Only Slack's own spelling of it counts:
// "v0=" and 64 lower-case hexadecimal digits, once.
func verify(secrets []string, h http.Header, body []byte, now time.Time) (signature, bool) {
	stamps, sigs := h.Values("X-Slack-Request-Timestamp"), h.Values("X-Slack-Signature")
	if len(stamps) != 1 || len(sigs) != 1 {
		return signature{}, false
	}
	seconds, err := strconv.ParseInt(stamps[0], 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > maxSkew {
		return signature{}, false
	}
	var found signature
	ok := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("v0:" + stamps[0] + ":"))
		mac.Write(body)
		sum := mac.Sum(nil)
		if hmac.Equal([]byte("v0="+hex.EncodeToString(sum)), []byte(sigs[0])) {
			found, ok = signature(sum), true
		}
	}
	return found, ok
}

// replays remembers the signatures of the last ten minutes, or as many of the last as it has
// room for. It is a first guard within one process; the lasting one is bot's, which all
// processes have in common. Signatures are forgotten a generation at a time, and are kept
// without times or pointers: in a rush there are many, and the garbage collector looks at none.
type replays struct {
	mu           sync.Mutex
	newer, older map[imprint]struct{}
	began        time.Time // of newer
}

// imprint is enough of a signature to tell it from every other.
type imprint [sha256.Size / 2]byte

func imprintOf(s signature) imprint { return imprint(s[:len(imprint{})]) }

func newReplays() *replays {
	return &replays{newer: map[imprint]struct{}{}}
}

// first notes sig and tells whether it is new.
func (r *replays) first(sig signature, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.began) > keepSeen || len(r.newer) >= maxSeen/2 {
		r.older, r.newer, r.began = r.newer, map[imprint]struct{}{}, now
	}
	m := imprintOf(sig)
	if r.has(m) {
		return false
	}
	r.newer[m] = struct{}{}
	return true
}

func (r *replays) has(m imprint) bool {
	_, newer := r.newer[m]
	_, older := r.older[m]
	return newer || older
}

// forget takes sig back, because nothing was done for it.
func (r *replays) forget(sig signature) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.newer, imprintOf(sig))
	delete(r.older, imprintOf(sig))
}
