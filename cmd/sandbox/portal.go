package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/belaybot/belay/pim/pimtest"
)

// deed is what somebody does in Microsoft's own portal, outside Belay.
type deed struct {
	As       string `json:"as"` // a person of the cast
	Do       string `json:"do"` // activate, deactivate, approve, deny or cancel
	Kind     string `json:"kind,omitempty"`
	Role     string `json:"role,omitempty"`
	Scope    string `json:"scope,omitempty"`
	Request  string `json:"request,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Duration string `json:"duration,omitempty"` // such as 1h
}

// inPortal does something in the portal. What the tenant refuses comes back in its
// own words.
func (s *sandbox) inPortal(d deed) (request string, err error) {
	who, err := castOf(d.As)
	if err != nil {
		return "", err
	}
	reason := d.Reason
	if reason == "" {
		reason = "In the portal."
	}
	w := pimtest.Wanted{Kind: d.Kind, Role: d.Role, Scope: d.Scope, Justification: reason}
	switch d.Do {
	case "activate":
		if w.Duration, err = time.ParseDuration(d.Duration); err != nil {
			return "", errors.New("say for how long, such as 1h")
		}
		if d.Role == roleGroups { // the only one that wants a ticket, for which the page has no input
			w.Ticket = "PORTAL-1"
		}
		request, err = s.tenant.PortalActivate(who.OID, w)
	case "deactivate":
		err = s.tenant.PortalDeactivate(who.OID, w)
	case "approve", "deny":
		err = s.tenant.PortalDecide(who.OID, d.Request, d.Do == "approve", reason)
	case "cancel":
		err = s.tenant.PortalCancel(who.OID, d.Request)
	default:
		err = fmt.Errorf("the portal knows activate, deactivate, approve, deny and cancel, not %q", d.Do)
	}
	return request, err
}

// portalPage is inPortal for the page, and for whoever drives the sandbox. The
// content type keeps forms of other sites out.
func (s *sandbox) portalPage(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why string) { s.answer(w, status, map[string]string{"error": why}) }
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(http.StatusUnsupportedMediaType, "The body must be application/json.")
		return
	}
	var d deed
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<10))
	dec.DisallowUnknownFields()
	err := dec.Decode(&d)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("the body goes on")
		}
	}
	if err != nil {
		refuse(http.StatusBadRequest, `Send {"as":"alice","do":"activate","kind":"role","role":"…","scope":"/","reason":"…","duration":"1h"}.`)
		return
	}
	request, err := s.inPortal(d)
	var no *pimtest.GraphError
	switch {
	case errors.As(err, &no):
		refuse(http.StatusConflict, "Microsoft: "+no.Message)
	case err != nil:
		refuse(http.StatusBadRequest, err.Error())
	default:
		s.answer(w, http.StatusOK, map[string]string{"request": request})
	}
}
