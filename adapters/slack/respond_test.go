package slack

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

func TestResponsesShareAConnection(t *testing.T) {
	var dialled atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok") // as Slack answers
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			dialled.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	client := srv.Client()
	defer client.CloseIdleConnections()
	a, err := New(Options{SigningSecrets: []string{testSecret}, BotToken: testToken, AppID: "A111", Teams: []string{"T111"}, APIBase: srv.URL, Handler: silent{}, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := a.respond(context.Background(), srv.URL+"/actions/1", ephemeral{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := dialled.Load(); n != 1 {
		t.Errorf("five responses took %d connections", n)
	}
}
