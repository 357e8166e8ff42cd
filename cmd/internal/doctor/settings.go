package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/cmd/internal/app"
)

// secretsOf are the secrets of a configuration.
func secretsOf(part reflect.Value) (all []string) {
	for n := range part.NumField() {
		switch f := part.Field(n); {
		case f.Type() == reflect.TypeFor[app.Secret]() && f.Len() > 0:
			all = append(all, f.String())
		case f.Kind() == reflect.Struct:
			all = append(all, secretsOf(f)...)
		}
	}
	return all
}

// passworded tells whether a database's address holds a password. One that is not understood may.
func passworded(address string) bool {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return true
	}
	_, there := u.User.Password()
	return there || u.Query().Has("password")
}

// readers looks who may read what holds secrets. A group may: that is how Kubernetes gives its files
// to a container's account.
func (v *visit) readers() says {
	hold := map[string]string{}
	cfg, files := v.cfg, maps.Clone(v.files)
	if !passworded(string(cfg.Store.PostgresURL)) {
		cfg.Store.PostgresURL = ""
		maps.DeleteFunc(files, func(key, _ string) bool { return strings.HasPrefix(key, "store.postgres_url") })
	}
	if text, err := os.ReadFile(v.file); err == nil {
		for _, secret := range secretsOf(reflect.ValueOf(cfg)) {
			if bytes.Contains(text, []byte(secret)) {
				hold[v.file] = "the configuration, with a secret in it"
			}
		}
	}
	for key, path := range files {
		hold[path] = key
	}
	for _, h := range v.held() {
		if h.certificate != "" {
			hold[h.certificate] = h.section + ".certificate_file, with a private key in it"
		}
	}
	var open, paths []string
	for _, path := range slices.Sorted(maps.Keys(hold)) {
		if info, err := os.Stat(path); err == nil && others(info)&0o007 != 0 {
			open, paths = append(open, hold[path]), append(paths, path)
		}
	}
	if len(open) > 0 {
		return warn("everybody on this machine may read "+strings.Join(open, ", and "), "chmod 600 "+strings.Join(paths, " ")+" and, if somebody may have read it, change the secret.")
	}
	return ok("not everybody on this machine")
}

func namesObjects(c app.Config) bool {
	return len(c.Security.Viewers)+len(c.Security.BreakGlass)+len(c.Slack.Users)+len(c.Approval.Session)+len(c.Approval.EveryTime) > 0
}

// settingsNamed looks whether the people, groups and roles that settings name are there.
func (v *visit) settingsNamed() says {
	var gone, hidden []string
	look := func(key, id string, below ...string) {
		for _, path := range below {
			there, err := v.there(path + url.PathEscape(id))
			if err != nil {
				hidden = append(hidden, key+": "+id)
				return
			}
			if there {
				return
			}
		}
		gone = append(gone, key+": there is no "+id)
	}
	for _, id := range v.cfg.Security.Viewers {
		look("security.viewers", id, "/users/", "/groups/")
	}
	for _, id := range v.cfg.Security.BreakGlass {
		look("security.break_glass", id, "/users/")
	}
	for _, user := range slices.Sorted(maps.Keys(v.cfg.Slack.Users)) {
		look("slack.users."+user, v.cfg.Slack.Users[user], "/users/")
	}
	for key, list := range map[string][]string{"approval.every_time": v.cfg.Approval.EveryTime, "approval.session": v.cfg.Approval.Session} {
		for _, name := range list {
			if name == "most-privileged" {
				continue
			}
			switch v.role(bot.Rule{}, name) {
			case Warning:
				gone = append(gone, fmt.Sprintf("%s: there is no role %q", key, name))
			case Unknown:
				hidden = append(hidden, fmt.Sprintf("%s: %q", key, name))
			}
		}
	}
	switch {
	case len(gone) > 0:
		return warn(strings.Join(gone, "; "), "Correct the setting, or take the id out.")
	case len(hidden) > 0:
		return unsure(strings.Join(hidden, "; ")+" could not be looked up", "Compare them with the portal. Roles of Entra are listed for you with --graph-token-file.")
	case v.cfg.Drift.Enabled && len(v.cfg.Security.Viewers) == 1:
		if alone, err := v.there("/users/" + url.PathEscape(v.cfg.Security.Viewers[0])); err == nil && alone {
			return warn("security.viewers names one person only, and a change that demands less than before takes two people to accept", "Name a second person in security.viewers, or a group.")
		}
	}
	return ok("they are")
}

func hasHolidays(c app.Config) bool { return c.Alerts.Enabled && c.Alerts.Holidays != "" }

// holidays looks whether the calendar still has days to come.
func (v *visit) holidays() says {
	const mend = "Put the next year's holidays into the file that alerts.holidays names, and start Belay anew."
	days, err := v.cfg.Alerts.Calendar()
	if err != nil {
		return fault(err.Error(), "Correct the file that alerts.holidays names.")
	}
	last := slices.Max(append(slices.Collect(maps.Keys(days)), ""))
	switch {
	case last == "":
		return warn("it has no holiday", mend)
	case last < v.now().Format(time.DateOnly):
		return warn("its last holiday was on "+last+": later ones count as working days", mend)
	}
	return ok("its last holiday is on " + last)
}

func hasScopes(c app.Config) bool { return c.Azure() && len(c.Posture.AzureScopes) > 0 }

// postureScopes looks whether Belay itself may read each place of Azure that the posture report is of.
func (v *visit) postureScopes() says {
	var closed, hidden []string
	for _, scope := range v.cfg.Posture.AzureScopes {
		a, err := v.armAt(scope)
		switch {
		case errors.As(err, new(*noToken)), err != nil, err == nil && a.status >= http.StatusInternalServerError:
			hidden = append(hidden, scope)
		case a.status == http.StatusForbidden || a.status == http.StatusNotFound:
			closed = append(closed, scope)
		case a.status != http.StatusOK:
			hidden = append(hidden, scope)
		}
	}
	switch {
	case len(closed) > 0:
		return warn("Belay itself sees nothing at "+strings.Join(closed, ", "), "Make its service principal Reader there (docs/posture.md), or take the place out of posture.azure_scopes.")
	case len(hidden) > 0:
		return unsure("it could not be asked about "+strings.Join(hidden, ", "), "Mend arm.read first.")
	}
	return ok("it may")
}
