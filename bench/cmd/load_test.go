package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What a server puts off is counted from the first request on, and is no right answer.
func TestPutOffIsCounted(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 0 {
			fmt.Fprint(w, `{"value":"Too much is going on right now. Please try again in a minute."}`)
			return
		}
		fmt.Fprint(w, `{"value":"Your approval is on its way."}`)
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	var next atomic.Int64
	ask := target{addr: addr, next: &next, most: 100, check: decided, off: putOff,
		make: func(int64) []byte { return post("/", addr, "application/json", nil) }}
	o := ask.closed(1, time.Minute) // it ends with the hundredth
	if o.off != 50 || o.early+len(o.took) != 50 {
		t.Errorf("%d put off, %d right", o.off, o.early+len(o.took))
	}
}
