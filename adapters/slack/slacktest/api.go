package slacktest

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxBody = 1 << 20

// API serves what the bot and its people's browsers call: /api/{method}, Sign
// in with Slack (/openid/connect/authorize, /openid/connect/keys,
// /.well-known/openid-configuration) and the response URLs (/commands/…,
// /actions/…). Everything else is 404 and reported to Unhandled.
func (w *Workspace) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", w.serveMethod)
	mux.HandleFunc("POST /api/openid.connect.token", w.serveToken)
	mux.HandleFunc("/api/openid.connect.userInfo", w.serveUserInfo)
	mux.HandleFunc("GET /.well-known/openid-configuration", w.serveDiscovery)
	mux.HandleFunc("GET /openid/connect/keys", w.serveKeys)
	mux.HandleFunc("GET /openid/connect/authorize", w.serveAuthorizePage)
	mux.Handle("POST /openid/connect/authorize", http.NewCrossOriginProtection().Handler(http.HandlerFunc(w.serveAuthorizeChoice)))
	mux.HandleFunc("POST /commands/", w.serveResponseURL)
	mux.HandleFunc("POST /actions/", w.serveResponseURL)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		w.read(func() { w.shout("no such route: %s %s", r.Method, r.URL.Path) })
		http.NotFound(rw, r)
	})
	return mux
}

// args are the arguments of a Web API call: strings as they are, everything
// else as JSON text.
type args map[string]string

func (a args) has(key string) bool { _, ok := a[key]; return ok }

func (a args) yes(key string) bool { v, err := strconv.ParseBool(a[key]); return err == nil && v }

// problem is a refusal of the Web API.
type problem struct {
	code     string
	messages []string       // response_metadata.messages, and errors without their prefix
	extra    map[string]any // further members of the answer
}

func fail(code string) *problem { return &problem{code: code} }

func missing(arg string) *problem {
	return &problem{code: "invalid_arguments", messages: []string{"[ERROR] missing required field: " + arg}}
}

func (p *problem) answer() map[string]any {
	a := map[string]any{"ok": false, "error": p.code}
	if len(p.messages) > 0 {
		a["response_metadata"] = map[string]any{"messages": p.messages}
		if p.code == "invalid_blocks" {
			var plain []string
			for _, m := range p.messages {
				plain = append(plain, strings.TrimPrefix(m, "[ERROR] "))
			}
			a["errors"] = plain
		}
	}
	for k, v := range p.extra {
		a[k] = v
	}
	return a
}

// method is one Web API method.
type method struct {
	known  string // its simulated arguments
	forms  bool   // it takes no JSON body
	scopes string // any one of them is needed
	writes bool   // it can change the workspace
	run    func(*Workspace, args) (map[string]any, *problem)
}

// serveMethod serves one Web API call: throttling first, then the content type,
// the token, the scope, the arguments.
func (w *Workspace) serveMethod(rw http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	a, refusal := readArgs(rw, r)
	var (
		reply      map[string]any
		status     = http.StatusOK
		retryAfter int
		lost       bool
	)
	w.locked(func() bool {
		w.calls++
		if every := w.opts.Unkind.ThrottleEvery; !w.kind && every > 0 && w.calls%every == 0 {
			status, retryAfter, reply = http.StatusTooManyRequests, 1, fail("ratelimited").answer()
			return false
		}
		f, hit := w.fault(name)
		switch {
		case hit && f.Status != 0:
			status, retryAfter = f.Status, f.RetryAfter
			if status == http.StatusTooManyRequests {
				reply = fail("ratelimited").answer()
			}
		case hit && f.Error != "":
			reply = fail(f.Error).answer()
		default:
			lost = hit && f.Lost
			if refusal == nil {
				reply, refusal = w.call(name, a, r)
			}
			if refusal != nil {
				reply = refusal.answer()
			}
			return w.methods[name].writes
		}
		return false
	})
	if lost {
		panic(http.ErrAbortHandler) // net/http drops the connection without an answer
	}
	if _, known := reply["ok"]; known && w.opts.Scopes != nil && w.authentic(r, a) {
		rw.Header().Set("X-OAuth-Scopes", strings.Join(w.opts.Scopes, ","))
	}
	if retryAfter > 0 {
		rw.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if reply == nil {
		http.Error(rw, http.StatusText(status), status)
		return
	}
	writeJSON(rw, status, reply)
}

// call carries a call out. Under the lock.
func (w *Workspace) call(name string, a args, r *http.Request) (map[string]any, *problem) {
	if name == "apps.manifest.export" {
		return w.exportManifest(a, r)
	}
	m, ok := w.methods[name]
	if !ok {
		w.shout("the bot called the unknown method %q", name)
		return nil, &problem{code: "unknown_method", extra: map[string]any{"req_method": name}}
	}
	if _, p := bearer(r, a); p != nil {
		return nil, p
	}
	if !w.authentic(r, a) {
		return nil, fail("invalid_auth")
	}
	if w.kept.Revoked {
		return nil, fail("account_inactive")
	}
	if p := w.scoped(m); p != nil {
		return nil, p
	}
	if m.forms && isJSON(r) {
		w.shout("%s does not take a JSON body", name)
		return nil, &problem{code: "invalid_arguments", messages: []string{"[ERROR] " + name + " takes application/x-www-form-urlencoded"}}
	}
	known := strings.Fields(m.known)
	for arg := range a {
		if arg != "token" && !slices.Contains(known, arg) {
			w.shout("%s was called with the argument %q, which is unknown or not simulated", name, arg)
		}
	}
	reply, p := m.run(w, a)
	if p != nil {
		return nil, p
	}
	if reply == nil {
		reply = map[string]any{}
	}
	reply["ok"] = true
	return reply, nil
}

// bearer takes the token from the Authorization header. A token in the body
// alone is not_authed; beside the header it must be the same one.
func bearer(r *http.Request, a args) (string, *problem) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", fail("not_authed")
	}
	if t := a["token"]; t != "" && t != token {
		return "", fail("invalid_auth")
	}
	return token, nil
}

// exportManifest takes an app configuration token and no bot's. Source: the method page on
// docs.slack.dev.
func (w *Workspace) exportManifest(a args, r *http.Request) (map[string]any, *problem) {
	token, p := bearer(r, a)
	switch {
	case p != nil:
		return nil, p
	case w.opts.ConfigToken == "" || subtle.ConstantTimeCompare([]byte(token), []byte(w.opts.ConfigToken)) != 1:
		return nil, fail("invalid_auth")
	case a["app_id"] != w.opts.AppID:
		return nil, fail("invalid_app_id")
	}
	return map[string]any{"ok": true, "manifest": json.RawMessage(w.opts.Manifest)}, nil
}

// authentic says whether the bot's token came.
func (w *Workspace) authentic(r *http.Request, a args) bool {
	token, p := bearer(r, a)
	return p == nil && subtle.ConstantTimeCompare([]byte(token), []byte(w.opts.BotToken)) == 1
}

// scoped checks the scopes of the bot token. Under the lock.
func (w *Workspace) scoped(m method) *problem {
	need := strings.Fields(m.scopes)
	if w.opts.Scopes == nil || len(need) == 0 {
		return nil
	}
	for _, s := range need {
		if slices.Contains(w.opts.Scopes, s) {
			return nil
		}
	}
	return &problem{code: "missing_scope", extra: map[string]any{
		"needed": strings.Join(need, ","), "provided": strings.Join(w.opts.Scopes, ","),
	}}
}

func isJSON(r *http.Request) bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && t == "application/json"
}

// readArgs reads the arguments from the query, a form body or a JSON body.
func readArgs(rw http.ResponseWriter, r *http.Request) (args, *problem) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		return nil, fail("request_timeout")
	}
	a := make(args)
	take := func(v url.Values) {
		for k := range v {
			a[k] = v.Get(k)
		}
	}
	take(r.URL.Query())
	if r.Method == http.MethodGet {
		return a, nil
	}
	if r.Method != http.MethodPost {
		return nil, fail("invalid_post_type")
	}
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(body) == 0:
		return a, nil
	case r.Header.Get("Content-Type") == "":
		return nil, fail("missing_post_type")
	case err != nil:
		return nil, fail("invalid_post_type")
	case t == "application/x-www-form-urlencoded":
		v, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fail("invalid_form_data")
		}
		take(v)
	case t == "application/json":
		var m map[string]json.RawMessage
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, fail("invalid_json")
		}
		for k, raw := range m {
			var s string
			switch {
			case json.Unmarshal(raw, &s) == nil && raw[0] == '"':
				a[k] = s
			case string(raw) == "null":
			default:
				a[k] = string(raw)
			}
		}
	default:
		return nil, fail("invalid_post_type")
	}
	return a, nil
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	b, err := marshal(v)
	if err != nil { // only our own types are written
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	rw.Write(b) //nolint:errcheck // the caller has gone
}

// methods is the table of what is simulated. Arguments that Slack knows and
// that are missing here (attachments, username, icons, markdown_text …) are
// reported like unknown ones.
func methods() map[string]method {
	const message = "channel text blocks thread_ts metadata mrkdwn parse link_names unfurl_links unfurl_media client_msg_id"
	return map[string]method{
		"auth.test":           {run: (*Workspace).authTest},
		"bots.info":           {known: "bot team_id", forms: true, scopes: "users:read", run: (*Workspace).botInfo},
		"chat.postMessage":    {known: message, scopes: "chat:write", writes: true, run: (*Workspace).postMessage},
		"chat.update":         {known: "channel ts text blocks metadata parse link_names", scopes: "chat:write", writes: true, run: (*Workspace).updateMessage},
		"chat.postEphemeral":  {known: "channel user text blocks thread_ts parse link_names", scopes: "chat:write", writes: true, run: (*Workspace).postEphemeral},
		"chat.delete":         {known: "channel ts", scopes: "chat:write", writes: true, run: (*Workspace).deleteMessage},
		"chat.getPermalink":   {known: "channel message_ts", forms: true, run: (*Workspace).permalink},
		"conversations.open":  {known: "channel users return_im prevent_creation", scopes: "im:write mpim:write groups:write channels:manage", writes: true, run: (*Workspace).openConversation},
		"conversations.info":  {known: "channel include_locale include_num_members", forms: true, scopes: "channels:read groups:read im:read mpim:read", run: (*Workspace).conversationInfo},
		"users.info":          {known: "user include_locale", forms: true, scopes: "users:read", run: (*Workspace).userInfo},
		"users.lookupByEmail": {known: "email", forms: true, scopes: "users:read.email", run: (*Workspace).lookupByEmail},
		"views.open":          {known: "trigger_id view", writes: true, run: (*Workspace).openView},
		"views.push":          {known: "trigger_id view", writes: true, run: (*Workspace).pushView},
		"views.update":        {known: "view view_id external_id hash", writes: true, run: (*Workspace).updateView},
		"views.publish":       {known: "user_id view hash", writes: true, run: (*Workspace).publishView},
	}
}
