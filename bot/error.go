package bot

import "errors"

// Code says what kind of trouble an Error is.
type Code string

// The kinds of trouble a person can be told about.
const (
	CodeNotFound   Code = "not-found"
	CodeNotAllowed Code = "not-allowed"
	CodeSignIn     Code = "sign-in"
	CodeInvalid    Code = "invalid"
	CodeBusy       Code = "busy"
	CodeTooOften   Code = "too-often"
	CodeInternal   Code = "internal"
)

// Error is trouble with a sentence for the person it concerns (Message, from
// words.go, with the next step) and the detail for the operator (Err).
type Error struct {
	Code    Code
	Message string
	Err     error
	// why is for the audit trail, of what is refused for security's sake: such as
	// not-approver. Empty: the trail does not hear of it.
	why string
}

// Error is the operator's view.
func (e *Error) Error() string {
	if e.Err != nil {
		return string(e.Code) + ": " + e.Err.Error()
	}
	return string(e.Code) + ": " + e.Message
}

// Unwrap gives the detail to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// whyRefused is the code for the audit trail; empty: it is not for the trail.
func whyRefused(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.why
}

// ErrorMessage is the sentence for a person, and false when err holds none.
func ErrorMessage(err error) (string, bool) {
	var e *Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message, true
	}
	return "", false
}
