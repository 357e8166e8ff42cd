package pimtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const armStageType = "Microsoft.Authorization/roleAssignmentApprovals/stages"

// armStage is the one stage of an approval. Its name is that of the approval, as
// it has been seen to be; readers should not count on it.
func (c *armCall) armStage(r *request) obj {
	s := c.stepObj(r)
	p := obj{
		"displayName": nil, "assignedToMe": true, "status": s["status"], "reviewResult": r.Result, "justification": r.Reason,
		"reviewedBy": nil, "reviewedDateTime": s["reviewedDateTime"],
	}
	if r.Result != "NotReviewed" {
		by := s["reviewedBy"].(obj)
		p["reviewedBy"] = obj{"principalType": "user", "principalId": r.Reviewer, "principalName": by["displayName"], "userPrincipalName": by["userPrincipalName"]}
	}
	return obj{"id": armID("/", "roleAssignmentApprovals", r.ID) + "/stages/" + r.ID, "name": r.ID, "type": armStageType, "properties": p}
}

func (c *armCall) armApproval(r *request) obj {
	return obj{
		"id": armID("/", "roleAssignmentApprovals", r.ID), "name": r.ID, "type": armStageType, // the type is that of a stage in Microsoft's examples
		"properties": obj{"stages": []obj{c.armStage(r)}},
	}
}

// approved finds the request behind an approval for one of its approvers. Its
// requester is told so even when they only read.
func (c *armCall) approved() (*request, *GraphError) {
	if r := c.t.w.request(c.names[0]); r != nil && r.Kind == kindAzure && r.Approval && (c.caller.id == r.Principal || c.caller.id == r.Creator) {
		return nil, badRequest("Request doesn't allow Self-Approval")
	}
	r, e := c.t.approval(c.caller.who, kindAzure, c.names[0])
	if e != nil {
		return nil, c.inARM(e, "roleAssignmentApprovals/read")
	}
	if len(c.names) > 1 && !strings.EqualFold(c.names[1], r.ID) {
		return nil, refusal("NotFound")
	}
	return r, nil
}

func armListApprovals(c *armCall) (result, *GraphError) {
	f, e := c.filter("asApprover()")
	switch {
	case e != nil:
		return result{}, e
	case !f.has("asApprover()"):
		return result{}, unknown(http.StatusBadRequest, "Approvals without $filter=asApprover() are not simulated.")
	case c.caller.kind != ByUser:
		return result{}, c.denied("roleAssignmentApprovals/read", c.scope)
	}
	rows := []obj{}
	for _, r := range c.t.w.Requests {
		if r.Kind == kindAzure && r.Status == statusPending && c.t.w.within(r.Scope, c.scope) && c.t.w.mayDecide(r, c.caller.id, c.t.now()) {
			rows = append(rows, c.armApproval(r))
		}
	}
	return c.page(rows)
}

func armGetApproval(c *armCall) (result, *GraphError) {
	r, e := c.approved()
	if e != nil {
		return result{}, e
	}
	return result{http.StatusOK, c.armApproval(r)}, nil
}

func armListStages(c *armCall) (result, *GraphError) {
	r, e := c.approved()
	if e != nil {
		return result{}, e
	}
	return c.page([]obj{c.armStage(r)})
}

func armGetStage(c *armCall) (result, *GraphError) {
	r, e := c.approved()
	if e != nil {
		return result{}, e
	}
	return result{http.StatusOK, c.armStage(r)}, nil
}

// armReview is a decision as it is put: flat, or wrapped in properties.
type armReview struct {
	ReviewResult  string `json:"reviewResult"`
	Justification string `json:"justification"`
}

// armDecide is an approver's decision, in the shape the tenant takes. PATCH answers
// the stage, PUT nothing: both have been seen.
func armDecide(c *armCall) (result, *GraphError) {
	in, e := c.review()
	if e != nil {
		return result{}, e
	}
	if in.ReviewResult != "Approve" && in.ReviewResult != "Deny" {
		return result{}, badRequest("The review result '%s' is neither Approve nor Deny.", in.ReviewResult)
	}
	r, e := c.approved()
	if e != nil {
		return result{}, e
	}
	if e := c.t.decide(c.caller.who, kindAzure, r.ID, in.ReviewResult, in.Justification); e != nil {
		return result{}, c.inARM(e, "roleAssignmentApprovals/stages/write")
	}
	c.wrote = true
	if c.r.Method == http.MethodPut {
		return result{status: http.StatusNoContent}, nil
	}
	return result{http.StatusOK, c.armStage(r)}, nil
}

// review reads the decision. A shape that is not the one the tenant was told to
// take is refused; without being told, a flat body is also a defect of the caller.
func (c *armCall) review() (in armReview, e *GraphError) {
	only := c.t.armQuirks.Decision
	put := c.r.Method == http.MethodPut
	if only == DecideByPut && !put || only == DecideByPatch && put || only == DecideByFlatPatch && put || only == DecideByBatch && !(put && c.batched) {
		return in, &GraphError{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed", Message: "The requested resource does not support http method '" + c.r.Method + "'."}
	}
	raw, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody))
	if err != nil {
		return in, badRequest("The body cannot be read.")
	}
	c.r.Body = io.NopCloser(bytes.NewReader(raw))
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) == nil && only != DecideWrapped && (members["properties"] == nil) != (only == DecideByFlatPatch) {
		return in, badRequest("The request content was invalid and could not be deserialized.")
	}
	if only == DecideByFlatPatch {
		return in, c.body(&in)
	}
	var wrapped struct {
		Properties armReview `json:"properties"`
	}
	e = c.body(&wrapped)
	return wrapped.Properties, e
}

// armPostBatch does several calls in one, as the portal does. Only decisions are
// simulated.
func armPostBatch(c *armCall) (result, *GraphError) {
	var in struct {
		Requests []struct {
			Name       string          `json:"name"`
			HTTPMethod string          `json:"httpMethod"`
			URL        string          `json:"url"`
			Content    json.RawMessage `json:"content"`
		} `json:"requests"`
	}
	if e := c.body(&in); e != nil {
		return result{}, e
	}
	if len(in.Requests) == 0 || len(in.Requests) > 20 {
		return result{}, badRequest("Between 1 and 20 requests are needed.")
	}
	answers := []obj{}
	for _, q := range in.Requests {
		res, e := c.one(q.HTTPMethod, q.URL, q.Content)
		o := obj{"name": q.Name, "httpStatusCode": res.status, "headers": obj{}, "contentLength": 0}
		body := any(res.body)
		if e != nil {
			if e.unknown != "" {
				return result{}, e
			}
			o["httpStatusCode"], body = e.Status, obj{"error": obj{"code": e.Code, "message": e.Message}}
		}
		if e != nil || res.body != nil {
			b, err := json.Marshal(body)
			if err != nil {
				return result{}, badRequest("%v", err) // the tenant's own value: cannot happen
			}
			o["content"], o["contentLength"] = body, len(b)
		}
		answers = append(answers, o)
	}
	return result{http.StatusOK, obj{"responses": answers}}, nil
}

// one does a call of a batch with the batch's own token.
func (c *armCall) one(method, target string, content []byte) (result, *GraphError) {
	u, err := url.Parse(target)
	if err != nil || u.Host != "" || !strings.Contains(strings.ToLower(u.Path), "/roleassignmentapprovals/") || method != http.MethodPut && method != http.MethodPatch {
		return result{}, unknown(http.StatusNotImplemented, "%s %s inside a batch is not simulated.", method, target)
	}
	r := c.r.Clone(c.r.Context())
	r.Method, r.URL, r.Body = method, u, io.NopCloser(bytes.NewReader(content))
	inner := &armCall{call: &call{t: c.t, r: r}, batched: true}
	res, e := c.t.armDispatch(inner)
	c.wrote = c.wrote || inner.wrote
	return res, e
}
