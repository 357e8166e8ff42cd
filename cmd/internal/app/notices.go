package app

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// noticeEvents are the events a rule can name.
var noticeEvents = []bot.Notice{bot.NoticeAsked, bot.NoticeApproved, bot.NoticeDenied, bot.NoticeActive, bot.NoticeExtended, bot.NoticeEnded,
	bot.NoticeFailed, bot.NoticeUnreached, bot.NoticeAlert, bot.NoticeDrift, bot.NoticePosture}

// pillarNames are the pillars a rule can name.
var pillarNames = map[string]pim.Kind{"entra": pim.EntraRole, "groups": pim.Group, "azure": pim.AzureResource}

// noticeEvent reads an event's name; active is another spelling of activated.
func noticeEvent(text string) bot.Notice {
	if text == "active" {
		return bot.NoticeActive
	}
	return bot.Notice(text)
}

func (v *validator) notices(c Config) {
	channel := func(path, text string) {
		at, err := c.channel(text)
		switch {
		case err != nil:
			v.fault(path, err.Error())
		case at.Platform == bot.Slack && c.Slack.AppID == "" || at.Platform == bot.Teams && c.Teams.AppID == "":
			v.fault(path, "names a platform that is not configured")
		}
	}
	for n, text := range c.Notices.Default {
		channel(fmt.Sprintf("notices.default[%d]", n), text)
	}
	for n, text := range c.Security.Channels {
		channel(fmt.Sprintf("security.channels[%d]", n), text)
	}
	for n, r := range c.Notices.Rules {
		path := fmt.Sprintf("notices.rules[%d].", n)
		each := func(key string, list []string, ok func(string) bool, problem string) {
			for m, text := range list {
				v.check(fmt.Sprintf("%s%s[%d]", path, key, m), ok(text), problem)
			}
		}
		for m, text := range r.To {
			channel(fmt.Sprintf("%sto[%d]", path, m), text)
		}
		each("events", r.Events, func(s string) bool { return slices.Contains(noticeEvents, noticeEvent(s)) }, "must be one of "+eventNames())
		each("pillars", r.Pillars, func(s string) bool { _, ok := pillarNames[s]; return ok }, "must be entra, groups or azure")
		each("roles", r.Roles, filled, "is empty")
		each("scopes", r.Scopes, func(s string) bool { return strings.HasPrefix(s, "/") || guid.MatchString(s) }, "must be a path such as /subscriptions/00000000-0000-0000-0000-000000000000, or a group's object id")
		each("groups", r.Groups, guid.MatchString, "must be a group's object id (a GUID)")
		each("people", r.People, guid.MatchString, "must be a person's object id in Entra (a GUID)")
		v.check(path+"severity", r.Severity == "" || slices.Contains([]bot.Severity{bot.Low, bot.Medium, bot.High}, bot.Severity(r.Severity)), "must be low, medium or high")
		if _, err := timetable(r.Digest); err != nil {
			v.fault(path+"digest", err.Error())
		}
		sends := len(r.To)+len(r.People) > 0
		v.check(path+"silent", !r.Silent || !sends, "a silent rule sends to nobody: leave out to and people")
		v.check(path+"digest", r.Digest == "" || sends, "there is nobody to send a digest to")
		v.check(path+"digest", r.Digest == "" || !slices.Contains(r.Events, string(bot.NoticeAlert)), noAlertDigest)
		v.check(path+"digest", r.Digest == "" || !slices.Contains(r.Events, string(bot.NoticeDrift)), noDriftDigest)
		v.check(path+"continue", !r.Continue || sends, "a rule that sends to nobody is silence, after which no other rule is asked")
	}
}

const noAlertDigest = "a digest has no buttons, and an alert is handled by its buttons: leave alert out of events here, and give it a rule of its own without digest"

const noDriftDigest = "a digest has no buttons, and a change is accepted by its buttons: leave drift out of events here, and give it a rule of its own without digest"

func filled(s string) bool { return strings.TrimSpace(s) != "" }

func eventNames() string {
	var names []string
	for _, n := range noticeEvents {
		names = append(names, string(n))
	}
	return strings.Join(names, ", ")
}

// daily is "daily 08:00 Europe/Berlin".
var daily = regexp.MustCompile(`^daily ([0-9]{2}:[0-9]{2}) ([A-Za-z0-9_+/-]+)$`)

// timetable reads when digests are posted.
func timetable(text string) (bot.Timetable, error) {
	switch text {
	case "":
		return bot.Timetable{}, nil
	case "hourly":
		return bot.Timetable{Hourly: true}, nil
	}
	m := daily.FindStringSubmatch(text)
	if m == nil {
		return bot.Timetable{}, errors.New("must be hourly, or a time of day and a time zone, such as daily 08:00 Europe/Berlin")
	}
	zone, err := time.LoadLocation(m[2])
	if err != nil {
		return bot.Timetable{}, fmt.Errorf("names the time zone %s, which is not known; write it as in Europe/Berlin or UTC", m[2])
	}
	at, err := time.Parse("15:04", m[1])
	if err != nil {
		return bot.Timetable{}, fmt.Errorf("%s is not a time of day", m[1])
	}
	return bot.Timetable{Daily: true, Minute: at.Hour()*60 + at.Minute(), Zone: zone}, nil
}

// channel reads "slack:C…" or "teams:19:…".
func (c Config) channel(text string) (bot.Conversation, error) {
	platform, id, ok := strings.Cut(text, ":")
	switch {
	case ok && platform == "slack" && slackID.MatchString(id):
		return bot.Conversation{Platform: bot.Slack, Tenant: c.Slack.TeamID, ID: id}, nil
	case ok && platform == "teams" && strings.HasPrefix(id, "19:"):
		return bot.Conversation{Platform: bot.Teams, Tenant: c.Entra.TenantID, ID: id}, nil
	}
	return bot.Conversation{}, fmt.Errorf("must be slack:C… or teams:19:…")
}

// Routing is the rules of notices, of a configuration that was checked.
func (c Config) Routing() bot.Routing {
	channels := func(list []string) (all []bot.Conversation) {
		for _, text := range list {
			if at, err := c.channel(text); err == nil {
				all = append(all, at)
			}
		}
		return all
	}
	t := bot.Routing{Default: channels(c.Notices.Default), Security: channels(c.Security.Channels)}
	for n, r := range c.Notices.Rules {
		rule := bot.Rule{Name: r.Name, Roles: r.Roles, Scopes: r.Scopes, Severity: bot.Severity(r.Severity), Groups: r.Groups,
			To: channels(r.To), People: r.People, Continue: r.Continue}
		if rule.Name == "" {
			rule.Name = fmt.Sprintf("notices.rules[%d]", n)
		}
		for _, event := range r.Events {
			rule.Events = append(rule.Events, noticeEvent(event))
		}
		for _, name := range r.Pillars {
			rule.Pillars = append(rule.Pillars, pillarNames[name])
		}
		if table, err := timetable(r.Digest); err == nil {
			rule.Digest = table
		}
		t.Rules = append(t.Rules, rule)
	}
	return t
}
