package slacktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
)

// The wire types of what Slack delivers, members in Slack's order. Their shapes
// are compared with the payloads in testdata.

type wireUser struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
	TeamID   string `json:"team_id"`
}

type wireTeam struct {
	ID     string `json:"id"`
	Domain string `json:"domain"`
}

type wirePlace struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type container struct {
	Type        string `json:"type"`
	MessageTS   string `json:"message_ts,omitempty"`
	ChannelID   string `json:"channel_id,omitempty"`
	IsEphemeral *bool  `json:"is_ephemeral,omitempty"`
	ThreadTS    string `json:"thread_ts,omitempty"`
	ViewID      string `json:"view_id,omitempty"`
}

type stateValues struct {
	Values Values `json:"values"`
}

type wireMessage struct {
	User     string          `json:"user"`
	Type     string          `json:"type"`
	TS       string          `json:"ts"`
	BotID    string          `json:"bot_id,omitempty"`
	AppID    string          `json:"app_id,omitempty"`
	Text     string          `json:"text"`
	Team     string          `json:"team"`
	Edited   *wireEdited     `json:"edited,omitempty"`
	ThreadTS string          `json:"thread_ts,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Blocks   json.RawMessage `json:"blocks,omitempty"`
}

type wireEdited struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

type wireView struct {
	ID                 string          `json:"id"`
	TeamID             string          `json:"team_id"`
	Type               string          `json:"type"`
	Blocks             json.RawMessage `json:"blocks"`
	PrivateMetadata    string          `json:"private_metadata"`
	CallbackID         string          `json:"callback_id"`
	State              stateValues     `json:"state"`
	Hash               string          `json:"hash"`
	Title              *text           `json:"title"`
	ClearOnClose       bool            `json:"clear_on_close"`
	NotifyOnClose      bool            `json:"notify_on_close"`
	Close              *text           `json:"close"`
	Submit             *text           `json:"submit"`
	PreviousViewID     *string         `json:"previous_view_id"`
	RootViewID         string          `json:"root_view_id"`
	AppID              string          `json:"app_id"`
	ExternalID         string          `json:"external_id"`
	AppInstalledTeamID string          `json:"app_installed_team_id"`
	BotID              string          `json:"bot_id"`
}

// action is one entry of actions.
type action struct {
	Type           string  `json:"type"`
	ActionID       string  `json:"action_id"`
	BlockID        string  `json:"block_id"`
	Text           *text   `json:"text,omitempty"`
	Value          *string `json:"value,omitempty"`
	Style          string  `json:"style,omitempty"`
	URL            string  `json:"url,omitempty"`
	SelectedOption *Option `json:"selected_option,omitempty"`
	InitialOption  *Option `json:"initial_option,omitempty"`
	// Of elements in which several options, or a time, can stand. An empty list
	// is there, and empty.
	SelectedOptions  *[]Option `json:"selected_options,omitempty"`
	InitialOptions   []Option  `json:"initial_options,omitempty"`
	SelectedDateTime *int64    `json:"selected_date_time,omitempty"`
	InitialDateTime  int64     `json:"initial_date_time,omitempty"`
	Placeholder      *text     `json:"placeholder,omitempty"`
	ActionTS         string    `json:"action_ts"`
}

type blockActions struct {
	Type                string       `json:"type"`
	User                wireUser     `json:"user"`
	APIAppID            string       `json:"api_app_id"`
	Token               string       `json:"token"`
	Container           container    `json:"container"`
	TriggerID           string       `json:"trigger_id"`
	Team                wireTeam     `json:"team"`
	Enterprise          *struct{}    `json:"enterprise"`
	IsEnterpriseInstall bool         `json:"is_enterprise_install"`
	Channel             *wirePlace   `json:"channel,omitempty"`
	Message             *wireMessage `json:"message,omitempty"`
	View                *wireView    `json:"view,omitempty"`
	State               *stateValues `json:"state,omitempty"`
	ResponseURL         string       `json:"response_url,omitempty"`
	Actions             []action     `json:"actions"`
}

type blockSuggestion struct {
	Type                string       `json:"type"`
	User                wireUser     `json:"user"`
	Container           container    `json:"container"`
	APIAppID            string       `json:"api_app_id"`
	Token               string       `json:"token"`
	ActionID            string       `json:"action_id"`
	BlockID             string       `json:"block_id"`
	Value               string       `json:"value"`
	Team                wireTeam     `json:"team"`
	Enterprise          *struct{}    `json:"enterprise"`
	IsEnterpriseInstall bool         `json:"is_enterprise_install"`
	Channel             *wirePlace   `json:"channel,omitempty"`
	Message             *wireMessage `json:"message,omitempty"`
	View                *wireView    `json:"view,omitempty"`
}

type viewSubmission struct {
	Type                string     `json:"type"`
	Team                wireTeam   `json:"team"`
	User                wireUser   `json:"user"`
	APIAppID            string     `json:"api_app_id"`
	Token               string     `json:"token"`
	TriggerID           string     `json:"trigger_id"`
	View                wireView   `json:"view"`
	ResponseURLs        []struct{} `json:"response_urls"`
	IsEnterpriseInstall bool       `json:"is_enterprise_install"`
	Enterprise          *struct{}  `json:"enterprise"`
}

type viewClosed struct {
	Type                string    `json:"type"`
	Team                wireTeam  `json:"team"`
	User                wireUser  `json:"user"`
	APIAppID            string    `json:"api_app_id"`
	Token               string    `json:"token"`
	View                wireView  `json:"view"`
	IsCleared           bool      `json:"is_cleared"`
	IsEnterpriseInstall bool      `json:"is_enterprise_install"`
	Enterprise          *struct{} `json:"enterprise"`
}

type eventEnvelope struct {
	Token              string          `json:"token"`
	TeamID             string          `json:"team_id"`
	APIAppID           string          `json:"api_app_id"`
	Event              json.RawMessage `json:"event"`
	Type               string          `json:"type"`
	EventID            string          `json:"event_id"`
	EventTime          int64           `json:"event_time"`
	Authorizations     []authorization `json:"authorizations"`
	IsExtSharedChannel bool            `json:"is_ext_shared_channel"`
}

type authorization struct {
	EnterpriseID        *string `json:"enterprise_id"`
	TeamID              string  `json:"team_id"`
	UserID              string  `json:"user_id"`
	IsBot               bool    `json:"is_bot"`
	IsEnterpriseInstall bool    `json:"is_enterprise_install"`
}

type homeOpened struct {
	Type    string    `json:"type"`
	User    string    `json:"user"`
	Channel string    `json:"channel"`
	Tab     string    `json:"tab"`
	View    *wireView `json:"view,omitempty"`
	EventTS string    `json:"event_ts"`
}

type urlVerification struct {
	Token     string `json:"token"`
	Challenge string `json:"challenge"`
	Type      string `json:"type"`
}

// verificationToken is the old shared token, which Slack still sends and no bot should trust.
func (w *Workspace) verificationToken() string {
	sum := sha256.Sum256([]byte("verification\x00" + w.opts.AppID))
	return hex.EncodeToString(sum[:12])
}

func (w *Workspace) wirePerson(u User) wireUser {
	return wireUser{ID: u.ID, Username: u.Name, Name: u.Name, TeamID: u.TeamID}
}

func (w *Workspace) wireTeam() wireTeam {
	return wireTeam{ID: w.opts.TeamID, Domain: w.opts.TeamDomain}
}

func (w *Workspace) wireMessage(m *Message) wireMessage {
	wire := wireMessage{
		User: m.User, Type: "message", TS: m.TS, BotID: m.BotID, Text: m.Text, Team: w.opts.TeamID,
		ThreadTS: m.ThreadTS, Metadata: m.Metadata, Blocks: m.Blocks,
	}
	if m.BotID != "" {
		wire.AppID = w.opts.AppID
	}
	if m.Edited {
		wire.Edited = &wireEdited{User: m.User, TS: m.TS}
	}
	return wire
}

// wireView makes the form of a view on the wire. Under the lock.
func (w *Workspace) wireView(v *View) wireView {
	c := v.copy()
	var in viewInput
	if err := json.Unmarshal(v.Payload, &in); err != nil {
		w.shout("a kept view cannot be decoded: %v", err)
	}
	wire := wireView{
		ID: v.ID, TeamID: w.opts.TeamID, Type: v.Type, Blocks: v.Blocks, PrivateMetadata: v.PrivateMetadata,
		CallbackID: v.CallbackID, State: stateValues{c.Values}, Hash: v.Hash, Title: in.Title,
		ClearOnClose: in.ClearOnClose, NotifyOnClose: in.NotifyOnClose, Close: in.Close, Submit: in.Submit,
		RootViewID: v.RootID, AppID: w.opts.AppID, ExternalID: v.ExternalID,
		AppInstalledTeamID: w.opts.TeamID, BotID: w.botID(),
	}
	if v.PreviousID != "" {
		wire.PreviousViewID = &v.PreviousID
	}
	return wire
}

// envelope wraps an event. Under the lock.
func (w *Workspace) envelope(event json.RawMessage) eventEnvelope {
	return eventEnvelope{
		Token: w.verificationToken(), TeamID: w.opts.TeamID, APIAppID: w.opts.AppID, Event: event,
		Type: "event_callback", EventID: w.serial("Ev0", 9), EventTime: w.opts.Now().Unix(),
		Authorizations: []authorization{{TeamID: w.opts.TeamID, UserID: w.opts.BotUserID, IsBot: true}},
	}
}

// actionTS is the time of an action, in Slack's form.
func (w *Workspace) actionTS() string {
	now := w.opts.Now()
	return strconv.FormatInt(now.Unix(), 10) + "." + strconv.FormatInt(now.UnixMicro()%1e6+1e6, 10)[1:]
}

// strict decodes one JSON value and refuses members that the type does not have.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errTrailing
	}
	return nil
}
