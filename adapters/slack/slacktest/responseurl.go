package slacktest

import (
	"io"
	"net/http"
	"time"
)

const (
	responseUses = 5
	responseLife = 30 * time.Minute
)

// response is a response URL: the right to answer one action a few times.
type response struct {
	User    string    `json:"user"`
	Channel string    `json:"channel"`
	TS      string    `json:"ts,omitempty"` // the message the action came from; empty for a slash command
	Made    time.Time `json:"made"`
	Uses    int       `json:"uses"`
}

// responseURL makes a response URL under this server's own base. Under the lock.
func (w *Workspace) responseURL(prefix string, r *response) string {
	r.Made = w.opts.Now()
	w.kept.Serial++
	path := prefix + w.opts.TeamID + "/" + w.serial("", 12) + "/" + secret(12)
	w.kept.Responses[path] = r
	return w.base + path
}

// serveResponseURL takes a reply. Refusals are HTTP 404 with used_url or
// expired_url, 400 for a message that Slack would not show.
func (w *Workspace) serveResponseURL(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	var (
		status = http.StatusOK
		answer = map[string]any{"ok": true}
	)
	w.change(func() {
		p := w.respond(r.URL.Path, body, err, isJSON(r))
		if p == nil {
			return
		}
		answer, status = p.answer(), http.StatusBadRequest
		if p.code == "used_url" || p.code == "expired_url" {
			status = http.StatusNotFound
		}
	})
	writeJSON(rw, status, answer)
}

// respond carries a reply out. Under the lock.
func (w *Workspace) respond(path string, body []byte, readErr error, isJSON bool) *problem {
	u, ok := w.kept.Responses[path]
	switch {
	case !ok:
		return fail("used_url")
	case w.opts.Now().Sub(u.Made) > responseLife:
		return fail("expired_url")
	case u.Uses >= responseUses:
		return fail("used_url")
	case readErr != nil || !isJSON:
		return fail("invalid_payload")
	}
	var r reply
	if err := strict(body, &r); err != nil {
		w.shout("a reply to a response URL is not understood: %v", err)
		return fail("invalid_payload")
	}
	var original *Message
	if u.TS != "" {
		original = w.message(u.Channel, u.TS)
	}
	if r.DeleteOriginal && original != nil {
		u.Uses++
		w.remove(u.Channel, original)
		return nil
	}
	if r.ReplaceOriginal && original != nil {
		txt, blocks, p := w.content(args{"text": r.Text, "blocks": string(r.Blocks)}, maxPost)
		if p != nil {
			return p
		}
		u.Uses++
		original.apply(txt, blocks, true, blocks != nil)
		return nil
	}
	// A command has no original: its own answers are not replaced, a new message
	// is posted (bolt-python issue 1268).
	if _, p := w.replyMessage(u.User, u.Channel, r); p != nil {
		return p
	}
	u.Uses++
	return nil
}
