package bot

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/belaybot/belay/pim"
)

// Subcommand is the first word of a command, or "" for a role.
type Subcommand string

// The subcommands of /elevate.
const (
	SubStatus    Subcommand = "status"
	SubStop      Subcommand = "stop"
	SubApprovals Subcommand = "approvals"
	SubLink      Subcommand = "link"
	SubUnlink    Subcommand = "unlink"
	SubHelp      Subcommand = "help"
	SubAgain     Subcommand = "again"  // what was asked for last; a duration and a reason may follow
	SubSave      Subcommand = "save"   // … under a name
	SubSaved     Subcommand = "saved"  // what was saved
	SubForget    Subcommand = "forget" // drop what was saved under a name
	SubHome      Subcommand = "home"
	SubPosture   Subcommand = "posture"   // how the tenant stands, for those who may see it
	SubChecklist Subcommand = "checklist" // the same as answers
	SubAlerts    Subcommand = "alerts"    // what nobody has acknowledged, and what is muted
	SubDrift     Subcommand = "drift"     // what is not as it was accepted, for those who may see the posture
	SubReviews   Subcommand = "reviews"   // the access reviews that wait for the person
)

// subcommands are the words that mean something when they stand alone, and that
// nothing can be saved under.
var subcommands = []Subcommand{SubStatus, SubStop, SubApprovals, SubLink, SubUnlink, SubHelp, SubHome, SubPosture, SubChecklist, SubAgain, SubSave, SubSaved, SubForget, SubAlerts, SubDrift, SubReviews}

// Elevate is a parsed command.
type Elevate struct {
	Sub      Subcommand
	Role     string        // words of the role's name; empty: let the person choose
	Key      string        // the role itself, where a button names it
	Duration time.Duration // zero: not said
	BadTime  string        // what stood where a duration was meant but is none
	Reason   string
	Name     string // of what is to be saved or forgotten, as it was typed
}

// ParseCommand reads the text after /elevate: a subcommand, or
// "<role> <duration> <reason>" where role and reason may be several words.
func ParseCommand(text string) Elevate {
	words := strings.FieldsFunc(text, unicode.IsSpace)
	if len(words) == 0 {
		return Elevate{}
	}
	if sub := Subcommand(strings.ToLower(words[0])); len(words) == 1 && slices.Contains(subcommands, sub) {
		return Elevate{Sub: sub}
	}
	if e, ok := earlier(words); ok {
		return e
	}
	for n, word := range words {
		used := 1
		d, err := ParseTime(word)
		if err != nil && n+1 < len(words) && isNumber(word) && isUnit(words[n+1]) {
			word, used = word+" "+words[n+1], 2
		} else if err != nil && !looksLikeTime(word) {
			continue
		}
		e := Elevate{Role: strings.Join(words[:n], " "), Duration: d, Reason: strings.Join(words[n+used:], " ")}
		if err != nil {
			e.BadTime = word
		}
		return e.orAgain()
	}
	return Elevate{Role: strings.Join(words, " ")}.orAgain()
}

var (
	isoTime   = regexp.MustCompile(`^[Pp][0-9TtHhMmSsDdWwYy.]*[0-9][0-9TtHhMmSsDdWwYy.]*$`)
	shortTime = regexp.MustCompile(`^([0-9]{1,4}h)?([0-9]{1,5}m)?$`)
	timeish   = regexp.MustCompile(`^[-+]?[0-9]+([.,][0-9]+)?[a-zA-Z]+([0-9]+[a-zA-Z]*)*$`)
	number    = regexp.MustCompile(`^[-+]?[0-9]+([.,][0-9]+)?$`)
)

func looksLikeTime(w string) bool { return isoTime.MatchString(w) || timeish.MatchString(w) }
func isNumber(w string) bool      { return number.MatchString(w) }

func isUnit(w string) bool {
	switch strings.TrimSuffix(strings.ToLower(w), "s") {
	case "h", "hr", "hour", "m", "min", "minute", "d", "day", "week", "month", "year":
		return true
	}
	return false
}

// ParseTime reads how long a person wants a role: 30m, 1h, 1h30m or ISO 8601 such
// as PT1H. It refuses signs, months, years and anything it would have to guess,
// with an *Error. The result is between one minute and 9999 hours.
func ParseTime(s string) (time.Duration, error) {
	bad := refuse(CodeInvalid, sayBadDuration(s))
	if isoTime.MatchString(s) {
		d, err := pim.ParseDuration(strings.ToUpper(s))
		if err != nil || d < time.Minute {
			return 0, bad
		}
		return d, nil
	}
	low := strings.ToLower(s)
	if low == "" || !shortTime.MatchString(low) {
		return 0, bad
	}
	d, err := time.ParseDuration(low)
	if err != nil || d < time.Minute {
		return 0, bad
	}
	return d, nil
}
