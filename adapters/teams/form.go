package teams

import (
	"slices"

	"github.com/belaybot/belay/bot"
)

// Options that stand in the card itself: all that fit where there is no search,
// some to begin with where there is.
const (
	maxOptions    = 200
	maxSearchable = 25
	maxListed     = 100 // to choose several from: Teams has no search for that
)

// renderForm renders f as a card with inputs. Their values come back under the
// fields' names, beside those of data, which no field may be called.
//
// Times are in the reader's zone, which the form names and brings back.
func renderForm(f bot.Form, how shown, zone string) card {
	f.Title, f.Text, f.Note = plain(f.Title, maxTitle), plain(f.Text, maxBody), plain(f.Note, maxNote)
	texts := []*string{&f.Title, &f.Text, &f.Note}
	f.Fields = slices.Clone(f.Fields)
	for i := range f.Fields {
		field := &f.Fields[i]
		field.Hint, field.Error = plain(field.Hint, maxNote), plain(field.Error, maxNote)
		if field.Kind == bot.Tick { // what is agreed to, not only a name
			field.Label = plain(field.Label, maxNote)
		} else {
			field.Label = plain(field.Label, maxFact)
		}
		texts = append(texts, &field.Label, &field.Hint, &field.Error)
		most := len(field.Options)
		field.Options = options(*field)
		if field.Kind == bot.Many {
			field.Value, field.Search = inOrder(*field), field.Search || most > maxListed
		}
		for j := range field.Options {
			texts = append(texts, &field.Options[j].Label, &field.Options[j].Hint)
		}
	}
	rendered, _ := fit(func() card { return layForm(f, how, zone) }, texts, leastText)
	return rendered
}

// options are those that stand in the card, among them always what is filled in.
func options(f bot.Field) []bot.Option {
	most := maxOptions
	switch {
	case f.Kind == bot.Many:
		most = maxListed
	case f.Search:
		most = maxSearchable
	}
	listed := slices.Clone(f.Options[:min(len(f.Options), most)])
	for _, value := range slices.Backward(chosen(f)) {
		is := func(o bot.Option) bool { return o.Value == value }
		if slices.ContainsFunc(listed, is) {
			continue
		}
		missing := bot.Option{Value: value, Label: or(f.Chosen, value)}
		if i := slices.IndexFunc(f.Options, is); i >= 0 {
			missing = f.Options[i]
		}
		listed = slices.Insert(listed, 0, missing)
	}
	for i := range listed {
		listed[i].Label, listed[i].Hint = plain(listed[i].Label, maxChoice), plain(listed[i].Hint, maxChoice)
	}
	return listed
}

// choiceOf joins what an option is called and what there is to know about it:
// a Choice has one line for each, of which literal makes what the client may read.
func choiceOf(o bot.Option, literal func(string, int) string) choice {
	title := or(literal(o.Label, maxChoice), o.Value)
	if hint := literal(o.Hint, maxChoice); hint != "" {
		title += " — " + hint
	}
	return choice{Title: title, Value: o.Value}
}

func layForm(f bot.Form, how shown, zone string) card {
	out := newCard()
	out.Body = append(out.Body, title(f.Title, bot.Neutral))
	if f.Text != "" {
		out.Body = append(out.Body, paragraph(f.Text, "", textRun{}))
	}
	for _, field := range f.Fields {
		switch field.Kind {
		case bot.Choice:
			out.Body = append(out.Body, layChoice(f, field))
		case bot.Many:
			out.Body = append(out.Body, layMany(field))
		case bot.Moment:
			out.Body = append(out.Body, layMoment(field, zone)...)
		case bot.Tick:
			out.Body = append(out.Body, layTick(field))
		default:
			out.Body = append(out.Body, layText(field))
		}
		if field.Error != "" {
			out.Body = append(out.Body, paragraph(field.Error, "Small", textRun{Color: "Attention", Weight: "Bolder"}))
		}
		if field.Hint != "" {
			out.Body = append(out.Body, small(field.Hint))
		}
		if field.Kind == bot.Many && field.Search {
			out.Body = append(out.Body, small(wordListed))
		}
	}
	if f.Note != "" {
		out.Body = append(out.Body, small(f.Note))
	}
	sent := data{ID: f.ID, Verb: f.Verb, Form: true, Shown: how}
	for _, field := range f.Fields {
		if field.Live {
			if sent.Live == nil {
				sent.Live = map[string]string{}
			}
			sent.Live[field.Name] = field.Value
		}
		if field.Kind == bot.Many && field.Max > 0 {
			if sent.Most == nil {
				sent.Most = map[string]int{}
			}
			sent.Most[field.Name] = field.Max
		}
		if field.Kind == bot.Moment {
			sent.Zone = zone
		}
	}
	style := "positive"
	if f.Verb == bot.VerbReason { // of a denial
		style = "destructive"
	}
	out.Actions = append(out.Actions, execute(or(line(f.Submit, maxLabel), "OK"), sent, style, ""))
	if b := f.Back; b != nil {
		out.Actions = append(out.Actions, execute(or(line(b.Label, maxLabel), wordBack), data{ID: b.ID, Verb: b.Verb, Shown: how}, "", "none"))
	}
	return out
}

func layText(f bot.Field) inputText {
	most := maxInput
	if f.Max > 0 {
		most = min(f.Max, maxInput)
	}
	in := inputText{
		Type: "Input.Text", ID: f.Name, Label: or(line(f.Label, maxFact), f.Name), Value: plain(f.Value, most),
		Multiline: f.Kind == bot.Paragraph, MaxLength: f.Max, Required: f.Required,
	}
	if f.Required {
		in.Error = wordFill
	}
	return in
}

func layChoice(form bot.Form, f bot.Field) inputChoice {
	in := inputChoice{
		Type: "Input.ChoiceSet", ID: f.Name, Label: or(line(f.Label, maxFact), f.Name), Style: "compact",
		Choices: []choice{}, Value: f.Value, Required: f.Required,
	}
	for _, o := range f.Options {
		in.Choices = append(in.Choices, choiceOf(o, line))
	}
	if f.Required {
		in.Error = wordChoose
	}
	if f.Search {
		in.Style, in.Placeholder = "filtered", wordSearch
		in.Query = &query{Type: "Data.Query", Dataset: dataset(form, f.Name)}
	}
	return in
}
