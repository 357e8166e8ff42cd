package slacktest

import (
	"encoding/json"
	"testing"
	"time"
)

// The example of Slack's "Verifying requests from Slack".
func TestSignGolden(t *testing.T) {
	const body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands" +
		"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	h := Sign("8f742231b10e8888abcd99yyyzzz85a5", time.Unix(1531420618, 0), []byte(body))
	if got, want := h.Get("X-Slack-Signature"), "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	if got := h.Get("X-Slack-Request-Timestamp"); got != "1531420618" {
		t.Errorf("timestamp %s", got)
	}
}

func TestSlackJSON(t *testing.T) {
	in := map[string]any{"a": `https://x/?a=1&b="2"` + "\\/", "b": "für 😀 <", "c": json.RawMessage(`"already \/ there"`)}
	got, err := slackJSON(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"a":"https:\/\/x\/?a=1&b=\"2\"\\\/","b":"f\u00fcr \ud83d\ude00 <","c":"already \/ there"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var back map[string]string
	if err := json.Unmarshal(got, &back); err != nil || back["a"] != in["a"] || back["b"] != in["b"] || back["c"] != "already / there" {
		t.Errorf("back %q, %v", back, err)
	}
}
