package slacktest

import (
	"slices"
	"strings"
)

func (w *Workspace) openConversation(a args) (map[string]any, *problem) {
	var c Channel
	switch users := strings.FieldsFunc(a["users"], func(r rune) bool { return r == ',' || r == ' ' }); {
	case a["channel"] != "":
		known, ok := w.kept.Channels[a["channel"]]
		switch {
		case !ok:
			return nil, fail("channel_not_found")
		case known.User == "":
			return nil, fail("method_not_supported_for_channel_type")
		}
		c = known
	case len(users) == 0:
		return nil, fail("users_list_not_supplied")
	case len(users) > 8:
		return nil, fail("too_many_users")
	case len(users) > 1:
		w.shout("conversations.open for several people is not simulated")
		return nil, fail("user_not_visible")
	default:
		u, ok := w.kept.Users[users[0]]
		switch {
		case !ok:
			return nil, fail("user_not_found")
		case u.Deleted:
			return nil, fail("user_disabled")
		case u.Bot:
			return nil, fail("cannot_dm_bot")
		}
		if a.yes("prevent_creation") {
			if _, open := w.kept.Channels[w.DM(u.ID)]; !open {
				return nil, fail("channel_not_found")
			}
		}
		c = w.openDM(u.ID)
	}
	if a.yes("return_im") {
		return map[string]any{"channel": w.wireChannel(c)}, nil
	}
	return map[string]any{"channel": map[string]any{"id": c.ID}}, nil
}

func (w *Workspace) conversationInfo(a args) (map[string]any, *problem) {
	if a["channel"] == "" {
		return nil, missing("channel")
	}
	c, ok := w.kept.Channels[a["channel"]]
	if !ok || c.Private && !c.BotIsMember {
		return nil, fail("channel_not_found")
	}
	wire := w.wireChannel(c)
	if a.yes("include_num_members") {
		n := len(c.Members)
		if c.BotIsMember {
			n++
		}
		wire["num_members"] = n
	}
	return map[string]any{"channel": wire}, nil
}

func (w *Workspace) wireChannel(c Channel) map[string]any {
	if c.User != "" {
		return map[string]any{
			"id": c.ID, "created": 1, "is_im": true, "is_archived": false, "is_org_shared": false,
			"user": c.User, "is_user_deleted": w.kept.Users[c.User].Deleted, "is_open": true, "priority": 0,
		}
	}
	return map[string]any{
		"id": c.ID, "name": c.Name, "name_normalized": c.Name, "created": 1,
		"is_channel": !c.Private, "is_group": c.Private, "is_im": false, "is_mpim": false, "is_private": c.Private,
		"is_archived": c.Archived, "is_general": false, "is_shared": false, "is_ext_shared": false, "is_org_shared": false,
		"is_member": c.BotIsMember, "context_team_id": w.opts.TeamID,
		"topic":   map[string]any{"value": "", "creator": "", "last_set": 0},
		"purpose": map[string]any{"value": "", "creator": "", "last_set": 0},
	}
}

func (w *Workspace) userInfo(a args) (map[string]any, *problem) {
	if a["user"] == "" {
		return nil, missing("user")
	}
	u, ok := w.kept.Users[a["user"]]
	if !ok {
		return nil, fail("user_not_found")
	}
	return map[string]any{"user": w.wireUser(u)}, nil
}

func (w *Workspace) lookupByEmail(a args) (map[string]any, *problem) {
	if a["email"] == "" {
		return nil, missing("email")
	}
	for _, u := range w.kept.Users {
		if strings.EqualFold(u.Email, a["email"]) && !u.Deleted && !u.Bot {
			return map[string]any{"user": w.wireUser(u)}, nil
		}
	}
	return nil, fail("users_not_found")
}

func (w *Workspace) wireUser(u User) map[string]any {
	profile := map[string]any{
		"real_name": u.RealName, "real_name_normalized": u.RealName,
		"display_name": u.Name, "display_name_normalized": u.Name, "team": u.TeamID,
	}
	if w.opts.Scopes == nil || slices.Contains(w.opts.Scopes, "users:read.email") {
		if u.Email != "" && !u.Deleted {
			profile["email"] = u.Email
		}
	}
	user := map[string]any{
		"id": u.ID, "team_id": u.TeamID, "name": u.Name, "real_name": u.RealName, "deleted": u.Deleted,
		"tz": "Etc/UTC", "tz_label": "UTC", "tz_offset": 0, "profile": profile,
		"is_admin": false, "is_owner": false, "is_primary_owner": false,
		"is_restricted": u.Guest || u.UltraRestricted, "is_ultra_restricted": u.UltraRestricted,
		"is_bot": u.Bot, "is_app_user": false, "updated": 1,
		"is_email_confirmed": u.Email != "",
	}
	if u.TeamID != w.opts.TeamID {
		user["is_stranger"] = true
	}
	return user
}
