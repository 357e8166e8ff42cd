package target

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// Webhook sends each event in a request of its own, signed as Standard Webhooks 1.0.0
// (standardwebhooks.com) has it. The event's id is the message's, the same however often it is sent.
type Webhook struct {
	Format
	HTTP    *http.Client
	URL     string
	Secrets []string         // whsec_…; during a change of secrets both, each signs
	Now     func() time.Time // wall clock; nil: time.Now
}

// onlySome is how long a target that takes events one by one goes on before it says how far it came.
const onlySome = 20 * time.Second

// SecretKey is the key in a secret of Standard Webhooks.
func SecretKey(secret string) ([]byte, error) {
	rest, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("must be whsec_ and the base64 of 24 to 64 random bytes")
	}
	return key, nil
}

// Send implements feed.Target.
func (w *Webhook) Send(ctx context.Context, events []trail.Record) (int, error) {
	now := w.Now
	if now == nil {
		now = time.Now
	}
	began := now()
	for n, r := range events {
		if n > 0 && now().Sub(began) > onlySome {
			return n, nil
		}
		if err := w.one(ctx, r, now()); err != nil {
			return n, err
		}
	}
	return len(events), nil
}

func (w *Webhook) one(ctx context.Context, r trail.Record, now time.Time) error {
	_, event := w.event(r)
	body, err := json.Marshal(struct {
		Type      trail.Kind      `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{r.Kind, r.At.UTC(), event})
	if err != nil {
		return &feed.RefusedError{Of: 1, Why: "it cannot be written as JSON"}
	}
	signed, err := w.sign(r.ID, now, body)
	if err != nil {
		return err
	}
	a, err := call(ctx, w.HTTP, http.MethodPost, w.URL, map[string]string{"Content-Type": "application/json", "webhook-id": r.ID,
		"webhook-timestamp": strconv.FormatInt(now.Unix(), 10), "webhook-signature": signed}, body)
	switch {
	case err != nil:
		return err
	case a.good():
		return nil
	}
	return a.trouble(1, 0)
}

// sign signs id, time and body with every secret.
func (w *Webhook) sign(id string, at time.Time, body []byte) (string, error) {
	var all []string
	for _, secret := range w.Secrets {
		key, err := SecretKey(secret)
		if err != nil {
			return "", fmt.Errorf("the secret of the webhook %w", err)
		}
		h := hmac.New(sha256.New, key)
		fmt.Fprintf(h, "%s.%d.%s", id, at.Unix(), body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	return strings.Join(all, " "), nil
}

// Check looks whether somebody is there. Standard Webhooks has no test of its own.
func (w *Webhook) Check(ctx context.Context) (Checked, error) {
	a, err := call(ctx, w.HTTP, http.MethodHead, w.URL, nil, nil)
	switch {
	case err != nil:
		return Checked{}, err
	case a.status >= 500:
		return Checked{}, &StatusError{Status: a.status}
	}
	return Checked{Found: "it answers; whether it takes the signature is seen with the first event", Until: a.until}, nil
}
