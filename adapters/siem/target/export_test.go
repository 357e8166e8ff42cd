package target

import "time"

// Sign is the signature of a webhook's message.
func Sign(w *Webhook, id string, at time.Time, body []byte) (string, error) {
	return w.sign(id, at, body)
}
