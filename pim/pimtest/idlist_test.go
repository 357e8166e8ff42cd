package pimtest

import (
	"net/http"
	"strings"
	"testing"
)

// Users and groups are read many at once, by their ids, and no more than Graph takes.
func TestListsByID(t *testing.T) {
	h := newHarness(t)
	app := h.asApp()
	rows := h.rows(app, "/v1.0/groups?$select=id,displayName&$filter=id in ('"+strings.ToUpper(approversGroup)+"','"+unit+"')")
	if len(rows) != 1 || rows[0]["id"] != approversGroup || rows[0]["displayName"] != "Approvers" {
		t.Errorf("%v", rows)
	}
	rows = h.rows(app, "/v1.0/users?$select=id,accountEnabled&$filter=id in ('"+bob+"','"+alice+"','"+unit+"')")
	if len(rows) != 2 || rows[0]["id"] != bob || rows[1]["accountEnabled"] != true {
		t.Errorf("%v", rows)
	}
	many := strings.Repeat("'"+unit+"',", idsLimit) + "'" + unit + "'"
	h.wantRefused(app, http.MethodGet, "/v1.0/groups?$filter=id in ("+many+")", nil, 400, "BadRequest")
}
