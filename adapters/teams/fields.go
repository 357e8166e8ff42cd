package teams

import (
	"context"
	"slices"
	"strings"

	"github.com/belaybot/belay/bot"
)

// What an input's id ends with where an input's value is not the field's: a Moment
// stands in two inputs, and a box that is not ticked says so.
const (
	dateMark = ".date"
	timeMark = ".time"
	tickMark = ".tick"
)

// Values of a box.
const (
	ticked   = "yes"
	unticked = "no"
)

// chosen are the options that are filled in.
func chosen(f bot.Field) []string {
	switch {
	case f.Value == "":
		return nil
	case f.Kind == bot.Many:
		return strings.Split(f.Value, ",")
	}
	return []string{f.Value}
}

// inOrder is what is chosen of f in the order in which a client gives it back: that
// of the options.
func inOrder(f bot.Field) string {
	var all []string
	for _, o := range f.Options {
		if slices.Contains(chosen(f), o.Value) {
			all = append(all, o.Value)
		}
	}
	return strings.Join(all, ",")
}

func layMany(f bot.Field) inputChoice {
	in := inputChoice{
		Type: "Input.ChoiceSet", ID: f.Name, Label: or(line(f.Label, maxFact), f.Name), Style: "compact", Many: true,
		Choices: []choice{}, Value: f.Value, Required: f.Required,
	}
	for _, o := range f.Options {
		in.Choices = append(in.Choices, choiceOf(o, unmarked))
	}
	if f.Required {
		in.Error = wordSome
	}
	return in
}

// layMoment lays out a date and a time, whose label says in which zone they are.
func layMoment(f bot.Field, zone string) []any {
	date, clock := split(f.Value, zone)
	day := inputMoment{Type: "Input.Date", ID: f.Name + dateMark, Label: or(line(f.Label, maxFact), f.Name), Value: date, Required: f.Required}
	hour := inputMoment{Type: "Input.Time", ID: f.Name + timeMark, Label: wordTime + " (" + zone + ")", Value: clock, Required: f.Required}
	if f.Required {
		day.Error, hour.Error = wordFill, wordFill
	}
	return []any{day, hour}
}

// layTick lays out a box. What it stands for is its label: the title of a toggle
// reads Markdown.
func layTick(f bot.Field) inputToggle {
	in := inputToggle{
		Type: "Input.Toggle", ID: f.Name + tickMark, Label: or(line(f.Label, maxNote), f.Name), Title: wordTick,
		Value: unticked, On: ticked, Off: unticked, Required: f.Required,
	}
	if f.Value == ticked {
		in.Value = ticked
	}
	if f.Required {
		in.Error = wordAgree
	}
	return in
}

// mistake is an answer that a client let through although it is none.
type mistake struct {
	error   string
	entered string // what stands in the field, in a form that lays out again
}

// answersOf reads what was entered, by input, into values of fields. Whatever is
// wrong with one of them, by field, has no value.
func answersOf(entered map[string]string, most map[string]int, zone string) (map[string]string, map[string]mistake) {
	answers, wrong := map[string]string{}, map[string]mistake{}
	moments := map[string]bool{}
	for id, value := range entered {
		if name, ok := strings.CutSuffix(id, dateMark); ok {
			moments[name] = true
		} else if name, ok := strings.CutSuffix(id, timeMark); ok {
			moments[name] = true
		} else if name, ok := strings.CutSuffix(id, tickMark); ok {
			answers[name] = ""
			if value == ticked {
				answers[name] = ticked
			}
		} else {
			answers[id] = value
		}
	}
	for name := range moments {
		date, clock := entered[name+dateMark], entered[name+timeMark]
		value, word := join(date, clock, zone)
		if answers[name] = value; word != "" {
			wrong[name] = mistake{word, date + "T" + clock}
		}
	}
	for name, n := range most {
		if value := answers[name]; n > 0 && strings.Count(value, ",") >= n {
			wrong[name] = mistake{tooMany(n), value}
		}
	}
	return answers, wrong
}

// corrected puts what was wrong with a form's answers into the form anew, which is
// the answer to them. Where there is none, the person is told in a sentence.
func (p press) corrected(r bot.Reply, later bot.Later) (bot.Reply, bot.Later) {
	if len(p.wrong) == 0 {
		return r, later
	}
	if later != nil {
		return p.correct(r), func(ctx context.Context) bot.Reply { return p.correct(later(ctx)) }
	}
	if r = p.correct(r); empty(r) {
		for _, m := range p.wrong {
			r.Card = &bot.Card{Title: wordUnsent, Tone: bot.Bad, Text: m.error}
		}
	}
	return r, nil
}

func (p press) correct(r bot.Reply) bot.Reply {
	if r.Form == nil {
		return r
	}
	form := *r.Form
	form.Fields = slices.Clone(form.Fields)
	for i := range form.Fields {
		if m, ok := p.wrong[form.Fields[i].Name]; ok {
			form.Fields[i].Value, form.Fields[i].Error = m.entered, m.error
		}
	}
	r.Form = &form
	return r
}
