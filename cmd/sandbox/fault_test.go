package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/belaybot/belay/pim/pimtest"
)

// The calls to Microsoft, as a Fault picks them out. Belay reads a good deal by
// itself: each names one call, so that no other takes what is meant for it.

// isActivate is a request for a directory role that is to be made. The question
// whether it would be taken is none.
func isActivate(r *http.Request) bool {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/roleManagement/directory/roleAssignmentScheduleRequests") {
		return false
	}
	var asked struct {
		Action string `json:"action"`
		Only   bool   `json:"isValidationOnly"`
	}
	return json.Unmarshal(bodyOf(r), &asked) == nil && strings.EqualFold(asked.Action, "selfActivate") && !asked.Only
}

func isDecision(r *http.Request) bool { return r.Method == http.MethodPatch }

// isCode is the exchange of somebody's one-time code for tokens. Belay's own tokens
// come from the same address.
func isCode(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") && strings.Contains(string(bodyOf(r)), "grant_type=authorization_code")
}

func isRead(part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == http.MethodGet && strings.Contains(r.URL.Path, part) }
}

// What Belay looks at to see how a request stands.
var (
	isApprovalRead = isOneRead("/roleManagement/directory/roleAssignmentApprovals/")
	isRequestRead  = isOneRead("/roleManagement/directory/roleAssignmentScheduleRequests/")
	isActiveRead   = isRead("/roleManagement/directory/roleAssignmentScheduleInstances")
)

// isOneRead is the reading of one thing, not of somebody's list of them.
func isOneRead(below string) func(*http.Request) bool {
	of := isRead(below)
	return func(r *http.Request) bool { return of(r) && !strings.Contains(r.URL.Path, "filterByCurrentUser") }
}

// The lists of what a person is eligible for, read with their own token. What their
// groups hold is another list.
var (
	isRoleMenu  = isRead("/roleManagement/directory/roleEligibilityScheduleInstances/filterByCurrentUser")
	isGroupMenu = isRead("/privilegedAccess/group/eligibilityScheduleInstances/filterByCurrentUser")
	isAzureMenu = isRead("/providers/Microsoft.Authorization/roleEligibilityScheduleInstances")
)

// bodyOf reads a request's body and puts it back.
func bodyOf(r *http.Request) []byte {
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil // whoever serves it meets the same
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return text
}

// counts counts the calls from now on. It fails none of them.
func (w *world) counts(match func(*http.Request) bool) *atomic.Int32 {
	var n atomic.Int32
	w.tenant.FailNext(func(r *http.Request) bool {
		if match(r) {
			n.Add(1)
		}
		return false
	}, pimtest.Fault{})
	return &n
}

// fails arms a fault for the next few of the calls.
func (w *world) fails(times int, match func(*http.Request) bool, f pimtest.Fault) {
	for range times {
		w.tenant.FailNext(match, f)
	}
}

// befallen arms a fault like fails, and tells how many of them a call has met.
func (w *world) befallen(times int, match func(*http.Request) bool, f pimtest.Fault) *atomic.Int32 {
	var n atomic.Int32
	w.fails(times, func(r *http.Request) bool {
		if match(r) {
			n.Add(1)
			return true
		}
		return false
	}, f)
	return &n
}
