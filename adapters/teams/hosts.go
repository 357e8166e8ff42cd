package teams

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// hosts is the list of places that may ever see the bot's token.
type hosts struct {
	names     map[string]bool // lower case; with the port where it is not the scheme's
	allowHTTP bool
}

func newHosts(list []string, allowHTTP bool) (hosts, error) {
	h := hosts{names: map[string]bool{}, allowHTTP: allowHTTP}
	for _, name := range list {
		u, err := url.Parse("https://" + name)
		if err != nil || name == "" || u.Host != name || strings.ContainsAny(name, "*%@ ") || u.Hostname() == "" {
			return hosts{}, fmt.Errorf("%q is not a host", name)
		}
		h.names[strings.TrimSuffix(strings.ToLower(name), ":443")] = true
	}
	return h, nil
}

// firstURL is the service URL of a host from which nothing was heard yet.
func (h hosts) firstURL(host string) string {
	u := url.URL{Scheme: "https", Host: host, Path: "/teams/"}
	if h.allowHTTP && loopback(u.Hostname()) {
		u.Scheme = "http"
	}
	return u.String()
}

// check parses a service URL and refuses it unless its host is listed exactly.
// Names in any case are the same host; a port, a user part, an escape, a query
// or a step up the path are not what Teams sends.
func (h hosts) check(raw string) (*url.URL, error) {
	if raw == "" || len(raw) > 1024 {
		return nil, errors.New("no service URL")
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`\%?#@`, c) >= 0 {
			return nil, errors.New("a service URL with strange characters")
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || strings.Contains(u.Path, "..") {
		return nil, errors.New("a malformed service URL")
	}
	if err := h.allowed(u); err != nil {
		return nil, err
	}
	return u, nil
}

// allowed is the last gate before a token is attached.
func (h hosts) allowed(u *url.URL) error {
	host := strings.ToLower(u.Host)
	switch {
	case u.User != nil:
		return errors.New("a service URL with a user part")
	case u.Scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case u.Scheme == "http" && h.allowHTTP && loopback(u.Hostname()):
		host = strings.TrimSuffix(host, ":80")
	default:
		return errors.New("a service URL that is not https")
	}
	if !h.names[host] {
		return errors.New("a service URL of a host that is not listed")
	}
	return nil
}

// sameServiceURL compares as Microsoft's own SDK does: without regard to letter
// case and to a slash at the end.
func sameServiceURL(a, b string) bool {
	return a != "" && strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

// safeID reports whether an id can stand in a connector URL as one segment. The
// library joins ids into paths unescaped, so anything else is refused.
func safeID(id string) bool {
	if id == "" || len(id) > 512 || id == "." || strings.Contains(id, "..") {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`/\%?#"<>^{|}`+"`", c) >= 0 {
			return false
		}
	}
	return true
}
