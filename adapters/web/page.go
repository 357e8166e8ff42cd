package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"time"

	"github.com/belaybot/belay/bot"
)

// A page is a card, as the chats show it: one renderer more of the same model.
type page struct {
	Card  bot.Card
	Form  bool // the card's buttons send the form of this page
	Style template.CSS
}

// maxText is how many runes of one text a page shows.
const maxText = 600

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

func parse() (*template.Template, error) {
	return template.New("page").Funcs(template.FuncMap{"tone": tone, "moment": moment, "text": text}).Parse(pageHTML)
}

// styleSource names the style of the pages by its hash, so that no other style
// can come in.
func styleSource() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func tone(t bot.Tone) string {
	switch t {
	case bot.Waiting:
		return "waiting"
	case bot.Good:
		return "good"
	case bot.Bad:
		return "bad"
	}
	return "neutral"
}

// text is a text as it may be shown: what people are called is in it.
func text(s string) string {
	runes := []rune(bot.Clean(s))
	if len(runes) > maxText {
		return string(runes[:maxText-1]) + "…"
	}
	return string(runes)
}

func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// render writes a page as a whole or, if the template fails, a plain sentence.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, v page) {
	v.Style = template.CSS(pageCSS)
	var b bytes.Buffer
	if err := p.html.Execute(&b, v); err != nil {
		p.o.Log.ErrorContext(r.Context(), "a page could not be rendered", "error", err)
		http.Error(w, v.Card.Text, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		p.o.Log.InfoContext(r.Context(), "a page was not received", "error", err)
	}
}
