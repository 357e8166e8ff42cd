package teamstest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
)

// SignOn is how Teams signs people in to the bot by itself, from the webApplicationInfo
// of its app package. Without it a sign-in request is only a button.
type SignOn struct {
	Resource string // the Application ID URI that the package names
	// Token gets a person's token for Resource, as a client does that is signed in at
	// Entra. "": the client cannot, and shows the request's button.
	Token func(aadObjectID string) string
}

// SignIn is a sign-in request: the bot's answer 401 to a press.
type SignIn struct {
	ID         string // of the exchange
	Connection string
	Resource   string
	Text       string
	URL        string // of the button
}

// oauthCard is the value of the answer.
type oauthCard struct {
	Text           string `json:"text"`
	ConnectionName string `json:"connectionName"`
	Exchange       *struct {
		ID  string `json:"id"`
		URI string `json:"uri"`
	} `json:"tokenExchangeResource"`
	Buttons []struct {
		Type  string `json:"type"`
		Title string `json:"title"`
		Value string `json:"value"`
	} `json:"buttons"`
}

// readLogin reads the OAuth card of a sign-in request. What to exchange may be missing:
// then the person signs in by the button.
func readLogin(raw json.RawMessage) (SignIn, error) {
	var c oauthCard
	if err := decode(raw, &c); err != nil {
		return SignIn{}, err
	}
	if c.Text == "" || c.ConnectionName == "" || len(c.Buttons) != 1 {
		return SignIn{}, fmt.Errorf("a sign-in request needs a text, a connection and one button")
	}
	b := c.Buttons[0]
	if u, err := url.Parse(b.Value); err != nil || u.Host == "" || b.Type != "signin" || b.Title == "" {
		return SignIn{}, fmt.Errorf("the button of a sign-in request is of type signin and has a title and a URL")
	}
	s := SignIn{Connection: c.ConnectionName, Text: c.Text, URL: b.Value}
	if c.Exchange != nil {
		if s.ID, s.Resource = c.Exchange.ID, c.Exchange.URI; s.ID == "" || s.Resource == "" {
			return SignIn{}, fmt.Errorf("what to exchange needs an id and a URI")
		}
	}
	return s, nil
}

// signOn presses again with a token, as a client does that is asked to sign in; ok is
// false when it cannot, and shows the button.
func (t *Teams) signOn(ctx context.Context, p Person, a delivered, asked *SignIn) (again Answer, ok bool, err error) {
	on := t.options.SignOn
	if on == nil || asked.Resource != on.Resource {
		return Answer{}, false, nil
	}
	token := on.Token(p.AADObjectID)
	if token == "" {
		return Answer{}, false, nil
	}
	again, err = t.exchange(ctx, p.Name, a, map[string]string{"id": asked.ID, "connectionName": asked.Connection, "token": token})
	return again, true, err
}

// exchange delivers a press again, with what the client brings.
func (t *Teams) exchange(ctx context.Context, user string, a delivered, authentication any) (answer Answer, err error) {
	value, _ := a.Value.(map[string]any)
	whole := map[string]any{"authentication": authentication}
	for name, v := range value {
		whole[name] = v
	}
	a.ID, a.Timestamp, a.Value = newEventID(), timestamp(t.options.Now()), whole
	err = t.deliver(ctx, user, a, func(body []byte) error {
		answer, err = t.apply(user, a.Conversation.ID, a.ReplyToID, body)
		return err
	})
	return answer, err
}

// Exchange brings a token for a sign-in request as if the last press had been answered
// with it. It is for forging: user may be anybody, and so may the token's owner.
func (t *Teams) Exchange(ctx context.Context, user, id, token string) (Answer, error) {
	p := t.State().Person(user)
	a := t.activity("invoke", p, Conversation{ID: p.Personal, Kind: Personal}, "", t.options.Now())
	a.Name, a.ChannelData.Source = "adaptiveCard/action", &source{Name: "message"}
	a.Value = map[string]any{"action": map[string]any{"type": "Action.Execute", "verb": "sign-in", "data": map[string]string{"verb": "sign-in", "id": id}}, "trigger": "manual"}
	return t.exchange(ctx, user, a, map[string]string{"id": id, "connectionName": "belay", "token": token})
}
