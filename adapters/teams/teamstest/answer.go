package teamstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Answer is what a press gave.
type Answer struct {
	Status int             `json:"status,omitempty"` // statusCode of the universal response
	Type   string          `json:"type,omitempty"`   // its type
	Card   json.RawMessage `json:"card,omitempty"`   // that the person now sees in the place of the pressed one
	Text   string          `json:"text,omitempty"`   // that the person was told in a toast
	URL    string          `json:"url,omitempty"`    // of an Action.OpenUrl, or of a sign-in request: the browser opens it
	SignIn *SignIn         `json:"-"`                // a sign-in request that the client could not take up by itself
}

// Choice is one result of a search.
type Choice struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

// maxChoices is how many results Teams shows.
const maxChoices = 15

// universal is the answer to an invoke.
type universal struct {
	StatusCode int             `json:"statusCode"`
	Type       string          `json:"type"`
	Value      json.RawMessage `json:"value"`
}

// The types of a universal response.
const (
	answerMessage      = "application/vnd.microsoft.activity.message"
	answerError        = "application/vnd.microsoft.error"
	answerLogin        = "application/vnd.microsoft.activity.loginRequest"
	answerWrongCode    = "application/vnd.microsoft.error.incorrectAuthCode"
	answerPrecondition = "application/vnd.microsoft.error.preconditionFailed"
	answerSearch       = "application/vnd.microsoft.search.searchResponse"
)

// wrong reports an answer that is against the rules and gives the failure that
// the person sees of it.
func (t *Teams) wrong(status int, err error) error {
	t.report("the answer to an invoke is wrong: %v", err)
	return &Failure{Status: status, Reason: err.Error()}
}

// apply does what the client does with the answer to a press: it shows a card in
// the place of the pressed one, to that person only, or a toast.
func (t *Teams) apply(user, conversation, activity string, body []byte) (Answer, error) {
	var u universal
	if err := decode(body, &u); err != nil {
		return Answer{}, t.wrong(http.StatusOK, err)
	}
	answer := Answer{Status: u.StatusCode, Type: u.Type}
	var err error
	kind := ToastError
	switch {
	case u.StatusCode == 200 && u.Type == cardType:
		if answer.Card, err = t.cards.check(u.Value); err == nil {
			return answer, t.view(user, conversation, activity, answer.Card)
		}
	case u.StatusCode == 200 && u.Type == answerMessage:
		kind = ToastMessage
		if err = decode(u.Value, &answer.Text); err == nil && answer.Text == "" {
			err = errors.New("the message is empty")
		}
	case u.StatusCode == 401 && u.Type == answerLogin:
		kind = ToastSignIn
		var asked SignIn
		if asked, err = readLogin(u.Value); err == nil {
			answer.Text, answer.URL, answer.SignIn = asked.Text, asked.URL, &asked
			if t.options.SignOn != nil {
				return answer, nil // the client tries first
			}
		}
	case (u.StatusCode == 400 || u.StatusCode == 500) && u.Type == answerError,
		u.StatusCode == 412 && u.Type == answerPrecondition:
		var e errorDetail
		err = decode(u.Value, &e)
		answer.Text = e.Message
		if err == nil && (e.Code == "" || e.Message == "") {
			err = errors.New("an error needs a code and a message")
		}
	case u.StatusCode == 401 && u.Type == answerWrongCode:
		answer.Text = "The sign-in code was wrong."
	default:
		err = fmt.Errorf("status %d and type %q do not go together", u.StatusCode, u.Type)
	}
	if err != nil {
		return Answer{}, t.wrong(http.StatusOK, err)
	}
	return answer, t.toast(user, kind, answer.Text)
}

// view shows a card to one person in the place of a message's own.
func (t *Teams) view(user, conversation, activity string, card json.RawMessage) error {
	return t.change(func(w *world) error {
		c, _ := w.State.conversation(conversation)
		a := c.activity(activity)
		if a.Deleted {
			return nil // it was deleted meanwhile: there is no place to show it
		}
		if a.Views == nil {
			a.Views = map[string]json.RawMessage{}
		}
		a.Views[user] = card
		return nil
	})
}

// readChoices reads the answer to a search. Microsoft's own examples leave out
// the status.
func readChoices(raw []byte) ([]Choice, error) {
	var u universal
	if err := decode(raw, &u); err != nil {
		return nil, err
	}
	if u.Type != answerSearch || u.StatusCode != 0 && u.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d and type %q are no answer to a search", u.StatusCode, u.Type)
	}
	var value struct {
		Results []Choice `json:"results"`
	}
	if err := decode(u.Value, &value); err != nil {
		return nil, err
	}
	for _, c := range value.Results {
		if c.Title == "" || c.Value == "" {
			return nil, errors.New("a choice needs a title and a value")
		}
	}
	return value.Results[:min(len(value.Results), maxChoices)], nil
}
