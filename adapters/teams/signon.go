package teams

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/belaybot/belay/bot"
)

// Single sign-on. A press that needs a sign-in is answered 401 with an OAuth card. The
// client that pressed gets a token for Belay from Entra, shows nothing, and presses
// again with it; bot proves and redeems that. A client that cannot shows the card's
// button, which opens the browser.
//
// The other way that Microsoft's pages show, an OAuth card as a message, lets Belay
// sign a person in who did nothing: whoever could forge their activities could have
// their own client do it. The answer to a forged press reaches the forger only.

// The answers to a press that needs a sign-in. connection is what Belay calls itself in
// them: the Bot Framework's token service, where a connection would be looked up,
// gives a person's token to whoever holds the bot's credential, and has no part here.
const (
	loginType    = "application/vnd.microsoft.activity.loginRequest"
	noSignOnType = "application/vnd.microsoft.error.preconditionFailed"
	connection   = "belay"
)

// exchangeMaxBytes is longer than Entra's tokens.
const exchangeMaxBytes = 16 << 10

// oauthCard asks a client for a token of its person.
type oauthCard struct {
	Text       string         `json:"text"`
	Connection string         `json:"connectionName"`
	Exchange   oauthExchange  `json:"tokenExchangeResource"`
	Buttons    []signInButton `json:"buttons"`
}

type oauthExchange struct {
	ID  string `json:"id"`
	URI string `json:"uri"`
}

// signInButton is what a client shows that cannot sign its person in.
type signInButton struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	Value string `json:"value"`
}

// login asks the client that pressed to sign its person in.
func (a *Adapter) login(s bot.SignIn) response {
	return universal{StatusCode: http.StatusUnauthorized, Type: loginType, Value: oauthCard{
		Text: wordSignIn, Connection: connection, Exchange: oauthExchange{ID: s.Ticket, URI: a.opts.SingleSignOn},
		Buttons: []signInButton{{Type: "signin", Title: wordSignInButton, Value: s.URL}},
	}}.response()
}

// brought is what a client brings with a press that was answered 401.
type brought struct {
	ID         string `json:"id"`
	Connection string `json:"connectionName"`
	Token      string `json:"token"`
}

// exchange is a press that comes again with a token. What was pressed is not done anew:
// the sign-in lets it go on. The token is proven and redeemed after the answer, since
// that waits for the network.
func (a *Adapter) exchange(ctx context.Context, d *delivery, raw json.RawMessage, p press) response {
	refuse := func(why string) response {
		return universal{StatusCode: http.StatusPreconditionFailed, Type: noSignOnType, Value: map[string]string{"code": "412", "message": why}}.response()
	}
	var v brought
	switch err := json.Unmarshal(raw, &v); {
	case a.opts.SingleSignOn == "", err != nil, v.Connection != connection, len(v.ID) > 128:
		return refuse(wordNoSignOn)
	case v.Token == "", len(v.Token) > exchangeMaxBytes, strings.Count(v.Token, ".") != 2:
		return refuse(wordNoToken)
	case !a.jobs.take():
		return refuse(wordBusy)
	}
	running := false
	defer func() {
		if !running {
			a.jobs.free()
		}
	}()
	reply, later := a.handle(ctx, d, bot.Exchange{ID: v.ID, Token: v.Token})
	switch {
	case later != nil:
		running = true
		s := a.spotOf(d, p)
		a.jobs.run(ctx, func(ctx context.Context) { s.answer(ctx, bot.Reply{}, later) })
	case reply.Card != nil:
		return refuse(line(sentence(*reply.Card), maxToast))
	}
	return universal{Type: messageType, Value: wordWait}.response()
}
