package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/chromedp/chromedp/kb"

	"github.com/belaybot/belay/adapters/slack"
	"github.com/belaybot/belay/adapters/teams"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
)

// specimens stand in for the product behind the real adapters: each command shows the
// form or page of that name, and what is sent is kept.
type specimens struct {
	mu     sync.Mutex
	forms  map[string]bottest.Specimen
	sent   []map[string]string
	opened int
}

func (s *specimens) Handle(_ context.Context, in bot.Inbound) (bot.Reply, bot.Later) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch said := in.Said.(type) {
	case bot.Command:
		return s.forms[said.Text].Reply(), nil
	case bot.Change:
		form := *s.forms["fields"].Form
		if strings.HasPrefix(said.Values["roles"], "role-") {
			form = *s.forms["fields-searched"].Form
		}
		form.Text = "You chose " + said.Values["roles"] + "."
		form.Fields = append([]bot.Field{}, form.Fields...)
		for n := range form.Fields {
			form.Fields[n].Value = said.Values[form.Fields[n].Name]
		}
		return bot.Reply{Form: &form}, nil
	case bot.Search:
		var found []bot.Option
		for _, o := range s.forms["fields-searched"].Form.Fields[0].Options {
			if strings.Contains(o.Label, said.Text) {
				found = append(found, o)
			}
		}
		return bot.Reply{Options: found}, nil
	case bot.Submit:
		s.sent = append(s.sent, said.Values)
		return bot.Reply{Card: &bot.Card{Title: "Sent to Microsoft", Tone: bot.Good, Text: said.Values["roles"]}}, nil
	case bot.Opened:
		s.opened++
		page := s.forms["page"].Reply()
		first := *page.Card
		first.Note = fmt.Sprintf("Looked at %d times.", s.opened)
		page.Card = &first
		return page, nil
	case bot.Press:
		return bot.Reply{Card: &bot.Card{Title: "You pressed " + string(said.Verb), Text: said.ID}}, nil
	}
	return bot.Reply{}, nil
}

// last is what was sent last.
func (s *specimens) last(t *testing.T) map[string]string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sent) == 0 {
		t.Fatal("nothing was sent")
	}
	return s.sent[len(s.sent)-1]
}

// botSecret gets the bot's token as a bot with a secret does.
type botSecret struct{ url, secret string }

func (b botSecret) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {belayApp}, "client_secret": {b.secret}, "scope": o.Scopes}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, strings.NewReader(form.Encode()))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} // loopback
	resp, err := client.Do(req)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(resp.Body).Decode(&got)
	return azcore.AccessToken{Token: got.Token, ExpiresOn: time.Now().Add(time.Hour)}, err
}

// startSpecimens has both chats of a sandbox speak with specimens instead of the
// product.
func startSpecimens(t *testing.T, s *sandbox) (*specimens, *slack.Adapter, *teams.Adapter) {
	t.Helper()
	h := &specimens{forms: map[string]bottest.Specimen{}}
	for _, sp := range bottest.Specimens() {
		h.forms[sp.Name] = sp
	}
	inSlack, err := slack.New(slack.Options{SigningSecrets: []string{s.kept.SlackSigning}, BotToken: s.kept.SlackToken, AppID: slackApp, Teams: []string{slackTeam},
		APIBase: s.urls[atSlack], Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	connector := s.urls[atConnector]
	inTeams, err := teams.New(teams.Options{AppID: belayApp, TenantID: tenantID, Handler: h, AllowHTTP: true,
		Credential:     botSecret{s.urls[atBotLogin] + "/" + tenantID + "/oauth2/v2.0/token", s.kept.EntraSecret},
		OpenIDMetadata: s.urls[atOpenID] + "/v1/.well-known/openidconfiguration", ServiceHosts: []string{strings.TrimPrefix(connector, "http://")}, ServiceURL: connector + "/"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	inSlack.Register(mux)
	inTeams.Register(mux)
	app := httptest.NewServer(mux)
	s.slack.SetApp(app.URL)
	s.teams.SetApp(app.URL)
	s.slack.Kind()
	s.teams.Kind()
	t.Cleanup(func() {
		app.Close()
		for _, a := range []interface{ Close(context.Context) error }{inSlack, inTeams} {
			if err := a.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	return h, inSlack, inTeams
}

// TestFieldsByHand fills in every kind of field on both platforms, and looks at pages
// and threads.
func TestFieldsByHand(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes a while")
	}
	s := startSandbox(t)
	h, inSlack, inTeams := startSpecimens(t, s)
	page := openBrowser(t)
	page.goTo(s.urls[atPage])
	page.reads("#tour .say", "In Slack you are Alice")
	says := func(chat, text string) {
		page.click("#"+chat+" .composer input[type=text]", "")
		page.press(text + kb.Enter)
	}

	// Slack: a tick is heard at once, a fourth role cannot be ticked.
	says("slack", "/elevate fields")
	page.reads("dialog[open]", "I have read what this role may do.")
	page.shot("31-fields-in-slack")
	page.click("dialog .box", "User Administrator")
	page.reads("dialog[open]", "You chose r2.")
	page.click("dialog .box", "Contributor")
	page.reads("dialog[open]", "You chose r2,r4.")
	page.click("dialog .box", "Reports Reader")
	page.reads("dialog[open]", "You chose r1,r2,r4.")
	page.until("see that three are enough", `document.querySelectorAll("dialog .box input:disabled").length === 1`)
	page.click("dialog [type=submit]", "Send")
	page.reads("dialog[open] [role=alert]", "required") // the box is not ticked
	page.until("enter a time", `(() => { const i = document.querySelector("dialog [type=datetime-local]"); i.value = "2026-12-01T08:30"; return i.value; })()`)
	page.click("dialog .box", "I acknowledge this")
	page.shot("32-filled-in-slack")
	page.dark(true)
	page.shot("33-filled-in-slack-dark")
	page.click("dialog [type=submit]", "Send")
	page.reads("dialog[open]", "Sent to Microsoft")
	var here string
	if err := json.Unmarshal(page.until("know the time", `new Date("2026-12-01T08:30").toISOString()`), &here); err != nil {
		t.Fatal(err)
	}
	here = strings.Replace(here, ".000Z", "Z", 1)
	if got := h.last(t); got["roles"] != "r1,r2,r4" || got["start"] != here || got["agree"] != "yes" {
		t.Errorf("Slack's form gave %v, want a start of %s", got, here)
	}
	page.press(kb.Escape)
	page.gone("dialog[open]")

	// More roles than a list holds: they are searched, and what was chosen stays.
	says("slack", "/elevate fields-searched")
	page.reads("dialog .box", "Role 118")
	page.click("dialog .find", "")
	page.press("05")
	page.reads("dialog [role=option]:first-child", "Role 005")
	page.shot("34-searched-several-dark")
	page.press(kb.ArrowDown + kb.Enter)
	page.reads("dialog .box", "Role 050")
	page.reads("dialog[open]", "You chose role-118,role-007,role-050.")
	page.shot("34-found")
	page.press(kb.Escape)
	page.gone("dialog[open]")

	// The Home tab: asked for when it is opened, and anew after a press there.
	page.click("#slack .place[data-place=Home]", "")
	page.reads("#slack .page", "What you can activate")
	page.reads("#slack .page", "Looked at 1 times.")
	page.gone("#slack .composer:not([hidden])")
	page.shot("35-home-dark")
	page.dark(false)
	page.shot("36-home")
	page.click("#slack .page button", "Activate role 12")
	page.reads("#slack .page", "Looked at 2 times.")
	page.reads("#slack .place[data-place=Belay] .badge", "1")
	page.click("#slack .place[data-place=Belay]", "")
	page.reads("#slack .messages", "You pressed elevate")

	// Teams: half a time comes back, several choices have boxes.
	says("teams", "/elevate fields")
	page.reads("#teams .messages", "I have read what this role may do.")
	page.shot("37-fields-in-teams")
	page.click("#teams .ac-choiceSetInput-multiSelect label, #teams .ac-choiceSetInput-expanded label", "User Administrator")
	page.click("#teams .messages button", "Send")
	page.reads("#teams .messages", "Please tick this to go on.")
	page.click("#teams [type=checkbox][aria-label=Yes], #teams .ac-toggleInput input, #teams .ac-input-container > div > input[type=checkbox]", "")
	page.until("enter a day", `(() => { const i = document.querySelector("#teams [type=date]"); i.value = "2026-12-01"; i.dispatchEvent(new Event("change")); return i.value; })()`)
	page.click("#teams .messages button", "Send")
	page.reads("#teams .messages", "Give both the date and the time, or neither.")
	page.shot("38-half-a-time")
	page.until("enter an hour", `(() => { const i = document.querySelector("#teams [type=time]"); i.value = "08:30"; i.dispatchEvent(new Event("change")); return i.value; })()`)
	page.dark(true)
	page.shot("39-filled-in-teams-dark")
	page.click("#teams .messages button", "Send")
	page.reads("#teams .notice", "Sent to Microsoft")
	if got := h.last(t); got["roles"] != "r2" || got["start"] != here || got["agree"] != "yes" {
		t.Errorf("Teams' form gave %v, want a start of %s", got, here)
	}
	says("teams", "/elevate page")
	page.reads("#teams .messages", "What you can activate")
	page.shot("40-page-in-teams-dark")
	page.dark(false)
	page.click("#teams .messages button", "Activate role 12")
	page.reads("#teams .notice", "You pressed elevate. role-12")
	page.shot("41-page-in-teams")

	// What is posted below a card stands there, whatever came in between.
	reminder := bot.Card{Title: "Still waiting", Tone: bot.Waiting}
	for chat, at := range map[bot.Chat]bot.Conversation{
		inSlack: {Platform: bot.Slack, Tenant: slackTeam, ID: slackOps},
		inTeams: {Platform: bot.Teams, Tenant: tenantID, ID: teamsOps},
	} {
		m, err := chat.Post(t.Context(), at, "root", *h.forms["approval"].Card)
		if err == nil {
			_, err = chat.Post(t.Context(), at, "other", *h.forms["active-notice"].Card)
		}
		if err == nil {
			at.Thread = m.ID
			_, err = chat.Post(t.Context(), at, "reminder", reminder)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, chat := range []string{"slack", "teams"} {
		page.click("#"+chat+" .place[data-place=access-notices]", "")
		page.reads("#"+chat+" .message:has(+ .reply)", "Alice Adams asks for")
		page.reads("#"+chat+" .message.reply", "Still waiting")
	}
	page.shot("42-threads")
}
