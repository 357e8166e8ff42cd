package bot

import "time"

// Tone is the mood of a card. A renderer chooses glyph and colour from it.
type Tone int

// The four tones.
const (
	Neutral Tone = iota
	Waiting
	Good
	Bad
)

// Card is everything Belay says in chat. Every string in it is plain text: a
// renderer escapes it, cuts it by runes to its platform's limits, and never
// reads markup into it.
type Card struct {
	Title   string
	Tone    Tone
	Text    string
	Facts   []Fact
	Chart   *Chart `json:",omitempty"`
	Note    string // small print below the facts
	Actions []Action
	// SignIn, when not nil, is a sign-in without which the deed does not go on. It stands
	// in the answer to a press: where the platform can, the client that pressed is asked
	// to take it up with an Exchange, and shows the card only if it cannot.
	SignIn *SignIn `json:",omitempty"`
}

// Chart is how some numbers went over days, a line for each of them.
type Chart struct {
	Title  string
	Series []string // what each line is called
	Points []Point  // oldest first, each of a day of its own
	Text   string   // says the same: it is always shown, for who cannot see a chart and for clients that know none
}

// Point has a value for each of a chart's Series.
type Point struct {
	Day    time.Time
	Values []int
}

// SignIn is a one-time sign-in that a chat client may take up.
type SignIn struct {
	Ticket string // of the Exchange
	URL    string // for a client that cannot: in the person's browser
}

// Fact is one line of a card. When At is not zero it is shown as a date and
// time in the reader's own time zone, and Value is not shown.
type Fact struct {
	Name  string
	Value string
	At    time.Time
}

// Style is the weight of a button.
type Style int

// The styles of a button.
const (
	Plain Style = iota
	Primary
	Danger
)

// Action is a button. Either Verb and ID, which come back in a Press, or URL,
// which opens in the person's browser, is set. It holds no authority.
type Action struct {
	Label string
	Style Style
	Verb  Verb
	ID    string
	URL   string
}

// Form asks a person for something. Submitting it gives a Submit with the
// form's Verb and ID and a value for each field.
type Form struct {
	ID     string // opaque; the key by which a repeated submission is known
	Verb   Verb
	Title  string // 24 runes at the most (Slack's limit for a modal)
	Submit string // label of the button that sends it
	Text   string
	Fields []Field
	Note   string
	// Back, when not nil, is how a person leaves the form on a platform whose
	// forms have no close button of their own.
	Back *Action
}

// FieldKind is the kind of a form field.
type FieldKind int

// The kinds of a field.
const (
	Choice FieldKind = iota
	Text
	Paragraph
	Many   // a Choice of several: Value is option values, which hold no comma, joined by commas; Max bounds how many
	Moment // a date and time in the person's own time zone: Value is RFC 3339, UTC, whole minutes; empty: none
	Tick   // a box to tick: Value is "yes" or empty; a Required one has to be ticked
)

// Field is one question of a form.
type Field struct {
	Name     string
	Label    string
	Hint     string
	Kind     FieldKind
	Options  []Option // for Choice and Many; of a Many, those that are chosen are among them
	Search   bool     // for Choice and Many: there are more options than listed; ask with a Search as the person types, where the platform can
	Live     bool     // for Choice and Many: where the platform can, choosing gives a Change at once
	Value    string   // what is filled in; for Choice the value of an option
	Chosen   string   // for Choice with Search: the label of Value
	Required bool
	Max      int    // longest answer in runes, of a Many how many options; 0: the platform's own limit
	Error    string // what is wrong with the answer
}

// Option is one answer of a Choice. Value is 75 bytes at the most.
type Option struct {
	Value string
	Label string
	Hint  string
}

// Reply is the answer to one thing a person did. It is shown to that person
// only. At most one of Card and Form is set; an empty Reply shows nothing.
type Reply struct {
	Card *Card
	// More are further cards below Card, in the same message. Where there is no room
	// for all, those before the last are left out, and the person is told how many.
	More    []Card
	Form    *Form
	Options []Option // the answer to a Search
	// Replace shows Card or Form in the place of the copy that was pressed, for
	// that person only, where the platform can. Otherwise it is shown beside it.
	Replace bool
}
