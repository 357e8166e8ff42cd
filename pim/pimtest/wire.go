package pimtest

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// How the tenant's things look on Graph's wire. Enumerations come in either
// letter case (Unkind.EnumCase), times with up to seven digits of a second.

const wireTime = "2006-01-02T15:04:05.9999999Z"

// stamp writes a time; the zero time is null.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(wireTime)
}

// text writes a string; the empty string is null.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (c *call) enum(usual string, what ...string) string { return c.t.unkind.enum(usual, what...) }

func (c *call) requestObj(r *request) obj {
	status := r.Status
	if r.LateReads > 0 {
		status = statusProvisioning
	}
	var info any = obj{"startDateTime": nil, "recurrence": nil, "expiration": nil}
	if r.Duration > 0 {
		start := r.Start
		if start.IsZero() && r.Status != statusPending {
			start = r.Created
		}
		expiration := obj{"type": c.enum("afterDuration", r.ID), "endDateTime": nil, "duration": isoDuration(r.Duration)}
		if !r.Until.IsZero() {
			expiration = obj{"type": c.enum("afterDateTime", r.ID), "endDateTime": stamp(r.Until), "duration": nil}
		}
		info = obj{"startDateTime": stamp(start), "recurrence": nil, "expiration": expiration}
	}
	creator := obj{"application": nil, "device": nil, "user": obj{"displayName": nil, "id": r.Creator}}
	if r.CreatorKind == ByApplication {
		creator = obj{"application": obj{"displayName": nil, "id": r.Creator}, "device": nil, "user": nil}
	}
	o := obj{
		"id": r.ID, "status": status, "createdDateTime": stamp(r.Created), "completedDateTime": stamp(r.Completed),
		"approvalId": nil, "customData": nil, "action": c.enum(r.Action, r.ID), "principalId": r.Principal, "isValidationOnly": false,
		"targetScheduleId": text(r.Schedule), "justification": text(r.Justification), "createdBy": creator, "scheduleInfo": info,
		"ticketInfo": obj{"ticketNumber": text(r.TicketNumber), "ticketSystem": text(r.TicketSystem)},
	}
	if r.Approval {
		o["approvalId"] = r.ID
	}
	return c.about(o, r.Kind, r.Role, r.Scope)
}

// about names what an entity is about, in the members of its kind.
func (c *call) about(o obj, kind, role, scope string) obj {
	if kind == kindGroup {
		o["accessId"], o["groupId"] = c.enum(role, scope), scope
		return o
	}
	o["roleDefinitionId"], o["directoryScopeId"], o["appScopeId"] = role, scope, nil
	return o
}

func (c *call) assignmentSchedule(a *assignment) obj {
	o := obj{
		"id": a.ID, "principalId": a.Principal,
		"createdUsing": nil, "createdDateTime": stamp(a.Created), "modifiedDateTime": nil, "status": statusProvisioned,
		"assignmentType": c.assignmentType(a), "memberType": c.enum("Direct", a.ID, "member"),
		"scheduleInfo": c.span(a.ID, a.Start, a.End),
	}
	if a.Activated {
		o["createdUsing"] = a.Request
	}
	return c.about(o, a.Kind, a.Role, a.Scope)
}

func (c *call) assignmentInstance(a *assignment) obj {
	o := obj{
		"principalId": a.Principal, "startDateTime": stamp(a.Start), "endDateTime": stamp(a.End), "assignmentType": c.assignmentType(a),
		"memberType": c.enum("Direct", a.ID, "member"),
	}
	if a.Kind == kindGroup {
		o["id"], o["assignmentScheduleId"] = a.Scope+"_"+a.Role+"_"+a.Principal, a.ID
	} else {
		id := packedID(a.Role, a.Principal, a.Scope)
		o["id"], o["roleAssignmentOriginId"], o["roleAssignmentScheduleId"] = id, id, a.ID
	}
	return c.about(o, a.Kind, a.Role, a.Scope)
}

func (c *call) assignmentType(a *assignment) string {
	if a.Activated {
		return c.enum("Activated", a.ID, "type")
	}
	return c.enum("Assigned", a.ID, "type")
}

func (c *call) eligibilitySchedule(e *eligibility) obj {
	return c.about(obj{
		"id": e.ID, "principalId": e.Principal, "createdUsing": e.ID[strings.LastIndex(e.ID, "_")+1:],
		"createdDateTime": stamp(e.Created), "modifiedDateTime": "0001-01-01T08:00:00Z", "status": statusProvisioned,
		"memberType": c.enum("Direct", e.ID, "member"), "scheduleInfo": c.span(e.ID, e.From, e.Until),
	}, e.Kind, e.Role, e.Scope)
}

func (c *call) eligibilityInstance(e *eligibility) obj {
	o := obj{
		"principalId": e.Principal, "startDateTime": stamp(e.From), "endDateTime": stamp(e.Until), "memberType": c.enum("Direct", e.ID, "member"),
	}
	if e.Kind == kindGroup {
		o["id"], o["eligibilityScheduleId"] = e.Scope+"_"+e.Role+"_"+derivedID(e.Scope, "instance of "+e.ID), e.ID
	} else {
		o["id"], o["roleEligibilityScheduleId"] = packedID(e.Role, e.Principal, e.Scope)+"-e", e.ID
	}
	return c.about(o, e.Kind, e.Role, e.Scope)
}

// span is the scheduleInfo of a schedule.
func (c *call) span(id string, from, until time.Time) obj {
	expiration := obj{"type": c.enum("noExpiration", id), "endDateTime": nil, "duration": nil}
	if !until.IsZero() {
		expiration = obj{"type": c.enum("afterDateTime", id), "endDateTime": stamp(until), "duration": nil}
	}
	return obj{"startDateTime": stamp(from), "recurrence": nil, "expiration": expiration}
}

// packedID is how PIM builds the id of an instance: role and principal, 16 bytes
// each in Microsoft's order, and a number that tells scopes apart.
func packedID(role, principal, scope string) string {
	var b []byte
	for _, id := range []string{role, principal} {
		u, err := uuid.Parse(id)
		if err != nil {
			continue // ids were checked when they came in: cannot happen
		}
		b = append(b, u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6])
		b = append(b, u[8:]...)
	}
	n := uint64(1)
	if scope != "/" {
		n = 2 + Unkind{}.roll(scope)%1000
	}
	return base64.RawURLEncoding.EncodeToString(b) + "-" + strconv.FormatUint(n, 10)
}

// isoDuration writes a duration as PIM does: PT5H30M, P365D.
func isoDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d > day && d%day == 0 {
		return "P" + strconv.Itoa(int(d/day)) + "D"
	}
	out := "PT"
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "H"}, {time.Minute, "M"}, {time.Second, "S"}} {
		if n := d / unit.size; n > 0 {
			out += strconv.Itoa(int(n)) + unit.name
			d -= n * unit.size
		}
	}
	if out == "PT" {
		return "PT0S"
	}
	return out
}

var durationShape = regexp.MustCompile(`^P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$`)

// readDuration reads what PIM accepts: whole days, hours, minutes, seconds. Years,
// months, weeks, fractions and an empty duration are refused.
func readDuration(s string) (time.Duration, bool) {
	m := durationShape.FindStringSubmatch(s)
	if m == nil || s[len(s)-1] == 'P' || s[len(s)-1] == 'T' {
		return 0, false
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return 0, false
		}
		d += time.Duration(n) * unit
	}
	return d, true
}
