package teamstest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPressExecute(t *testing.T) {
	r := newRig(t, nil)
	bob := r.State().Person("Bob")
	id := r.post(bob.Personal, approval)
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":` + textCard("Approved by you") + `}`
	})
	answer, err := r.Press(ctx(t), "Bob", "", id, "Approve", map[string]string{"note": "fine"})
	if err != nil {
		t.Fatal(err)
	}
	got := r.took(1)[0]
	want := map[string]any{
		"trigger": "manual",
		"action": map[string]any{
			"type": "Action.Execute", "id": "b1", "title": "Approve", "verb": "approve",
			"data": map[string]any{"id": "req-1", "note": "fine"},
		},
	}
	if diff := cmp.Diff(want, got.activity["value"]); diff != "" {
		t.Error(diff)
	}
	if got.text("type") != "invoke" || got.text("name") != "adaptiveCard/action" || got.text("replyToId") != id ||
		!strings.HasPrefix(got.text("id"), "f:") || got.text("from", "aadObjectId") != bobOID {
		t.Errorf("invoke: %s", got.raw)
	}
	if CardText(answer.Card) != "Approved by you" || r.only("", "Bob").ReadBy("Bob") != "Approved by you" {
		t.Errorf("answer: %+v", answer)
	}
	// The card that everyone has is what it was, until the bot updates it.
	if got := r.only("", "Bob").Card; !strings.Contains(string(got), "Approval needed") {
		t.Errorf("card: %s", got)
	}
	r.must(r.call("PUT", activities(bob.Personal)+"/"+id, withCard(textCard("Approved by Bob"))), 200, "")
	if got := r.only("", "Bob"); got.ReadBy("Bob") != "Approved by Bob" || got.Updates != 1 {
		t.Errorf("after the update: %+v", got)
	}
	if _, err := r.Press(ctx(t), "Bob", "", id, "Approve", nil); err == nil || !strings.Contains(err.Error(), "no button") {
		t.Errorf("pressing a button that is gone: %v", err)
	}
}

func TestPressAnotherUsersView(t *testing.T) {
	r := newRig(t, nil)
	id := r.post(channelID, approval)
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":` + textCard("Only for Bob") + `}`
	})
	if _, err := r.Press(ctx(t), "Bob", channelID, id, "approve", nil); err != nil {
		t.Fatal(err)
	}
	if got := r.took(1)[0]; got.text("conversation", "id") != channelID+";messageid="+id {
		t.Errorf("conversation: %s", got.raw)
	}
	a := r.only(channelID, "Alice")
	if a.ReadBy("Bob") != "Only for Bob" || !strings.HasPrefix(a.ReadBy("Alice"), "Approval needed\nAlice asks for Global Reader\nDuration: 1 hour\nNote\nApprove\nDeny…") {
		t.Errorf("Bob reads %q, Alice %q", a.ReadBy("Bob"), a.ReadBy("Alice"))
	}
}

func TestPressInputs(t *testing.T) {
	r := newRig(t, nil)
	id := r.post(r.alice().Personal, approval)
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"Noted"}`
	})
	for _, c := range []struct {
		button string
		inputs map[string]string
		want   string
	}{
		{"Deny", nil, "must be filled in"},
		{"Approve", map[string]string{"note": "eleven char"}, "10 characters"},
		{"Approve", map[string]string{"reason": "x"}, "no input"},
		{"Approve", map[string]string{"other": "x"}, "no input"},
		{"Deny…", nil, "tells the bot nothing"},
		{"Nothing", nil, "no button"},
	} {
		var refused *Refused
		if _, err := r.Press(ctx(t), "Alice", "", id, c.button, c.inputs); !errors.As(err, &refused) || !strings.Contains(refused.Reason, c.want) {
			t.Errorf("%s %v: %v, want %q", c.button, c.inputs, err, c.want)
		}
	}
	r.took(0)
	if _, err := r.Press(ctx(t), "Alice", "", id, "deny", map[string]string{"reason": "no", "note": ""}); err != nil {
		t.Fatal(err)
	}
	data := r.took(1)[0].activity["value"].(map[string]any)["action"].(map[string]any)["data"]
	if diff := cmp.Diff(map[string]any{"id": "req-1", "reason": "no"}, data); diff != "" {
		t.Error(diff)
	}
	if a, err := r.Press(ctx(t), "Alice", "", id, "Open in Entra", nil); err != nil || a.URL != "https://entra.microsoft.com/" {
		t.Errorf("open: %+v, %v", a, err)
	}
	if _, err := r.Press(ctx(t), "Bob", r.alice().Personal, id, "approve", nil); err == nil {
		t.Error("Bob presses in Alice's chat")
	}
}

func TestChoicesAndToggles(t *testing.T) {
	r := newRig(t, nil)
	card := `{"type":"AdaptiveCard","version":"1.5","body":[
	 {"type":"Input.ChoiceSet","id":"d","value":"1h","choices":[{"title":"One hour","value":"1h"},{"title":"Two","value":"2h"}]},
	 {"type":"Input.Toggle","id":"sure","title":"Sure?","valueOn":"yes","valueOff":"no"}],
	 "actions":[{"type":"Action.Submit","title":"Go","data":{"verb":"go"}},{"type":"Action.Execute","title":"Now","verb":"now","associatedInputs":"none"}]}`
	id := r.post(r.alice().Personal, card)
	if _, err := r.Press(ctx(t), "Alice", "", id, "Go", map[string]string{"d": "3h"}); err == nil {
		t.Error("a choice that is not offered is taken")
	}
	if _, err := r.Press(ctx(t), "Alice", "", id, "Go", map[string]string{"sure": "yes"}); err != nil {
		t.Fatal(err)
	}
	got := r.took(1)[0]
	if diff := cmp.Diff(map[string]any{"verb": "go", "d": "1h", "sure": "yes"}, got.activity["value"]); diff != "" {
		t.Error(diff)
	}
	if got.text("type") != "message" || got.activity["text"] != nil || got.text("replyToId") != id || strings.HasPrefix(got.text("id"), "f:") {
		t.Errorf("submit: %s", got.raw)
	}
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"ok"}`
	})
	if _, err := r.Press(ctx(t), "Alice", "", id, "Now", nil); err != nil {
		t.Fatal(err)
	}
	if data := r.took(1)[0].activity["value"].(map[string]any)["action"].(map[string]any)["data"]; len(data.(map[string]any)) != 0 {
		t.Errorf("inputs that are not associated went along: %v", data)
	}
}

func TestSubmitFallback(t *testing.T) {
	r := newRig(t, nil)
	id := r.post(r.alice().Personal, approval)
	if _, err := r.Submit(ctx(t), "Alice", "", id, "Approve", nil); err != nil {
		t.Fatal(err)
	}
	got := r.took(1)[0]
	if diff := cmp.Diff(map[string]any{"verb": "approve", "id": "req-1"}, got.activity["value"]); diff != "" || got.text("type") != "message" {
		t.Errorf("%s: %s", diff, got.raw)
	}
	if _, err := r.Submit(ctx(t), "Alice", "", id, "Deny", map[string]string{"reason": "x"}); err == nil || !strings.Contains(err.Error(), "no Action.Submit") {
		t.Errorf("a button without fallback: %v", err)
	}
}

func TestInvokeAnswers(t *testing.T) {
	const bad = "the answer to an invoke is wrong"
	r := newRig(t, nil)
	id := r.post(r.alice().Personal, approval)
	for _, c := range []struct {
		name, body string
		status     int
		toast      ToastKind
		text       string
		report     string
	}{
		{"message", `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"Hello"}`, 200, ToastMessage, "Hello", ""},
		{"error", `{"statusCode":400,"type":"application/vnd.microsoft.error","value":{"code":"Bad","message":"No"}}`, 200, ToastError, "No", ""},
		{"login", `{"statusCode":401,"type":"application/vnd.microsoft.activity.loginRequest","value":{"text":"Sign in","connectionName":"c","buttons":[{"type":"signin","title":"Sign in","value":"https://login.example/"}]}}`, 200, ToastSignIn, "Sign in", ""},
		{"wrong code", `{"statusCode":401,"type":"application/vnd.microsoft.error.incorrectAuthCode","value":null}`, 200, ToastError, "The sign-in code was wrong.", ""},
		{"precondition", `{"statusCode":412,"type":"application/vnd.microsoft.error.preconditionFailed","value":{"code":"412","message":"again"}}`, 200, ToastError, "again", ""},
		{"unsupported", ``, 501, ToastError, "Something went wrong. Please try again.", ""},
		{"empty", ``, 200, ToastError, "Something went wrong. Please try again.", bad},
		{"unknown member", `{"statusCode":200,"kind":"x"}`, 200, ToastError, "Something went wrong. Please try again.", bad},
		{"empty message", `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":""}`, 200, ToastError, "Something went wrong. Please try again.", bad},
		{"mixed", `{"statusCode":403,"type":"application/vnd.microsoft.activity.message","value":"x"}`, 200, ToastError, "Something went wrong. Please try again.", bad},
		{"bad card", `{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":{"type":"AdaptiveCard","version":"1.4"}}`, 200, ToastError, "Something went wrong. Please try again.", bad},
		{"accepted", `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"x"}`, 202, ToastError, "Something went wrong. Please try again.", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(r.alice().Toasts)
			r.answers(func(heard) (int, string) { return c.status, c.body })
			_, err := r.Press(ctx(t), "Alice", "", id, "Approve", nil)
			var failure *Failure
			if wantFailure := strings.HasPrefix(c.text, "Something"); errors.As(err, &failure) != wantFailure || !wantFailure && err != nil {
				t.Errorf("err = %v", err)
			}
			r.took(1)
			toasts := r.alice().Toasts[before:]
			if len(toasts) != 1 || toasts[0].Kind != c.toast || toasts[0].Text != c.text {
				t.Errorf("toasts = %+v", toasts)
			}
			if c.report != "" {
				r.complained(c.report)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	r := newRig(t, nil)
	card := `{"type":"AdaptiveCard","version":"1.5","body":[
	 {"type":"Input.Text","id":"scope"},
	 {"type":"Input.ChoiceSet","id":"role","style":"filtered","choices":[],"choices.data":{"type":"Data.Query","dataset":"roles","associatedInputs":"auto"}}],
	 "actions":[{"type":"Action.Execute","title":"Ask","verb":"ask"}]}`
	id := r.post(r.alice().Personal, card)
	var results []string
	for i := range 20 {
		results = append(results, fmt.Sprintf(`{"title":"Role %d","value":"r%d"}`, i, i))
	}
	r.answers(func(heard) (int, string) {
		return 200, `{"type":"application/vnd.microsoft.search.searchResponse","value":{"results":[` + strings.Join(results, ",") + `]}}`
	})
	got, err := r.Search(ctx(t), "Alice", "", id, "roles", "glob", map[string]string{"scope": "/"})
	if err != nil || len(got) != 15 || got[1] != (Choice{"Role 1", "r1"}) {
		t.Errorf("choices = %v, %v", got, err)
	}
	sent := r.took(1)[0]
	want := map[string]any{
		"queryText": "glob", "dataset": "roles", "queryOptions": map[string]any{"skip": 0.0, "top": 15.0},
		"data": map[string]any{"scope": "/"},
	}
	if diff := cmp.Diff(want, sent.activity["value"]); diff != "" || sent.text("name") != "application/search" {
		t.Errorf("%s %s", diff, sent.raw)
	}
	r.answers(func(heard) (int, string) { return 200, `{"statusCode":200,"type":"x","value":{"results":[]}}` })
	if _, err := r.Search(ctx(t), "Alice", "", id, "role", "g", nil); err == nil {
		t.Error("a wrong answer is taken")
	}
	r.complained("no answer to a search")
	r.took(1)
	if _, err := r.Search(ctx(t), "Alice", "", id, "scope", "g", nil); err == nil {
		t.Error("an input without search is searched")
	}
	// A found value may be chosen.
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"ok"}`
	})
	if _, err := r.Press(ctx(t), "Alice", "", id, "Ask", map[string]string{"role": "r1"}); err != nil {
		t.Error(err)
	}
}
