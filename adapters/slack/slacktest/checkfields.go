package slacktest

import "fmt"

// maxBoxes is how many options a group of checkboxes may have.
const maxBoxes = 10

// fieldElement checks the elements in which several options, or a time, stand.
// Sources: the pages of these elements on docs.slack.dev, and @slack/types 3.2.0.
func (c *checker) fieldElement(at string, m map[string]any) {
	switch m["type"] {
	case "multi_static_select":
		c.object(at, m, "type", "action_id placeholder options option_groups initial_options max_selected_items confirm focus_on_load")
		_, hasOptions := m["options"]
		if _, hasGroups := m["option_groups"]; hasOptions == hasGroups {
			c.fault(at, "must define either `options` or `option_groups`")
		}
		c.initialOptions(at, m, c.options(at, m, 1))
	case "multi_external_select":
		c.object(at, m, "type", "action_id placeholder initial_options min_query_length max_selected_items confirm focus_on_load")
		c.number(at, m, "min_query_length", 0, 1000)
		for i, o := range c.list(at, m, "initial_options", 1, 100) {
			c.option(fmt.Sprintf("%s/initial_options/%d", at, i), o, false)
		}
	case "checkboxes":
		c.object(at, m, "type options", "action_id initial_options confirm focus_on_load")
		all := c.list(at, m, "options", 1, maxBoxes)
		for i, o := range all {
			c.box(fmt.Sprintf("%s/options/%d", at, i), o)
		}
		c.initialOptions(at, m, all)
	case "datetimepicker":
		c.object(at, m, "type", "action_id initial_date_time confirm focus_on_load")
		c.number(at, m, "initial_date_time", 1_000_000_000, 9_999_999_999) // "in the format of 10 digits"
	}
	c.text(at, m, "placeholder", 150, plain)
	most := c.number(at, m, "max_selected_items", 1, 100)
	if chosen, ok := m["initial_options"].([]any); ok && most > 0 && int64(len(chosen)) > most {
		c.fault(at+"/initial_options", "no more than %d items allowed", most)
	}
}

// initialOptions checks that each initial option is exactly one of the options.
func (c *checker) initialOptions(at string, m map[string]any, all []any) {
	for i, initial := range c.list(at, m, "initial_options", 1, 100) {
		found := false
		for _, o := range all {
			found = found || sameOption(o, initial)
		}
		if !found {
			c.fault(fmt.Sprintf("%s/initial_options/%d", at, i), "must match one of the options")
		}
	}
}

// box checks an option of checkboxes, whose texts may have markup.
func (c *checker) box(at string, v any) {
	m, ok := c.object(at, v, "text value", "description")
	if !ok {
		return
	}
	c.text(at, m, "text", maxLabel, plain, mrkdwn)
	c.str(at, m, "value", 1, maxLabel)
	c.text(at, m, "description", maxLabel, plain, mrkdwn)
}
