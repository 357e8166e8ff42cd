package manifest

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"text/template"
)

//go:embed readme.txt.tmpl
var readme string

// Readme renders README.txt: the steps in their order, for whoever has the files.
// botID is empty where the Teams package is not made yet.
func Readme(a App, botID string) ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	t, err := template.New("README.txt").Parse(readme)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Name, BotID, URL, Command, Messages string
		Scopes                              []string
	}{a.Name, botID, a.at(""), Command, a.at(TeamsMessages), SlackScopes()})
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return b.Bytes(), nil
}
