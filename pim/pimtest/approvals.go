package pimtest

import (
	"net/http"
	"strings"
)

// approvals are the approvals of one kind in Graph. What v1.0 calls a stage is a
// step in beta; there is one in each approval.
type approvals struct {
	kind, path, parts, part string
}

var (
	roleApprovals  = approvals{kindRole, rolesBase + "roleAssignmentApprovals", "steps", "approvalStep"}
	groupApprovals = approvals{kindGroup, groupsBase + "assignmentApprovals", "stages", "approvalStage"}
)

func (p approvals) shape() shape {
	return shape{typ: "approval", props: []string{"id", p.parts}, expands: []string{p.parts}, options: []string{"$top"}}
}

func (p approvals) stepShape() shape {
	return shape{
		typ:   p.part,
		props: []string{"id", "displayName", "reviewedDateTime", "reviewResult", "status", "assignedToMe", "justification", "reviewedBy"},
	}
}

// stepObj is the one step of an approval. Its id is that of the approval, as it
// has been seen to be; readers should not count on it.
func (c *call) stepObj(r *request) obj {
	o := obj{
		"id": r.ID, "displayName": nil, "reviewedDateTime": stamp(r.Reviewed), "reviewResult": r.Result, "status": "InProgress",
		"assignedToMe": true, "justification": r.Reason, "reviewedBy": nil,
	}
	if r.Result != "NotReviewed" {
		o["status"] = "Completed"
		by := obj{"id": r.Reviewer, "displayName": nil, "userPrincipalName": nil, "mail": nil}
		if u := c.t.w.Users[r.Reviewer]; u != nil {
			by["displayName"], by["userPrincipalName"], by["mail"] = u.Name, u.UPN, text(u.Mail)
		}
		o["reviewedBy"] = by
	}
	return o
}

func (p approvals) obj(c *call, r *request) obj {
	return obj{"id": r.ID, p.parts + "@odata.context": c.context(p.partsOf(r)), p.parts: []obj{c.stepObj(r)}}
}

func (p approvals) partsOf(r *request) string { return p.path + "('" + r.ID + "')/" + p.parts }

func (p approvals) list(c *call) (result, *GraphError) {
	var rows []obj
	for _, r := range c.t.w.Requests {
		if r.Kind == p.kind && r.waits() && c.t.w.mayDecide(r, c.caller.id, c.t.now()) {
			rows = append(rows, p.obj(c, r))
		}
	}
	return c.list(p.shape(), "Collection(approval)", rows, nil)
}

func (p approvals) get(c *call) (result, *GraphError) {
	r, e := c.t.approval(c.caller.who, p.kind, c.params[0])
	if e != nil {
		return result{}, e
	}
	return c.entity(http.StatusOK, p.shape(), p.path, p.obj(c, r))
}

func (p approvals) steps(c *call) (result, *GraphError) {
	r, e := c.t.approval(c.caller.who, p.kind, c.params[0])
	if e != nil {
		return result{}, e
	}
	return c.list(p.stepShape(), p.partsOf(r), []obj{c.stepObj(r)}, nil)
}

// step finds the request and checks the step's id.
func (p approvals) step(c *call) (*request, *GraphError) {
	r, e := c.t.approval(c.caller.who, p.kind, c.params[0])
	if e != nil {
		return nil, e
	}
	if !strings.EqualFold(c.params[1], r.ID) {
		return nil, refusal("NotFound")
	}
	return r, nil
}

func (p approvals) getStep(c *call) (result, *GraphError) {
	r, e := p.step(c)
	if e != nil {
		return result{}, e
	}
	return c.entity(http.StatusOK, p.stepShape(), p.partsOf(r), c.stepObj(r))
}

// patchStep is a decision.
func (p approvals) patchStep(c *call) (result, *GraphError) {
	var in struct {
		ODataType     string `json:"@odata.type"`
		ReviewResult  string `json:"reviewResult"`
		Justification string `json:"justification"`
	}
	if e := c.body(&in); e != nil {
		return result{}, e
	}
	if in.ReviewResult != "Approve" && in.ReviewResult != "Deny" {
		return result{}, badRequest("The review result '%s' is neither Approve nor Deny.", in.ReviewResult)
	}
	r, e := p.step(c)
	if e != nil {
		return result{}, e
	}
	if e := c.t.decide(c.caller.who, p.kind, r.ID, in.ReviewResult, in.Justification); e != nil {
		return result{}, e
	}
	c.wrote = true
	return result{status: http.StatusNoContent}, nil
}
