package slack

import (
	"net/http"
	"testing"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/bot"
)

// Who is deactivated or becomes a guest is told to the handler, as Slack's word and not as that
// person's; who changes a picture is not.
func TestUserChanges(t *testing.T) {
	h := &heard{}
	x := openWorld(t, h, kind, nil)
	for _, c := range []struct {
		user slacktest.User
		want bot.Said
	}{
		{slacktest.User{ID: "U0BOB", Name: "bob", RealName: "Bobby Brown", Email: "bob@contoso.example"}, nil},
		{slacktest.User{ID: "U0BOB", Name: "bob", RealName: "Bob Brown", Guest: true}, bot.Left{Why: bot.EndedAsGuest}},
		{slacktest.User{ID: "U0BOB", Name: "bob", RealName: "Bob Brown", UltraRestricted: true}, bot.Left{Why: bot.EndedAsGuest}},
		{slacktest.User{ID: "U0BOB", Name: "bob", RealName: "Bob Brown", Guest: true, Deleted: true}, bot.Left{Why: bot.EndedAsLeft}},
	} {
		out, err := x.w.ChangeUser(t.Context(), c.user)
		if err != nil || out.Status != http.StatusOK {
			t.Errorf("%+v: answered %d, %v", c.user, out.Status, err)
		}
		got := h.take()
		if c.want == nil {
			if len(got) > 0 {
				t.Errorf("%+v: the handler heard %+v", c.user, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Said != c.want || got[0].User != (bot.User{Platform: bot.Slack, Tenant: x.w.Options().TeamID, ID: "U0BOB"}) {
			t.Errorf("%+v: the handler heard %+v", c.user, got)
		}
	}
}

// What could not be recorded is not acknowledged, so that Slack says it again.
func TestUserChangeThatIsNotRecorded(t *testing.T) {
	tries := 0
	h := &heard{answer: func(bot.Inbound) (bot.Reply, bot.Later) {
		if tries++; tries < 3 {
			return bot.Reply{Card: &bot.Card{Title: "Nothing was done", Tone: bot.Bad}}, nil
		}
		return bot.Reply{}, nil
	}}
	x := openWorld(t, h, kind, nil)
	out, err := x.w.ChangeUser(t.Context(), slacktest.User{ID: "U0BOB", Name: "bob", Deleted: true})
	if err != nil || out.Status != http.StatusOK || tries != 3 {
		t.Errorf("answered %d after %d tries, %v", out.Status, tries, err)
	}
}
