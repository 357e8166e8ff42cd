package siemtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Ingestion is the Logs Ingestion API of Azure Monitor as Microsoft documents it, with one data collection rule
// and one stream of the columns that docs/siem.md gives.
type Ingestion struct {
	inbox
	Rule, Stream string
	// Token says what is wrong with a bearer token; empty: nothing.
	Token func(bearer string) string
}

// columns are the stream's, with their types.
var columns = map[string]string{"TimeGenerated": "datetime", "EventUid": "string", "Kind": "string", "ClassName": "string", "TypeUid": "int", "Severity": "string",
	"Status": "string", "RequestId": "string", "Sequence": "long", "Message": "string", "Event": "dynamic"}

// Columns are the columns of the stream, with their types.
func Columns() map[string]string { return columns }

// ServeHTTP implements http.Handler.
func (a *Ingestion) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Method == http.MethodGet && r.URL.Path == "/" { // somebody looks whether it is there
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if a.down(w) {
		return
	}
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"code":%q,"message":"Refused."}}`, code)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/dataCollectionRules/"+a.Rule+"/streams/"+a.Stream {
		a.fault("%s %s", r.Method, r.URL.Path)
		refuse(http.StatusNotFound, "NotFound")
		return
	}
	if got := r.URL.Query().Get("api-version"); got != "2023-01-01" {
		a.fault("api-version %q", got)
		refuse(http.StatusBadRequest, "InvalidApiVersion")
		return
	}
	bearer, ok := bytes.CutPrefix([]byte(r.Header.Get("Authorization")), []byte("Bearer "))
	if why := a.Token(string(bearer)); !ok || why != "" {
		a.fault("token: %s", why)
		refuse(http.StatusUnauthorized, "InvalidAuthenticationToken")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Content-Encoding") != "" {
		a.fault("%v, type %q", err, r.Header.Get("Content-Type"))
	}
	if len(body) > 1_000_000 {
		refuse(http.StatusRequestEntityTooLarge, "ContentLengthLimitExceeded")
		return
	}
	var rows []map[string]json.RawMessage
	if json.Unmarshal(body, &rows) != nil || len(rows) == 0 {
		a.fault("the body is no array of rows")
		refuse(http.StatusBadRequest, "InvalidRequestBody")
		return
	}
	taken := make([]json.RawMessage, 0, len(rows))
	for _, row := range rows {
		a.row(row)
		if a.refuses(row["Event"]) {
			refuse(http.StatusBadRequest, "InvalidRequestBody") // nothing of the call is taken
			return
		}
		taken = append(taken, row["Event"])
	}
	a.take(taken...)
	w.WriteHeader(http.StatusNoContent)
}

// row complains of what the real one drops without a word: columns that the stream does not have,
// and values of another type.
func (a *Ingestion) row(row map[string]json.RawMessage) {
	for name, value := range row {
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			a.fault("%s: %v", name, err)
		}
		ok := false
		switch columns[name] {
		case "string":
			_, ok = v.(string)
		case "int", "long":
			_, ok = v.(float64)
		case "datetime":
			text, is := v.(string)
			_, err := time.Parse(time.RFC3339Nano, text)
			ok = is && err == nil
		case "dynamic":
			_, ok = v.(map[string]any)
		}
		if !ok {
			a.fault("column %s, of type %q, is %.60s", name, columns[name], value)
		}
	}
	for name := range columns {
		if row[name] == nil {
			a.fault("the column %s is missing", name)
		}
	}
}
