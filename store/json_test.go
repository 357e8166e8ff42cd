package store

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// everyKind has a field of each kind that Belay stores.
type everyKind struct {
	embedded
	Text    string            `json:"text"`
	Number  int               `json:"number,omitempty"`
	Long    uint64            `json:"long"`
	Real    float64           `json:"real"`
	Yes     bool              `json:"yes,omitempty"`
	At      time.Time         `json:"at,omitzero"`
	For     time.Duration     `json:"for"`
	Bytes   []byte            `json:"bytes"`
	Word    KeyID             `json:"word"` // with methods for text
	Map     map[string]string `json:"map"`
	Map2    map[KeyID]int     `json:"map2,omitempty"`
	Array   [2]int            `json:"array"`
	Inner   *everyKind        `json:"inner,omitempty"`
	List    []embedded        `json:"list"`
	Any     any               `json:"any"`
	Raw     json.RawMessage   `json:"raw,omitempty"`
	Ignored string            `json:"-"`
	NoTag   string
}

type embedded struct {
	Name string `json:"name"`
	Tiny int8   `json:"tiny"`
}

func (everyKind) draw(t *rapid.T, deep int) everyKind {
	short := func(what string) string { return rapid.StringN(0, 8, -1).Draw(t, what) }
	v := everyKind{
		embedded: embedded{short("name"), rapid.Int8().Draw(t, "tiny")},
		// Strings of any bytes: whoever wrote them, what is no UTF-8 reads the same.
		Text: string(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "text")), Number: rapid.Int().Draw(t, "number"), Long: rapid.Uint64().Draw(t, "long"),
		Real: rapid.Float64Range(-1e300, 1e300).Draw(t, "real"), Yes: rapid.Bool().Draw(t, "yes"),
		At:    time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
		For:   time.Duration(rapid.Int64().Draw(t, "for")),
		Bytes: rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "bytes"), Word: KeyID(rapid.Uint32().Draw(t, "word")),
		Map:   rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "map"),
		Map2:  rapid.MapOfN(rapid.Map(rapid.Uint32(), func(n uint32) KeyID { return KeyID(n) }), rapid.Int(), 0, 3).Draw(t, "map2"),
		Array: [2]int{rapid.Int().Draw(t, "array"), 2},
		List:  make([]embedded, rapid.IntRange(0, 3).Draw(t, "list")),
		Any:   rapid.SampledFrom([]any{nil, true, 1.5, "any", []any{"one", nil}, map[string]any{"a": 1.0, "b": []any{}}}).Draw(t, "any"),
		Raw:   rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`{"x":[1,2]}`), json.RawMessage(`" "`)}).Draw(t, "raw"),
		NoTag: short("no tag"),
	}
	if deep > 0 && rapid.Bool().Draw(t, "deeper") {
		inner := v.draw(t, deep-1)
		v.Inner = &inner
	}
	return v
}

// sameJSON has a value read by the bucket and by encoding/json, and says whether both take it.
func sameJSON(t interface{ Fatalf(string, ...any) }, raw []byte) bool {
	var want everyKind
	err := json.Unmarshal(raw, &want)
	got, failed := NewBucket[everyKind]("kinds").decode([]byte("key"), raw)
	switch {
	case (err == nil) != (failed == nil):
		t.Fatalf("%q: encoding/json says %v, the bucket %v", raw, err, failed)
	case err == nil:
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(everyKind{})); diff != "" {
			t.Fatalf("%q is read otherwise than by encoding/json: %s", raw, diff)
		}
	}
	return err == nil
}

// What an earlier Belay wrote and read with encoding/json reads the same.
func TestJSONReadsAsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var raw []byte
		v := everyKind{}.draw(t, 2)
		err := NewBucket[everyKind]("kinds").encoded(v, func(text []byte) error { raw = bytes.Clone(text); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if marshaled, err := json.Marshal(v); err != nil || !bytes.Equal(raw, marshaled) {
			t.Fatalf("%q is written, and not %q, %v", raw, marshaled, err)
		}
		if !sameJSON(t, raw) {
			t.Fatalf("%q is not read", raw)
		}
		for range 4 { // and what nobody wrote is taken or refused as there
			n := rapid.IntRange(0, len(raw)-1).Draw(t, "where")
			with := rapid.SampledFrom([]string{"", "null", "0", "-", `"`, `"x"`, "{", "}", "[", "]", ",", ":", " ", "\x00", "\xff", `\u00e9`, "1e3", "true"}).Draw(t, "with")
			sameJSON(t, []byte(string(raw[:n])+with+string(raw[min(len(raw), n+rapid.IntRange(0, 3).Draw(t, "without")):])))
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"TEXT":"case","text":"\ud800","text":"twice"}`, `{"list":null,"map":null,"inner":{"inner":null},"for":1e3}`, `{"word":"0000002a","map2":{"1":1}}`,
		`{"at":"2026-11-27T01:02:03.5Z","bytes":"aGk="}`, "[" + strings.Repeat("[", 100), ` {"number":1.0} `, `{"array":[1,2,3]}`, `{"unknown":{"a":[{}]},"tiny":128}`, `{} {}`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 0 && raw[0] == packed {
			t.Skip("not JSON")
		}
		sameJSON(t, raw)
	})
}
