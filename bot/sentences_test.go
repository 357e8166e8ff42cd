package bot

import (
	"strings"
	"testing"

	"github.com/belaybot/belay/pim"
)

// Whatever Microsoft refuses has a sentence of its own, none of which repeats a code: a person
// knows what to do. (fault 15)
func TestEveryRefusalHasItsOwnSentence(t *testing.T) {
	said := map[string]string{}
	say := func(name string, why Refusal) {
		text := sayRefusal(ToActivate, why)
		if other, there := said[text]; there {
			t.Errorf("%s and %s are told apart by nothing: %s", name, other, text)
		}
		said[text] = name
		if !strings.HasSuffix(text, ".") || strings.Contains(text, "Rule") || strings.Contains(text, string(why.Code)+":") {
			t.Errorf("%s is no plain sentence: %s", name, text)
		}
	}
	for _, code := range []pim.Code{pim.CodeExists, pim.CodePending, pim.CodeStepUp, pim.CodeTooShort, pim.CodeNotActive, pim.CodeCannotCancel,
		pim.CodeNotFound, pim.CodeDecided, pim.CodeNotApprover, pim.CodeLicense, pim.CodeForbidden, pim.CodeNotYet, pim.CodeUnavailable, pim.CodeInvalid} {
		say(string(code), Refusal{Code: code})
	}
	rules := []pim.Rule{pim.RuleMFA, pim.RuleJustification, pim.RuleTicketing, pim.RuleExpiration, pim.RuleEligibility}
	for _, rule := range rules {
		say(string(rule), Refusal{Code: pim.CodePolicy, Rules: []pim.Rule{rule}})
	}
	say("every rule", Refusal{Code: pim.CodePolicy, Rules: rules})
	say("no rule", Refusal{Code: pim.CodePolicy})
	for _, rule := range []pim.Rule{"SomethingNew", ""} {
		if text := sayRules([]pim.Rule{rule}); !strings.Contains(text, string(rule)) {
			t.Errorf("a rule that nobody knows is not named: %s", text)
		}
	}
}
