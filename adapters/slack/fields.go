package slack

import (
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

// menuOfMany renders a choice of several, as menu renders one.
func menuOfMany(f bot.Field) *slackgo.MultiSelectBlockElement {
	e := slackgo.NewOptionsMultiSelectBlockElement(slackgo.MultiOptTypeStatic, plain("Choose"), f.Name)
	if f.Max > 0 {
		most := min(f.Max, maxOptions)
		e.MaxSelectedItems = &most
	}
	options := make(map[string]*slackgo.OptionBlockObject)
	if f.Search || len(f.Options) > maxOptions {
		none := 0
		e.Type, e.MinQueryLength = slackgo.MultiOptTypeExternal, &none
		for _, value := range strings.Split(f.Value, ",") {
			options[value] = option(bot.Option{Value: value, Label: labelOf(f, value)})
		}
	} else {
		for _, o := range f.Options {
			options[o.Value] = option(o)
			e.Options = append(e.Options, options[o.Value])
		}
	}
	for _, value := range strings.Split(f.Value, ",") {
		if o := options[value]; o != nil && value != "" && (f.Max == 0 || len(e.InitialOptions) < f.Max) {
			e.InitialOptions = append(e.InitialOptions, o)
		}
	}
	return e
}

// picker renders a date and time. Slack asks for it in the person's own time zone,
// and keeps it in seconds: of ten digits, or it refuses the whole form.
func picker(f bot.Field) *slackgo.DateTimePickerBlockElement {
	e := slackgo.NewDateTimePickerBlockElement(f.Name)
	if at, err := time.Parse(time.RFC3339, f.Value); err == nil && at.Unix() >= 1e9 && at.Unix() < 1e10 {
		e.InitialDateTime = at.Truncate(time.Minute).Unix()
	}
	return e
}

// box renders a box to tick. What it stands for is the label above it: an option
// has no room for a sentence.
func box(f bot.Field) *slackgo.CheckboxGroupsBlockElement {
	yes := option(bot.Option{Value: "yes", Label: wordTick})
	e := slackgo.NewCheckboxGroupsBlockElement(f.Name, yes)
	if f.Value == yes.Value {
		e.InitialOptions = []*slackgo.OptionBlockObject{yes}
	}
	return e
}
