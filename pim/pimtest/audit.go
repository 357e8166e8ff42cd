package pimtest

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Whose identity an audit entry bears.
const (
	ByUser        = "user"        // a person, in person or with their delegated token
	ByApplication = "application" // an app-only token
	ByService     = "service"     // PIM itself: an end, an expiry
)

// AuditEntry is one line of the tenant's audit log. Every write is in it.
type AuditEntry struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`            // business time
	Actor     string    `json:"actor,omitempty"` // object id; empty for ByService
	ActorKind string    `json:"actorKind"`       // ByUser, ByApplication or ByService
	Activity  string    `json:"activity"`        // as Microsoft spells it
	Target    string    `json:"target"`          // object id of whose role it is
	Kind      string    `json:"kind"`            // "role", "group" or "azure"
	Role      string    `json:"role"`            // role definition id; of a group: member or owner
	Scope     string    `json:"scope"`           // directory scope id, group id or ARM id
	RequestID string    `json:"requestId,omitempty"`
	Reason    string    `json:"reason,omitempty"` // justification
	// Activation is, of a deactivation or removal, the request of the activation
	// that it ended.
	Activation string `json:"activation,omitempty"`
}

// The activities of PIM, the same for every kind. Source: "Microsoft Entra audit
// log activity reference".
const (
	didRequest         = "Add member to role requested (PIM activation)"
	didAskApproval     = "Add member to role approval requested (PIM activation)"
	didApprove         = "Add member to role request approved (PIM activation)"
	didDeny            = "Add member to role request denied (PIM activation)"
	didComplete        = "Add member to role completed (PIM activation)"
	didCancel          = "Add member to role canceled (PIM activation)"
	didLapse           = "PIM activation request expired"
	didEnd             = "Remove member from role (PIM activation expired)"
	didAskDeactivate   = "Remove member from role requested (PIM deactivate)"
	didDeactivate      = "Remove member from role completed (PIM deactivate)"
	didRemove          = "Remove member from role in PIM completed (timebound)"
	didRemovePermanent = "Remove member from role in PIM completed (permanent)"
)

// Audit is the audit log, oldest entry first.
func (t *Tenant) Audit() []AuditEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	return slices.Clone(t.w.Log)
}

// who is the author of a deed.
type who struct{ id, kind string }

func byService() who { return who{kind: ByService} }

func (t *Tenant) log(e AuditEntry) {
	e.ID = uuid.NewString()
	t.w.Log = append(t.w.Log, e)
	t.w.dirty = true
}

func (t *Tenant) logRequest(at time.Time, by who, activity string, r *request, reason string) {
	t.log(AuditEntry{
		Time: at, Actor: by.id, ActorKind: by.kind, Activity: activity,
		Target: r.Principal, Kind: r.Kind, Role: r.Role, Scope: r.Scope, RequestID: r.ID, Reason: reason,
	})
}

// logRemoval logs that r ended a.
func (t *Tenant) logRemoval(at time.Time, by who, activity string, r *request, a *assignment) {
	t.logRequest(at, by, activity, r, r.Justification)
	t.w.Log[len(t.w.Log)-1].Activation = a.Request
}

func (t *Tenant) logEnd(a *assignment) {
	t.log(AuditEntry{
		Time: a.End, ActorKind: ByService, Activity: didEnd,
		Target: a.Principal, Kind: a.Kind, Role: a.Role, Scope: a.Scope, RequestID: a.Request,
	})
}
