package siemtest

import (
	"encoding/json"
	"io"
	"net/http"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Collector is an OpenTelemetry collector's receiver of logs by OTLP over HTTP, with protobuf.
type Collector struct {
	inbox
	Header, Value string // that every call has to have
	// Partial has a bad record answered with 200 and partial_success, as collectors may, and not with 400.
	Partial bool
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if r.Method != http.MethodPost || r.URL.Path != "/v1/logs" || r.Header.Get("Content-Type") != "application/x-protobuf" || err != nil {
		c.fault("%s %s, type %q, %v", r.Method, r.URL.Path, r.Header.Get("Content-Type"), err)
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	if c.Header != "" && r.Header.Get(c.Header) != c.Value {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if len(body) > 0 && c.down(w) {
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	var sent logs.LogsData // as ExportLogsServiceRequest has it
	if err := proto.Unmarshal(body, &sent); err != nil || len(sent.ProtoReflect().GetUnknown()) > 0 {
		c.fault("no ExportLogsServiceRequest: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var good []json.RawMessage
	rejected := uint64(0)
	for _, of := range sent.GetResourceLogs() {
		service := ""
		for _, a := range of.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		if service == "" {
			c.fault("a resource without service.name")
		}
		for _, scope := range of.GetScopeLogs() {
			for _, l := range scope.GetLogRecords() {
				text := []byte(l.GetBody().GetStringValue())
				if l.GetTimeUnixNano() == 0 || l.GetSeverityNumber() < 1 || l.GetSeverityNumber() > 24 || l.GetEventName() == "" || !json.Valid(text) {
					c.fault("a record without time, severity, name or body: %v", l)
				}
				if c.refuses(text) {
					rejected++
					continue
				}
				good = append(good, text)
			}
		}
	}
	if rejected > 0 && !c.Partial {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.take(good...)
	if rejected > 0 {
		partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), rejected)
		_, _ = w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial))
	}
}
