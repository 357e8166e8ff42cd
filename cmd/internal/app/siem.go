package app

import (
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/belaybot/belay/adapters/siem/target"
)

// SIEM says where the events of the audit trail go as they happen: one place of each
// kind. A place without an address is none.
type SIEM struct {
	Texts   bool    `koanf:"texts" default:"false" doc:"Send names, justifications, tickets and reasons too. Belay cannot erase them there."`
	History bool    `koanf:"history" default:"true" doc:"A target that is new gets every event that is kept. false: those from then on."`
	File    File    `koanf:"file"`
	Syslog  Syslog  `koanf:"syslog"`
	Splunk  Splunk  `koanf:"splunk"`
	Azure   Monitor `koanf:"azure"`
	Webhook Webhook `koanf:"webhook"`
	OTLP    OTLP    `koanf:"otlp"`
}

// File is a file of JSON lines.
type File struct {
	Path string `koanf:"path" doc:"File that gets a line of JSON for each event. It may be rotated at any time; a pipe, a socket or a device is refused. -: the standard output. Empty: none."`
}

// Syslog is a receiver of RFC 5424 over TLS.
type Syslog struct {
	Address         string `koanf:"address" doc:"Receiver of syslog (RFC 5424) over TLS, such as syslog.example.com:6514. Empty: none."`
	CAFile          string `koanf:"ca_file" doc:"PEM with the only authorities that its certificate may be of. Empty: the system's, and endpoints.ca_file."`
	CertificateFile string `koanf:"certificate_file" doc:"PEM with Belay's certificate and private key, if it asks for one."`
}

// Splunk is an HTTP Event Collector.
type Splunk struct {
	URL         string `koanf:"url" doc:"HTTP Event Collector of Splunk, such as https://splunk.example.com:8088. Empty: none."`
	Token       Secret `koanf:"token" doc:"Its token."`
	Index       string `koanf:"index" doc:"Index to write to. Empty: the token's own."`
	Acknowledge bool   `koanf:"acknowledge" default:"false" doc:"Wait until the indexers have acknowledged. The token has to have indexer acknowledgement."`
}

// Monitor is Azure Monitor's Logs Ingestion, and so Microsoft Sentinel.
type Monitor struct {
	Endpoint string `koanf:"endpoint" doc:"Logs ingestion endpoint of Azure Monitor, of a data collection endpoint or rule, such as https://belay-a1b2.westeurope-1.ingest.monitor.azure.com. Empty: none."`
	Rule     string `koanf:"rule" doc:"Immutable id of the data collection rule (dcr-…). Belay's application has to be Monitoring Metrics Publisher on that rule, and on nothing else."`
	Stream   string `koanf:"stream" default:"Custom-Belay_CL" doc:"Stream of the rule."`
	Scope    string `koanf:"scope" default:"https://monitor.azure.com/.default" doc:"Scope of the tokens for it; differs in sovereign clouds."`
}

// Webhook is a receiver of Standard Webhooks.
type Webhook struct {
	URL        string `koanf:"url" doc:"Address that gets each event in a request of its own, signed as Standard Webhooks has it. Empty: none."`
	Secret     Secret `koanf:"secret" doc:"The secret that it is signed with: whsec_ and the base64 of 24 to 64 random bytes."`
	NextSecret Secret `koanf:"next_secret" doc:"While the secret is changed: the new one. Each request is signed with both."`
}

// OTLP is a collector of OpenTelemetry.
type OTLP struct {
	URL    string `koanf:"url" doc:"OpenTelemetry collector that takes logs by OTLP over HTTP, with the path: http://127.0.0.1:4318/v1/logs. Empty: none."`
	Header Secret `koanf:"header" doc:"Header for its authentication, such as Authorization: Bearer …"`
}

// named is each target with where it is, for the checklist.
func (s SIEM) named() (all []string) {
	for _, t := range [][2]string{{"file", s.File.Path}, {"syslog", s.Syslog.Address}, {"Splunk", s.Splunk.URL}, {"Azure Monitor", s.Azure.Endpoint},
		{"webhook", s.Webhook.URL}, {"OpenTelemetry", s.OTLP.URL}} {
		if t[1] != "" {
			all = append(all, t[0]+" "+t[1])
		}
	}
	return all
}

var (
	dcr        = regexp.MustCompile(`^dcr-[0-9a-f]{8,64}$`)
	streamName = regexp.MustCompile(`^(Custom|Microsoft)-[A-Za-z0-9_]{1,100}$`)
	header     = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}: ?[!-~][ -~]{0,900}$`)
)

func (v *validator) siem(s SIEM) {
	if p := s.File.Path; p != "" && p != target.Standard {
		v.check("siem.file.path", filepath.IsAbs(p), "must be an absolute path, or -")
		if other, is := errors.AsType[*target.NotAFileError](target.Plain(p)); is {
			v.fault("siem.file.path", other.Error())
		}
	}
	if a := s.Syslog.Address; a != "" {
		host, port, err := net.SplitHostPort(a)
		v.check("siem.syslog.address", err == nil && host != "" && port != "", "must be an address such as syslog.example.com:6514")
		v.file("siem.syslog.ca_file", s.Syslog.CAFile, checkAuthorities)
		v.file("siem.syslog.certificate_file", s.Syslog.CertificateFile, checkPair)
	}
	if s.Splunk.URL != "" {
		v.url("siem.splunk.url", s.Splunk.URL, true)
		v.check("siem.splunk.token", s.Splunk.Token != "", "is required")
	}
	if s.Azure.Endpoint != "" {
		v.url("siem.azure.endpoint", s.Azure.Endpoint, true)
		v.check("siem.azure.rule", dcr.MatchString(s.Azure.Rule), "must be the immutable id of the rule, dcr-…, not its name")
		v.check("siem.azure.stream", streamName.MatchString(s.Azure.Stream), "must be the name of a stream such as Custom-Belay_CL")
		v.check("siem.azure.scope", strings.HasPrefix(s.Azure.Scope, "https://"), "must begin with https://")
	}
	if s.Webhook.URL != "" {
		v.url("siem.webhook.url", s.Webhook.URL, false)
		v.webhookSecret("siem.webhook.secret", s.Webhook.Secret)
		if s.Webhook.NextSecret != "" {
			v.webhookSecret("siem.webhook.next_secret", s.Webhook.NextSecret)
		}
	}
	if s.OTLP.URL != "" {
		v.url("siem.otlp.url", s.OTLP.URL, false)
		v.check("siem.otlp.header", s.OTLP.Header == "" || header.MatchString(string(s.OTLP.Header)), "must be a header such as Authorization: Bearer …")
	}
}

func (v *validator) webhookSecret(path string, secret Secret) {
	if _, err := target.SecretKey(string(secret)); err != nil {
		v.fault(path, err.Error())
	}
}

// checkPair wants a certificate and its key, of any kind that TLS knows.
func checkPair(pem []byte) error {
	if _, err := tls.X509KeyPair(pem, pem); err != nil {
		return errors.New("must hold a certificate and its unencrypted private key, in PEM")
	}
	return nil
}
