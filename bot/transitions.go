package bot

import (
	"fmt"
	"strings"
)

// Transition is one arrow of the life of a request.
type Transition struct {
	From, To State
	By       string // what makes it happen
}

const (
	byMicrosoft = "Microsoft's word"
	byFinding   = "Microsoft's word, made elsewhere"
	bySignIn    = "sign-in"
)

// Transitions is every way a state may change; move refuses any other. "" is the
// state before the form was sent.
var Transitions = []Transition{
	{"", Submitting, "form sent"},
	{"", SignInRequired, "form sent, not signed in"},
	{"", PendingApproval, byFinding},
	{"", Scheduled, byFinding},
	{Submitting, SignInRequired, "Microsoft wants a sign-in or a step-up"},
	{SignInRequired, Submitting, bySignIn},
	{SignInRequired, Canceled, "taken back, or nobody signed in"},
	{SignInRequired, Failed, "refused"},
	{SignInRequired, Active, "Microsoft's word, after a lost answer"},
	{SignInRequired, Ended, "nobody signed in after a lost answer"},
	{Submitting, Canceled, "taken back before it was sent; Microsoft's word"},
	{Submitting, PendingApproval, byMicrosoft},
	{Submitting, Scheduled, byMicrosoft},
	{Submitting, Active, byMicrosoft},
	{Submitting, Denied, byMicrosoft},
	{Submitting, Failed, byMicrosoft},
	{Submitting, Ended, byMicrosoft},
	{PendingApproval, Scheduled, byMicrosoft},
	{PendingApproval, Active, byMicrosoft},
	{PendingApproval, Denied, byMicrosoft},
	{PendingApproval, Canceled, byMicrosoft},
	{PendingApproval, Failed, byMicrosoft},
	{PendingApproval, Ended, "Microsoft's word, or readings that fail for 10 min after 24 h 10 min"},
	{Scheduled, Active, byMicrosoft},
	{Scheduled, Canceled, byMicrosoft},
	{Scheduled, Failed, byMicrosoft},
	{Scheduled, Ended, byMicrosoft},
	{Active, Ended, byMicrosoft},
}

func canMove(from, to State) bool {
	for _, t := range Transitions {
		if t.From == from && t.To == to {
			return true
		}
	}
	return false
}

// Diagram draws Transitions for docs/states.md, in Mermaid's language.
func Diagram() string {
	name := func(s State) string {
		if s == "" {
			return "[*]"
		}
		return strings.NewReplacer(" ", "_", "-", "_").Replace(string(s))
	}
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for _, t := range Transitions {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", name(t.From), name(t.To), t.By)
	}
	for _, s := range []State{Denied, Canceled, Failed, Ended} {
		fmt.Fprintf(&b, "    %s --> [*]\n", name(s))
	}
	return b.String()
}
