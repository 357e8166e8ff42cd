package teamstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func newPage(t *testing.T, r *rig) *httptest.Server {
	page := httptest.NewServer(http.StripPrefix("/teams", r.Client()))
	t.Cleanup(page.Close)
	return page
}

// order sends a deed as the page does.
func (r *rig) order(page *httptest.Server, path, body string, edit func(*http.Request)) (int, outcome) {
	r.t.Helper()
	req, err := http.NewRequest("POST", page.URL+"/teams"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", page.URL)
	if edit != nil {
		edit(req)
	}
	got := r.ask(req)
	var o outcome
	if err := json.Unmarshal(got.raw, &o); err != nil {
		r.t.Fatalf("%s: %d %s", path, got.status, got.raw)
	}
	return got.status, o
}

func TestClient(t *testing.T) {
	r := newRig(t, nil)
	page := newPage(t, r)
	status, o := r.order(page, "/message", `{"user":"Alice","conversation":"`+channelID+`","text":"/elevate","mention":true}`, nil)
	if status != 200 || o.ID == "" || r.took(1)[0].text("text") != "<at>Belay</at> /elevate" {
		t.Errorf("message: %d %+v", status, o)
	}
	if status, o = r.order(page, "/message", `{"user":"Alice","conversation":"`+channelID+`","text":"/elevate","slash":true}`, nil); status != 200 || o.ID == "" {
		t.Errorf("slash: %d %+v", status, o)
	}
	r.took(1)
	id := r.post(r.alice().Personal, approval)
	press := func(action string) string {
		return fmt.Sprintf(`{"user":"Alice","conversation":"","activity":%q,"action":%q,"inputs":{"note":"n"}}`, id, action)
	}
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"Noted"}`
	})
	if status, o = r.order(page, "/press", press("approve"), nil); status != 200 || o.Answer == nil || o.Answer.Text != "Noted" {
		t.Errorf("press: %d %+v", status, o)
	}
	if status, o = r.order(page, "/submit", press("approve"), nil); status != 200 || o.Error != "" {
		t.Errorf("submit: %d %+v", status, o)
	}
	if status, o = r.order(page, "/press", press("nothing"), nil); status != 409 || !strings.Contains(o.Error, "no button") {
		t.Errorf("no button: %d %+v", status, o)
	}
	r.answers(func(heard) (int, string) { return 403, "" })
	if status, o = r.order(page, "/press", press("approve"), nil); status != 502 || o.Error == "" {
		t.Errorf("failing bot: %d %+v", status, o)
	}
	r.answers(func(heard) (int, string) { return 200, "" })
	if status, o = r.order(page, "/install", `{"user":"Dave","conversation":""}`, nil); status != 200 || !r.State().Person("Dave").InstalledPersonal {
		t.Errorf("install: %d %+v", status, o)
	}
	if status, _ = r.order(page, "/install", `{"user":"Dave","conversation":"","remove":true}`, nil); status != 200 || r.State().Person("Dave").InstalledPersonal {
		t.Errorf("uninstall: %d", status)
	}
	searched := r.post(r.alice().Personal, `{"type":"AdaptiveCard","version":"1.5","body":[{"type":"Input.ChoiceSet","id":"role","choices":[],"choices.data":{"type":"Data.Query","dataset":"roles"}}]}`)
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.search.searchResponse","value":{"results":[{"title":"A","value":"a"}]}}`
	})
	status, o = r.order(page, "/search", `{"user":"Alice","conversation":"","activity":"`+searched+`","input":"role","query":"a"}`, nil)
	if status != 200 || len(o.Choices) != 1 {
		t.Errorf("search: %d %+v", status, o)
	}
}

func TestClientRefuses(t *testing.T) {
	r := newRig(t, nil)
	page := newPage(t, r)
	const body = `{"user":"Alice","conversation":"","text":"hi"}`
	for name, c := range map[string]struct {
		body string
		edit func(*http.Request)
		want int
	}{
		"another origin":  {body, func(q *http.Request) { q.Header.Set("Origin", "https://evil.example") }, 403},
		"another site":    {body, func(q *http.Request) { q.Header.Del("Origin"); q.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"a rebound name":  {body, func(q *http.Request) { q.Host = "evil.example"; q.Header.Set("Origin", "http://evil.example") }, 403},
		"a form":          {body, func(q *http.Request) { q.Header.Set("Content-Type", "text/plain") }, 415},
		"no JSON":         {`{`, nil, 400},
		"unknown member":  {`{"user":"Alice","colour":1}`, nil, 400},
		"unknown user":    {`{"user":"Eve","text":"hi"}`, nil, 409},
		"an endless body": {`{"text":"` + strings.Repeat("x", 300<<10) + `"}`, nil, 400},
	} {
		if status, o := r.order(page, "/message", c.body, c.edit); status != c.want || o.Error == "" {
			t.Errorf("%s: %d %+v, want %d", name, status, o, c.want)
		}
	}
	r.took(0)
}

func TestClientState(t *testing.T) {
	r := newRig(t, nil)
	page := newPage(t, r)
	var s State
	r.fetch(page.URL+"/teams/state", &s)
	if len(s.Users) != 3 || s.Person("Alice").ID != r.alice().ID || s.Revision != r.State().Revision {
		t.Errorf("state: %+v", s)
	}
	// The page is answered when something changes, not before.
	answered := make(chan State)
	go func() {
		var next State
		defer func() { answered <- next }()
		response, err := http.Get(fmt.Sprintf("%s/teams/state?since=%d", page.URL, s.Revision))
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&next); err != nil {
			t.Error(err)
		}
	}()
	if _, err := r.Message(ctx(t), "Alice", "", "hi", false); err != nil {
		t.Fatal(err)
	}
	if next := <-answered; next.Revision <= s.Revision {
		t.Errorf("revision %d after %d", next.Revision, s.Revision)
	}
	response, err := http.Get(page.URL + "/teams/state?since=x")
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != 400 {
		t.Errorf("HTTP %d, %v", response.StatusCode, err)
	}
}
