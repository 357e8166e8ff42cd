package app

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/belaybot/belay/pim"
)

var (
	microsoft   = map[string]pim.Service{"graph": pim.Graph, "arm": pim.ARM}
	slackMethod = regexp.MustCompile(`^/api/([a-z]+(?:\.[a-zA-Z]+)+)$`)
	known       = pim.Operations()
)

// other is the operation of a call that is none of those below.
const other = "other"

// operationOf names what a call does, in words of which there are few: no id of a person, a
// request or a conversation is in them, and no token of an address.
func operationOf(service string, r *http.Request) string {
	path := r.URL.Path
	switch service {
	case "graph", "arm":
		for _, o := range known {
			if o.Covers(microsoft[service], r.Method, path) {
				return o.Method + " " + o.Path
			}
		}
	case "slack":
		if m := slackMethod.FindStringSubmatch(path); m != nil {
			return m[1]
		}
		if r.Method == http.MethodPost { // what is no method of the Web API answers an act
			return "response_url"
		}
	case "teams":
		return connector(r.Method, path)
	case "login", "bot_login", "bot_openid", "other":
		switch {
		case strings.HasSuffix(path, "/token"):
			return "token"
		case strings.Contains(path, "/.well-known/"), strings.Contains(path, "/discovery/instance"):
			return "metadata"
		case strings.HasSuffix(path, "/keys"):
			return "keys"
		}
	case telemetry:
		return "traces"
	}
	return other
}

// connector names a call of the Bot Connector: /v3/conversations/{id}/activities/{id}.
func connector(method, path string) string {
	_, rest, ok := strings.Cut(path, "/v3/conversations")
	if !ok {
		return other
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	name := method + " conversations"
	for n, part := range parts {
		switch part {
		case "activities", "members", "pagedmembers":
			if n == 1 {
				name += " " + part
			}
		}
	}
	return name
}
