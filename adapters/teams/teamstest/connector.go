package teamstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// maxMessage is the documented limit of a message, counted in UTF-16.
const maxMessage = 100 << 10

// refusal is what the connector answers when it does not do a thing. Loud ones
// are faults that a bot must not have, or things the simulator does not know.
type refusal struct {
	status        int
	code, message string
	loud          bool
	after         time.Duration // of a 429
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

func refuse(status int, code, message string) error {
	return &refusal{status: status, code: code, message: message}
}

// fault refuses loudly.
func fault(code, format string, args ...any) error {
	return &refusal{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...), loud: true}
}

func throttle(after time.Duration) error {
	return &refusal{status: http.StatusTooManyRequests, code: "Throttled", message: "Too many requests.", after: after}
}

// The refusals that a bot has to live with.
var (
	errConversation = &refusal{status: http.StatusNotFound, code: "ConversationNotFound", message: "Conversation not found."}
	errActivity     = &refusal{status: http.StatusNotFound, code: "ActivityNotFoundInConversation", message: "The activity was not found in the conversation."}
	errRoster       = &refusal{status: http.StatusForbidden, code: "BotNotInConversationRoster", message: "The bot is not part of the conversation roster."}
	errMember       = &refusal{status: http.StatusNotFound, code: "MemberNotFoundInConversation", message: "The member was not found in the conversation."}
	errNotYours     = &refusal{status: http.StatusForbidden, code: "NotEnoughPermissions", message: "The bot may change its own messages only."}
	errTooBig       = &refusal{status: http.StatusRequestEntityTooLarge, code: "MessageSizeTooBig", message: "Message size too large."}
)

// call is one connector call that is let in.
type call struct {
	conversation, activity, member string
	targeted                       bool
	body                           []byte
}

// Connector serves the Bot Framework's connector as Teams serves it. Its root is
// the service URL.
func (t *Teams) Connector() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, targetable bool, do func(call) (int, any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { t.serve(w, r, targetable, do) })
	}
	route("POST /v3/conversations", false, t.createConversation)
	route("POST /v3/conversations/{conversation}/activities", true, t.postActivity)
	route("POST /v3/conversations/{conversation}/activities/{activity}", true, t.postActivity)
	route("PUT /v3/conversations/{conversation}/activities/{activity}", true, t.putActivity)
	route("DELETE /v3/conversations/{conversation}/activities/{activity}", true, t.deleteActivity)
	route("GET /v3/conversations/{conversation}/members/{member}", false, t.getMember)
	route("GET /v3/conversations/{conversation}/members", false, t.getMembers)
	unknown := t.unknownRoute("Connector")
	mux.HandleFunc("/", unknown)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "//") {
			unknown(w, r) // the multiplexer would redirect, which Teams does not
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serve lets a call in, does it, and answers.
func (t *Teams) serve(w http.ResponseWriter, r *http.Request, targetable bool, do func(call) (int, any, error)) {
	if err := t.authorized(r); err != nil {
		// Teams says no more than this.
		writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "Authorization has been denied for this request."})
		return
	}
	c, err := t.admit(w, r, targetable)
	var status int
	var answer any
	if err == nil {
		status, answer, err = do(c)
	}
	if err == nil && t.loses(r.Method) {
		err = refuse(http.StatusBadGateway, "ServiceError", "The answer was lost after the deed was done.")
	}
	var no *refusal
	switch {
	case errors.As(err, &no):
		if no.loud {
			t.report("%s %s: %s", r.Method, r.URL.Path, no.message)
		}
		if no.status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", strconv.Itoa(int(no.after/time.Second)))
		}
		writeJSON(w, no.status, errorBody{errorDetail{no.code, no.message}})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, errorBody{errorDetail{"ServiceError", "The world cannot be kept."}})
	case answer == nil:
		w.WriteHeader(status)
	default:
		writeJSON(w, status, answer)
	}
}

// admit counts a call, is unkind to it when its turn has come, and reads it.
func (t *Teams) admit(w http.ResponseWriter, r *http.Request, targetable bool) (call, error) {
	t.mu.Lock()
	t.counts.Connector++
	t.tally.calls++
	n, unkind, next := t.tally.calls, t.unkind, t.next
	t.next = 0
	t.mu.Unlock()
	switch {
	case next > 0:
		return call{}, throttle(next)
	case every(unkind.Throttle, n):
		return call{}, throttle(time.Second)
	case every(unkind.Precondition, n):
		return call{}, refuse(http.StatusPreconditionFailed, "PreconditionFailed", "Precondition failed, please try again.")
	}
	c := call{conversation: r.PathValue("conversation"), activity: r.PathValue("activity"), member: r.PathValue("member")}
	for name, values := range r.URL.Query() {
		if !targetable || name != "isTargetedActivity" || len(values) != 1 || values[0] != "true" {
			return call{}, fault("BadArgument", "the query parameter %s=%q is not known", name, values)
		}
		c.targeted = true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4*maxMessage))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong), err == nil && len(utf16.Encode([]rune(string(body))))*2 > maxMessage:
		return call{}, errTooBig
	case err != nil:
		return call{}, refuse(http.StatusBadRequest, "BadSyntax", "The body could not be read.")
	}
	c.body = body
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		if len(body) > 0 {
			return call{}, fault("BadArgument", "%s has a body", r.Method)
		}
		return c, nil
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return call{}, fault("BadSyntax", "the content type is %q", kind)
	}
	if bytes.Contains(body, []byte(`"0001-01-01T`)) {
		return call{}, fault("BadArgument", "a time of the year 1 is sent, which nobody knows how Teams takes")
	}
	return c, nil
}

// loses reports whether the answer to a call that was done is to be lost.
func (t *Teams) loses(method string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch method {
	case http.MethodPut:
		t.tally.updates++
		return every(t.unkind.LoseUpdate, t.tally.updates)
	case http.MethodPost:
		t.tally.posts++
		return every(t.unkind.LosePost, t.tally.posts)
	}
	return false
}

// limits are how many messages a bot may send to one conversation.
var limits = []struct {
	messages int
	within   time.Duration
}{{7, time.Second}, {8, 2 * time.Second}, {60, 30 * time.Second}, {1800, time.Hour}}

// throttled counts a message to a conversation against the limits. The caller
// must not hold the lock.
func (t *Teams) throttled(conversation string) error {
	now := t.options.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.unkind.Limits {
		return nil
	}
	times := t.posts[conversation]
	for _, l := range limits {
		if len(times) >= l.messages && now.Sub(times[len(times)-l.messages]) < l.within {
			return throttle(time.Second)
		}
	}
	times = append(times, now)
	t.posts[conversation] = times[max(0, len(times)-limits[len(limits)-1].messages):]
	return nil
}

// getMember answers who somebody in a conversation is, by MRI or Entra object id.
func (t *Teams) getMember(c call) (int, any, error) {
	members, err := t.roster(c.conversation)
	if err != nil {
		return 0, nil, err
	}
	for _, m := range members {
		if m.ID == c.member || strings.EqualFold(m.AADObjectID, c.member) {
			return http.StatusOK, m, nil
		}
	}
	return 0, nil, errMember
}

func (t *Teams) getMembers(c call) (int, any, error) {
	members, err := t.roster(c.conversation)
	return http.StatusOK, members, err
}

func (t *Teams) roster(conversation string) ([]member, error) {
	s := t.State()
	c, _ := s.conversation(conversation)
	switch {
	case c == nil:
		return nil, errConversation
	case !c.BotInstalled:
		return nil, errRoster
	}
	members := []member{}
	for _, name := range c.Members {
		p := s.person(name)
		members = append(members, member{
			ID: p.ID, Name: p.Name, AADObjectID: p.AADObjectID, ObjectID: p.AADObjectID,
			Email: p.Email, UserPrincipalName: p.UPN, TenantID: t.tenantOf(*p), UserRole: "user",
		})
	}
	return members, nil
}

// tenantOf is the tenant that a person's activities name.
func (t *Teams) tenantOf(p Person) string {
	if p.Tenant != "" {
		return p.Tenant
	}
	return t.options.TenantID
}
