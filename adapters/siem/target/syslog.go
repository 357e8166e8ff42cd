package target

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/store/trail"
)

// Syslog sends messages of RFC 5424 over TLS (RFC 5425): each with its length before it.
//
// Syslog has no acknowledgement. So each delivery has a connection of its own, which Belay
// closes for writing when everything is sent; then it waits until the receiver closes it too, which it
// does when it has read to the end. What was not read to the end is sent again.
type Syslog struct {
	Format
	Address string // host:port; 6514 is the usual port
	TLS     *tls.Config
	// Dial opens the connection below TLS; nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Host string // of this machine; empty: as the system calls it
}

const (
	// facility is "log audit".
	facility = 13
	// closing is how long a receiver may take to read to the end.
	closing = 30 * time.Second
)

// priorities are the severities of syslog, by OCSF's: informational, notice, warning, error.
var priorities = map[int]int{1: 6, 2: 5, 3: 4, 4: 3}

// Send implements feed.Target.
func (s *Syslog) Send(ctx context.Context, events []trail.Record) (int, error) {
	var frames bytes.Buffer
	for _, r := range events {
		m := s.message(r)
		fmt.Fprintf(&frames, "%d %s", len(m), m)
	}
	c, err := s.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }() // what matters was heard before
	defer context.AfterFunc(ctx, func() { _ = c.NetConn().Close() })()
	if _, err := c.Write(frames.Bytes()); err != nil {
		return 0, &CallError{"the connection broke", err}
	}
	if err := readToTheEnd(c); err != nil {
		return 0, err
	}
	return len(events), nil
}

// dial opens a connection that lasts no longer than ctx.
func (s *Syslog) dial(ctx context.Context) (*tls.Conn, error) {
	open := s.Dial
	if open == nil {
		open = (&net.Dialer{}).DialContext
	}
	raw, err := open(ctx, "tcp", s.Address)
	if err != nil {
		return nil, unreached(err)
	}
	until := time.Now().Add(closing)
	if end, ok := ctx.Deadline(); ok && end.Before(until) {
		until = end
	}
	c := tls.Client(raw, s.config())
	if err := errors.Join(raw.SetDeadline(until), c.HandshakeContext(ctx)); err != nil {
		return nil, errors.Join(unreached(err), raw.Close())
	}
	return c, nil
}

func (s *Syslog) config() *tls.Config {
	t := s.TLS.Clone()
	if t == nil {
		t = &tls.Config{}
	}
	t.MinVersion = tls.VersionTLS12
	if host, _, err := net.SplitHostPort(s.Address); err == nil && t.ServerName == "" {
		t.ServerName = host
	}
	return t
}

// readToTheEnd says that nothing more comes, and waits until the other side has seen it.
func readToTheEnd(c *tls.Conn) error {
	err := c.CloseWrite()
	if t, ok := c.NetConn().(interface{ CloseWrite() error }); ok && err == nil {
		err = t.CloseWrite()
	}
	if err != nil {
		return &CallError{"the connection broke", err}
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(c, maxAnswer)); err != nil {
		return &CallError{"it did not say that it has read to the end", err}
	}
	return nil
}

// message is one event as a message of RFC 5424. It is ASCII throughout, as JSON can be, so that it
// needs no byte order mark before it, which few parsers of JSON take.
func (s *Syslog) message(r trail.Record) []byte {
	e, text := s.event(r)
	host := s.Host
	if host == "" {
		host, _ = os.Hostname() //nolint:errcheck // without a name it is "-"
	}
	return fmt.Appendf(nil, "<%d>1 %s %s belay - %s [meta sequenceId=\"%d\"][origin software=\"Belay\" swVersion=\"%s\"] %s",
		facility*8+priorities[e.SeverityID], r.At.UTC().Format("2006-01-02T15:04:05.000Z"), word(host, 255), word(string(r.Kind), 32),
		r.Index%(1<<31-1)+1, parameter(s.Source), ascii(text))
}

// word is text as a field of the header: visible ASCII.
func word(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if len(text) > most {
		text = text[:most]
	}
	if text == "" {
		return "-"
	}
	return text
}

// parameter is Belay's version as the value of structured data.
func parameter(s siem.Source) string {
	return strings.NewReplacer(`"`, "", `\`, "", `]`, "").Replace(word(s.Version, 32))
}

// ascii writes what of JSON is not ASCII as \uXXXX.
func ascii(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range string(text) {
		switch {
		case r < 0x80:
			out = append(out, byte(r))
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		}
	}
	return out
}

// Check opens a connection and closes it without a message, as a delivery does.
func (s *Syslog) Check(ctx context.Context) (Checked, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return Checked{}, err
	}
	defer func() { _ = c.Close() }() // nothing was sent
	if err := readToTheEnd(c); err != nil {
		return Checked{}, err
	}
	return Checked{Found: "it takes connections, and closes them when it has read to the end", Until: c.ConnectionState().PeerCertificates[0].NotAfter}, nil
}
