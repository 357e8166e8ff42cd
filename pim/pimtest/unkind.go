package pimtest

import (
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Unkind is how the simulator misbehaves, as the real services do now and then.
// A zero field is switched off. The same seed misbehaves in the same way.
type Unkind struct {
	Seed uint64

	Throttle   int // every n-th Graph call is answered 429 with Retry-After: 1, and does nothing
	LoseAnswer int // of every n-th Graph write that was done the answer is lost: in turn a 504 and a closed connection

	LateInstance int // an activation's instance stays out of the first 1 to n reads that should show it
	LateStatus   int // an approved request reads PendingProvisioning for the first 1 to n reads

	EnumCase      bool          // the first letter of enumeration members is upper or lower case
	PageSize      int           // largest page of a list; 0: 100
	AuditDelay    int           // minutes of business time before the audit log shows an entry
	FreshEligible time.Duration // an eligibility this young cannot be activated: SubjectNotFound, in the second half EligibilityRule
	StuckGranted  bool          // an activation that should be in force stays Granted, and nothing becomes of it

	NoGroupNames bool // the expansion "group" of PIM for Groups is null
	ExtraScopes  bool // tokens carry every delegated permission with consent, not only those asked for
}

// DefaultUnkind is what a tenant does when Options.Unkind is nil.
func DefaultUnkind() *Unkind {
	return &Unkind{
		Seed: 1, Throttle: 13, LoseAnswer: 5, LateInstance: 2, LateStatus: 1,
		EnumCase: true, PageSize: 3, AuditDelay: 2, NoGroupNames: true, ExtraScopes: true,
	}
}

// Kind is no misbehaviour at all, for a test that looks at one thing.
func Kind() *Unkind { return &Unkind{} }

// roll is a number that depends only on the seed and what it is for.
func (u Unkind) roll(what ...string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d", u.Seed)
	for _, s := range what {
		fmt.Fprintf(h, "\x00%s", s)
	}
	return h.Sum64()
}

// upTo is 0 when n is, and otherwise 1 to n.
func (u Unkind) upTo(n int, what ...string) int {
	if n <= 0 {
		return 0
	}
	return 1 + int(u.roll(what...)%uint64(n))
}

// enum spells a member of an enumeration, usual being the usual spelling.
func (u Unkind) enum(usual string, what ...string) string {
	if !u.EnumCase || u.roll(append(what, usual)...)%2 == 0 {
		return usual
	}
	first := usual[:1]
	if up := strings.ToUpper(first); up != first {
		return up + usual[1:]
	}
	return strings.ToLower(first) + usual[1:]
}

// Fault is what happens to one request instead of, or after, its answer.
type Fault struct {
	Status int // 0: 500
	Header http.Header
	Body   string
	Hang   bool // no answer until the client gives up
	Drop   bool // the connection is closed without an answer
	// AfterWrite lets the request do its work first; only its answer is replaced.
	AfterWrite bool
}

type armedFault struct {
	match func(*http.Request) bool
	fault Fault
}

// FailNext makes f befall the next request to Login or Graph that match accepts
// (nil: any), once. Several wait in the order they were given.
func (t *Tenant) FailNext(match func(*http.Request) bool, f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, armedFault{match, f})
}

// Refusal is the answer by which Graph refuses with one of the codes it knows,
// to be given to FailNext. An unknown code is answered as 400 with that code.
func Refusal(code string) Fault {
	e := refusal(code)
	return Fault{Status: e.Status, Header: maps.Clone(e.Header), Body: e.body(time.Time{}, "", "")}
}

func (t *Tenant) takeFault(r *http.Request) *Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, a := range t.faults {
		if a.match == nil || a.match(r) {
			t.faults = append(t.faults[:i:i], t.faults[i+1:]...)
			return &a.fault
		}
	}
	return nil
}

// answer is a whole HTTP answer, made before any of it is sent.
type answer struct {
	status int
	header http.Header
	body   []byte
	lost   bool // the work was done, but the answer is not sent
}

func (a answer) send(w http.ResponseWriter) {
	if a.lost {
		closeConnection()
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	if _, err := w.Write(a.body); err != nil {
		return // the client is gone; nobody is left to tell
	}
}

// serve answers with fn under the fault that waits for the request, if any.
func (t *Tenant) serve(fn func(*http.Request) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := t.takeFault(r)
		if f == nil {
			fn(r).send(w)
			return
		}
		if f.AfterWrite {
			fn(r)
		}
		f.play(w, r)
	})
}

func (f *Fault) play(w http.ResponseWriter, r *http.Request) {
	if f.Hang {
		// net/http notices that a client left only once the body is read.
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody)); err == nil {
			<-r.Context().Done()
		}
	}
	if f.Hang || f.Drop {
		closeConnection()
	}
	a := answer{status: f.Status, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(f.Body)}
	maps.Copy(a.header, f.Header)
	if a.status == 0 {
		a.status = http.StatusInternalServerError
	}
	a.send(w)
}

// closeConnection ends the request without an answer. This panic is net/http's
// documented way to do it, for HTTP/1.1 and HTTP/2 alike.
func closeConnection() { panic(http.ErrAbortHandler) }

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20
