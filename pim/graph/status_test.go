package graph_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
)

// Every status, where the body says no more than the status does.
func TestStatusTable(t *testing.T) {
	for status := 300; status < 600; status++ {
		if status == 304 { // has no body in HTTP, so that it is tested with the redirects elsewhere
			continue
		}
		want := func(op string) pim.Code {
			switch {
			case status < 400, status == 408, status >= 500:
				return pim.CodeUnavailable
			case status == 429:
				return pim.CodeThrottled
			case status == 401 && byBelay[op]:
				return pim.CodeInvalidClientConfig
			case status == 401:
				return pim.CodeSignIn
			case status == 403 && approval[op]:
				return pim.CodeNotApprover
			case status == 403:
				return pim.CodeForbidden
			case status == 404, status == 410:
				return pim.CodeNotFound
			case status == 409 && approval[op]:
				return pim.CodeDecided
			}
			return pim.CodeInvalid
		}
		s := serve(t, says(status, map[string]string{"request-id": "94fb3b52-452a-4535-a601-69e0a90e3aa2"},
			`{"error":{"code":"SomethingNew","message":"secret words of Microsoft"}}`))
		for op, do := range each {
			e := refused(t, do(t.Context(), s.client(t)))
			got := fmt.Sprintf("%s temporary=%v ambiguous=%v", e.Code, e.Temporary(), e.Ambiguous)
			code := want(op)
			lost := writes[op] && (status >= 500 || status == 408)
			temporary := code == pim.CodeUnavailable || code == pim.CodeThrottled
			if w := fmt.Sprintf("%s temporary=%v ambiguous=%v", code, temporary, lost); got != w {
				t.Errorf("%d on %s: %s, want %s", status, op, got, w)
			}
			if e.Op != op || e.Status != status || e.Service != "SomethingNew" || e.RequestID == "" {
				t.Errorf("%d on %s: %+v", status, op, e)
			}
		}
		s.Close()
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"10":                            10 * time.Second,
		"3600":                          time.Hour,
		"3601":                          time.Hour,
		"99999999999999999999":          time.Hour,
		"-5":                            0,
		"soon":                          0,
		"1.5":                           0,
		"Mon, 23 Nov 2026 12:00:30 GMT": 30 * time.Second,
		"Mon, 23 Nov 2026 11:00:00 GMT": 0,
		"Tue, 24 Nov 2026 12:00:00 GMT": time.Hour,
	} {
		for _, status := range []int{429, 503} {
			s := serve(t, says(status, map[string]string{"Retry-After": header}, `{"error":{"code":"TooManyRequests"}}`))
			_, err := s.client(t).Mine(t.Context(), alice)
			after, told := refused(t, err).RetryAfter()
			if after != want || told != (want > 0) {
				t.Errorf("Retry-After %q of a %d is %v, want %v", header, status, after, want)
			}
			s.Close()
		}
	}
}

// A page of a gateway is not Graph's word, but 429 and 5xx mean what they say.
func TestAnswersThatAreNotGraphs(t *testing.T) {
	long := make([]byte, 10<<20)
	for i := range long {
		long[i] = ' '
	}
	for name, body := range map[string]string{
		"html":        "<html><body>503 – the gateway is tired</body></html>",
		"garbage":     `{"error":`,
		"a list":      `[1,2,3]`,
		"a string":    `"no"`,
		"null":        `null`,
		"no error":    `{"value":[]}`,
		"odd error":   `{"error":"invalid_grant"}`,
		"odd code":    `{"error":{"code":7,"message":[]}}`,
		"null code":   `{"error":{"code":null,"message":null}}`,
		"deep":        fmt.Sprintf("%s1%s", repeat("[", 500_000), repeat("]", 500_000)),
		"ten million": string(long),
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{400, 401, 403, 404, 409, 500, 503} {
				s := serve(t, says(status, map[string]string{"Content-Type": "text/html"}, body))
				for _, op := range []string{"activate", "mine", "review"} {
					e := refused(t, operations[op](t.Context(), s.client(t)))
					if e.Code != pim.CodeUnavailable || !e.Temporary() || e.Ambiguous != (writes[op] && status >= 500) {
						t.Errorf("%s answered %d: %+v", op, status, e)
					}
				}
				s.Close()
			}
			s := serve(t, says(429, map[string]string{"Retry-After": "7"}, body))
			_, err := s.client(t).Mine(t.Context(), alice)
			if e := refused(t, err); e.Code != pim.CodeThrottled || e.After != 7*time.Second {
				t.Errorf("429: %+v", e)
			}
			// The same as the body of a 2xx.
			s = serve(t, says(http.StatusCreated, nil, body))
			for op, do := range each {
				err := do(t.Context(), s.client(t))
				if name == "no error" && lists[op] {
					continue // an empty list, which it is
				}
				if op == "check" {
					continue // its nil is no promise
				}
				if name == "no error" && op == "policy" {
					if pim.CodeOf(err) != pim.CodeNotFound {
						t.Errorf("policy: %v", err)
					}
					continue
				}
				if e := refused(t, err); e.Code != pim.CodeUnavailable || e.Ambiguous != writes[op] {
					t.Errorf("%s: %+v", op, e)
				}
			}
		})
	}
}

func repeat(s string, n int) string {
	b := make([]byte, 0, n*len(s))
	for range n {
		b = append(b, s...)
	}
	return string(b)
}
