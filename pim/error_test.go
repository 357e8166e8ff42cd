package pim_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
)

func TestErrorTellsWhatTheOperatorNeeds(t *testing.T) {
	e := &pim.Error{Op: "activate", Code: pim.CodeStepUp, Status: 400, Service: "RoleAssignmentRequestAcrsValidationFailed",
		RequestID: "94fb3b52", Claims: `{"access_token":{"secret":1}}`, Rules: []pim.Rule{pim.RuleMFA}, Err: io.ErrUnexpectedEOF}
	want := "activate: step-up (RoleAssignmentRequestAcrsValidationFailed) HTTP 400 request-id 94fb3b52: unexpected EOF"
	if got := e.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(fmt.Sprintf("%v %s", e, e), "secret") {
		t.Error("the claims are told")
	}
	if got := (&pim.Error{Op: "mine", Code: pim.CodeThrottled}).Error(); got != "mine: throttled" {
		t.Errorf("got %s", got)
	}
}

func TestErrorChain(t *testing.T) {
	e := &pim.Error{Op: "mine", Code: pim.CodeUnavailable, Err: io.ErrUnexpectedEOF}
	wrapped := fmt.Errorf("settle: %w", e)
	if pim.CodeOf(wrapped) != pim.CodeUnavailable || !errors.Is(wrapped, io.ErrUnexpectedEOF) {
		t.Errorf("%v", wrapped)
	}
	for _, err := range []error{nil, io.EOF} {
		if pim.CodeOf(err) != "" {
			t.Errorf("%v has a code", err)
		}
	}
}

func TestTemporaryAndRetryAfter(t *testing.T) {
	temporary := map[pim.Code]bool{pim.CodeThrottled: true, pim.CodeUnavailable: true, pim.CodeNotYet: true}
	for _, c := range []pim.Code{pim.CodeSignIn, pim.CodeStepUp, pim.CodePolicy, pim.CodeExists, pim.CodePending, pim.CodeTooShort, pim.CodeNotActive,
		pim.CodeNotYet, pim.CodeInvalid, pim.CodeCannotCancel, pim.CodeNotFound, pim.CodeDecided, pim.CodeNotApprover, pim.CodeLicense, pim.CodeForbidden,
		pim.CodeThrottled, pim.CodeUnavailable, pim.CodeInvalidClientConfig} {
		if e := (&pim.Error{Code: c}); e.Temporary() != temporary[c] {
			t.Errorf("%s: temporary is %v", c, e.Temporary())
		}
	}
	for after, told := range map[time.Duration]bool{0: false, time.Second: true} {
		if d, ok := (&pim.Error{After: after}).RetryAfter(); d != after || ok != told {
			t.Errorf("%v: %v, %v", after, d, ok)
		}
	}
}
