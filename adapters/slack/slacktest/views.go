package slacktest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	triggerLife = 3 * time.Second
	maxView     = 250_000 // bytes of a view's JSON: view_too_large
	maxStack    = 3
)

// trigger is the right to open one view for one person.
type trigger struct {
	user string
	at   time.Time
	used bool
	root string // the root of the stack in which it arose; empty outside of modals
}

// viewInput is a view as the app sends it, after the check.
type viewInput struct {
	Type            string          `json:"type"`
	Title           *text           `json:"title,omitempty"`
	Submit          *text           `json:"submit,omitempty"`
	Close           *text           `json:"close,omitempty"`
	Blocks          json.RawMessage `json:"blocks,omitempty"`
	CallbackID      string          `json:"callback_id,omitempty"`
	ExternalID      string          `json:"external_id,omitempty"`
	PrivateMetadata string          `json:"private_metadata,omitempty"`
	ClearOnClose    bool            `json:"clear_on_close"`
	NotifyOnClose   bool            `json:"notify_on_close"`
}

// newTrigger makes a trigger id of Slack's form. Under the lock.
func (w *Workspace) newTrigger(user, root string) string {
	now := w.opts.Now()
	for id, t := range w.triggers {
		if now.Sub(t.at) > time.Minute {
			delete(w.triggers, id)
		}
	}
	id := fmt.Sprintf("%d.%d.%s", now.UnixMilli(), 47445629121, secret(16))
	w.triggers[id] = &trigger{user: user, at: now, root: root}
	return id
}

// secret is a random string nobody can guess.
func secret(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) //nolint:errcheck // crypto/rand never fails
	return hex.EncodeToString(b)
}

// exchange checks a trigger; the caller marks it used once the view stands. Under the lock.
func (w *Workspace) exchange(a args) (*trigger, *problem) {
	if a["trigger_id"] == "" {
		return nil, missing("trigger_id")
	}
	t, ok := w.triggers[a["trigger_id"]]
	switch {
	case !ok:
		return nil, fail("invalid_trigger_id")
	case t.used:
		return nil, fail("exchanged_trigger_id")
	case w.opts.Now().Sub(t.at) > triggerLife:
		return nil, fail("expired_trigger_id")
	}
	return t, nil
}

// viewArg checks and decodes the view argument. Under the lock.
func (w *Workspace) viewArg(raw, types string) (viewInput, *problem) {
	var in viewInput
	if raw == "" {
		return in, missing("view")
	}
	if len(raw) > maxView {
		return in, fail("view_too_large")
	}
	v, err := decodeAny([]byte(raw))
	if err != nil {
		return in, &problem{code: "invalid_arguments", messages: []string{"[ERROR] must be a valid JSON object [json-pointer:/view]"}}
	}
	c := newChecker()
	c.viewObject("/view", v)
	if m, ok := v.(map[string]any); ok && len(c.faults) == 0 && !slices.Contains(strings.Fields(types), m["type"].(string)) {
		c.fault("/view/type", "must be one of: %s", types)
	}
	if p := w.verdict(c, "invalid_arguments"); p != nil {
		return in, p
	}
	err = json.Unmarshal([]byte(raw), &in)
	if err == nil {
		in.Blocks, err = w.complete(in.Blocks)
	}
	if err != nil {
		w.shout("a view passed the check and cannot be decoded: %v", err)
		return in, fail("invalid_arguments")
	}
	if in.Blocks == nil {
		in.Blocks = json.RawMessage("[]")
	}
	return in, nil
}

// set puts what the app sent into a view: a new hash, no errors, and what
// stood in inputs that are still there. Under the lock.
func (w *Workspace) set(v *View, in viewInput) *problem {
	if in.ExternalID != "" {
		others := slices.AppendSeq(slices.Clone(w.kept.Views), maps.Values(w.kept.Homes))
		for _, other := range others {
			if other != v && other.ExternalID == in.ExternalID {
				return fail("duplicate_external_id")
			}
		}
	}
	fill(in.Title, in.Submit, in.Close)
	v.Type, v.CallbackID, v.ExternalID, v.PrivateMetadata = in.Type, in.CallbackID, in.ExternalID, in.PrivateMetadata
	v.Title, v.Submit, v.Close = in.Title.plain(), in.Submit.plain(), in.Close.plain()
	v.Blocks, v.Errors = in.Blocks, nil
	w.kept.Serial++
	v.Hash = strconv.FormatInt(w.opts.Now().Unix(), 10) + "." + w.serial("", 8)
	in.Blocks, in.CallbackID, in.ExternalID, in.PrivateMetadata = nil, "", "", ""
	var err error
	if v.Payload, err = marshal(in); err == nil {
		err = v.settleValues()
	}
	if err != nil {
		w.shout("a view cannot be kept: %v", err)
		return fail("internal_error")
	}
	return nil
}

func (t *text) plain() string {
	if t == nil {
		return ""
	}
	return t.Text
}

func (w *Workspace) openView(a args) (map[string]any, *problem) {
	t, p := w.exchange(a)
	if p != nil {
		return nil, p
	}
	in, p := w.viewArg(a["view"], "modal")
	if p != nil {
		return nil, p
	}
	v, p := w.stack(t.user, "", "", in)
	if p != nil {
		return nil, p
	}
	t.used = true
	return map[string]any{"view": w.wireView(v)}, nil
}

func (w *Workspace) pushView(a args) (map[string]any, *problem) {
	t, p := w.exchange(a)
	if p != nil {
		return nil, p
	}
	in, p := w.viewArg(a["view"], "modal")
	if p != nil {
		return nil, p
	}
	v, p := w.push(t.user, t.root, in)
	if p != nil {
		return nil, p
	}
	t.used = true
	return map[string]any{"view": w.wireView(v)}, nil
}

// push puts a view on top of a stack. Under the lock.
func (w *Workspace) push(user, root string, in viewInput) (*View, *problem) {
	stack := w.stackOf(root)
	switch {
	case len(stack) == 0:
		return nil, fail("not_found")
	case len(stack) >= maxStack:
		return nil, fail("push_limit_reached")
	}
	return w.stack(user, root, stack[len(stack)-1].ID, in)
}

// stack opens a view; without a root it begins a stack of its own. Under the lock.
func (w *Workspace) stack(user, root, previous string, in viewInput) (*View, *problem) {
	v := &View{ID: w.serial("V0", 9), User: user, RootID: root, PreviousID: previous}
	if root == "" {
		v.RootID = v.ID
	}
	if p := w.set(v, in); p != nil {
		return nil, p
	}
	w.kept.Views = append(w.kept.Views, v)
	return v, nil
}

// stackOf returns the views of a stack from the root up. Under the lock.
func (w *Workspace) stackOf(root string) []*View {
	var all []*View
	for _, v := range w.kept.Views {
		if root != "" && v.RootID == root {
			all = append(all, v)
		}
	}
	return all
}

func (w *Workspace) updateView(a args) (map[string]any, *problem) {
	if a["view_id"] == "" && a["external_id"] == "" {
		return nil, missing("view_id")
	}
	v := w.view(a["view_id"])
	for _, o := range w.kept.Views {
		if a["view_id"] == "" && o.ExternalID == a["external_id"] {
			v = o
		}
	}
	if v == nil {
		return nil, fail("not_found")
	}
	if h := a["hash"]; h != "" && h != v.Hash {
		return nil, fail("hash_conflict")
	}
	in, p := w.viewArg(a["view"], v.Type)
	if p != nil {
		return nil, p
	}
	if p := w.set(v, in); p != nil {
		return nil, p
	}
	return map[string]any{"view": w.wireView(v)}, nil
}

// publishView replaces a person's Home tab, unless it is another than the one that
// the hash names.
func (w *Workspace) publishView(a args) (map[string]any, *problem) {
	if w.opts.NoHome {
		return nil, fail("not_enabled")
	}
	if a["user_id"] == "" {
		return nil, missing("user_id")
	}
	u, ok := w.kept.Users[a["user_id"]]
	if !ok || u.Bot || u.Deleted {
		return nil, &problem{code: "invalid_arguments", messages: []string{"[ERROR] invalid `user_id`"}}
	}
	v := w.kept.Homes[u.ID]
	if a["hash"] != "" && (v == nil || a["hash"] != v.Hash) {
		return nil, fail("hash_conflict")
	}
	in, p := w.viewArg(a["view"], "home")
	if p != nil {
		return nil, p
	}
	if v == nil {
		id := w.serial("V0", 9)
		v = &View{ID: id, User: u.ID, RootID: id}
	}
	if p := w.set(v, in); p != nil {
		return nil, p
	}
	w.kept.Homes[u.ID] = v
	return map[string]any{"view": w.wireView(v)}, nil
}

// closeViews takes views away. Under the lock.
func (w *Workspace) closeViews(gone ...*View) {
	w.kept.Views = slices.DeleteFunc(w.kept.Views, func(v *View) bool { return slices.Contains(gone, v) })
}
