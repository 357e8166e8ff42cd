package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim"
)

func hasRules(c app.Config) bool { return len(c.Notices.Rules) > 0 }

var objectID = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// rules looks at the configuration only, like alarm: who hears by which rule, and which rule
// is never reached.
func (v *visit) rules() says {
	all := v.cfg.Routing().Rules
	var heard, never []string
	for n, r := range all {
		c := v.cfg.Notices.Rules[n]
		switch {
		case r.Silent() && !c.Silent:
			never = append(never, r.Name+" sends to nobody; if that is meant, say silent: true")
		case r.Silent():
			heard = append(heard, r.Name+": nobody")
		default:
			heard = append(heard, r.Name+": "+strings.Join(append(slices.Clone(c.To), c.People...), ", "))
		}
		for _, above := range all[:n] {
			if above.Covers(r) {
				never = append(never, r.Name+" is never reached, because "+above.Name+" above it takes everything that it does")
				break
			}
		}
	}
	if len(never) > 0 {
		return warn(strings.Join(never, "; "), "The first rule that fits decides: put the narrower rule above, or let the one above say continue: true (docs/notices.md).")
	}
	return ok(strings.Join(heard, "; "))
}

// named says how what rules name is read: groups and people as Belay, the list of roles as
// the operator, because Belay itself may not.
func (v *visit) named(ctx context.Context, operator string) {
	v.there = func(path string) (bool, error) {
		token, err := v.ownToken()
		if err != nil {
			return false, &noToken{err}
		}
		a, err := v.ask(ctx, http.MethodGet, v.graphAt("/v1.0"+path+"?$select=id"), token)
		if err != nil || a.status == http.StatusNotFound {
			return false, err
		}
		return true, a.decode(new(struct{}))
	}
	v.definitions = sync.OnceValues(func() (names []string, err error) {
		if operator = strings.TrimSpace(operator); operator == "" {
			return nil, errors.New("Belay itself may not list them")
		}
		next := v.graphAt("/v1.0/roleManagement/directory/roleDefinitions?$select=id,displayName")
		for next != "" {
			if !strings.HasPrefix(next, v.graphAt("/")) {
				return nil, errors.New("the list goes on elsewhere")
			}
			var page struct {
				Value []struct{ ID, DisplayName string }
				Next  string `json:"@odata.nextLink"`
			}
			a, err := v.ask(ctx, http.MethodGet, next, operator)
			if err == nil {
				err = a.decode(&page)
			}
			if err != nil {
				return nil, err
			}
			for _, d := range page.Value {
				names = append(names, strings.ToLower(d.ID), strings.ToLower(d.DisplayName))
			}
			next = page.Next
		}
		return names, nil
	})
}

// namedThere looks whether the groups, people and roles that rules name are there.
func (v *visit) namedThere() says {
	var gone, hidden []string
	look := func(rule, what, id, path string) {
		there, err := v.there(path + url.PathEscape(id))
		var r *refused
		switch {
		case errors.As(err, &r) && r.status == http.StatusForbidden:
			gone = append(gone, fmt.Sprintf("%s: the %s %s may not be read, so that the rule takes nothing for it", rule, what, id))
		case err != nil:
			hidden = append(hidden, fmt.Sprintf("%s: the %s %s could not be looked up", rule, what, id))
		case !there:
			gone = append(gone, fmt.Sprintf("%s: there is no %s %s", rule, what, id))
		}
	}
	for _, r := range v.cfg.Routing().Rules {
		for _, id := range r.Groups {
			look(r.Name, "group", id, "/groups/")
		}
		for _, id := range r.People {
			look(r.Name, "person", id, "/users/")
		}
		for _, name := range r.Roles {
			switch v.role(r, name) {
			case Warning:
				gone = append(gone, fmt.Sprintf("%s: there is no role %q", r.Name, name))
			case Unknown:
				hidden = append(hidden, fmt.Sprintf("%s: %q", r.Name, name))
			}
		}
	}
	switch {
	case len(gone) > 0:
		return warn(strings.Join(gone, "; "), "Correct the rule, or take the name out: a rule for what is not there takes nothing.")
	case len(hidden) > 0:
		return unsure(strings.Join(hidden, "; ")+" could not be looked up", "Compare them with the portal. Roles of Entra are listed for you with --graph-token-file; of Azure roles and names of groups there is no list here.")
	}
	return ok("they are")
}

// role says whether a rule's role is there, as far as can be seen.
func (v *visit) role(r bot.Rule, name string) Verdict {
	names, err := v.definitions()
	if err == nil && slices.Contains(names, strings.ToLower(name)) {
		return OK
	}
	may := func(k pim.Kind) bool { return len(r.Pillars) == 0 || slices.Contains(r.Pillars, k) }
	if objectID.MatchString(name) && may(pim.Group) {
		if there, err := v.there("/groups/" + url.PathEscape(name)); err == nil && there {
			return OK
		}
	}
	if err != nil || may(pim.Group) && !objectID.MatchString(name) || may(pim.AzureResource) && v.cfg.Azure() {
		return Unknown
	}
	return Warning
}
