package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// Splunk is an HTTP Event Collector.
type Splunk struct {
	Format
	HTTP  *http.Client
	URL   string // without a path: https://splunk.example.com:8088
	Token string
	Index string        // empty: the token's own
	Acks  bool          // wait until the indexers have acknowledged
	Poll  time.Duration // between questions for acknowledgements; 0: a second

	channel string
}

const (
	// SplunkType is the source type of the events.
	SplunkType = "belay:ocsf"
	// splunkLimit is the length of one body: Splunk Cloud takes a megabyte.
	splunkLimit = 900_000
	// splunkAsks is how often an acknowledgement is asked for before the delivery counts as failed.
	splunkAsks = 30
)

// splunkEvent is one event as the collector takes it.
type splunkEvent struct {
	Time       json.Number     `json:"time"`
	Host       string          `json:"host,omitempty"`
	Source     string          `json:"source"`
	SourceType string          `json:"sourcetype"`
	Index      string          `json:"index,omitempty"`
	Event      json.RawMessage `json:"event"`
}

// splunkAnswer is what the collector says.
type splunkAnswer struct {
	Code    int    `json:"code"`
	AckID   *int64 `json:"ackId"`
	Invalid *int   `json:"invalid-event-number"` // those before it were taken
}

// faultsOfEvents are the codes of Splunk that are about an event. The others that come
// with a 400 are about the token's settings, and no event is at fault.
var faultsOfEvents = []int{5, 6, 12, 13, 15}

// Send implements feed.Target.
func (s *Splunk) Send(ctx context.Context, events []trail.Record) (int, error) {
	var body []byte
	n := 0
	for ; n < len(events); n++ {
		e, text := s.event(events[n])
		one, err := json.Marshal(splunkEvent{Time: json.Number(fmt.Sprintf("%d.%03d", e.Time/1000, e.Time%1000)), Source: "belay", SourceType: SplunkType, Index: s.Index, Event: text})
		if err != nil {
			return 0, &feed.RefusedError{Of: 1, Why: "it cannot be written as JSON"}
		}
		if len(body)+len(one)+1 > splunkLimit {
			break
		}
		body = append(append(body, one...), '\n')
	}
	if n == 0 {
		return 0, tooLarge(splunkLimit)
	}
	a, err := s.ask(ctx, "/services/collector/event", body)
	if err != nil {
		return 0, err
	}
	var said splunkAnswer
	if json.Unmarshal(a.body, &said) != nil {
		said.Code = math.MinInt
	}
	switch {
	case a.good() && said.Code != 0:
		return 0, errors.New("it answers as no event collector of Splunk does")
	case a.good() && s.Acks:
		if err := s.acknowledged(ctx, said.AckID); err != nil {
			return 0, err
		}
		return n, nil
	case a.good():
		return n, nil
	case a.status == http.StatusBadRequest && said.Invalid != nil && *said.Invalid >= 0 && *said.Invalid < n && slices.Contains(faultsOfEvents, said.Code) && !s.Acks:
		return *said.Invalid, &feed.RefusedError{Of: 1, Why: (&StatusError{a.status, said.Code}).Error()}
	case a.status == http.StatusBadRequest && !slices.Contains(faultsOfEvents, said.Code):
		return 0, &StatusError{a.status, max(0, said.Code)}
	}
	return 0, a.trouble(n, max(0, said.Code))
}

// ask calls the collector, always in the same channel.
func (s *Splunk) ask(ctx context.Context, path string, body []byte) (answer, error) {
	header := map[string]string{"Authorization": "Splunk " + s.Token, "Content-Type": "application/json"}
	if s.Acks {
		if s.channel == "" {
			s.channel = uuid.NewString()
		}
		header["X-Splunk-Request-Channel"] = s.channel
	}
	return call(ctx, s.HTTP, http.MethodPost, strings.TrimRight(s.URL, "/")+path, header, body)
}

// acknowledged waits until the indexers have what was sent.
func (s *Splunk) acknowledged(ctx context.Context, id *int64) error {
	if id == nil {
		return errors.New("it gives no acknowledgements: switch indexer acknowledgement on for the token, or siem.splunk.acknowledge off")
	}
	poll := s.Poll
	if poll == 0 {
		poll = time.Second
	}
	body, err := json.Marshal(map[string][]int64{"acks": {*id}})
	if err != nil {
		return err
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for range splunkAsks {
		a, err := s.ask(ctx, "/services/collector/ack", body)
		if err != nil {
			return err
		}
		var said struct {
			Acks map[string]bool `json:"acks"`
		}
		if !a.good() || json.Unmarshal(a.body, &said) != nil {
			return &StatusError{Status: a.status}
		}
		if said.Acks[fmt.Sprint(*id)] {
			return nil
		}
		select {
		case <-ctx.Done():
			return unreached(ctx.Err())
		case <-tick.C:
		}
	}
	return errors.New("its indexers did not acknowledge in time")
}

// Check asks for the collector's health, and then with the token and without an event, which
// it answers with "no data" to a token that it knows.
func (s *Splunk) Check(ctx context.Context) (Checked, error) {
	a, err := call(ctx, s.HTTP, http.MethodGet, strings.TrimRight(s.URL, "/")+"/services/collector/health", nil, nil)
	if err != nil {
		return Checked{}, err
	}
	if !a.good() {
		return Checked{}, &StatusError{Status: a.status}
	}
	until := a.until
	a, err = s.ask(ctx, "/services/collector/event", nil)
	if err != nil {
		return Checked{}, err
	}
	var said splunkAnswer
	if json.Unmarshal(a.body, &said) != nil || said.Code != 5 {
		return Checked{}, fmt.Errorf("it does not take the token: %w", &StatusError{a.status, said.Code})
	}
	return Checked{Found: "it is healthy, and knows the token", Until: until}, nil
}
