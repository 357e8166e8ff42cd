// Package manifest renders what administrators install: the Slack app manifest,
// the Teams app package and the Entra app registration. It knows the formats and
// nothing of the rest of Belay; what depends on the code (permissions, above all)
// is passed in, so that nothing is asked for that nothing uses. Rendering is pure:
// the same values give the same bytes.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Command is what people type. Teams has it without the slash in its lists.
const Command = "/elevate"

// Paths below App.PublicURL that the platforms are told to call. A test holds
// them to the routes that are served.
const (
	SlackCommands     = "/slack/commands"
	SlackInteractions = "/slack/interactions"
	SlackOptions      = "/slack/options"
	SlackEvents       = "/slack/events"
	SlackCallback     = "/signin/slack/callback"
	TeamsMessages     = "/api/messages"
	EntraCallback     = "/signin/entra/callback"
)

// DefaultAbout is the page that Teams shows where an organisation has none.
const DefaultAbout = "https://github.com/belaybot/belay"

// maxName is the limit of Teams, the shortest of the three.
const maxName = 30

// App is what all three platforms need to know.
type App struct {
	Name      string // what people see, such as Belay; at most 30 characters
	PublicURL string // https, without a path, such as https://belay.example.com
	About     string // page on who runs this Belay, privacy and terms; DefaultAbout when empty
}

// Validate lists everything that is wrong with a, as sentences.
func (a App) Validate() error {
	var faults []error
	if n := utf8.RuneCountInString(a.Name); n == 0 || n > maxName || strings.TrimSpace(a.Name) != a.Name || strings.ContainsFunc(a.Name, strange) {
		faults = append(faults, fmt.Errorf("the name must be 1 to %d letters, digits, spaces, dots, dashes or underscores", maxName))
	}
	if u, ok := secure(a.PublicURL); !ok || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		faults = append(faults, errors.New("the public URL must be an https URL without a path, such as https://belay.example.com; Slack, Teams and Entra call nothing else"))
	}
	if _, ok := secure(a.about()); !ok {
		faults = append(faults, errors.New("the about URL must be an https URL"))
	}
	return errors.Join(faults...)
}

func (a App) at(path string) string { return strings.TrimRight(a.PublicURL, "/") + path }

func (a App) about() string {
	if a.About == "" {
		return DefaultAbout
	}
	return a.About
}

// strange says whether r must not stand in a name. Names go into a shell script
// and a query, where quotes would be somebody's accident.
func strange(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" ._-", r)
}

func secure(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, false
	}
	return u, true
}

// IsGUID says whether text is an id as Entra writes them.
func IsGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, r := range text {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

// indented is v as JSON that a person reads.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return b.Bytes(), nil
}
