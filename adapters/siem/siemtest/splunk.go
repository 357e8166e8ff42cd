package siemtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Splunk is an HTTP Event Collector as Splunk documents it: one token, indexer acknowledgement on
// or off.
type Splunk struct {
	inbox
	Token string
	Index string // that the token may write to besides its own
	Acks  bool
	Late  int // how often an acknowledgement is "not yet"

	next  int64
	acked map[string]map[int64]int // by channel and id: how often it is not there yet
}

// ServeHTTP implements http.Handler.
func (s *Splunk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.fault("body: %v", err)
	}
	if r.Method == http.MethodGet && r.URL.Path == "/services/collector/health" {
		splunkSays(w, http.StatusOK, 17, "HEC is healthy", nil)
		return
	}
	if r.URL.Path != "/services/collector/ack" && len(body) > 0 && s.down(w) {
		return
	}
	switch auth := r.Header.Get("Authorization"); {
	case r.Method != http.MethodPost:
		s.fault("%s %s", r.Method, r.URL.Path)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case auth == "":
		splunkSays(w, http.StatusUnauthorized, 2, "Token is required", nil)
		return
	case auth != "Splunk "+s.Token:
		splunkSays(w, http.StatusForbidden, 4, "Invalid token", nil)
		return
	case s.Acks && r.Header.Get("X-Splunk-Request-Channel") == "":
		splunkSays(w, http.StatusBadRequest, 10, "Data channel is missing", nil)
		return
	}
	switch r.URL.Path {
	case "/services/collector/event":
		s.collect(w, r.Header.Get("X-Splunk-Request-Channel"), body)
	case "/services/collector/ack":
		s.acknowledge(w, r.Header.Get("X-Splunk-Request-Channel"), body)
	default:
		s.fault("%s %s", r.Method, r.URL.Path)
		http.NotFound(w, r)
	}
}

func splunkSays(w http.ResponseWriter, status, code int, text string, more map[string]any) {
	say := map[string]any{"text": text, "code": code}
	for k, v := range more {
		say[k] = v
	}
	b, err := json.Marshal(say)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func (s *Splunk) collect(w http.ResponseWriter, channel string, body []byte) {
	if len(bytes.TrimSpace(body)) == 0 {
		splunkSays(w, http.StatusBadRequest, 5, "No data", nil)
		return
	}
	if len(body) > 1<<20 {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var taken []json.RawMessage
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	for n := 0; ; n++ {
		var e struct {
			Time       *float64        `json:"time"`
			Host       string          `json:"host"`
			Source     string          `json:"source"`
			SourceType string          `json:"sourcetype"`
			Index      string          `json:"index"`
			Event      json.RawMessage `json:"event"`
		}
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		bad, text := 0, ""
		switch {
		case err != nil:
			bad, text = 6, "Invalid data format"
		case e.Event == nil:
			bad, text = 12, "Event field is required"
		case string(e.Event) == `""`:
			bad, text = 13, "Event field cannot be blank"
		case e.Index != "" && e.Index != s.Index:
			bad, text = 7, "Incorrect index"
		case s.refuses(e.Event):
			bad, text = 6, "Invalid data format"
		}
		if bad != 0 { // those before it are taken
			s.take(taken...)
			splunkSays(w, http.StatusBadRequest, bad, text, map[string]any{"invalid-event-number": n})
			return
		}
		if e.Time == nil || e.SourceType == "" || e.Source == "" {
			s.fault("an event without time, source or sourcetype")
		}
		taken = append(taken, e.Event)
	}
	s.take(taken...)
	more := map[string]any{}
	if s.Acks {
		if s.acked == nil {
			s.acked = map[string]map[int64]int{}
		}
		if s.acked[channel] == nil {
			s.acked[channel] = map[int64]int{}
		}
		s.acked[channel][s.next] = s.Late
		more["ackId"] = s.next
		s.next++
	}
	splunkSays(w, http.StatusOK, 0, "Success", more)
}

func (s *Splunk) acknowledge(w http.ResponseWriter, channel string, body []byte) {
	var ask struct {
		Acks []int64 `json:"acks"`
	}
	if !s.Acks || json.Unmarshal(body, &ask) != nil {
		splunkSays(w, http.StatusBadRequest, 14, "ACK is disabled", nil)
		return
	}
	say := map[string]bool{}
	for _, id := range ask.Acks {
		late, known := s.acked[channel][id]
		if say[fmt.Sprint(id)] = known && late == 0; known {
			s.acked[channel][id] = max(0, late-1)
		}
	}
	b, err := json.Marshal(map[string]any{"acks": say})
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}
