package pim

import (
	"strings"
	"time"
)

// Verdict is what a reviewer says of somebody's access, and what Microsoft recommends.
type Verdict string

// The verdicts. Source: accessReviewInstanceDecisionItem in the Graph reference; the last
// one is a recommendation only.
const (
	VerdictApprove     Verdict = "Approve"     // they keep it
	VerdictDeny        Verdict = "Deny"        // it is removed when the review is applied
	VerdictDontKnow    Verdict = "DontKnow"    // the reviewer cannot tell
	VerdictNotReviewed Verdict = "NotReviewed" // nobody has decided yet
	VerdictNoInfo      Verdict = "NoInfoAvailable"
)

// ParseVerdict reads Microsoft's word in any letter case; an unknown one is kept.
func ParseVerdict(s string) Verdict {
	for _, v := range []Verdict{VerdictApprove, VerdictDeny, VerdictDontKnow, VerdictNotReviewed, VerdictNoInfo} {
		if strings.EqualFold(s, string(v)) {
			return v
		}
	}
	return Verdict(s)
}

// AccessReviewRef names one review of a series.
type AccessReviewRef struct {
	Series string `json:"series"` // id of the accessReviewScheduleDefinition
	Review string `json:"review"` // id of the accessReviewInstance
}

// AccessReviewRound is one review of a series, held now.
type AccessReviewRound struct {
	AccessReviewRef
	Name       string       `json:"name"`
	Start      time.Time    `json:"start"`
	End        time.Time    `json:"end"`
	Justify    bool         `json:"justify,omitempty"` // who lets somebody keep it has to say why
	Recommends bool         `json:"recommends,omitempty"`
	Staged     bool         `json:"staged,omitempty"` // it is held in stages, with reviewers of their own
	Of         []Assignment `json:"of,omitempty"`     // the directory roles and groups that it looks at

	// Where it was read as Belay itself: who is asked, and whether there is somebody whom
	// nobody has decided about.
	Reviewers []Principal `json:"-"`
	Open      bool        `json:"-"`
}

// AccessReviewLook is a part of a look for the reviews that are held now.
type AccessReviewLook struct {
	Rounds []AccessReviewRound
	Missed int    // series and reviews that could not be read: the look is not complete
	Why    error  // why the last of those could not be read
	Next   string // from where the look goes on; empty: it is over
}

// AccessReviewItem is one person's access in a review.
type AccessReviewItem struct {
	ID        string    `json:"id"`
	Principal Principal `json:"principal"`
	Resource  string    `json:"resource,omitempty"` // name of what they have access to
	Recommend Verdict   `json:"recommend,omitempty"`
	LastSeen  time.Time `json:"lastSeen,omitzero"` // last sign-in, where Microsoft tells

	Verdict  Verdict   `json:"verdict"`
	Why      string    `json:"-"` // the justification of the verdict; it is not kept
	By       Principal `json:"by,omitzero"`
	Reviewed time.Time `json:"reviewed,omitzero"`
	Applied  bool      `json:"applied,omitempty"` // it has been carried out, and cannot be changed
}

// AccessReviewDecision is a reviewer's word about one item.
type AccessReviewDecision struct {
	AccessReviewRef
	Item    string
	Verdict Verdict
	Why     string
}
