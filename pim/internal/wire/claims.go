package wire

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/belaybot/belay/pim"
)

// mfaClaims is what a sign-in must ask for when PIM misses multifactor
// authentication in the token.
const mfaClaims = `{"access_token":{"amr":{"values":["mfa"]}}}`

const (
	claimsLimit = 8 << 10 // bytes of a claims challenge
	rulesLimit  = 16      // rules in one refusal; a policy has 17 in all
)

// messageClaims reads the challenge that PIM hides in the message of a 400:
// "&claims=" and URL-escaped JSON. "" when there is none.
func messageClaims(message string) string {
	_, escaped, found := strings.Cut(message, "claims=")
	if !found {
		return ""
	}
	escaped, _, _ = strings.Cut(escaped, "&")
	claims, err := url.QueryUnescape(strings.TrimSpace(escaped))
	if err != nil {
		return ""
	}
	return checkClaims(claims)
}

var (
	challengeClaims = regexp.MustCompile(`(?i)(?:^|[\s,])claims="([^"]*)"`)
	challengeKind   = regexp.MustCompile(`(?i)(?:^|[\s,])error="?insufficient_claims`)
)

// headerClaims reads the challenge of a 401, base64 in WWW-Authenticate, and
// whether there is one at all.
func headerClaims(h http.Header) (claims string, challenged bool) {
	for _, v := range h.Values("WWW-Authenticate") {
		m := challengeClaims.FindStringSubmatch(v)
		if m == nil {
			challenged = challenged || challengeKind.MatchString(v)
			continue
		}
		challenged = true
		encoded := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(m[1]), "=")
		if b, err := base64.RawStdEncoding.DecodeString(encoded); err == nil {
			if claims = checkClaims(string(b)); claims != "" {
				return claims, true
			}
		}
	}
	return "", challenged
}

// checkClaims lets nothing but a JSON object of bounded size through to a
// sign-in page's address.
func checkClaims(claims string) string {
	var object map[string]json.RawMessage
	if len(claims) > claimsLimit || json.Unmarshal([]byte(claims), &object) != nil || len(object) == 0 {
		return ""
	}
	return claims
}

// failedRules reads the JSON array in `The following policy rules failed:
// ["MfaRule","JustificationRule"]`.
func failedRules(message string) []pim.Rule {
	start, end := strings.IndexByte(message, '['), strings.LastIndexByte(message, ']')
	if start < 0 || end < start {
		return nil
	}
	var names []string
	if json.Unmarshal([]byte(message[start:end+1]), &names) != nil {
		return nil
	}
	var failed []pim.Rule
	for _, name := range names {
		if Word(name) != "" && len(failed) < rulesLimit {
			failed = append(failed, pim.Rule(name))
		}
	}
	return failed
}
