package pimtest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// scopes are what a request asks for: OpenID scopes, and permissions of one
// resource.
type scopes struct {
	OIDC     []string // openid, profile, email, offline_access
	Resource string
	Names    []string // permissions without their resource
	Default  bool     // {resource}/.default
	Full     bool     // permissions were written with their resource
}

// parseScopes reads a scope parameter. A bare name is a permission of Graph.
func parseScopes(s string) (scopes, *signInError) {
	var out scopes
	for _, word := range strings.Fields(s) {
		switch word {
		case "openid", "profile", "email", "offline_access":
			out.OIDC = append(out.OIDC, word)
			continue
		}
		resource, name := graphResource, word
		if i := strings.LastIndex(word, "/"); i >= 0 {
			resource, name, out.Full = word[:i], word[i+1:], true
		}
		if resource == graphAppID {
			resource = graphResource
		}
		if name == "" || (out.Resource != "" && out.Resource != resource) {
			return out, fault("invalid_request", 28000, "Provided value for the input parameter scope is not valid because it contains more than one resource or an empty name: %s", s)
		}
		out.Resource = resource
		if name == ".default" {
			out.Default = true
		} else {
			out.Names = append(out.Names, name)
		}
	}
	if out.Default && len(out.Names) > 0 {
		return out, fault("invalid_scope", 70011, "The .default scope cannot be combined with other scopes: %s", s)
	}
	if out.Resource == "" {
		out.Resource = graphResource
	}
	return out, nil
}

// consented are the delegated permissions of a resource that an administrator
// agreed to.
func (a App) consented(resource string) []string {
	var names []string
	for _, p := range a.Delegated {
		res, name := graphResource, p
		if i := strings.LastIndex(p, "/"); i >= 0 {
			res, name = p[:i], p[i+1:]
		}
		if sameResource(res, resource) {
			names = append(names, name)
		}
	}
	return names
}

// sameResource compares the identifiers of two resources. Azure's management API
// has two names, and either may end in a slash.
func sameResource(a, b string) bool {
	isARM := func(s string) bool { return slices.Contains(armAudiences, s) }
	return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") || isARM(a) && isARM(b)
}

// monitorResource is the audience of Azure Monitor's Logs Ingestion. The tenant gives tokens for
// it; what takes them stands elsewhere.
const monitorResource = "https://monitor.azure.com"

// hasResource says whether the tenant has a service principal of the resource:
// Microsoft's own always, others when something of them was consented to.
func (t *Tenant) hasResource(resource string) bool {
	return resource == graphResource || sameResource(resource, armResource) || sameResource(resource, monitorResource) || len(t.opt.App.consented(resource)) > 0
}

// granted are the permissions a token carries for what was asked.
func (t *Tenant) granted(s scopes) ([]string, *signInError) {
	have := t.opt.App.consented(s.Resource)
	if !t.hasResource(s.Resource) {
		return nil, fault("invalid_resource", 500011, "The resource principal named %s was not found in the tenant.", s.Resource)
	}
	missing := without(s.Names, have)
	if s.Default && len(have) == 0 {
		missing = []string{".default"}
	}
	if len(missing) > 0 {
		e := fault("invalid_grant", 65001, "The user or administrator has not consented to use the application with ID '%s'. Missing: %s", t.opt.App.ClientID, missing[0])
		e.suberror = "consent_required"
		return nil, e
	}
	if s.Default || t.unkind.ExtraScopes {
		return have, nil
	}
	return s.Names, nil
}

// answerScope is the scope member of a token answer. offline_access is never in
// it, and permissions are written as they were asked for.
func (s scopes) answerScope(granted []string) string {
	var words []string
	for _, o := range s.OIDC {
		if o != "offline_access" {
			words = append(words, o)
		}
	}
	for _, g := range granted {
		if s.Full {
			g = s.Resource + "/" + g
		}
		words = append(words, g)
	}
	if s.Default {
		words = append(words, s.Resource+"/.default")
	}
	return strings.Join(words, " ")
}

// claimsRequest is the part of a claims parameter the tenant understands.
type claimsRequest struct {
	ACRS []string // authentication contexts asked for
	MFA  bool
	CC   []string // client capabilities, such as cp1
}

// parseClaims reads a claims parameter. What it does not know it refuses.
func parseClaims(raw string) (claimsRequest, *signInError) {
	var out claimsRequest
	if raw == "" {
		return out, nil
	}
	bad := func(why string) (claimsRequest, *signInError) {
		return out, fault("invalid_request", 90023, "The claims parameter is not valid: %s", why)
	}
	type want struct {
		Essential bool     `json:"essential"`
		Value     string   `json:"value"`
		Values    []string `json:"values"`
	}
	var parts map[string]map[string]want
	if err := json.Unmarshal([]byte(raw), &parts); err != nil {
		return bad("not the JSON of a claims request")
	}
	for target, claims := range parts {
		if target != "access_token" {
			e := fault("invalid_request", 90023, "claims for %q", target)
			e.unknown = "claims for " + target
			return out, e
		}
		for name, w := range claims {
			values := w.Values
			if w.Value != "" {
				values = append(values, w.Value)
			}
			switch name {
			case "acrs":
				for _, v := range values {
					if !authContext.MatchString(v) {
						return bad("no such authentication context")
					}
				}
				out.ACRS = values
			case "xms_cc":
				out.CC = values
			case "amr":
				out.MFA = slices.Contains(values, "mfa")
			case "nbf": // continuous access evaluation: a token of after some time, as every new one is
				if _, err := strconv.ParseInt(w.Value, 10, 64); err != nil {
					return bad("nbf is no time")
				}
			case "capolids": // policies of conditional access; the one that is simulated asks for MFA
				out.MFA = slices.Contains(values, mfaPolicy)
			default:
				e := fault("invalid_request", 90023, "the claim %q", name)
				e.unknown = "the claim " + name
				return out, e
			}
		}
	}
	return out, nil
}
