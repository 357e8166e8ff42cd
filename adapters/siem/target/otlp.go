package target

import (
	"context"
	"net/http"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// OTLP is an OpenTelemetry collector, or whatever takes its logs by OTLP over HTTP. The
// official SDK is not used for it: it drops what it cannot send, and does not say what arrived.
type OTLP struct {
	Format
	HTTP   *http.Client
	URL    string // with the path, such as http://localhost:4318/v1/logs
	Header string // "Name: value", for the collector's authentication; empty: none
}

// Send implements feed.Target.
func (o *OTLP) Send(ctx context.Context, events []trail.Record) (int, error) {
	records := make([]*logs.LogRecord, 0, len(events))
	for _, r := range events {
		records = append(records, o.record(r))
	}
	// LogsData is, byte for byte, ExportLogsServiceRequest, without gRPC.
	body, err := proto.Marshal(&logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{text("service.name", "belay"), text("service.version", o.Source.Version)}},
		ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: "belay/audit", Version: o.Source.Version}, LogRecords: records}}}}})
	if err != nil {
		return 0, &feed.RefusedError{Of: len(events), Why: "it cannot be written as protobuf"}
	}
	a, err := o.post(ctx, body)
	switch {
	case err != nil:
		return 0, err
	case !a.good():
		return 0, a.trouble(len(events), 0)
	case rejected(a.body) > 0: // which, it does not say
		return 0, &feed.RefusedError{Of: len(events), Why: "the collector rejects the log record"}
	}
	return len(events), nil
}

// severities are those of OpenTelemetry, by OCSF's: as its data model maps syslog's.
var severities = map[int]logs.SeverityNumber{1: logs.SeverityNumber_SEVERITY_NUMBER_INFO, 2: logs.SeverityNumber_SEVERITY_NUMBER_INFO2,
	3: logs.SeverityNumber_SEVERITY_NUMBER_WARN, 4: logs.SeverityNumber_SEVERITY_NUMBER_ERROR}

func (o *OTLP) record(r trail.Record) *logs.LogRecord {
	e, body := o.event(r)
	at := uint64(r.At.UnixNano())
	l := &logs.LogRecord{TimeUnixNano: at, ObservedTimeUnixNano: at, SeverityNumber: severities[e.SeverityID], SeverityText: e.Severity, EventName: "belay." + string(r.Kind),
		Body: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: string(body)}},
		Attributes: []*common.KeyValue{text("log.record.uid", r.ID), text("ocsf.class_name", e.ClassName), number("ocsf.class_uid", e.ClassUID),
			number("ocsf.type_uid", e.TypeUID), text("ocsf.version", e.Metadata.Version), number("belay.sequence", int(r.Index))}}
	if r.Request != "" {
		l.Attributes = append(l.Attributes, text("belay.request", r.Request))
	}
	return l
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, n int) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(n)}}}
}

func (o *OTLP) post(ctx context.Context, body []byte) (answer, error) {
	header := map[string]string{"Content-Type": "application/x-protobuf"}
	if name, value, ok := strings.Cut(o.Header, ":"); ok {
		header[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return call(ctx, o.HTTP, http.MethodPost, o.URL, header, body)
}

// rejected is how many records a collector did not take, of an ExportLogsServiceResponse:
// partial_success (1) with rejected_log_records (1).
func rejected(body []byte) uint64 {
	partial, used := protowire.ConsumeBytes(first(body, protowire.BytesType))
	if used < 0 {
		return 0
	}
	n, used := protowire.ConsumeVarint(first(partial, protowire.VarintType))
	if used < 0 {
		return 0
	}
	return n
}

// first is a message from the value of its field 1 on; empty: it has none of this type.
func first(message []byte, of protowire.Type) []byte {
	for len(message) > 0 {
		n, kind, used := protowire.ConsumeTag(message)
		if used < 0 {
			return nil
		}
		if message = message[used:]; n == 1 && kind == of {
			return message
		}
		if used = protowire.ConsumeFieldValue(n, kind, message); used < 0 {
			return nil
		}
		message = message[used:]
	}
	return nil
}

// Check sends a request without records, which a collector answers as a good one.
func (o *OTLP) Check(ctx context.Context) (Checked, error) {
	a, err := o.post(ctx, nil)
	switch {
	case err != nil:
		return Checked{}, err
	case !a.good():
		return Checked{}, &StatusError{Status: a.status}
	}
	return Checked{Found: "it takes a request without records", Until: a.until}, nil
}
