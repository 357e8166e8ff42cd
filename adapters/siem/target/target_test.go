package target_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/belaybot/belay/adapters/siem/siemtest"
	"github.com/belaybot/belay/adapters/siem/target"
)

type contextType = context.Context

// credential gives the one token that the fake of Azure takes.
type credential struct{}

const token = "the-token-of-belay"

func (credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: token + " for " + strings.Join(o.Scopes, " "), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func isToken(bearer string) string {
	if bearer != token+" for https://monitor.azure.com/.default" {
		return "it is another"
	}
	return ""
}

// The events of a whole life arrive, each as OCSF's schema wants it, once and in their order: with
// an outage in the middle, an answer that was lost, a restart, and a second replica.
func TestOutageInTheMiddle(t *testing.T) {
	each(t, func(t *testing.T, w *world, p pair, open func() checker) {
		w.lives(4)
		f := w.feed("one", open())
		w.runs(f)
		for _, status := range []int{http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusUnauthorized, http.StatusFound} {
			p.fake.Answer(status, "")
			w.lives(1)
			w.runs(f)
			if s := w.stands(); s.Why == "" || s.Refused != 0 || s.Waiting == 0 {
				t.Errorf("HTTP %d: %+v", status, s)
			}
		}
		p.fake.Answer(0, "")
		p.fake.LoseAnswer()
		w.runs(f)
		if s := w.stands(); s.Why == "" {
			t.Errorf("a lost answer counts as a good one: %+v", s)
		}
		w.lives(1)
		w.runs(w.feed("two", open())) // the other is gone
		w.lives(1)
		w.runs(w.feed("two", open()))
		if s := w.stands(); s.Waiting != 0 || s.Refused != 0 || s.Why != "" {
			t.Errorf("%+v", s)
		}
		again := w.arrived(p.fake.Events())
		if again == 0 {
			t.Error("nothing came twice: the lost answer tests nothing")
		}
	})
}

// One event that is refused is parked, and everything else arrives; sent again when the target was
// mended, it arrives too.
func TestOneEventIsRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world, p pair, open func() checker) {
		w.lives(6)
		poison := []string{w.made[0], w.made[57], w.made[len(w.made)-1]}
		p.fake.Refuse(func(e []byte) bool {
			for _, id := range poison {
				if bytes.Contains(e, []byte(id)) {
					return true
				}
			}
			return false
		})
		f := w.feed("one", open())
		w.runs(f)
		w.arrived(p.fake.Events(), poison...)
		s := w.stands()
		if len(s.Parked) != 3 || s.Parked[1].ID != poison[1] || s.Waiting != 0 || s.Why != "" {
			t.Fatalf("%+v", s)
		}
		for _, e := range s.Parked {
			if !strings.Contains(e.Why, "HTTP 400") && !strings.Contains(e.Why, "rejects") {
				t.Errorf("why: %s", e.Why)
			}
		}
	})
}

// What the target says about when to be asked again is heard.
func TestRetryAfterIsHonoured(t *testing.T) {
	each(t, func(t *testing.T, w *world, p pair, open func() checker) {
		w.lives(1)
		f := w.feed("one", open())
		p.fake.Answer(http.StatusTooManyRequests, "1800")
		w.runs(f) // ten minutes pass after it
		before := p.fake.Calls()
		w.runs(f)
		w.runs(f)
		if p.fake.Calls() != before {
			t.Error("it was asked before its time")
		}
		p.fake.Answer(0, "")
		w.runs(f)
		if s := w.stands(); s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		w.arrived(p.fake.Events())
	})
}

// A look at a target takes nothing there, and says what is wrong.
func TestTargetsAreChecked(t *testing.T) {
	each(t, func(t *testing.T, _ *world, p pair, open func() checker) {
		c, err := open().Check(t.Context())
		if err != nil || c.Found == "" || c.Until.IsZero() {
			t.Errorf("%+v, %v", c, err)
		}
		if len(p.fake.Events()) > 0 {
			t.Error("an event was sent")
		}
	})
	for name, p := range pairs() {
		gone := httptest.NewServer(http.NotFoundHandler())
		gone.Close()
		stranger := httptest.NewUnstartedServer(p.fake)
		stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
		stranger.StartTLS()
		if _, err := p.open(gone.URL, http.DefaultClient).Check(t.Context()); err == nil || err.Error() != "it cannot be reached" {
			t.Errorf("%s, gone: %v", name, err)
		}
		if _, err := p.open(stranger.URL, http.DefaultClient).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not trusted") {
			t.Errorf("%s, of nobody's authority: %v", name, err)
		}
		stranger.Close()
	}
	server := httptest.NewServer(&siemtest.Splunk{Token: hecToken})
	defer server.Close()
	if _, err := (&target.Splunk{HTTP: server.Client(), URL: server.URL, Token: "another"}).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "HTTP 403, code 4") {
		t.Errorf("another token: %v", err)
	}
}

// Splunk answers 400 also where its token is not set up; then no event is at fault.
func TestSplunkSettingsAreNoFaultOfAnEvent(t *testing.T) {
	w, fake := newWorld(t), &siemtest.Splunk{Token: hecToken, Index: "pim"}
	server := httptest.NewServer(fake)
	defer server.Close()
	w.lives(1)
	w.runs(w.feed("one", &target.Splunk{Format: format, HTTP: server.Client(), URL: server.URL, Token: hecToken, Index: "elsewhere"}))
	if s := w.stands(); s.Refused != 0 || s.Why != "HTTP 400, code 7" {
		t.Errorf("another index: %+v", s)
	}
	w.runs(w.feed("one", &target.Splunk{Format: format, HTTP: server.Client(), URL: server.URL, Token: hecToken, Acks: true}))
	if s := w.stands(); s.Refused != 0 || !strings.Contains(s.Why, "gives no acknowledgements") {
		t.Errorf("without acknowledgements: %+v", s)
	}
}

// A signature is the one that the reference implementations of Standard Webhooks test with, and a
// receiver that knows one of two secrets takes it.
func TestWebhookSignature(t *testing.T) {
	signed, err := target.Sign(&target.Webhook{Secrets: []string{oldSecret}}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if err != nil || signed != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s, %v", signed, err)
	}
	for _, bad := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_***"} {
		if _, err := target.SecretKey(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	// Signed with both, and known to a receiver that has only one of them; with a third to none.
	w := newWorld(t)
	w.lives(1)
	for n, test := range []struct {
		secret string
		good   bool
	}{{oldSecret, true}, {newSecret, true}, {"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false}} {
		fake := &siemtest.Webhook{Secret: test.secret}
		server := httptest.NewServer(fake)
		hook := &target.Webhook{Format: format, HTTP: server.Client(), URL: server.URL, Secrets: []string{oldSecret, newSecret}}
		p, err := w.trail.Page(t.Context(), 0, 1)
		w.must(err)
		_, err = hook.Send(t.Context(), p.Records)
		if (err == nil) != test.good || len(fake.Events()) != map[bool]int{true: 1}[test.good] {
			t.Errorf("%d: %v, %v", n, err, fake.Faults())
		}
		if test.good && fake.IDs[0] != w.made[0] {
			t.Errorf("its id is %s", fake.IDs[0])
		}
		server.Close()
	}
}

// A batch that is longer than a call may be is sent in several.
func TestLongBatches(t *testing.T) {
	for name, p := range pairs() {
		server := httptest.NewServer(p.fake)
		w := newWorld(t)
		long := format
		long.Source.Version = strings.Repeat("v", 9000) // in every event
		var tgt checker = p.open(server.URL, server.Client())
		switch x := tgt.(type) {
		case *target.Splunk:
			x.Format = long
		case *target.Azure:
			x.Format = long
		default:
			server.Close()
			continue
		}
		w.lives(12)
		w.runs(w.feed("one", tgt))
		w.arrived(p.fake.Events())
		if s := w.stands(); s.Waiting != 0 || s.Refused != 0 || p.fake.Calls() < 3 {
			t.Errorf("%s: %d calls, %+v", name, p.fake.Calls(), s)
		}
		server.Close()
	}
}
