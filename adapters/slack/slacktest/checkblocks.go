package slacktest

import (
	"fmt"
	"reflect"
	"strconv"
)

const (
	plain    = "plain_text"
	mrkdwn   = "mrkdwn"
	maxText  = 3000
	maxID    = 255
	maxLabel = 75 // option texts and values, button texts: Slack's documents disagree on values (150), the smaller one is taken
)

// blocks checks a list of blocks; most is 50 in a message and 100 in a view.
func (c *checker) blocks(at string, v any, most int) {
	holder := map[string]any{"blocks": v}
	c.view = most > 50
	for i, b := range c.list(at, holder, "blocks", 0, most) {
		c.block(at+"/blocks/"+strconv.Itoa(i), b)
	}
}

func (c *checker) block(at string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fault(at, "must be a valid object")
		return
	}
	if id := c.str(at, m, "block_id", 1, maxID); id != "" {
		if c.blockIDs[id] {
			c.fault(at+"/block_id", "`block_id` %s already exists", id)
		}
		c.blockIDs[id] = true
	}
	switch m["type"] {
	case "header":
		c.object(at, v, "type text", "block_id")
		c.text(at, m, "text", 150, plain)
	case "section":
		c.section(at, m)
	case "context":
		c.object(at, v, "type elements", "block_id")
		for i, e := range c.list(at, m, "elements", 1, 10) {
			c.contextText(fmt.Sprintf("%s/elements/%d", at, i), e)
		}
	case "actions":
		c.object(at, v, "type elements", "block_id")
		ids := make(map[string]bool)
		for i, e := range c.list(at, m, "elements", 1, 25) {
			c.element(fmt.Sprintf("%s/elements/%d", at, i), e, ids, "button", "static_select", "external_select", "overflow", "checkboxes", "datetimepicker")
		}
	case "divider":
		c.object(at, v, "type", "block_id")
	case "data_visualization":
		c.chart(at, m)
	case "input":
		c.inputs = append(c.inputs, at)
		c.object(at, v, "type label element", "block_id hint optional dispatch_action")
		c.text(at, m, "label", 2000, plain)
		c.text(at, m, "hint", 2000, plain)
		c.boolean(at, m, "optional", "dispatch_action")
		if e, has := m["element"]; has {
			c.element(at+"/element", e, make(map[string]bool), "plain_text_input", "static_select", "external_select",
				"multi_static_select", "multi_external_select", "checkboxes", "datetimepicker")
		}
	case nil:
		c.fault(at, "missing required field: type")
	default:
		c.stranger(at+"/type", "unsupported type: %v", m["type"])
	}
}

func (c *checker) section(at string, m map[string]any) {
	c.object(at, m, "type", "block_id text fields accessory expand")
	if _, has := m["text"]; !has {
		if _, has := m["fields"]; !has {
			c.fault(at, "must define either `text` or `fields`")
		}
	}
	c.text(at, m, "text", maxText, plain, mrkdwn)
	for i, f := range c.list(at, m, "fields", 1, 10) {
		c.textObject(fmt.Sprintf("%s/fields/%d", at, i), f, 2000, plain, mrkdwn)
	}
	c.boolean(at, m, "expand")
	if e, has := m["accessory"]; has {
		c.element(at+"/accessory", e, make(map[string]bool), "button", "static_select", "external_select", "overflow",
			"multi_static_select", "multi_external_select", "checkboxes") // no datetimepicker: it stands in actions and inputs only
	}
}

// contextText checks an element of a context block; images are not simulated.
func (c *checker) contextText(at string, v any) {
	if m, ok := v.(map[string]any); ok && m["type"] != plain && m["type"] != mrkdwn {
		c.stranger(at+"/type", "unsupported type: %v", m["type"])
		return
	}
	c.textObject(at, v, maxText, plain, mrkdwn)
}

// element checks an interactive element; ids are the action_ids of its block so far.
func (c *checker) element(at string, v any, ids map[string]bool, allowed ...string) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fault(at, "must be a valid object")
		return
	}
	known := false
	for _, a := range allowed {
		known = known || m["type"] == a
	}
	if !known {
		c.stranger(at+"/type", "unsupported type: %v", m["type"])
		return
	}
	if id := c.str(at, m, "action_id", 1, maxID); id != "" {
		if ids[id] {
			c.fault(at+"/action_id", "`action_id` %s already exists for this block", id)
		}
		ids[id] = true
	}
	c.confirm(at, m)
	c.boolean(at, m, "focus_on_load")
	if m["focus_on_load"] == true {
		if c.focused++; c.focused > 1 {
			c.fault(at+"/focus_on_load", "only one element can have focus_on_load")
		}
	}
	switch m["type"] {
	case "button":
		c.object(at, v, "type text", "action_id value url style confirm accessibility_label")
		c.text(at, m, "text", maxLabel, plain)
		c.str(at, m, "value", 1, 2000)
		c.link(at, m, "url")
		c.oneOf(at, m, "style", "primary", "danger")
		c.str(at, m, "accessibility_label", 1, maxLabel)
	case "static_select":
		c.object(at, v, "type", "action_id placeholder options option_groups initial_option confirm focus_on_load")
		c.text(at, m, "placeholder", 150, plain)
		c.menu(at, m)
	case "external_select":
		c.object(at, v, "type", "action_id placeholder initial_option min_query_length confirm focus_on_load")
		c.text(at, m, "placeholder", 150, plain)
		c.number(at, m, "min_query_length", 0, 1000)
		if o, has := m["initial_option"]; has {
			c.option(at+"/initial_option", o, false)
		}
	case "multi_static_select", "multi_external_select", "checkboxes", "datetimepicker":
		c.fieldElement(at, m)
	case "overflow":
		c.object(at, v, "type options", "action_id confirm")
		for i, o := range c.list(at, m, "options", 1, 5) {
			c.option(fmt.Sprintf("%s/options/%d", at, i), o, true)
		}
	case "plain_text_input":
		c.textInput(at, m)
	}
}

func (c *checker) textInput(at string, m map[string]any) {
	c.object(at, m, "type", "action_id placeholder initial_value multiline min_length max_length dispatch_action_config focus_on_load")
	c.text(at, m, "placeholder", 150, plain)
	c.str(at, m, "initial_value", 0, 3000)
	c.boolean(at, m, "multiline")
	least, most := c.number(at, m, "min_length", 0, 3000), c.number(at, m, "max_length", 1, 3000)
	if most >= 0 && least > most {
		c.fault(at+"/min_length", "must not be greater than `max_length`")
	}
	if conf, has := m["dispatch_action_config"]; has {
		at += "/dispatch_action_config"
		if o, ok := c.object(at, conf, "", "trigger_actions_on"); ok {
			for _, t := range c.list(at, o, "trigger_actions_on", 1, 2) {
				c.oneOf(at, map[string]any{"trigger_actions_on": t}, "trigger_actions_on", "on_enter_pressed", "on_character_entered")
			}
		}
	}
}

// menu checks the options of a static select: either a list or groups.
func (c *checker) menu(at string, m map[string]any) {
	_, hasOptions := m["options"]
	_, hasGroups := m["option_groups"]
	if hasOptions == hasGroups {
		c.fault(at, "must define either `options` or `option_groups`")
	}
	all := c.options(at, m, 1)
	if initial, has := m["initial_option"]; has {
		c.option(at+"/initial_option", initial, false)
		found := false
		for _, o := range all {
			found = found || sameOption(o, initial)
		}
		if !found {
			c.fault(at+"/initial_option", "must match one of the options")
		}
	}
}

// options checks options and option_groups wherever they stand, and returns all options.
func (c *checker) options(at string, m map[string]any, least int) []any {
	all := c.list(at, m, "options", least, 100)
	for i, o := range all {
		c.option(fmt.Sprintf("%s/options/%d", at, i), o, false)
	}
	for i, g := range c.list(at, m, "option_groups", least, 100) {
		at := fmt.Sprintf("%s/option_groups/%d", at, i)
		group, ok := c.object(at, g, "label options", "")
		if !ok {
			continue
		}
		c.text(at, group, "label", maxLabel, plain)
		items := c.list(at, group, "options", least, 100)
		for j, o := range items {
			c.option(fmt.Sprintf("%s/options/%d", at, j), o, false)
		}
		all = append(all[:len(all):len(all)], items...)
	}
	return all
}

func (c *checker) option(at string, v any, overflow bool) {
	optional := "description"
	if overflow {
		optional = "description url"
	}
	m, ok := c.object(at, v, "text value", optional)
	if !ok {
		return
	}
	c.text(at, m, "text", maxLabel, plain)
	c.str(at, m, "value", 1, maxLabel)
	c.text(at, m, "description", maxLabel, plain)
	c.link(at, m, "url")
}

// sameOption compares as Slack does: the initial option must be exactly one of the options.
func sameOption(a, b any) bool { return reflect.DeepEqual(a, b) }

func (c *checker) confirm(at string, m map[string]any) {
	v, has := m["confirm"]
	if !has {
		return
	}
	at += "/confirm"
	o, ok := c.object(at, v, "title text confirm deny", "style")
	if !ok {
		return
	}
	c.text(at, o, "title", 100, plain)
	c.text(at, o, "text", 300, plain, mrkdwn)
	c.text(at, o, "confirm", 30, plain)
	c.text(at, o, "deny", 30, plain)
	c.oneOf(at, o, "style", "primary", "danger")
}

// viewObject checks the view of views.open and its kin.
func (c *checker) viewObject(at string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fault(at, "must be a valid object")
		return
	}
	switch m["type"] {
	case "modal":
		c.object(at, v, "type title blocks", "submit close callback_id external_id private_metadata clear_on_close notify_on_close")
		for _, key := range []string{"title", "submit", "close"} {
			c.text(at, m, key, 24, plain)
		}
		c.boolean(at, m, "clear_on_close", "notify_on_close")
	case "home":
		c.object(at, v, "type blocks", "callback_id external_id private_metadata")
	case nil:
		c.fault(at, "missing required field: type")
	default:
		c.stranger(at+"/type", "unsupported type: %v", m["type"])
	}
	c.str(at, m, "callback_id", 0, maxID)
	c.str(at, m, "external_id", 0, maxID)
	c.str(at, m, "private_metadata", 0, 3000)
	if blocks, has := m["blocks"]; has {
		c.blocks(at, blocks, 100)
	}
	if _, has := m["submit"]; !has && m["type"] == "modal" {
		for _, in := range c.inputs {
			c.fault(in, "must define `submit` to use an `input` block in modals")
		}
	}
}
