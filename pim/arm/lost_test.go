package arm_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
)

// However the connection breaks, it is an error with a code, and a write is perhaps done. (fault 12)
func TestTheConnectionBreaks(t *testing.T) {
	for name, answer := range map[string]string{
		"before an answer": "",
		"in the headers":   "HTTP/1.1 201 Created\r\nContent-Le",
		"in the body":      "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"id\":",
		"in a chunk":       "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"id\":",
		"not HTTP":         "hello\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Errorf("hijack: %v", err)
					return
				}
				if _, err := conn.Write([]byte(answer)); err != nil {
					t.Errorf("write: %v", err)
				}
				if err := conn.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			for op, do := range operations {
				err := do(t.Context(), s.client(t))
				if op == "cancel" && err == nil && strings.Contains(answer, "201") {
					continue // its answer has no content, and the kit reads none
				}
				if e := refused(t, err); e.Code != pim.CodeUnavailable || e.Ambiguous != writes[op] {
					t.Errorf("%s: %+v", op, e)
				}
			}
		})
	}
}

// Ten megabytes and a depth of half a million are no answer, whatever the status. (fault 12)
func TestAnswersThatAreTooMuch(t *testing.T) {
	for name, body := range map[string]string{
		"ten megabytes of nothing": strings.Repeat(" ", 10<<20),
		"ten megabytes of text":    `{"error":{"code":"` + strings.Repeat("x", 10<<20) + `"}}`,
		"deep":                     strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000),
	} {
		for _, status := range []int{http.StatusCreated, http.StatusBadRequest, http.StatusServiceUnavailable} {
			s := serve(t, says(status, nil, body))
			for _, op := range []string{"activate", "mine", "review"} {
				e := refused(t, operations[op](t.Context(), s.client(t)))
				if e.Code != pim.CodeUnavailable || e.Ambiguous != (writes[op] && status != http.StatusBadRequest) || len(e.Error()) > 400 {
					t.Errorf("%s of %d on %s: %.400v", name, status, op, e)
				}
			}
			s.Close()
		}
	}
}

// Whatever Azure asks to be waited, it is an hour at the most. (fault 9)
func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "10": 10 * time.Second, "1000000000": time.Hour, "-5": 0, "soon": 0,
		noon.Add(30 * time.Second).UTC().Format(http.TimeFormat): 30 * time.Second,
		noon.Add(-time.Hour).UTC().Format(http.TimeFormat):       0,
		noon.Add(24 * time.Hour).UTC().Format(http.TimeFormat):   time.Hour,
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			s := serve(t, says(status, map[string]string{"Retry-After": header}, `{"error":{"code":"TooManyRequests","message":"x"}}`))
			e := refused(t, operations["mine"](t.Context(), s.client(t)))
			if e.After != want {
				t.Errorf("Retry-After %q of a %d is %v, want %v", header, status, e.After, want)
			}
			s.Close()
		}
	}
}
