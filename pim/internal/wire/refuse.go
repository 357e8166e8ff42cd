package wire

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// longestWait caps what a Retry-After may ask for.
const longestWait = time.Hour

// ErrUnreadable is the detail of an answer that says nothing we understand.
var ErrUnreadable = errors.New("the answer is not one that Microsoft gives")

// services tells the error codes of Graph and of ARM apart, in lower case. Source:
// the project's contracts, which name where each was seen.
var services = map[string]pim.Code{
	"roleassignmentexists":                 pim.CodeExists,
	"pendingroleassignmentrequest":         pim.CodePending,
	"activedurationtooshort":               pim.CodeTooShort,
	"roleassignmentdoesnotexist":           pim.CodeNotActive,
	"subjectnotfound":                      pim.CodeNotYet,
	"invalidroleassignmentrequest":         pim.CodeInvalid,
	"invalidroleassignmentrequestschedule": pim.CodeInvalid,
	"invalidscope":                         pim.CodeInvalid,
	"rolenotfound":                         pim.CodeInvalid,
	"resourceislocked":                     pim.CodeInvalid,
	"invalidpolicy":                        pim.CodeInvalid,
	"requestcannotbecancelled":             pim.CodeCannotCancel,
	"roleassignmentrequestnotfound":        pim.CodeNotFound,
	"roleassignmentrequestalreadyapproved": pim.CodeDecided,
	"aadpremiumlicenserequired":            pim.CodeLicense,
	"authorization_requestdenied":          pim.CodeForbidden,
	"permissionscopenotgranted":            pim.CodeForbidden,
	"authorizationfailed":                  pim.CodeForbidden,

	"authentication_requestfromnonpremiumtenantorb2ctenant": pim.CodeLicense, // of the sign-in log
}

// Invalid refuses what was asked for before anything is sent.
func Invalid(op, why string) *pim.Error {
	return &pim.Error{Op: op, Code: pim.CodeInvalid, Err: errors.New(why)}
}

// Call is what an operation is, for the errors that come of it.
type Call struct {
	Op       string // such as "activate"
	App      bool   // made as Belay itself
	Write    bool   // changes something, so that a lost answer is ambiguous
	Approval bool   // reads or decides an approval: 403 and 409 have meanings of their own

	Now func() time.Time // for a Retry-After that is a date
	// Special reads what one service alone says; false: nothing special. nil: there
	// is no such thing.
	Special func(status int, s Said) (pim.Code, bool)
}

// Failed makes the *pim.Error of a call that brought no 2xx answer. An err of an
// unknown kind means that nothing was sent.
func (k *Call) Failed(err error) *pim.Error {
	var (
		refused *Refusal
		broken  *Lost
		known   *pim.Error
	)
	switch {
	case errors.As(err, &refused):
		return k.Refused(refused)
	case errors.As(err, &broken):
		return &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Ambiguous: k.Write && broken.Sent, Err: broken}
	case errors.As(err, &known): // from the source of tokens, or from a check of ours
		e := *known
		e.Op = k.Op
		return &e
	}
	return &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: err}
}

// Unreadable is for a 2xx answer that says nothing we understand.
func (k *Call) Unreadable() *pim.Error {
	return &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Ambiguous: k.Write, Err: ErrUnreadable}
}

// Refused makes the *pim.Error of an answer that is not 2xx.
func (k *Call) Refused(r *Refusal) *pim.Error {
	e := &pim.Error{Op: k.Op, Status: r.Status, After: retryAfter(r.Header, k.Now)}
	for _, name := range []string{"request-id", "x-ms-request-id", "x-ms-correlation-request-id"} {
		if e.RequestID == "" {
			e.RequestID = Word(r.Header.Get(name))
		}
	}
	said, readable := readRefusal(r.Body)
	e.Service = Word(said.Code)
	if e.RequestID == "" {
		e.RequestID = Word(said.requestID)
	}
	claims, challenged := headerClaims(r.Header)
	switch {
	case r.Status == http.StatusTooManyRequests:
		e.Code = pim.CodeThrottled
	case r.Status >= 500, r.Status == http.StatusRequestTimeout:
		e.Code, e.Ambiguous = pim.CodeUnavailable, k.Write
	case r.Status < 400:
		e.Code, e.Err = pim.CodeUnavailable, errors.New("a redirect is not followed")
	case r.Status == http.StatusUnauthorized && challenged:
		stepUp(e, claims)
	case !readable:
		e.Code, e.Err = pim.CodeUnavailable, ErrUnreadable
	default:
		k.byCode(e, said)
	}
	return e
}

// byCode reads Microsoft's own code; where it says nothing, the status does.
func (k *Call) byCode(e *pim.Error, said Said) {
	if k.Special != nil {
		if code, ok := k.Special(e.Status, said); ok {
			e.Code = code
			return
		}
	}
	service := strings.ToLower(said.Code)
	if code, ok := services[service]; ok {
		e.Code = code
		return
	}
	switch {
	case strings.Contains(service, "acrsvalidationfailed"):
		stepUp(e, messageClaims(said.Message))
	case strings.Contains(service, "policyvalidationfailed"):
		e.Code, e.Rules = pim.CodePolicy, failedRules(said.Message)
		// MFA alone is a matter of signing in again. With other rules it is not:
		// the person would be sent away and come back to the same refusal.
		if len(e.Rules) == 1 && strings.EqualFold(string(e.Rules[0]), string(pim.RuleMFA)) {
			stepUp(e, mfaClaims)
		}
	default:
		e.Code = k.byStatus(e.Status)
	}
}

func (k *Call) byStatus(status int) pim.Code {
	switch status {
	case http.StatusUnauthorized:
		if k.App {
			return pim.CodeInvalidClientConfig
		}
		return pim.CodeSignIn
	case http.StatusForbidden:
		if k.Approval {
			return pim.CodeNotApprover
		}
		return pim.CodeForbidden
	case http.StatusNotFound, http.StatusGone:
		return pim.CodeNotFound
	case http.StatusConflict:
		if k.Approval {
			return pim.CodeDecided
		}
	}
	return pim.CodeInvalid
}

// stepUp asks for a sign-in with claims. A challenge that cannot be read cannot
// be met, and asking again would bring the same one.
func stepUp(e *pim.Error, claims string) {
	if claims == "" {
		e.Code, e.Err = pim.CodeInvalid, errors.New("the claims challenge cannot be read")
		return
	}
	e.Code, e.Claims, e.Rules = pim.CodeStepUp, claims, nil
}

// Said is what the body of a refusal holds: Microsoft's own code, and words that
// may repeat a person's.
type Said struct{ Code, Message, requestID string }

// Known says that Microsoft's code alone tells what it means.
func (s Said) Known() bool {
	_, known := services[strings.ToLower(s.Code)]
	return known
}

// readRefusal reads the body that both services give. An empty body says nothing
// and is readable; nil, a web page or any other JSON is not.
func readRefusal(body []byte) (Said, bool) {
	if body == nil {
		return Said{}, false
	}
	if len(body) == 0 {
		return Said{}, true
	}
	var answer struct {
		Error *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Inner   struct {
				RequestID string `json:"request-id"`
			} `json:"innerError"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error == nil {
		return Said{}, false
	}
	s := Said{Code: answer.Error.Code, Message: answer.Error.Message, requestID: answer.Error.Inner.RequestID}
	return s, s.Code != ""
}

// Word lets a code or an id of Microsoft's into an error text, and nothing that
// could be a sentence, a secret or a line of its own.
func Word(s string) string {
	if len(s) > 100 {
		return ""
	}
	for _, r := range s {
		if !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '.') {
			return ""
		}
	}
	return s
}

// retryAfter reads seconds or an HTTP date; at most an hour, 0 when not told.
func retryAfter(h http.Header, now func() time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if strings.Trim(v, "0123456789") == "" {
		n, err := strconv.Atoi(v)
		if err != nil || n > int(longestWait/time.Second) {
			return longestWait
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now()), 0), longestWait)
}
