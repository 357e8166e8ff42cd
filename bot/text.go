package bot

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// mostMarks is how many marks may be heaped on one letter. Languages need three;
// heaps of them cover the lines above and below.
const mostMarks = 4

// Clean makes a text that people, or other systems, control fit to be shown: in
// NFC, and without characters that are invisible or change the order of others
// (controls, bidirectional marks, zero-width characters, fillers). Line feeds stay.
// What is left is shown literally; no renderer reads markup into it.
func Clean(s string) string {
	if cleanASCII(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\ufffd")
	s = spaces.Replace(s)
	// What is invisible goes first: it may keep apart what belongs together.
	var seen strings.Builder
	var before rune
	for i, r := range s {
		if visible(r) || joinsEmoji(before, r, s[i:]) {
			seen.WriteRune(r)
			before = r
		}
	}
	var b strings.Builder
	marks := 0
	for _, r := range norm.NFC.String(seen.String()) {
		if marks++; !unicode.In(r, unicode.Mn, unicode.Me) {
			marks = 0
		}
		if marks <= mostMarks {
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// spaces are ends of lines and blanks of other kinds.
var spaces = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n", "\t", " ", "\u00a0", " ")

// lookAlikes are letters that people take for others: of Cyrillic and Greek, and
// digits. It is no complete list; it is for telling people to look twice.
var lookAlikes = strings.NewReplacer(
	"а", "a", "в", "b", "е", "e", "ё", "e", "һ", "h", "і", "i", "ї", "i", "ј", "j", "к", "k", "м", "m", "н", "h", "о", "o", "р", "p", "с", "c", "ѕ", "s", "т", "t", "у", "y", "ү", "y", "х", "x", "ԁ", "d", "ԛ", "q", "ԝ", "w",
	"α", "a", "β", "b", "ε", "e", "η", "n", "ι", "i", "κ", "k", "μ", "u", "ν", "v", "ο", "o", "ρ", "p", "τ", "t", "υ", "u", "χ", "x", "γ", "y",
	"ı", "i", "ɑ", "a", "ɡ", "g", "0", "o", "1", "i", "l", "i", "|", "i", "‐", "-", "–", "-", "—", "-", "−", "-", "’", "'")

// looksLike is the same for names that people take for one another.
func looksLike(name string) string {
	return strings.Join(strings.Fields(lookAlikes.Replace(strings.ToLower(norm.NFKC.String(Clean(name))))), " ")
}

// cleanASCII says that there is nothing to do, as of most texts.
func cleanASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '\n' && (c < ' ' || c > '~') {
			return false
		}
	}
	return strings.TrimSpace(s) == s
}

func visible(r rune) bool {
	switch r {
	case '\n':
		return true
	case '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u3164', '\uffa0', '\u2800': // letters and marks that show nothing
		return false
	}
	return unicode.Is(unicode.Prepended_Concatenation_Mark, r) || // format characters that are seen
		!unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) // controls; directions, joiners, tags; private use
}

// joinsEmoji allows the one invisible character that some pictures are made of.
func joinsEmoji(before, r rune, rest string) bool {
	if r != '\u200d' {
		return false
	}
	after, _ := utf8.DecodeRuneInString(rest[len("\u200d"):])
	picture := func(r rune) bool { return r != utf8.RuneError && unicode.Is(unicode.So, r) }
	return picture(after) && (picture(before) || before == '\ufe0f' || unicode.Is(unicode.Sk, before))
}
