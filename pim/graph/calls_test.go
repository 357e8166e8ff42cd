package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belaybot/belay/pim"
)

// made holds every call that the tests of this package made: who made it, its
// method and its path.
var made = struct {
	sync.Mutex
	calls map[[3]string]bool
}{calls: map[[3]string]bool{}}

// recording notes the calls that pass.
type recording struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (r recording) RoundTrip(req *http.Request) (*http.Response, error) {
	if who := speaker(req); who != "" {
		made.Lock()
		made.calls[[3]string{who, req.Method, req.URL.Path}] = true
		made.Unlock()
	}
	return r.next.RoundTrip(req)
}

// speaker is "app" or "user", by the token of a call; empty: it has none, as at the
// sign-in.
func speaker(req *http.Request) string {
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if token == "token-of-belay" {
		return "app"
	}
	if strings.HasPrefix(token, "token-of-") {
		return "user"
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Kind string `json:"idtyp"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Kind
}

// TestMain holds pim.Operations to the calls that were made: each is there, for who
// made it, and when all tests ran, each that is there was made.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	made.Lock()
	defer made.Unlock()
	done := map[string]bool{}
	for call := range made.calls {
		found := false
		for _, o := range pim.Operations() {
			for who, permissions := range map[string][]string{"user": o.Delegated, "app": o.Application} {
				if who == call[0] && len(permissions) > 0 && (o.Covers(pim.Graph, call[1], call[2]) || o.Covers(pim.ARM, call[1], call[2])) {
					found, done[who+" "+o.Method+" "+o.Path] = true, true
				}
			}
		}
		if !found {
			fmt.Println("pim.Operations lacks the call", call)
			code = 1
		}
	}
	for _, o := range pim.Operations() {
		for who, permissions := range map[string][]string{"user": o.Delegated, "app": o.Application} {
			if op := who + " " + o.Method + " " + o.Path; o.Service == pim.Graph && len(permissions) > 0 && whole() && !done[op] {
				fmt.Println("pim.Operations has a call that nothing makes:", op)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// whole says whether all tests were asked for.
func whole() bool {
	return !slices.ContainsFunc([]string{"run", "skip", "list", "fuzz", "fuzzworker"}, func(name string) bool {
		f := flag.Lookup("test." + name)
		return f != nil && f.Value.String() != f.DefValue
	})
}
