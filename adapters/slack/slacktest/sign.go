package slacktest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Sign returns the two headers with which Slack signs a delivery: version v0,
// HMAC-SHA256 over "v0:timestamp:body" in hexadecimal.
// Source: Slack, "Verifying requests from Slack".
func Sign(secret string, at time.Time, body []byte) http.Header {
	ts := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:", ts)
	mac.Write(body)
	h := make(http.Header)
	h.Set("X-Slack-Request-Timestamp", ts)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return h
}

// Answer is what the bot answered to a delivery.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Delivery is a request that was sent to the bot.
type Delivery struct {
	Path   string
	Header http.Header
	Body   []byte
	Status int // the bot's answer; 0 when there was none
}

// Deliver sends any bytes to the bot as they are, signed or not, and returns
// its answer. It is for tests that forge and replay; it is not counted among
// the deliveries that Unkind repeats.
func (w *Workspace) Deliver(ctx context.Context, path string, header http.Header, body []byte) (Answer, error) {
	var base string
	w.read(func() { base = w.app })
	if base == "" {
		return Answer{}, fmt.Errorf("slacktest: the bot's address is not set (SetApp)")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header = header.Clone()
	res, err := w.client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return Answer{}, err
	}
	if len(b) > maxBody {
		return Answer{}, fmt.Errorf("slacktest: the bot answered with more than %d bytes", maxBody)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: b}, nil
}

// Deliveries returns what was sent to the bot, oldest first, 256 at the most.
func (w *Workspace) Deliveries() []Delivery {
	var all []Delivery
	w.read(func() { all = append(all, w.deliveries...) })
	return all
}

// field is one field of a form body; Slack's order is kept.
type field struct{ name, value string }

func form(fields ...field) []byte {
	var parts []string
	for _, f := range fields {
		parts = append(parts, url.QueryEscape(f.name)+"="+url.QueryEscape(f.value))
	}
	return []byte(strings.Join(parts, "&"))
}

// slackJSON encodes as Slack does: ASCII only, and every slash with a backslash.
func slackJSON(v any) ([]byte, error) {
	plain, err := marshal(v)
	if err != nil {
		return nil, err
	}
	var out []byte
	for i := 0; i < len(plain); {
		switch c := plain[i]; {
		case c == '\\':
			out = append(out, c, plain[i+1])
			i += 2
		case c == '/':
			out = append(out, '\\', '/')
			i++
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(plain[i:])
			for _, u := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, u)
			}
			i += n
		}
	}
	return out, nil
}
