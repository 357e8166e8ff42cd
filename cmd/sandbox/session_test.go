package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	audit "github.com/belaybot/belay/store/trail"
)

// again is the same world after a restart of everything: no access token is in memory.
// prepare, when not nil, is done to it before it runs.
func (w *world) again(meanwhile func(), prepare func(*world)) *world {
	w.t.Helper()
	w.end()
	if meanwhile != nil {
		meanwhile()
	}
	if prepare == nil {
		prepare = func(*world) {}
	}
	used := w.used // the links of before still stand in the chat
	next := runPrepared(w.t, w.dir, manners{}, prepare)
	next.used = used
	return next
}

// refreshOf matches what redeems a person's refresh token that is in the store of a Belay
// that does not run.
func (w *world) refreshOf(h human) func(*http.Request) bool {
	w.t.Helper()
	kept := ""
	w.below(func(tx store.Tx) error {
		return tx.Scan("grants", nil, nil, func(_, v []byte) error {
			if strings.Contains(string(v), h.OID) {
				kept = string(v)
			}
			return nil
		})
	})
	if kept == "" {
		w.t.Fatalf("%s has no sign-in", h.Name)
	}
	return func(r *http.Request) bool {
		if !isRefresh(r) {
			return false
		}
		form, err := url.ParseQuery(string(bodyOf(r)))
		return err == nil && strings.Contains(kept, form.Get("refresh_token"))
	}
}

// recorded is what the audit trail of a Belay that does not run has of a kind, as "subject
// reason".
func (w *world) recorded(kind audit.Kind) (all []string) {
	w.t.Helper()
	at := filepath.Join(w.dir, "belay")
	keys, err := store.LoadKeyFile(filepath.Join(at, "belay.keys"))
	w.must(err)
	raw, err := bolt.Open(filepath.Join(at, "belay.db"), bolt.Options{})
	w.must(err)
	tr, err := audit.New(audit.Options{Store: audit.Recording(store.Seal(raw, keys)), Signer: keys.Signer("audit checkpoints")})
	w.must(err)
	w.must(tr.Read(w.t.Context(), 0, func(r audit.Record) error {
		if r.Kind == kind {
			all = append(all, r.Subject+" "+r.Reason)
		}
		return nil
	}))
	w.must(raw.Close())
	return all
}

func isRefresh(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") && strings.Contains(string(bodyOf(r)), "grant_type=refresh_token")
}

// A session that has reached its age serves no decision: the press waits for a sign-in, and
// goes on by itself.
func TestSessionReachesItsAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, carol := w.who("alice"), w.who("carol")
	alice.linksSlack()
	carol.linksSlack()
	alice.asks("user admin 1h figures")
	carol.reads("Alice Adams asks for " + userAdmin)
	w = w.again(func() { // twelve hours later, as far as the sign-ins know
		w.below(func(tx store.Tx) error {
			aged := map[string][]byte{}
			err := tx.Scan("grants", nil, nil, func(k, v []byte) error {
				var g map[string]any
				if err := json.Unmarshal(v, &g); err != nil {
					return err
				}
				g["signedIn"] = time.Now().Add(-12 * time.Hour).UTC()
				b, err := json.Marshal(g)
				aged[string(k)] = b
				return err
			})
			for k, v := range aged {
				if err == nil {
					err = tx.Put("grants", []byte(k), v)
				}
			}
			if len(aged) != 2 {
				t.Errorf("%d sign-ins were in the store", len(aged))
			}
			return err
		})
	}, nil)
	alice, carol = w.who("alice"), w.who("carol")
	carol.presses("approve", "Alice Adams asks for "+userAdmin)
	url := carol.slackURL()
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	carol.signsIn(url)
	carol.reads("You approved " + userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Carol Clark")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"carol": 1}})
}

// Whatever makes Microsoft end a session ends it here: the decision waits for a sign-in and
// goes on, nobody else is disturbed, and the audit trail says why.
func TestMicrosoftEndsASession(t *testing.T) {
	for name, c := range map[string]struct{ body, reason string }{
		"revoked":                       {"", "Microsoft: invalid_grant AADSTS50173"}, // as the simulated tenant does it
		"not used for long":             {`{"error":"invalid_grant","error_codes":[700082]}`, "Microsoft: invalid_grant AADSTS700082"},
		"disabled":                      {`{"error":"invalid_grant","error_codes":[50057]}`, "Microsoft: invalid_grant AADSTS50057"},
		"consent withdrawn":             {`{"error":"invalid_grant","error_codes":[65001],"suberror":"consent_required"}`, "Microsoft: invalid_grant/consent_required AADSTS65001"},
		"blocked by conditional access": {`{"error":"invalid_grant","error_codes":[53003],"suberror":"message_only"}`, "Microsoft: invalid_grant/message_only AADSTS53003"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			alice, carol := w.who("alice"), w.who("carol")
			alice.linksSlack()
			alice.asks("user admin 1h figures")
			carol.reads("Alice Adams asks for " + userAdmin)
			carol.linksSlack()
			var ofCarol func(*http.Request) bool
			w = w.again(func() { ofCarol = w.refreshOf(carol) }, func(w *world) {
				if c.body == "" {
					w.must(w.tenant.RevokeSessions(carol.OID))
					return
				}
				w.fails(1, ofCarol, pimtest.Fault{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: c.body})
			})
			alice, carol = w.who("alice"), w.who("carol")
			carol.presses("approve", "Alice Adams asks for "+userAdmin)
			carol.reads("Sign in to finish")
			carol.signsIn(carol.slackURL())
			carol.reads("You approved " + userAdmin)
			alice.reads(userAdmin + " is active")
			w.end()
			if got := w.recorded(audit.Ended); !slices.Equal(got, []string{carol.OID + " " + c.reason}) {
				t.Errorf("the audit trail says %q", got)
			}
		})
	}
}

// While Microsoft's sign-in is down nobody is signed out, and what waits for it is tried again.
func TestSignInServiceIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, carol := w.who("alice"), w.who("carol")
	alice.linksSlack()
	carol.linksSlack()
	alice.asks("user admin 1h figures")
	carol.reads("Alice Adams asks for " + userAdmin)
	var ofCarol func(*http.Request) bool
	var met, more *atomic.Int32
	w = w.again(func() { ofCarol = w.refreshOf(carol) }, func(w *world) {
		met = w.befallen(2, ofCarol, pimtest.Fault{Status: 503, Body: "<html>down"})
		more = w.befallen(1, ofCarol, pimtest.Fault{Drop: true})
	})
	alice, carol = w.who("alice"), w.who("carol")
	carol.presses("approve", "Alice Adams asks for "+userAdmin)
	carol.until("2s", "You approved "+userAdmin)
	alice.until("2s", userAdmin+" is active", "Approved by Carol Clark")
	if met.Load() != 2 || more.Load() != 1 {
		t.Errorf("the sign-in service was down %d and %d times", met.Load(), more.Load())
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"carol": 1}})
	w.end()
	if got := w.recorded(audit.Ended); len(got) > 0 {
		t.Errorf("sign-ins ended: %q", got)
	}
}

// asked keeps the claims that a browser was sent to Microsoft with.
type asked struct {
	claims []string
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/authorize") && r.Method == http.MethodGet {
		a.claims = append(a.claims, r.URL.Query().Get("claims"))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Continuous access evaluation: Graph, and Azure Resource Manager, refuse a token that is still
// good by its dates. The act waits for a sign-in with what the service asks for, and goes on.
func TestContinuousAccessEvaluation(t *testing.T) {
	const want = `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`
	refused := pimtest.Fault{Status: 401, Body: `{"error":{"code":"InvalidAuthenticationToken","message":"Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp"}}`,
		Header: http.Header{"Content-Type": {"application/json"}, "Www-Authenticate": {`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="` +
			base64.StdEncoding.EncodeToString([]byte(want)) + `"`}}}
	isAzure := func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/roleAssignmentScheduleRequests/") && !strings.Contains(r.URL.Path, "/validate")
	}
	const production = contributor + " (subscription Production)"
	for name, c := range map[string]struct {
		ask, role string
		match     func(*http.Request) bool
	}{
		"Graph": {"user admin 1h figures", userAdmin, isActivate},
		"Azure": {"contributor 1h figures", production, isAzure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			alice, bob := w.who("alice"), w.who("bob")
			signsIn := func(h human, at string) {
				t.Helper()
				b, err := w.browser(h.person)
				w.must(err)
				seen := &asked{}
				b.b.Client.Transport = seen
				w.must(b.signIn(w.ctx(), at))
				w.used[at] = true
				var got, asks map[string]any
				if len(seen.claims) == 0 || json.Unmarshal([]byte(seen.claims[0]), &got) != nil || json.Unmarshal([]byte(want), &asks) != nil {
					t.Fatalf("Microsoft was asked for %q", seen.claims)
				}
				if token, ok := got["access_token"].(map[string]any); !ok || token["nbf"] == nil {
					t.Errorf("Microsoft was asked for %q, want what the service wanted", seen.claims)
				}
			}
			alice.linksSlack()
			bob.linksTeams()
			met := w.befallen(1, c.match, refused)
			alice.asks(c.ask)
			alice.reads("Sign in to ask for " + c.role)
			if met.Load() != 1 {
				t.Fatal("nothing was refused")
			}
			w.auditHas(nil)
			signsIn(alice, alice.slackURL())
			alice.reads(c.role + " waits for approval")
			if name == "Graph" {
				w.fails(1, isDecision, refused)
				bob.taps("Approve", "Alice Adams asks for "+c.role)
				bob.sees("Sign in to finish", "Microsoft wants a fresh sign-in before it takes your answer")
				signsIn(bob, bob.teamsURL())
				alice.reads(c.role+" is active", "Approved by Bob Brown")
				w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
			}
		})
	}
}
