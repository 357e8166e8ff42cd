package graph

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// signInsPage is how many sign-ins a page may have: Graph allows a thousand, and five
// requests in ten seconds. With what conditional access said to it one takes up to ten
// kilobytes, so that only signInFields are asked for, and where Graph answers with more than
// that, signInsFew at a time.
const (
	signInsPage int32 = 999
	signInsFew  int32 = 100
)

var signInFields = []string{"id", "createdDateTime", "userId", "appDisplayName", "ipAddress", "status", "deviceDetail", "location"}

// signIn is an entry of the sign-in log. Graph's v1.0 lists interactive ones only.
type signIn struct {
	ID     string `json:"id"`
	At     stamp  `json:"createdDateTime"`
	User   string `json:"userId"`
	App    string `json:"appDisplayName"`
	IP     string `json:"ipAddress"`
	Status struct {
		Code int `json:"errorCode"`
	} `json:"status"`
	Device struct {
		System  string `json:"operatingSystem"`
		Browser string `json:"browser"`
	} `json:"deviceDetail"`
	Location struct {
		City    string `json:"city"`
		Country string `json:"countryOrRegion"`
	} `json:"location"`
}

// SignIns reads the interactive sign-ins of an account since a time that succeeded, oldest
// first, as Belay itself: who only tries passwords does not make the list longer. The log
// is some minutes late, and needs Microsoft Entra ID P1 or P2.
func (c *Client) SignIns(ctx context.Context, account string, since time.Time) ([]pim.SignIn, error) {
	const op = "sign-ins"
	if !plain(account) {
		return nil, wire.Invalid(op, "the account's id is not an object id")
	}
	k, err := c.itself(op)
	if err != nil {
		return nil, err
	}
	filter := "userId eq '" + account + "' and createdDateTime ge " + since.UTC().Format(time.RFC3339) + " and status/errorCode eq 0"
	read := func(top int32) ([]signIn, error) {
		ri, err := auditlogs.NewSignInsRequestBuilderInternal(nil, k.adapter).ToGetRequestInformation(ctx, &auditlogs.SignInsRequestBuilderGetRequestConfiguration{
			QueryParameters: &auditlogs.SignInsRequestBuilderGetQueryParameters{Filter: &filter, Top: &top, Select: signInFields}})
		return all[signIn](ctx, k, ri, err)
	}
	found, err := read(signInsPage)
	if errors.Is(err, wire.ErrTooLong) {
		found, err = read(signInsFew)
	}
	if err != nil {
		return nil, err
	}
	var list []pim.SignIn
	for _, s := range found {
		if s.ID == "" || s.At.Before(since) || !strings.EqualFold(s.User, account) {
			continue
		}
		list = append(list, pim.SignIn{ID: s.ID, At: s.At.Time, Person: s.User, App: s.App, IP: s.IP, Country: strings.TrimSpace(s.Location.Country),
			City: s.Location.City, Device: strings.Trim(s.Device.System+", "+s.Device.Browser, ", "), Failed: s.Status.Code != 0})
	}
	slices.SortStableFunc(list, func(a, b pim.SignIn) int { return a.At.Compare(b.At) })
	return list, nil
}

// Changes reads what the directory's audit log says was done to an account since a time,
// oldest first, as Belay itself. The log is some minutes late.
func (c *Client) Changes(ctx context.Context, account string, since time.Time) ([]pim.AccountChange, error) {
	const op = "account changes"
	if !plain(account) {
		return nil, wire.Invalid(op, "the account's id is not an object id")
	}
	k, err := c.itself(op)
	if err != nil {
		return nil, err
	}
	filter, top := "targetResources/any(t:t/id eq '"+account+"') and activityDateTime ge "+since.UTC().Format(time.RFC3339), auditsPage
	ri, err := auditlogs.NewDirectoryAuditsRequestBuilderInternal(nil, k.adapter).ToGetRequestInformation(ctx,
		&auditlogs.DirectoryAuditsRequestBuilderGetRequestConfiguration{QueryParameters: &auditlogs.DirectoryAuditsRequestBuilderGetQueryParameters{Filter: &filter, Top: &top}})
	found, err := all[audit](ctx, k, ri, err)
	if err != nil {
		return nil, err
	}
	var list []pim.AccountChange
	for _, a := range found {
		if a.ID == "" || a.At.Before(since) || a.Result != "" && !strings.EqualFold(a.Result, "success") {
			continue
		}
		list = append(list, a.change(account))
	}
	slices.SortStableFunc(list, func(a, b pim.AccountChange) int { return a.At.Compare(b.At) })
	return list, nil
}

func (a audit) change(account string) pim.AccountChange {
	out := pim.AccountChange{ID: a.ID, At: a.At.Time, Account: account, What: a.Activity, By: a.by(), App: a.By.App.Name}
	for _, r := range a.Targets {
		for _, m := range r.Changes {
			if strings.EqualFold(r.ID, account) && m.Name != "" {
				out.Changed = append(out.Changed, m.Name)
			}
		}
	}
	return out
}
