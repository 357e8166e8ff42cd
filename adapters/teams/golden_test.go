package teams

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func cardSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("testdata/adaptive-card-1.5.0.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rendered(s bottest.Specimen) card {
	c, _ := renderReply(s.Reply(), onRecord, "Europe/London")
	return c
}

func TestGolden(t *testing.T) {
	schema := cardSchema(t)
	for _, s := range bottest.Specimens() {
		t.Run(s.Name, func(t *testing.T) {
			sent, err := marshal(rendered(s))
			if err != nil {
				t.Fatal(err)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, sent, "", "  "); err != nil {
				t.Fatal(err)
			}
			indented.WriteByte('\n')
			file := filepath.Join("testdata", "golden", s.Name+".json")
			if *update {
				if err := os.WriteFile(file, indented.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), indented.String()); diff != "" {
				t.Errorf("the card is another than before (-before +now); run with -update if that is meant:\n%s", diff)
			}
			checkCard(t, schema, sent)
		})
	}
}

// checkCard holds a card as it is sent against Microsoft's schema and against
// what the schema does not say.
func checkCard(t testing.TB, schema *jsonschema.Schema, sent []byte) {
	t.Helper()
	if len(sent) > cardMaxBytes || !utf8.Valid(sent) {
		t.Errorf("the card has %d bytes, or is not UTF-8", len(sent))
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	top := parsed.(map[string]any)
	if diff := cmp.Diff(map[string]any{"width": "Full"}, top["msteams"]); diff != "" {
		t.Errorf("msteams: %s", diff)
	}
	delete(top, "msteams")
	eachElement(parsed, func(e map[string]any) {
		if q, ok := e["choices.data"]; ok {
			query, _ := q.(map[string]any)
			name, _ := query["dataset"].(string)
			if query["type"] != "Data.Query" || name == "" || len(query) != 2 || e["style"] != "filtered" {
				t.Errorf("choices.data is not what Teams documents: %v", q)
			}
			delete(e, "choices.data")
			delete(e, "style") // "filtered" is Teams' too
		}
		if e["type"] == "Chart.Line" { // Teams' own, which the schema does not know
			checkChart(t, e)
			clear(e)
			e["type"], e["inlines"] = "RichTextBlock", []any{}
		}
		if text, ok := e["text"].(string); ok {
			switch e["type"] {
			case "TextRun":
				if strings.Contains(text, "{{") {
					t.Errorf("a run could be taken for a template: %q", text)
				}
			case "TextBlock":
				if !strings.HasPrefix(text, "{{DATE(") {
					t.Errorf("a TextBlock reads Markdown and holds %q", text)
				}
			default:
				t.Errorf("text in a %v", e["type"])
			}
			for _, r := range text {
				if r != '\u200d' && unicode.Is(unicode.Cf, r) {
					t.Errorf("invisible %U is shown", r)
				}
			}
		}
		if e["type"] == "FactSet" {
			t.Error("a FactSet reads Markdown")
		}
	})
	if err := schema.Validate(parsed); err != nil {
		t.Error(err)
	}
}

// checkChart holds a chart against what Teams documents, and its texts against being more than text.
func checkChart(t testing.TB, e map[string]any) {
	t.Helper()
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var c lineChart
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&c); err != nil || c.Fallback != "drop" || len(c.Data) == 0 {
		t.Errorf("a chart that clients without charts cannot leave out, or without data: %v %s", err, raw)
	}
	texts := []string{c.Title}
	for _, l := range c.Data {
		texts = append(texts, l.Legend)
		if len(l.Values) != len(c.Data[0].Values) || len(l.Values) < 2 {
			t.Errorf("%d values of %q", len(l.Values), l.Legend)
		}
	}
	for _, text := range texts {
		if text == "" || strings.Contains(text, "{{") || strings.Contains(text, "](") || strings.ContainsFunc(text, func(r rune) bool { return r != '\u200d' && unicode.Is(unicode.Cf, r) }) {
			t.Errorf("%q in a chart could be more than text", text)
		}
	}
}

func eachElement(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			eachElement(item, visit)
		}
	case map[string]any:
		visit(v)
		for _, item := range v {
			eachElement(item, visit)
		}
	}
}

// literal is what a reader sees of all text runs of a card, paragraph by paragraph.
func literal(t testing.TB, c card) string {
	t.Helper()
	raw, err := marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var parsed any
	if err := json.Unmarshal(raw, &parsed); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	eachElement(parsed, func(e map[string]any) {
		runs, _ := e["inlines"].([]any)
		for _, run := range runs {
			all.WriteString(run.(map[string]any)["text"].(string))
		}
		all.WriteByte('\n')
	})
	return all.String()
}

func TestHostileTextIsShownLiterally(t *testing.T) {
	shown := literal(t, renderCard(onRecord, bot.Card{Title: "x", Facts: []bot.Fact{{Name: "Why", Value: bottest.Hostile}}}))
	want := "<!channel> <@U1> <https://evil.example|click> [x](javascript:alert(1)) *b* _i_ `c` {{DATE(2026-01-01T00:00:00Z)}} <at>Bob</at> &amp; gnp.exe a zerowidth"
	if !strings.Contains(shown, want) {
		t.Errorf("shown:\n%s\nwant in it:\n%s", shown, want)
	}
}

func TestLongTextIsCutOnARune(t *testing.T) {
	shown := literal(t, renderCard(onRecord, bot.Card{Title: "x", Text: bottest.Long}))
	if !strings.Contains(shown, "…\n") || strings.ContainsRune(shown, utf8.RuneError) || strings.Contains(shown, "\u200d…") {
		t.Error("the text was not cut between two characters")
	}
}

func TestTooLargeACardIsShortenedUntilItFits(t *testing.T) {
	schema := cardSchema(t)
	big := bot.Card{Title: bottest.Long, Text: bottest.Long, Note: bottest.Long}
	for range 30 {
		big.Facts = append(big.Facts, bot.Fact{Name: bottest.Long, Value: bottest.Long})
	}
	big.Facts = append(big.Facts, bot.Fact{Name: "Short", Value: "kept whole"})
	c := renderCard(onRecord, big)
	sent, err := marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	checkCard(t, schema, sent)
	if !strings.Contains(literal(t, c), "kept whole") {
		t.Error("a short text was cut too")
	}
	if big.Facts[0].Value != bottest.Long {
		t.Error("the caller's card was changed")
	}
}

func TestFormKeepsWhatIsFilledIn(t *testing.T) {
	f := bot.Form{ID: "F", Verb: bot.VerbAsk, Title: "T", Submit: "Send", Fields: []bot.Field{
		{Name: "role", Kind: bot.Choice, Search: true, Value: "r9999", Chosen: "Rare role", Error: "Not that one.",
			Options: manyOptions(500)},
		{Name: "why", Kind: bot.Paragraph, Value: "because", Required: true, Max: 500},
	}}
	raw, err := marshal(renderForm(f, inChat, "UTC"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Body []struct {
			ID      string   `json:"id"`
			Value   string   `json:"value"`
			Choices []choice `json:"choices"`
			Query   query    `json:"choices.data"`
			Max     int      `json:"maxLength"`
		} `json:"body"`
		Actions []action `json:"actions"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	role, why := got.Body[1], got.Body[3]
	if role.ID != "role" || role.Value != "r9999" || role.Choices[0] != (choice{"Rare role", "r9999"}) || len(role.Choices) != maxSearchable+1 {
		t.Errorf("role: %+v", role)
	}
	s, top, ok := searched(json.RawMessage(`{"queryText":" us ","dataset":"` + role.Query.Dataset + `","queryOptions":{"top":7}}`))
	if want := (bot.Search{Verb: bot.VerbAsk, ID: "F", Field: "role", Text: "us"}); !ok || top != 7 || s != want {
		t.Errorf("searched: %+v %d %v", s, top, ok)
	}
	if why.Value != "because" || why.Max != 500 {
		t.Errorf("why: %+v", why)
	}
	want := &data{ID: "F", Verb: bot.VerbAsk, Form: true, Shown: inChat}
	if diff := cmp.Diff([]*data{want, want}, []*data{got.Actions[0].Data, got.Actions[0].Fallback.Data}); diff != "" {
		t.Error(diff)
	}
}

func manyOptions(n int) (o []bot.Option) {
	for i := range n {
		o = append(o, bot.Option{Value: "r" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), Label: "Role", Hint: "Directory"})
	}
	return o
}

func TestUnsafeLinkGivesNoButton(t *testing.T) {
	for _, u := range []string{"javascript:alert(1)", "file:///etc/passwd", "https:///nohost", "//x", "data:text/html,x"} {
		if a := layAction(bot.Action{Label: "x", URL: u}, onRecord); a != nil {
			t.Errorf("%q gave %+v", u, a)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		" a\u202eb\u2066c\u200bd\ufefff ":        "abcdf",
		"e\u0301":                                "é",
		"a\r\nb\u2028c\x00d\x1b[0m":              "a\nb\ncd[0m",
		"\U0001f9d1\u200d\U0001f680 a\u200db":    "\U0001f9d1\u200d\U0001f680 ab",
		"\U0001f9d1\U0001f3fd\u200d\U0001f680":   "\U0001f9d1\U0001f3fd\u200d\U0001f680",
		"\u200d\U0001f680\u200d":                 "\U0001f680",
		"bad\xffbyte":                            "bad\ufffdbyte",
		"12345678901234567890123456789012345678": "1234567890123456789…",
	} {
		if got := plain(in, 20); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add(bottest.Hostile, 20)
	f.Add(bottest.Long, 1)
	f.Fuzz(func(t *testing.T, s string, max int) {
		if max < 1 || max > 5000 {
			max = 50
		}
		got := plain(s, max)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > max {
			t.Errorf("%q became %q", s, got)
		}
		c := paragraph(got, "", textRun{})
		var joined strings.Builder
		for _, run := range c.Inlines {
			if strings.Contains(run.Text, "{{") || run.Text == "" {
				t.Errorf("run %q", run.Text)
			}
			joined.WriteString(run.Text)
		}
		if got != "" && joined.String() != got {
			t.Errorf("%q is shown as %q", got, joined.String())
		}
	})
}
