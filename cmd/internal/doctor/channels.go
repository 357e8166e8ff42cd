package doctor

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/belaybot/belay/adapters/teams"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/cmd/internal/app"
)

// channels are those that the configuration names on one platform.
func channels(c app.Config, on bot.Platform) (ids []string) {
	t := c.Routing()
	all := slices.Concat(t.Default, t.Security)
	for _, r := range t.Rules {
		all = append(all, r.To...)
	}
	for _, to := range all {
		if to.Platform == on && !slices.Contains(ids, to.ID) {
			ids = append(ids, to.ID)
		}
	}
	return ids
}

func hasSlackChannels(c app.Config) bool { return hasSlack(c) && len(channels(c, bot.Slack)) > 0 }
func hasTeamsChannels(c app.Config) bool { return hasTeams(c) && len(channels(c, bot.Teams)) > 0 }

// slackChannels asks for a message that is in no channel. The answer tells whether Belay sees the
// channel, takes no scope and writes nothing. Source: "Errors" of the method chat.getPermalink
// on docs.slack.dev. A public channel is seen by everybody, so that only a private one shows
// whether Belay was invited.
func (v *visit) slackChannels() says {
	var gone, hidden []string
	for _, id := range channels(v.cfg, bot.Slack) {
		var said struct{ Error string }
		a, err := v.slackAsks("chat.getPermalink", url.Values{"channel": {id}, "message_ts": {"1.000000"}})
		if err == nil {
			err = a.decode(&said)
		}
		switch {
		case err != nil:
			hidden = append(hidden, id)
		case said.Error == "message_not_found" || said.Error == "":
		case said.Error == "channel_not_found":
			gone = append(gone, id)
		default:
			hidden = append(hidden, id+" ("+said.Error+")")
		}
	}
	return seen(gone, hidden, "Correct its id in notices or security, or invite Belay to it: /invite in the channel.", "slack.token",
		"it sees them all; of a public one only a post shows whether it was invited")
}

// seen is the verdict on channels of which some are gone and some could not be looked up.
func seen(gone, hidden []string, mend, first, good string) says {
	switch {
	case len(gone) > 0:
		return fault("it does not see "+strings.Join(gone, ", "), mend)
	case len(hidden) > 0:
		return unsure("it could not be asked about "+strings.Join(hidden, ", "), "Mend "+first+" first, and try again.")
	}
	return ok(good)
}

// connectorAt is where the bot's conversations are.
func connectorAt(c app.Config) string {
	at := c.Teams.ServiceURL
	if at == "" && len(c.Teams.ServiceHosts) > 0 {
		at = "https://" + c.Teams.ServiceHosts[0] + "/teams"
	}
	if at == "" {
		at = teams.DefaultServiceURL
	}
	return strings.TrimRight(at, "/")
}

// membership says how it is asked whether the bot is in a conversation: by a member that nobody is.
func (v *visit) membership(ctx context.Context) {
	v.member = func(conversation string) (answer, error) {
		token, err := v.botToken()
		if err != nil {
			return answer{}, &noToken{err}
		}
		return v.ask(ctx, http.MethodGet, connectorAt(v.cfg)+"/v3/conversations/"+url.PathEscape(conversation)+"/members/"+url.PathEscape("28:"+v.cfg.Teams.AppID), token)
	}
}

// teamsChannels takes for a channel with the bot in it only one that answers so: by a member, or that it
// has no such member.
func (v *visit) teamsChannels() says {
	var gone, hidden []string
	for _, id := range channels(v.cfg, bot.Teams) {
		a, err := v.member(id)
		switch code := a.code(); {
		case err != nil:
			hidden = append(hidden, id)
		case a.status == http.StatusForbidden, a.status == http.StatusNotFound && code == "ConversationNotFound":
			gone = append(gone, id)
		case a.status == http.StatusOK, a.status == http.StatusNotFound && code == "MemberNotFoundInConversation":
		default:
			hidden = append(hidden, id)
		}
	}
	return seen(gone, hidden, "Correct its id in notices or security, or add the Belay app to its team.", "bot.token", "it is in each of them")
}
