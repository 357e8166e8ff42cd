package signin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"

	"github.com/belaybot/belay/pim"
)

// answer is the error body of the token endpoint. Its description is for people
// and repeats user names, so it is not read. Source: "Microsoft identity
// platform authentication and authorization error codes".
type answer struct {
	Error       string `json:"error"`
	Suberror    string `json:"suberror"`
	Codes       []int  `json:"error_codes"` // the AADSTS numbers
	Correlation string `json:"correlation_id"`
	Claims      string `json:"claims"` // what the next sign-in must ask for
}

// mfa are the AADSTS numbers of "more proof is needed": strong authentication
// required (50072, 50074, 50076, 50079), its proof too old (50078), a control
// outside of Entra (50158).
func mfa(code int) bool {
	return slices.Contains([]int{50072, 50074, 50076, 50078, 50079, 50158}, code)
}

// unconsented are the AADSTS numbers of "an administrator has not agreed":
// consent missing (65001, 650052, 650057), for an administrator only (90094), the
// service is not in the tenant at all (500011).
func unconsented(code int) bool {
	return slices.Contains([]int{65001, 650052, 650057, 90094, 500011}, code)
}

// blocked are the AADSTS numbers of "a policy stands in the way": conditional access
// (50097, 53000 to 53004, 530032), security defaults (530034, 530035), no assignment to
// the service (50105). Policies are made for one service: the sign-in may well serve
// another.
func blocked(code int) bool {
	return slices.Contains([]int{50097, 50105, 53000, 53001, 53002, 53003, 53004, 530032, 530034, 530035}, code)
}

// errBlocked is the detail of such a refusal.
var errBlocked = errors.New("a policy of the tenant stands in the way")

// refusal makes a *pim.Error of whatever MSAL or azidentity returned. The texts
// of those errors hold answers word by word, tokens included when an answer is
// not JSON: nothing of them is kept.
func refusal(op string, err error) *pim.Error {
	var known *pim.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, errNoGrant) {
		return &pim.Error{Op: op, Code: pim.CodeSignIn, Err: errNoGrant}
	}
	var call msal.CallErr
	var auth *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &call) && call.Resp != nil:
		return read(op, call.Resp)
	case errors.As(err, &auth) && auth.RawResponse != nil:
		return read(op, auth.RawResponse)
	}
	return &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: errors.New(why(err))}
}

// why says in fixed words what kept an answer from being used.
func why(err error) string {
	var timeout net.Error
	var bad msal.InvalidJsonErr
	switch {
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "the sign-in service did not answer in time"
	case errors.As(err, new(*http.MaxBytesError)):
		return "the sign-in service's answer is longer than 1 MiB"
	case errors.As(err, &bad):
		return "the sign-in service answered something that is not JSON"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "the sign-in service's certificate is not trusted here"
	case errors.As(err, new(*net.OpError)), errors.As(err, new(*net.DNSError)):
		return "the sign-in service cannot be reached"
	}
	return fmt.Sprintf("the sign-in service's answer could not be used (%T)", err)
}

// read tells the refusals apart by their codes, never by their text.
func read(op string, resp *http.Response) *pim.Error {
	e := &pim.Error{Op: op, Status: resp.StatusCode, After: retryAfter(resp.Header.Get("Retry-After"))}
	body, err := io.ReadAll(io.LimitReader(resp.Body, callSize))
	var a answer
	if err != nil || json.Unmarshal(body, &a) != nil || a.Error == "" {
		e.Code, e.Err = pim.CodeUnavailable, errors.New("the sign-in service's answer cannot be read")
		if e.Status == http.StatusTooManyRequests {
			e.Code = pim.CodeThrottled
		}
		return e
	}
	e.Service, e.RequestID = a.name(), printable(a.Correlation)
	switch {
	case e.Status == http.StatusTooManyRequests:
		e.Code = pim.CodeThrottled
	case e.Status >= 500, a.Error == "temporarily_unavailable", a.Error == "server_error":
		e.Code = pim.CodeUnavailable
	case a.Error == "consent_required", a.Suberror == "consent_required", slices.ContainsFunc(a.Codes, unconsented):
		e.Code = pim.CodeForbidden
	case a.Claims != "", a.Error == "interaction_required", a.Suberror == "basic_action", slices.ContainsFunc(a.Codes, mfa):
		e.Code, e.Claims = pim.CodeStepUp, a.Claims
	case a.Error == "invalid_grant", a.Error == "login_required", a.Error == "access_denied":
		e.Code = pim.CodeSignIn
		if slices.ContainsFunc(a.Codes, blocked) {
			e.Err = errBlocked
		}
	default: // invalid_client, unauthorized_client, invalid_scope, invalid_request …
		e.Code = pim.CodeInvalidClientConfig
	}
	return e
}

// name is Microsoft's own name of the refusal, such as
// "invalid_grant/bad_token AADSTS50173".
func (a answer) name() string {
	s := printable(a.Error)
	if a.Suberror != "" {
		s += "/" + printable(a.Suberror)
	}
	for _, code := range a.Codes[:min(len(a.Codes), 4)] {
		s += " AADSTS" + strconv.Itoa(code)
	}
	return s
}

// printable keeps what a code or an id is made of.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 64)]
}

// retryAfter reads seconds, one hour at the most.
func retryAfter(s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 3600)) * time.Second
}
