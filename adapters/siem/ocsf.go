package siem

import (
	"cmp"
	"strings"

	"github.com/belaybot/belay/store/trail"
)

// Event is an event of OCSF. Source: github.com/ocsf/ocsf-schema, 1.8.0; the tests
// hold every event against that schema.
type Event struct {
	ActivityID   int    `json:"activity_id"`
	CategoryUID  int    `json:"category_uid"`
	CategoryName string `json:"category_name"`
	ClassUID     int    `json:"class_uid"`
	ClassName    string `json:"class_name"`
	TypeUID      int    `json:"type_uid"`
	SeverityID   int    `json:"severity_id"`
	Severity     string `json:"severity"`
	Time         int64  `json:"time"` // milliseconds since 1970
	// Of a finding StatusID is where somebody's work on it stands: New.
	StatusID   int      `json:"status_id"`
	Status     string   `json:"status"`
	StatusCode string   `json:"status_code,omitempty"`
	Message    string   `json:"message"`
	Metadata   Metadata `json:"metadata"`

	Actor       *Actor            `json:"actor,omitempty"`
	User        *User             `json:"user,omitempty"`
	Entity      *Entity           `json:"entity,omitempty"`
	Comment     string            `json:"comment,omitempty"`
	Privileges  []string          `json:"privileges,omitempty"`
	Resources   []Named           `json:"resources,omitempty"`
	Service     *Named            `json:"service,omitempty"`
	API         *API              `json:"api,omitempty"`
	SrcEndpoint *Endpoint         `json:"src_endpoint,omitempty"`
	FindingInfo *FindingInfo      `json:"finding_info,omitempty"`
	Unmapped    map[string]string `json:"unmapped,omitempty"` // what of Belay's event has no place in OCSF
}

// Metadata says what the event is and where it comes from.
type Metadata struct {
	Version        string  `json:"version"`
	Product        Product `json:"product"`
	UID            string  `json:"uid"`                // Belay's id of the event
	EventCode      string  `json:"event_code"`         // Belay's kind of event
	Sequence       *uint64 `json:"sequence,omitempty"` // in the chain; absent: not chained yet
	CorrelationUID string  `json:"correlation_uid,omitempty"`
	LogName        string  `json:"log_name"`
	TenantUID      string  `json:"tenant_uid,omitempty"`
}

// Product is Belay.
type Product struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version,omitempty"`
}

// Actor is who did it: a person, or Belay itself.
type Actor struct {
	User    *User  `json:"user,omitempty"`
	AppName string `json:"app_name,omitempty"`
}

// User is a person.
type User struct {
	UID    string `json:"uid,omitempty"`     // Entra object id
	UIDAlt string `json:"uid_alt,omitempty"` // chat user id
	Name   string `json:"name,omitempty"`
	Domain string `json:"domain,omitempty"` // tenant of the chat user
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

// Entity is a request.
type Entity struct {
	UID    string `json:"uid,omitempty"`
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

// Named is a thing with a name and an id: a resource, a service.
type Named struct {
	UID  string `json:"uid,omitempty"`
	Name string `json:"name,omitempty"`
}

// API is what an operator had done.
type API struct {
	Operation string `json:"operation"`
}

// Endpoint is where it came from.
type Endpoint struct {
	Hostname string `json:"hostname,omitempty"`
	SvcName  string `json:"svc_name"`
}

// FindingInfo is what was found.
type FindingInfo struct {
	UID         string `json:"uid"`
	Title       string `json:"title"`
	CreatedTime int64  `json:"created_time"`
}

// Source says which Belay it is.
type Source struct {
	Version string // of Belay; empty: not told
	Tenant  string // Entra tenant id
}

// OCSF is a line of the audit trail as an event of OCSF.
func (s Source) OCSF(l Line) Event {
	m := mean(l.Event)
	e := Event{ActivityID: m.activity, CategoryUID: m.class / 1000, CategoryName: categories[m.class/1000], ClassUID: m.class, ClassName: classes[m.class],
		TypeUID: m.class*100 + m.activity, SeverityID: m.severity, Severity: severities[m.severity], Time: l.At.UnixMilli(),
		StatusCode: l.Reason, Message: message(l.Event), Unmapped: unmapped(l)}
	e.StatusID, e.Status = status(l.Outcome)
	e.Metadata = Metadata{Version: Version, Product: Product{Name: "Belay", VendorName: "Belay", Version: s.Version}, UID: l.ID, EventCode: string(l.Kind),
		CorrelationUID: l.Request, LogName: "audit trail", TenantUID: s.Tenant}
	if !l.Loose {
		e.Metadata.Sequence = &l.Index
	}
	if m.class != DetectionFinding && m.class != 0 { // these have no actor
		e.Actor = actor(l)
	}
	switch m.class {
	case EntityManagement:
		e.Entity = &Entity{UID: l.Request, Name: cmp.Or(role(l.Event), "request"), TypeID: 99, Type: "PIM request"}
		e.Comment = cmp.Or(l.Texts["justification"], l.Texts["reason"])
	case UserAccessManagement:
		e.User = person(l.Subject, l.Texts["subject"])
		e.Privileges = []string{cmp.Or(role(l.Event), "unknown")}
		if r := l.Role; r != nil && r.Scope != "" {
			e.Resources = []Named{{UID: r.Scope}}
		}
	case AccountChange, Authentication:
		e.User = person(l.Subject, cmp.Or(l.Texts["subject"], same(l, l.Texts["actor"])))
		if m.class == Authentication {
			e.Service = &Named{Name: "Belay"}
		}
	case APIActivity:
		_, host, _ := strings.Cut(l.Actor.User, "@")
		e.API, e.SrcEndpoint = &API{Operation: cmp.Or(l.Verb, "command")}, &Endpoint{Hostname: host, SvcName: "belay"}
		if u := e.Actor.User; u != nil {
			u.TypeID, u.Type = 2, "Admin"
		}
	case DetectionFinding:
		e.FindingInfo = &FindingInfo{UID: l.ID, Title: e.Message, CreatedTime: e.Time}
		e.StatusID, e.Status = 1, "New"
	}
	return e
}

// mean is what an event is in OCSF; one that no table knows is of no category.
func mean(e trail.Event) meaning {
	m, ok := meanings[e.Kind]
	switch {
	case !ok:
		m = meaning{activity: 99, severity: informational}
	case e.Kind == trail.Moved && e.From == e.To: // a status that nothing could be concluded from
	case e.Kind == trail.Moved && e.To == "active":
		m.class, m.activity = UserAccessManagement, accessAssign
	case e.Kind == trail.Moved && e.From == "active":
		m.class, m.activity = UserAccessManagement, accessRevoke
	case e.Kind == trail.Moved && e.To == "canceled":
		m.activity = entityDelete
	case e.Kind == trail.Operator:
		m.activity = command(e.Verb)
	}
	if e.Outcome != trail.OK && m.severity == informational {
		m.severity = low
	}
	return m
}

// command is what an operator's command does, by the last word of its name.
func command(verb string) int {
	switch verb[strings.LastIndex(verb, " ")+1:] {
	case "export", "list", "verify", "reconcile", "key":
		return apiRead
	case "erase", "revoke", "revoke-all", "prune", "discard":
		return apiDelete
	}
	return apiUpdate
}

func status(o trail.Outcome) (int, string) {
	switch o {
	case trail.OK:
		return 1, "Success"
	case trail.No, trail.Failed:
		return 2, "Failure"
	}
	return 0, "Unknown"
}

// message is the event in a few words of Belay's own, without a personal text.
func message(e trail.Event) string {
	words := []string{string(e.Kind)}
	for _, w := range []string{e.Verb, e.To, role(e), e.Reason} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ": ")
}

func role(e trail.Event) string {
	if e.Role == nil {
		return ""
	}
	return cmp.Or(e.Role.Name, e.Role.ID)
}

func actor(l Line) *Actor {
	if l.Actor.Principal == "" && l.Actor.User == "" {
		return &Actor{AppName: cmp.Or(l.Actor.Platform, "belay")}
	}
	u := person(l.Actor.Principal, l.Texts["actor"])
	u.UIDAlt, u.Domain = l.Actor.User, l.Actor.Tenant
	if u.UID == "" && u.Name == "unknown" { // an operator, or a chat user who is not linked
		u.Name = l.Actor.User
	}
	return &Actor{User: u, AppName: l.Actor.Platform}
}

// person is a user of OCSF, which has an id or a name.
func person(id, name string) *User {
	if id == "" && name == "" {
		name = "unknown"
	}
	return &User{UID: id, Name: name, TypeID: 1, Type: "User"}
}

// same is a name of the actor where it is the subject's too.
func same(l Line, name string) string {
	if l.Actor.Principal != "" && strings.EqualFold(l.Actor.Principal, l.Subject) {
		return name
	}
	return ""
}

// unmapped keeps what OCSF has no place for.
func unmapped(l Line) map[string]string {
	all := map[string]string{"platform": l.Actor.Platform, "token": l.Token, "subject": l.Subject, "held": l.Held, "verb": l.Verb, "from": l.From, "to": l.To,
		"ref": l.Ref, "ticket": l.Texts["ticket"], "erased": strings.Join(l.Erased, " ")}
	if r := l.Role; r != nil {
		all["role_kind"], all["role"], all["scope"] = r.Kind, r.ID, r.Scope
	}
	for name, value := range l.More {
		all["more_"+name] = value
	}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
