package siem

import (
	"maps"
	"slices"

	"github.com/belaybot/belay/store/trail"
)

// Version is the version of OCSF that Events are of. The mapping below is of this
// version: a new one is a new table.
const Version = "1.8.0"

// The classes that Belay's events are of; their last three digits are the number in the
// category. From OCSF 1.9.0 on, User Access Management and Account Change are
// deprecated in favour of User Management (3007): with that version Moved, Linked and
// Unlinked go there.
const (
	EntityManagement     = 3004
	UserAccessManagement = 3005
	AccountChange        = 3001
	Authentication       = 3002
	APIActivity          = 6003
	DetectionFinding     = 2004
)

// The activities that are used, each a number of its class.
const (
	entityCreate, entityUpdate, entityDelete, entitySuspend, entityResume = 1, 3, 4, 12, 13
	accessAssign, accessRevoke                                            = 1, 2
	accountCreate, accountDelete                                          = 1, 6
	logon, logoff                                                         = 1, 2
	apiRead, apiUpdate, apiDelete                                         = 2, 3, 4
	findingCreate, findingUpdate                                          = 1, 2
)

// The severities that are used.
const (
	informational = 1
	low           = 2
	medium        = 3
	high          = 4
)

// meaning is what a kind of event is in OCSF.
type meaning struct{ class, activity, severity int }

// meanings has every kind. Refined are:
//
//   - Moved: what becomes active is a privilege that is assigned, what was active
//     and ends one that is revoked (UserAccessManagement); every other move changes
//     the request only.
//   - Operator: what a command reads, changes or deletes.
//
// A request is a managed entity, and so are the calls and decisions about it. An
// operator's command is a call of Belay's own interface: API Activity has a place for
// its name and for where it came from. A
// decision that its approver disowns is a thing that somebody should look into, which is
// what a finding is; there is nobody to name as its actor.
var meanings = map[trail.Kind]meaning{
	trail.Asked:       {EntityManagement, entityCreate, informational},
	trail.Found:       {EntityManagement, entityCreate, informational},
	trail.NeedsSignIn: {EntityManagement, entitySuspend, informational},
	trail.Sent:        {EntityManagement, entityUpdate, informational},
	trail.Accepted:    {EntityManagement, entityUpdate, informational},
	trail.Refused:     {EntityManagement, entityUpdate, low},
	trail.Withdrawn:   {EntityManagement, entityUpdate, informational},
	trail.Decided:     {EntityManagement, entityUpdate, informational},
	trail.Moved:       {EntityManagement, entityUpdate, informational},
	trail.Wanted:      {EntityManagement, entityUpdate, informational},
	trail.Resumed:     {EntityManagement, entityResume, informational},
	trail.Delayed:     {EntityManagement, entityUpdate, informational},
	trail.Press:       {EntityManagement, entityUpdate, low},

	trail.ReviewWanted:   {EntityManagement, entityUpdate, informational},
	trail.ReviewSent:     {EntityManagement, entityUpdate, informational},
	trail.ReviewRecorded: {EntityManagement, entityUpdate, informational},
	trail.ReviewRefused:  {EntityManagement, entityUpdate, low},

	trail.Linked:       {AccountChange, accountCreate, informational},
	trail.Unlinked:     {AccountChange, accountDelete, informational},
	trail.SignedIn:     {Authentication, logon, informational},
	trail.Ended:        {Authentication, logoff, informational},
	trail.Alerted:      {DetectionFinding, findingCreate, medium},
	trail.AlertHandled: {DetectionFinding, findingUpdate, informational},
	trail.DriftFound:   {DetectionFinding, findingCreate, medium},
	trail.DriftHandled: {DetectionFinding, findingUpdate, informational},
	trail.NotMe:        {DetectionFinding, findingCreate, high},
	trail.TurnedAway:   {Authentication, logon, medium},

	trail.Operator:    {APIActivity, apiUpdate, informational},
	trail.KeysChanged: {APIActivity, apiUpdate, medium},
}

// Kinds are all kinds of events, sorted.
func Kinds() []trail.Kind { return slices.Sorted(maps.Keys(meanings)) }

// classes are the captions of OCSF.
var classes = map[int]string{
	0: "Base Event", EntityManagement: "Entity Management", UserAccessManagement: "User Access Management", AccountChange: "Account Change",
	Authentication: "Authentication", APIActivity: "API Activity", DetectionFinding: "Detection Finding",
}

// categories are the captions of OCSF, by the thousands of the class.
var categories = map[int]string{0: "Uncategorized", 2: "Findings", 3: "Identity & Access Management", 6: "Application Activity"}

// severities are the captions of OCSF.
var severities = map[int]string{informational: "Informational", low: "Low", medium: "Medium", high: "High"}
