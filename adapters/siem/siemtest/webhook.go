package siemtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Webhook receives messages of Standard Webhooks and verifies them as its specification says.
type Webhook struct {
	inbox
	Secret string
	Now    func() time.Time // nil: time.Now

	// IDs are those of the messages that were taken, in their order.
	IDs []string
}

// ServeHTTP implements http.Handler.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if h.down(w) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		h.fault("%s, %v, type %q", r.Method, err, r.Header.Get("Content-Type"))
	}
	if why := h.verify(r.Header, body); why != "" {
		h.fault("%s", why)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var message struct {
		Type      string          `json:"type"`
		Timestamp string          `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &message); err != nil || message.Type == "" || len(message.Data) == 0 {
		h.fault("the payload has no type or no data: %v", err)
	}
	if _, err := time.Parse(time.RFC3339Nano, message.Timestamp); err != nil {
		h.fault("the payload's timestamp: %v", err)
	}
	if h.refuses(message.Data) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.IDs = append(h.IDs, r.Header.Get("webhook-id"))
	h.take(message.Data)
	w.WriteHeader(http.StatusNoContent)
}

// verify is what a receiver has to do: constant time, and a timestamp of now.
func (h *Webhook) verify(header http.Header, body []byte) string {
	id, at := header.Get("webhook-id"), header.Get("webhook-timestamp")
	if id == "" || strings.Contains(id, ".") {
		return "webhook-id is " + id
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return "webhook-timestamp is " + at
	}
	now := time.Now()
	if h.Now != nil {
		now = h.Now()
	}
	if off := now.Sub(time.Unix(seconds, 0)).Abs(); off > 5*time.Minute {
		return "webhook-timestamp is off by " + off.String()
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.Secret, "whsec_"))
	if err != nil {
		return "the secret of the receiver: " + err.Error()
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	for _, one := range strings.Split(header.Get("webhook-signature"), " ") {
		version, text, _ := strings.Cut(one, ",")
		if signature, err := base64.StdEncoding.DecodeString(text); version == "v1" && err == nil && hmac.Equal(signature, mac.Sum(nil)) {
			return ""
		}
	}
	return "no signature is good"
}
