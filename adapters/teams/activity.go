package teams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/infracloudio/msbotbuilder-go/connector/auth"
	"github.com/infracloudio/msbotbuilder-go/core"
	"github.com/infracloudio/msbotbuilder-go/core/activity"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/bot"
)

// bodyMaxBytes is more than Teams lets a message be.
const bodyMaxBytes = 256 << 10

// delivery is one activity that was let in: the library's type, and what that
// type has no place for.
type delivery struct {
	schema.Activity
	mentions []mention
	targeted bool            // only the sender and the bot see it
	value    json.RawMessage // nil: none
	zone     string          // the sender's time zone, as zoneOf gives it
	told     string          // … if Teams told it
	user     bot.User
}

// mention is somebody who is named in the text by an entity.
type mention struct {
	id   string
	text string // as it stands in the activity's text
}

// wireMembers are the members of an activity that Belay reads. The others are
// taken out before the library sees them: among them are times in forms that it
// refuses, and attachments of which every formatted message has one.
var wireMembers = []string{
	"type", "id", "serviceUrl", "channelId", "from", "conversation", "recipient", "text", "textFormat",
	"membersAdded", "membersRemoved", "channelData", "action", "replyToId", "name",
}

var errShape = errors.New("not an activity")

// decode reads an activity's bytes: what the library does not know into a
// delivery, the rest normalised for the library's parser. It never fails on a
// member that Belay does not read.
func decode(body []byte) (delivery, []byte, error) {
	all, ok := membersOf(body)
	if !ok {
		return delivery{}, nil, errShape
	}
	var recipient struct {
		IsTargeted bool `json:"isTargeted"`
	}
	var entities []json.RawMessage
	if lenient(all["recipient"], &recipient) != nil || lenient(all["entities"], &entities) != nil {
		return delivery{}, nil, errShape
	}
	d := delivery{targeted: recipient.IsTargeted, value: all["value"]}
	if bytes.Equal(d.value, []byte("null")) {
		d.value = nil
	}
	zone := all["localTimezone"] // IANA, such as Europe/London
	d.zone = zoneOf(zone, all["localTimestamp"])
	if d.zone != utc || string(zone) == `"UTC"` {
		d.told = d.zone
	}
	for _, raw := range entities {
		var e struct {
			Type      string              `json:"type"`
			Text      string              `json:"text"`
			Mentioned struct{ ID string } `json:"mentioned"`
		}
		if json.Unmarshal(raw, &e) == nil && e.Type == "mention" && e.Text != "" {
			d.mentions = append(d.mentions, mention{e.Mentioned.ID, e.Text})
		}
	}
	normalised := make([]byte, 0, len(body))
	for _, name := range wireMembers {
		if raw, ok := all[name]; ok {
			normalised = append(append(append(append(normalised, `,"`...), name...), `":`...), raw...)
		}
	}
	if len(normalised) == 0 {
		return d, []byte("{}"), nil
	}
	normalised[0] = '{'
	return d, append(normalised, '}'), nil
}

// lenient decodes a member that may be missing.
func lenient(raw json.RawMessage, into any) error {
	if raw == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// membersOf gives the members of a JSON object as they stand in it, of which the last of a name
// counts; not ok: it is no object, or not text. Nothing is copied and nothing below them decoded, since of most
// nothing is used.
func membersOf(body []byte) (all map[string]json.RawMessage, ok bool) {
	body = bytes.TrimSpace(body)
	if !utf8.Valid(body) || !json.Valid(body) || body[0] != '{' {
		return nil, false
	}
	all = make(map[string]json.RawMessage, 2*len(wireMembers))
	depth, from := 0, 0 // from: where the value of name begins; 0: at a name
	var name []byte
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '"':
			begun := i
			for i++; body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++ // what is escaped ends no string
				}
			}
			if depth == 1 && from == 0 {
				name = body[begun : i+1]
			}
		case '{', '[':
			depth++
		case ':':
			if depth == 1 {
				from = i + 1
			}
		case '}', ']', ',':
			if c != ',' {
				depth--
			}
			if from > 0 && (depth == 0 || depth == 1 && c == ',') {
				all[unquoted(name)] = bytes.TrimSpace(body[from:i:i])
				from = 0
			}
		}
	}
	return all, true
}

// unquoted is a string of valid JSON.
func unquoted(raw []byte) (s string) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// parse lets the library parse a body and bind it to the token. The error is
// errShape or a refusal.
func (a *Adapter) parse(r *http.Request, t token, body []byte) (delivery, error) {
	d, normalised, err := decode(body)
	if err != nil {
		return delivery{}, err
	}
	library := &core.BotFrameworkAdapter{
		AdapterSetting: core.AdapterSetting{AppID: a.opts.AppID, CredentialProvider: auth.SimpleCredentialProvider{AppID: a.opts.AppID}},
		TokenValidator: t,
		Client:         &call{a: a, ctx: r.Context(), op: "answer"},
	}
	request := r.WithContext(r.Context())
	request.Body = io.NopCloser(bytes.NewReader(normalised))
	d.Activity, err = library.ParseRequest(r.Context(), request)
	var no refusal
	if errors.As(err, &no) {
		return delivery{}, no
	}
	if err != nil {
		return delivery{}, errShape
	}
	return d, nil
}

// admit checks where an activity comes from and whom it is from.
func (a *Adapter) admit(d *delivery) error {
	if _, err := a.hosts.check(d.ServiceURL); err != nil {
		return refusal(err.Error())
	}
	tenants := []string{d.Conversation.TenantID, inner(d.ChannelData, "tenant", "id")}
	if tenants[0] == "" && tenants[1] == "" {
		return refusal("no tenant")
	}
	for _, tenant := range tenants {
		if tenant != "" && !strings.EqualFold(tenant, a.opts.TenantID) {
			return refusal("another tenant")
		}
	}
	switch {
	case !strings.EqualFold(d.Recipient.ID, a.botID()):
		return refusal("for another bot")
	case !safeID(d.From.AadObjectID):
		return refusal("no Entra object id")
	case !safeID(d.Conversation.ID):
		return refusal("no conversation")
	}
	d.user = bot.User{
		Platform: bot.Teams, Tenant: a.opts.TenantID, ID: d.From.AadObjectID,
		Name: plain(d.From.Name, maxName),
	}
	return nil
}

// inner is the string at a path of objects, or "".
func inner(v any, path ...string) string {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

// personal reports whether only one person and the bot are in the conversation.
func (d *delivery) personal() bool { return d.Conversation.ConversationType == "personal" }

// at is the conversation in which it happened: a channel rather than one of its
// threads, so that a card is on record under the same id under which it was posted.
func (d *delivery) at() bot.Conversation {
	ref := activity.GetCoversationReference(d.Activity)
	ref.ActivityID = ""
	ref.Conversation.ID = baseID(d.Conversation.ID)
	return bot.Conversation{
		Platform: bot.Teams, Tenant: d.user.Tenant, ID: ref.Conversation.ID,
		Private: d.personal(), Ref: encodeRef(ref),
	}
}

// copyAt is the message whose button was pressed; the zero Message when its id
// is missing.
func (d *delivery) copyAt() bot.Message {
	if !safeID(d.ReplyToID) {
		return bot.Message{}
	}
	return bot.Message{Conversation: d.at(), ID: d.ReplyToID}
}

// baseID is a conversation's id without the thread that it may name.
func baseID(id string) string {
	base, _, _ := strings.Cut(id, threadMark)
	return base
}

// threadMark stands between a channel's id and that of the post which begins a
// thread, in a conversation's id.
const threadMark = ";messageid="

// read takes the body of a request, or tells with which status it is refused.
func read(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]byte, int) {
	if r.Header.Get("Content-Encoding") != "" {
		return nil, http.StatusUnsupportedMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMaxBytes))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil || ctx.Err() != nil:
		return nil, http.StatusBadRequest
	}
	return body, 0
}
