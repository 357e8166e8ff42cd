package keyvault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Reason says why the vault did not do what it was asked.
type Reason string

// The reasons.
const (
	NoSignIn    Reason = "no sign-in"   // the identity cannot get a token
	Forbidden   Reason = "forbidden"    // it may not do this with the key
	Firewall    Reason = "firewall"     // the vault does not let this address in
	Disabled    Reason = "disabled"     // the key is disabled, expired or not valid yet
	NotFound    Reason = "not found"    // there is no such key, or no such version
	WrongKey    Reason = "wrong key"    // it did not wrap what it is to unwrap
	OtherKey    Reason = "other key"    // the file names another key than the configuration
	Busy        Reason = "busy"         // the vault asks to wait
	Unreachable Reason = "unreachable"  // no answer
	Unavailable Reason = "unavailable"  // an answer that says nothing
	Untrusted   Reason = "no challenge" // the vault does not say, or not credibly, for whom it wants a token
)

// Error is every failure of a Vault. Its text is one plain sentence with the key and
// the way out.
type Error struct {
	Key    string // id
	Op     string // wrapkey, unwrapkey
	Reason Reason
	Status int    // HTTP; 0: no answer
	Code   string // of the vault
	Err    error  // detail for the operator; may be nil
}

// Error is the sentence.
func (e *Error) Error() string {
	s := "the key file cannot be opened or written: "
	switch e.Reason {
	case NoSignIn:
		s += fmt.Sprintf("Belay's identity gets no token for the vault of %s; check keys.identity and keys.identity_client_id, and that the identity is assigned to this machine", e.Key)
	case Forbidden:
		s += fmt.Sprintf("Belay's identity may not use the key %s; give it the role Key Vault Crypto Service Encryption User on the key, and wait some minutes until it holds", e.Key)
	case Firewall:
		s += fmt.Sprintf("the firewall of the vault of %s does not let this machine in; allow its address or its network there", e.Key)
	case Disabled:
		s += fmt.Sprintf("the key %s is disabled or not valid now; enable it with `az keyvault key set-attributes --enabled true --id %s`", e.Key, e.Key)
	case NotFound:
		s += fmt.Sprintf("the vault has no key %s; if it was deleted, recover it with `az keyvault key recover`, nothing else opens the key file", e.Key)
	case WrongKey:
		s += fmt.Sprintf("the key %s did not wrap it; put back the key file that belongs to this store, or name the key that wrapped it", e.Key)
	case OtherKey:
		s += fmt.Sprintf("another key than keys.vault_key, %s, wrapped it; set keys.vault_key to that one", e.Key)
	case Busy:
		s += fmt.Sprintf("the vault of %s asks to wait; start Belay again in a minute", e.Key)
	case Untrusted:
		s += fmt.Sprintf("what answers in the place of the vault of %s does not prove to be one; check keys.vault_key and the network", e.Key)
	case Unreachable:
		s += fmt.Sprintf("the vault of %s does not answer; check the network, and start Belay again when it does", e.Key)
	default:
		s += fmt.Sprintf("the vault of %s does not answer as a vault does; start Belay again when it does", e.Key)
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d", e.Status)
		if e.Code != "" {
			s += ", " + e.Code
		}
		s += ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the detail.
func (e *Error) Unwrap() error { return e.Err }

// answer is the vault's refusal. Its message is left out: it may name the caller.
type answer struct {
	Error struct {
		Code  string `json:"code"`
		Inner struct {
			Code string `json:"code"`
		} `json:"innererror"`
	} `json:"error"`
}

func refusal(op string, key keyID, err error) *Error {
	e := &Error{Key: key.String(), Op: op}
	var noToken *signInError
	var failed *azidentity.AuthenticationFailedError
	var final interface{ NonRetriable() }
	var resp *azcore.ResponseError
	var unanswered *url.Error
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &noToken):
		e.Reason = NoSignIn
		if errors.As(err, &failed) && failed.RawResponse != nil { // its text holds the answer
			e.Status = failed.RawResponse.StatusCode
		} else {
			e.Err = noToken
		}
	case errors.As(err, &resp):
		e.Status = resp.StatusCode
		if e.Reason, e.Code = reasonOf(resp); e.Reason == WrongKey && op != "unwrapkey" {
			e.Reason = Unavailable
		}
	case errors.Is(err, errChallenge):
		e.Reason, e.Err = Untrusted, err
	case errors.As(err, &unanswered):
		e.Reason, e.Err = Unreachable, err
	case errors.As(err, &final) && !errors.As(err, &long): // azkeys: the challenge does not fit the vault
		e.Reason, e.Err = Untrusted, err
	default:
		e.Reason, e.Err = Unavailable, err
	}
	return e
}

func reasonOf(resp *azcore.ResponseError) (reason Reason, code string) {
	var a answer
	if resp.RawResponse != nil && resp.RawResponse.Body != nil {
		raw, err := io.ReadAll(resp.RawResponse.Body)
		if err == nil && json.Unmarshal(raw, &a) == nil {
			code = a.Error.Code
			if a.Error.Inner.Code != "" {
				code = a.Error.Inner.Code
			}
		}
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return NoSignIn, code
	case http.StatusForbidden:
		switch code {
		case "KeyDisabled", "KeyExpired", "KeyNotYetValid":
			return Disabled, code
		case "ForbiddenByFirewall", "ForbiddenByConnection":
			return Firewall, code
		}
		return Forbidden, code
	case http.StatusNotFound:
		return NotFound, code
	case http.StatusBadRequest:
		return WrongKey, code
	case http.StatusTooManyRequests:
		return Busy, code
	}
	return Unavailable, code
}
