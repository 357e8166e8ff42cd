package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim/pimtest"
)

// surprise is what an administrator, Grace, does in Entra on a click, and how it is undone.
type surprise struct {
	name string
	done func(*sandbox) bool
	do   func(*sandbox) error
	undo func(*sandbox) error
}

// The surprises. They are the same deeds that the story is about.
var surprises = []surprise{
	{name: "assign-outside-pim",
		done: func(s *sandbox) bool { return s.isActive(cast[0].OID, roleExchange) },
		do:   func(s *sandbox) error { return s.tenant.PortalAssign(grace, cast[0].OID, roleExchange, "/") },
		undo: func(s *sandbox) error { return s.tenant.PortalUnassign(grace, cast[0].OID, roleExchange, "/") }},
	{name: "weaken-settings",
		done: func(s *sandbox) bool {
			return slices.ContainsFunc(s.tenant.State().Roles, func(r pimtest.RoleState) bool { return r.ID == roleUsers && !r.Approval })
		},
		do: func(s *sandbox) error {
			return s.tenant.PortalSetting(grace, roleUsers, func(p *pimtest.Policy) { p.MFA, p.Approval, p.MaxDuration = false, false, 8*time.Hour })
		},
		undo: func(s *sandbox) error {
			return s.tenant.PortalSetting(grace, roleUsers, func(p *pimtest.Policy) { p.MFA, p.Approval, p.MaxDuration = true, true, 4*time.Hour })
		}},
}

// surprised are the names of those that were set off, and not undone.
func (s *sandbox) surprised() []string {
	all := []string{}
	for _, u := range surprises {
		if u.done(s) {
			all = append(all, u.name)
		}
	}
	return all
}

// surprisePage sets one off, or undoes it: {"name":"assign-outside-pim","undo":true}. The
// content type keeps forms of other sites out.
func (s *sandbox) surprisePage(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why string) { s.answer(w, status, map[string]string{"error": why}) }
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(http.StatusUnsupportedMediaType, "The body must be application/json.")
		return
	}
	var order struct {
		Name string `json:"name"`
		Undo bool   `json:"undo"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&order); err != nil {
		refuse(http.StatusBadRequest, `Send {"name":"assign-outside-pim"}.`)
		return
	}
	err := s.surprise(order.Name, order.Undo)
	var no *pimtest.GraphError
	switch {
	case errors.As(err, &no):
		refuse(http.StatusConflict, "Microsoft: "+no.Message)
	case err != nil:
		refuse(http.StatusBadRequest, err.Error())
	default:
		s.answer(w, http.StatusOK, map[string][]string{"surprised": s.surprised()})
	}
}

func (s *sandbox) surprise(name string, undo bool) error {
	names := make([]string, 0, len(surprises))
	for _, u := range surprises {
		switch {
		case u.name != name:
			names = append(names, u.name)
		case undo:
			return u.undo(s)
		default:
			return u.do(s)
		}
	}
	return fmt.Errorf("the surprises are %s, not %q", strings.Join(names, " and "), name)
}
