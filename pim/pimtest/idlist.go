package pimtest

import (
	"regexp"
	"slices"
	"strings"
)

// idsLimit is how many values one "in" may have. Source: the refusal that Graph
// gives to more, as seen.
const idsLimit = 15

var idList = regexp.MustCompile(`^id in \(\s*('[^']+'(?:\s*,\s*'[^']+')*)\s*\)$`)

// namedShape leaves the filter to the list's own reading, because nothing else has
// "in".
func namedShape(s shape) shape {
	s.filters, s.options = nil, []string{"$filter", "$top"}
	return s
}

// ids are those that a filter "id in (…)" names.
func (c *call) ids() ([]string, *GraphError) {
	m := idList.FindStringSubmatch(c.r.URL.Query().Get("$filter"))
	if m == nil {
		return nil, unknown(400, "Users and groups are listed with a filter 'id in (…)' only.")
	}
	ids := strings.Split(m[1], ",")
	if len(ids) > idsLimit {
		return nil, badRequest("Too many child clauses specified in search filter expression containing 'OR' operators: %d. Max allowed: %d.", len(ids), idsLimit)
	}
	for i, id := range ids {
		ids[i] = strings.ToLower(strings.Trim(strings.TrimSpace(id), "'"))
	}
	return ids, nil
}

// listGroups answers the groups that a filter on the id names, or those that can hold a
// role. What is not a group is left out without a word.
func listGroups(c *call) (result, *GraphError) {
	var rows []obj
	if c.r.URL.Query().Get("$filter") == "isAssignableToRole eq true" {
		for _, id := range sortedKeys(c.t.w.Groups) {
			if g := c.t.w.Groups[id]; g.RoleAssignable {
				rows = append(rows, groupObj(g))
			}
		}
		return c.list(namedShape(groupShape()), "groups", rows, nil)
	}
	ids, e := c.ids()
	if e != nil {
		return result{}, e
	}
	for _, id := range ids {
		if g := c.t.w.Groups[id]; g != nil {
			rows = append(rows, groupObj(g))
		}
	}
	return c.list(namedShape(groupShape()), "groups", rows, nil)
}

// listUsers is the same for users.
func listUsers(c *call) (result, *GraphError) {
	if !c.fullUsers() && (slices.Contains(c.query.selects, "accountEnabled") || slices.Contains(c.query.selects, "userType")) {
		return result{}, refusal("Authorization_RequestDenied")
	}
	ids, e := c.ids()
	if e != nil {
		return result{}, e
	}
	var rows []obj
	for _, id := range ids {
		if u := c.t.w.Users[id]; u != nil {
			rows = append(rows, userObj(u))
		}
	}
	return c.list(namedShape(userShape()), "users", rows, nil)
}
