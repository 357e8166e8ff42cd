package wire

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
)

// FuzzRefusal: no body, header or status brings the client down, gives an error
// without a code, or lets a sentence into an error text.
func FuzzRefusal(f *testing.F) {
	files, err := filepath.Glob("../../*/testdata/errors/*.json")
	if err != nil || len(files) < 20 {
		f.Fatal(len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var doc struct {
			Status  int `json:"httpStatus"`
			Headers map[string]string
			Body    json.RawMessage
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			f.Fatal(err)
		}
		f.Add(doc.Status, []byte(doc.Body), doc.Headers["WWW-Authenticate"], doc.Headers["Retry-After"])
	}
	f.Add(500, []byte(`{"error":{"innerError":{"date":7}}}`), `Bearer claims="`, "Mon")
	f.Fuzz(func(t *testing.T, status int, body []byte, challenge, after string) {
		for _, write := range []bool{false, true} {
			k := &Call{Op: "activate", Write: write, Now: func() time.Time { return time.Unix(0, 0) }}
			e := k.Refused(&Refusal{Status: status, Body: body, Header: http.Header{"Www-Authenticate": {challenge}, "Retry-After": {after}}})
			if e.Code == "" || e.After < 0 || e.After > longestWait || e.Ambiguous && !write {
				t.Errorf("%+v", e)
			}
			if (e.Code == pim.CodeStepUp) != (e.Claims != "") || e.Claims != "" && !json.Valid([]byte(e.Claims)) {
				t.Errorf("claims of %+v", e)
			}
			if text := e.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\"{") || len(text) > 400 {
				t.Errorf("the error text is %q", text)
			}
		}
	})
}
