package bot

import (
	"maps"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// auditReview records what a change did to the decisions of a review. It is given the review
// before and after, so that nothing changes one and leaves no trace.
func (b *Bot) auditReview(tx store.Tx, before, after accessReview, at time.Time) error {
	for _, a := range after.Acts {
		was, known := before.act(a.ID)
		for n, d := range a.Decisions {
			earlier := reviewDecision{}
			if known {
				earlier = was.Decisions[n]
			}
			for _, e := range decisionEvents(known, earlier, d, a) {
				e.At, e.Subject, e.Held, e.Verb, e.Role = at, d.Of.ID, d.Item, string(verdictVerb(d.Verdict)), reviewedRole(after.Round)
				e.More = map[string]string{"review": after.Round.Review, "act": a.ID}
				if err := b.o.Trail.Append(tx, e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// decisionEvents is what the audit trail hears of one decision.
func decisionEvents(known bool, was, d reviewDecision, a reviewAct) (all []trail.Event) {
	add := func(k trail.Kind, o trail.Outcome, reason string, more trail.Texts) {
		texts := trail.Texts{"actor": personText(a.By.Principal)}
		maps.Copy(texts, more)
		all = append(all, trail.Event{Kind: k, Outcome: o, Actor: auditActor(a.By), Reason: reason, Texts: texts})
	}
	if !known {
		add(trail.ReviewWanted, trail.OK, "", trail.Texts{"reason": d.Why})
	}
	if was.SentAt.IsZero() && !d.SentAt.IsZero() {
		add(trail.ReviewSent, trail.OK, "", nil)
		all[len(all)-1].Token = a.By.ID
	}
	if was.Outcome != "" || d.Outcome == "" {
		return all
	}
	why := string(d.Outcome)
	if d.Refusal != nil {
		why = string(d.Refusal.Code)
	}
	switch d.Outcome {
	case reviewRecorded:
		add(trail.ReviewRecorded, trail.OK, "", nil)
	case reviewLost:
		add(trail.ReviewRefused, trail.Unknown, why, nil)
	default:
		add(trail.ReviewRefused, trail.No, why, nil)
	}
	if d.Refusal != nil {
		all[len(all)-1].Ref = d.Refusal.Ref
	}
	return all
}

// verdictVerb is the button for a verdict.
func verdictVerb(v pim.Verdict) Verb {
	switch v {
	case pim.VerdictApprove:
		return VerbKeepAccess
	case pim.VerdictDeny:
		return VerbRemoveAccess
	}
	return VerbCannotTell
}

func reviewedRole(r pim.AccessReviewRound) *trail.Role {
	if len(r.Of) == 0 {
		return nil
	}
	return auditRole(pim.EligibleAssignment{Assignment: r.Of[0]})
}
