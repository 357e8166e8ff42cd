package teamstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// The wire types of the Bot Framework, in both directions. They are this
// package's own on purpose.

type account struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name,omitempty"`
	AADObjectID string `json:"aadObjectId,omitempty"`
	Role        string `json:"role,omitempty"`
	IsTargeted  bool   `json:"isTargeted,omitempty"`
}

type conversationAccount struct {
	IsGroup          bool   `json:"isGroup,omitempty"`
	ConversationType string `json:"conversationType,omitempty"`
	TenantID         string `json:"tenantId,omitempty"`
	ID               string `json:"id,omitempty"`
	Name             string `json:"name,omitempty"`
}

type attachment struct {
	ContentType string          `json:"contentType"`
	Content     json.RawMessage `json:"content,omitempty"`
	Name        string          `json:"name,omitempty"`
}

type entity struct {
	Type      string   `json:"type"`
	Mentioned *account `json:"mentioned,omitempty"` // mention
	Text      string   `json:"text,omitempty"`      // mention
	MessageID string   `json:"messageId,omitempty"` // targetedMessageInfo
	Locale    string   `json:"locale,omitempty"`    // clientInfo, as all below
	Country   string   `json:"country,omitempty"`
	Platform  string   `json:"platform,omitempty"`
	Timezone  string   `json:"timezone,omitempty"`
}

type named struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

type channelData struct {
	TeamsChannelID string        `json:"teamsChannelId,omitempty"`
	TeamsTeamID    string        `json:"teamsTeamId,omitempty"`
	Channel        *named        `json:"channel,omitempty"`
	Team           *named        `json:"team,omitempty"`
	Tenant         *named        `json:"tenant,omitempty"`
	EventType      string        `json:"eventType,omitempty"`
	Settings       *settings     `json:"settings,omitempty"`
	Source         *source       `json:"source,omitempty"`
	Notification   *notification `json:"notification,omitempty"` // from bots
}

type settings struct {
	SelectedChannel named `json:"selectedChannel"`
}

type source struct {
	Name string `json:"name"`
}

type notification struct {
	Alert bool `json:"alert"`
}

// delivered is what Teams sends to a bot.
type delivered struct {
	Type           string              `json:"type"`
	ID             string              `json:"id"`
	Timestamp      string              `json:"timestamp"`
	LocalTimestamp string              `json:"localTimestamp"`
	LocalTimezone  string              `json:"localTimezone,omitempty"`
	ServiceURL     string              `json:"serviceUrl"`
	ChannelID      string              `json:"channelId"`
	From           account             `json:"from"`
	Conversation   conversationAccount `json:"conversation"`
	Recipient      account             `json:"recipient"`
	TextFormat     string              `json:"textFormat,omitempty"`
	Text           string              `json:"text,omitempty"`
	Attachments    []attachment        `json:"attachments,omitempty"`
	Entities       []entity            `json:"entities,omitempty"`
	MembersAdded   []account           `json:"membersAdded,omitempty"`
	MembersRemoved []account           `json:"membersRemoved,omitempty"`
	ChannelData    channelData         `json:"channelData"`
	Name           string              `json:"name,omitempty"`
	Action         string              `json:"action,omitempty"`
	Value          any                 `json:"value,omitempty"`
	ReplyToID      string              `json:"replyToId,omitempty"`
	Locale         string              `json:"locale,omitempty"`
}

// posted is what a bot sends to the connector. It has the members whose meaning
// is simulated; every other member is refused by name.
type posted struct {
	Type             string               `json:"type"`
	ID               string               `json:"id"`
	Timestamp        *time.Time           `json:"timestamp"`
	LocalTimestamp   *time.Time           `json:"localTimestamp"`
	LocalTimezone    string               `json:"localTimezone"`
	ServiceURL       string               `json:"serviceUrl"`
	ChannelID        string               `json:"channelId"`
	From             *account             `json:"from"`
	Conversation     *conversationAccount `json:"conversation"`
	Recipient        *account             `json:"recipient"`
	TextFormat       string               `json:"textFormat"`
	AttachmentLayout string               `json:"attachmentLayout"`
	Locale           string               `json:"locale"`
	Text             string               `json:"text"`
	InputHint        string               `json:"inputHint"`
	Summary          string               `json:"summary"`
	Attachments      []attachment         `json:"attachments"`
	Entities         []entity             `json:"entities"`
	ChannelData      *channelData         `json:"channelData"`
	ReplyToID        string               `json:"replyToId"`
	Importance       string               `json:"importance"`
	DeliveryMode     string               `json:"deliveryMode"`
}

// parameters ask for a conversation.
type parameters struct {
	Bot         *account     `json:"bot"`
	IsGroup     bool         `json:"isGroup"`
	Members     []account    `json:"members"`
	TenantID    string       `json:"tenantId"`
	TopicName   string       `json:"topicName"`
	Activity    *posted      `json:"activity"`
	ChannelData *channelData `json:"channelData"`
}

type resource struct {
	ID string `json:"id"`
}

type conversationResource struct {
	ID         string `json:"id"`
	ActivityID string `json:"activityId,omitempty"`
	ServiceURL string `json:"serviceUrl,omitempty"`
}

// member is somebody in a roster, as Teams describes them.
type member struct {
	ID                string `json:"id"`
	Name              string `json:"name"`
	AADObjectID       string `json:"aadObjectId"`
	ObjectID          string `json:"objectId"` // the same, under the older name
	Email             string `json:"email,omitempty"`
	UserPrincipalName string `json:"userPrincipalName,omitempty"`
	TenantID          string `json:"tenantId"`
	UserRole          string `json:"userRole"`
}

type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// timestamp writes a time as Teams does, with seven digits.
func timestamp(at time.Time) string { return localTimestamp(at.UTC()) }

// localTimestamp is the same in the time's own zone, with its offset.
func localTimestamp(at time.Time) string { return at.Format("2006-01-02T15:04:05.0000000Z07:00") }

// decode reads exactly one JSON value and refuses members that v does not have.
func decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}
