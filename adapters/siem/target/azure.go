package target

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/belaybot/belay/store/trail"
)

// Azure is the Logs Ingestion API of Azure Monitor, which fills a table of a Log Analytics
// workspace, and so Microsoft Sentinel.
type Azure struct {
	Format
	HTTP       *http.Client
	Endpoint   string // of the data collection endpoint, or of the rule itself
	Rule       string // immutable id of the data collection rule: dcr-…
	Stream     string // Custom-Belay_CL
	Credential azcore.TokenCredential
	Scope      string // https://monitor.azure.com/.default
}

const (
	azureVersion = "2023-01-01"
	// azureLimit is the length of one body: a megabyte is documented.
	azureLimit = 950_000
)

// Row is one event as the table has it. docs/siem.md lists the columns.
type Row struct {
	TimeGenerated time.Time       `json:"TimeGenerated"`
	UID           string          `json:"EventUid"`
	Kind          string          `json:"Kind"`
	Class         string          `json:"ClassName"`
	Type          int             `json:"TypeUid"`
	Severity      string          `json:"Severity"`
	Status        string          `json:"Status"`
	Request       string          `json:"RequestId"`
	Sequence      uint64          `json:"Sequence"`
	Message       string          `json:"Message"`
	Event         json.RawMessage `json:"Event"` // all of it
}

// Send implements feed.Target.
func (z *Azure) Send(ctx context.Context, events []trail.Record) (int, error) {
	body, n := []byte("["), 0
	for ; n < len(events); n++ {
		r := events[n]
		e, text := z.event(r)
		row, err := json.Marshal(Row{r.At.UTC(), r.ID, string(r.Kind), e.ClassName, e.TypeUID, e.Severity, e.Status, r.Request, r.Index, e.Message, text})
		if err != nil {
			return 0, err
		}
		if len(body)+len(row)+2 > azureLimit {
			break
		}
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, row...)
	}
	if n == 0 {
		return 0, tooLarge(azureLimit)
	}
	token, err := z.token(ctx)
	if err != nil {
		return 0, err
	}
	a, err := call(ctx, z.HTTP, http.MethodPost, z.address(), map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}, append(body, ']'))
	switch {
	case err != nil:
		return 0, err
	case a.good():
		return n, nil
	}
	return 0, a.trouble(n, 0)
}

func (z *Azure) address() string {
	return strings.TrimRight(z.Endpoint, "/") + "/dataCollectionRules/" + url.PathEscape(z.Rule) + "/streams/" + url.PathEscape(z.Stream) + "?api-version=" + azureVersion
}

func (z *Azure) token(ctx context.Context) (string, error) {
	t, err := z.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{z.Scope}})
	if err != nil {
		return "", &CallError{"Entra gives no token for it", err}
	}
	return t.Token, nil
}

// Check gets a token and looks whether the endpoint is there. Whether the rule takes events of
// Belay can only be seen by sending one.
func (z *Azure) Check(ctx context.Context) (Checked, error) {
	if _, err := z.token(ctx); err != nil {
		return Checked{}, err
	}
	a, err := call(ctx, z.HTTP, http.MethodGet, strings.TrimRight(z.Endpoint, "/")+"/", nil, nil)
	switch {
	case err != nil:
		return Checked{}, err
	case a.status >= 500:
		return Checked{}, errors.New("the data collection endpoint answers " + (&StatusError{Status: a.status}).Error())
	}
	return Checked{Found: "the endpoint answers, and Entra gives a token; whether the rule takes events is seen with the first", Until: a.until}, nil
}
