package manifest

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Teams is what the Teams app package needs besides.
type Teams struct {
	App
	BotID string // Microsoft App ID of the bot; the app takes it as its own id as well
	// SignOnID is the client id of Belay's registration, for single sign-on; empty: none.
	SignOnID string
}

// Version is that of a package. Teams takes a package as an update of an installed one
// only when its version is greater, so that what has more is the later.
func (t Teams) Version(slash bool) string {
	n := 0
	if slash {
		n++
	}
	if t.SignOnID != "" {
		n += 2
	}
	return fmt.Sprintf("1.%d.0", n)
}

type teamsManifest struct {
	Schema    string `json:"$schema"`
	Manifest  string `json:"manifestVersion"`
	Version   string `json:"version"`
	ID        string `json:"id"`
	Developer struct {
		Name    string `json:"name"`
		Website string `json:"websiteUrl"`
		Privacy string `json:"privacyUrl"`
		Terms   string `json:"termsOfUseUrl"`
	} `json:"developer"`
	Name        teamsTexts `json:"name"`
	Description teamsTexts `json:"description"`
	Icons       struct {
		Color   string `json:"color"`
		Outline string `json:"outline"`
	} `json:"icons"`
	Accent  string          `json:"accentColor"`
	Bots    []teamsBot      `json:"bots"`
	Domains []string        `json:"validDomains,omitempty"`
	Web     *webApplication `json:"webApplicationInfo,omitempty"`
}

type teamsTexts struct {
	Short string `json:"short"`
	Full  string `json:"full"`
}

type teamsBot struct {
	ID       string      `json:"botId"`
	Scopes   []string    `json:"scopes"`
	Targeted bool        `json:"supportsTargetedMessages,omitempty"`
	Lists    []teamsList `json:"commandLists"`
}

type teamsList struct {
	Triggers []string       `json:"triggers,omitempty"`
	Scopes   []string       `json:"scopes"`
	Commands []teamsCommand `json:"commands"`
}

type teamsCommand struct {
	Title       string `json:"title"`
	Description string `json:"description"`
}

// TeamsPackage renders the Teams app package, a zip. With slash, people also get
// /elevate in the list that Teams opens at "/", in teams and group chats: manifest
// 1.29, which Microsoft calls a developer preview. Without, it is manifest 1.19,
// which every tenant takes.
// Source: schemas of OfficeDev/microsoft-teams-app-schema, and "Expose slash
// commands from agents and apps" on learn.microsoft.com.
func TeamsPackage(t Teams, slash bool) ([]byte, error) {
	text, err := t.manifest(slash)
	if err != nil {
		return nil, err
	}
	color, err := colorIcon()
	if err != nil {
		return nil, err
	}
	outline, err := outlineIcon()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, file := range []struct {
		name string
		data []byte
	}{{"manifest.json", text}, {"color.png", color}, {"outline.png", outline}} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: file.name, Method: zip.Deflate,
			Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}) // fixed: the same values give the same bytes
		if err == nil {
			_, err = w.Write(file.data)
		}
		if err != nil {
			return nil, fmt.Errorf("manifest: %s: %w", file.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return b.Bytes(), nil
}

func (t Teams) manifest(slash bool) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if !IsGUID(t.BotID) {
		return nil, errors.New("the bot id must be the bot's Microsoft App ID (a GUID)")
	}
	var m teamsManifest
	m.Manifest, m.Version = "1.19", t.Version(slash)
	if slash {
		m.Manifest = "1.29"
	}
	m.Schema = "https://developer.microsoft.com/json-schemas/teams/v" + m.Manifest + "/MicrosoftTeams.schema.json"
	m.ID = strings.ToLower(t.BotID)
	m.Developer.Name = t.Name
	m.Developer.Website, m.Developer.Privacy, m.Developer.Terms = t.about(), t.about(), t.about()
	m.Name = teamsTexts{t.Name, t.Name + " for Microsoft Entra PIM"}
	m.Description = teamsTexts{summary, description}
	m.Icons.Color, m.Icons.Outline, m.Accent = "color.png", "outline.png", accent

	bot := teamsBot{ID: m.ID, Scopes: []string{"personal", "team", "groupChat"}, Targeted: slash}
	shared := teamsList{Scopes: []string{"team", "groupChat"}, Commands: teamsCommands()}
	if slash {
		shared.Triggers = []string{"mention", "slash"} // there are no targeted messages in the personal chat
	}
	bot.Lists = []teamsList{{Scopes: []string{"personal"}, Commands: teamsCommands()}, shared}
	m.Bots = []teamsBot{bot}
	if t.SignOnID != "" {
		if !IsGUID(t.SignOnID) {
			return nil, errors.New("the client id of the registration must be a GUID")
		}
		host, err := t.host()
		if err != nil {
			return nil, err
		}
		m.Domains, m.Web = []string{host}, &webApplication{strings.ToLower(t.SignOnID), AppURI(t.BotID)}
	}
	return indented(m)
}

func teamsCommands() []teamsCommand {
	return []teamsCommand{
		{strings.TrimPrefix(Command, "/"), "Choose a role and ask for it; or: elevate User Administrator 1h reset a password"},
		{"home", "What waits for you, what is active, what you can activate"},
		{"status", "Your requests and active roles"},
		{"stop", "Deactivate a role before its time"},
		{"approvals", "What waits for your decision"},
		{"link", "Bind your Microsoft sign-in"},
		{"unlink", "Forget your Microsoft sign-in"},
		{"help", "What can be typed here"},
	}
}
