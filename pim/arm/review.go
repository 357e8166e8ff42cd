package arm

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// shape is one of the ways in which ARM is said to take a decision.
type shape struct {
	name string
	make func(k *call, ctx context.Context, at string, d decision) (status int, body []byte, err error)
}

// decision is the content of a stage that an approver writes.
type decision struct {
	Result        pim.Result `json:"reviewResult"`
	Justification string     `json:"justification"`
}

// wrapped is the usual form of a resource of ARM.
type wrapped struct {
	Properties decision `json:"properties"`
}

// shapes are tried in this order. Microsoft's own description has PATCH with a
// wrapped body, its how-to page a flat one; what tools are seen to use is PUT, by
// itself or within a batch. Which one the service takes is not documented, so the
// first that it takes is kept for the life of the Client, and logged.
var shapes = []*shape{
	{"PUT", func(k *call, ctx context.Context, at string, d decision) (int, []byte, error) {
		return k.send(ctx, http.MethodPut, at, url.Values{"api-version": {approvalVersion}}, wrapped{d})
	}},
	{"PATCH", func(k *call, ctx context.Context, at string, d decision) (int, []byte, error) {
		return k.send(ctx, http.MethodPatch, at, url.Values{"api-version": {approvalVersion}}, wrapped{d})
	}},
	{"PATCH, flat body", func(k *call, ctx context.Context, at string, d decision) (int, []byte, error) {
		return k.send(ctx, http.MethodPatch, at, url.Values{"api-version": {approvalVersion}}, d)
	}},
	{"PUT in a batch", (*call).batch},
}

// Review gives person's decision on one stage of an approval. The first decision
// wins: CodeDecided says that somebody was first.
func (c *Client) Review(ctx context.Context, person string, d pim.Decision) error {
	k, err := c.as("review", person)
	if err != nil {
		return err
	}
	name, err := k.approval(d.Approval)
	if err != nil {
		return err
	}
	switch {
	case !plain(d.Stage):
		return wire.Invalid(k.Op, "the stage id cannot be one of Microsoft's")
	case d.Result != pim.Approved && d.Result != pim.Denied:
		return wire.Invalid(k.Op, "a decision is to approve or to deny")
	}
	k.Write = true
	at, what := approvals+name+"/stages/"+d.Stage, decision{d.Result, d.Justification}
	if s := c.shape.Load(); s != nil {
		return k.decide(ctx, s, at, what)
	}
	var first error
	for _, s := range shapes {
		err := k.decide(ctx, s, at, what)
		if err == nil {
			c.shape.Store(s)
			c.log.Info("Azure takes decisions in this way", "shape", s.name)
			return nil
		}
		if first == nil {
			first = err
		}
		if !misshapen(err) {
			return err
		}
	}
	return first
}

// decide sends a decision in one shape.
func (k *call) decide(ctx context.Context, s *shape, at string, d decision) error {
	status, body, err := s.make(k, ctx, at, d)
	if err != nil {
		return err
	}
	switch {
	case status == http.StatusNoContent && len(body) == 0:
		return nil
	case status == http.StatusOK:
		// The stage as it is now. Anything else, such as the page of a proxy, is not
		// Microsoft's word for it.
		if now, err := one[stage](k, body); err == nil && pim.ParseResult(now.Properties.Result) == d.Result {
			return nil
		}
	}
	return k.Unreadable()
}

// misshapen says that a refusal may be about the form and not about the decision.
// Nothing was done by a call that was refused so.
func misshapen(err error) bool {
	var e *pim.Error
	if !errors.As(err, &e) || e.Code != pim.CodeInvalid && e.Code != pim.CodeNotFound {
		return false
	}
	return e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed
}

// batch sends a decision within a batch of one, and answers with what is in it.
func (k *call) batch(ctx context.Context, at string, d decision) (int, []byte, error) {
	type request struct {
		Name    string  `json:"name"`
		Method  string  `json:"httpMethod"`
		URL     string  `json:"url"`
		Content wrapped `json:"content"`
	}
	name := uuid.NewString()
	asked := map[string][]request{"requests": {{Name: name, Method: http.MethodPut, URL: at + "?api-version=" + approvalVersion, Content: wrapped{d}}}}
	status, body, err := k.send(ctx, http.MethodPost, "/batch", url.Values{"api-version": {"2020-06-01"}}, asked)
	if err != nil {
		return 0, nil, err
	}
	said, err := one[struct {
		Responses []struct {
			Name    string            `json:"name"`
			Status  int               `json:"httpStatusCode"`
			Header  map[string]string `json:"headers"`
			Content json.RawMessage   `json:"content"`
		} `json:"responses"`
	}](k, body)
	if err != nil || status != http.StatusOK || len(said.Responses) != 1 || said.Responses[0].Status == 0 {
		return 0, nil, k.Unreadable()
	}
	answer := said.Responses[0]
	if string(answer.Content) == "null" {
		answer.Content = nil
	}
	if answer.Status >= 200 && answer.Status <= 299 {
		return answer.Status, answer.Content, nil
	}
	header := http.Header{}
	for name, value := range answer.Header {
		header.Set(name, value)
	}
	return 0, nil, k.Refused(&wire.Refusal{Status: answer.Status, Header: header, Body: append([]byte{}, answer.Content...)})
}
