package slacktest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

func TestClient(t *testing.T) {
	w := start(t)
	page := httptest.NewServer(w.Client())
	t.Cleanup(page.Close)
	post := func(path, body string, headers ...string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, page.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			if req.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
				req.Host = headers[i+1]
			}
		}
		return answer(t, req)
	}
	state := func(query string) map[string]any {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, page.URL+"/state"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		status, m := answer(t, req)
		if status != 200 {
			t.Fatalf("%d %v", status, m)
		}
		return m
	}

	w.ok(w.form("chat.postMessage", "channel", room, "text", "card", "blocks", section("*hi* <@U0ALICE>")))
	s := state("")
	var html string
	for _, c := range s["channels"].([]any) {
		if c := c.(map[string]any); c["id"] == room {
			html = c["messages"].([]any)[0].(map[string]any)["html"].(string)
		}
	}
	if !strings.Contains(html, "<strong>hi</strong>") || !strings.Contains(html, "@Alice Archer") {
		t.Errorf("html %s", html)
	}

	// A poll that waits is woken by the next change.
	since := strconv.FormatFloat(s["revision"].(float64), 'f', 0, 64)
	woken := make(chan uint64, 1)
	go func() {
		defer close(woken)
		res, err := http.Get(page.URL + "/state?since=" + since)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		var now State
		if err := json.NewDecoder(res.Body).Decode(&now); err != nil {
			t.Error(err)
		}
		woken <- now.Revision
	}()
	if status, out := post("/command", `{"user":"U0ALICE","channel":"C0ROOM","command":"/elevate","text":"x"}`); status != 200 || out["delivered"] != true {
		t.Errorf("%d %v", status, out)
	}
	if now := <-woken; float64(now) <= s["revision"].(float64) {
		t.Errorf("woken at %d", now)
	}

	id := w.modal(alice, formView)
	w.onJSON(pathOptions, `{"options":[`+optionOf(1)+`]}`)
	for _, c := range []struct {
		path, body, want string
		status           int
	}{
		{"/suggest", `{"user":"U0ALICE","view":"` + id + `","block":"scope","action":"find","query":"q"}`, `"value":"v1"`, 200},
		{"/change", `{"user":"U0ALICE","view":"` + id + `","block":"role","action":"pick","value":"owner"}`, `"delivered":true`, 200},
		{"/change", `{"user":"U0ALICE","view":"` + id + `","block":"role","action":"pick","value":"king"}`, `not among the options`, 422},
		{"/submit", `{"user":"U0ALICE","view":"` + id + `","values":{"why":{"text":"x"}}}`, `Too short`, 200},
		{"/close", `{"user":"U0ALICE","view":"` + id + `"}`, `"delivered":true`, 200},
		{"/close", `{"user":"U0ALICE","view":"` + id + `"}`, `no such thing`, 404},
		{"/home", `{"user":"U0ALICE"}`, `"status":200`, 200},
		{"/press", `{"user":"U0ALICE","channel":"C0ROOM","ts":"1.000001","action":"x"}`, `no such thing`, 404},
		{"/press", `{"user":"U0ALICE","chanel":"C0ROOM"}`, `unknown field`, 400},
		{"/press", `{`, `unexpected`, 400},
	} {
		status, out := post(c.path, c.body)
		b, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		if status != c.status || !strings.Contains(string(b), c.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", c.path, c.body, status, b, c.status, c.want)
		}
	}

	body := `{"user":"U0ALICE","command":"/elevate"}`
	n := len(w.requests(pathCommands))
	for _, c := range []struct {
		name    string
		want    int
		headers []string
	}{
		{"another origin", 403, []string{"Origin", "https://evil.example"}},
		{"another site", 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"a rebound name", 403, []string{"Host", "evil.example:8080", "Origin", "http://evil.example:8080"}},
		{"a form", 415, []string{"Content-Type", "text/plain"}},
	} {
		if status, out := post("/command", body, c.headers...); status != c.want {
			t.Errorf("%s: %d %v", c.name, status, out)
		}
	}
	if got := len(w.requests(pathCommands)); got != n {
		t.Errorf("%d foreign requests went through", got-n)
	}
	if status, _ := post("/command", body, "Origin", page.URL, "Sec-Fetch-Site", "same-origin"); status != 200 {
		t.Errorf("the page itself: %d", status)
	}
	req, err := http.NewRequest(http.MethodGet, page.URL+"/state?since=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := answer(t, req); status != 400 {
		t.Errorf("status %d", status)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, _ := answer(t, req); status != 403 {
		t.Errorf("another site read the state: %d", status)
	}
}

// answer sends a request and decodes a JSON answer.
func answer(t *testing.T, req *http.Request) (int, map[string]any) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		m = map[string]any{"error": string(b)}
	}
	return res.StatusCode, m
}
