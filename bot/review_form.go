package bot

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// submitReview takes a form of a review.
func (b *Bot) submitReview(ctx context.Context, in Inbound, a actor, s Submit) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	id, rest, _ := strings.Cut(s.ID, "/")
	var r accessReview
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		r, err = b.theirReview(tx, a, id)
		return err
	})
	if err != nil {
		return b.reviewRefused(ctx, in, a, Press{Verb: s.Verb, ID: s.ID}, err), nil
	}
	why := strings.TrimSpace(s.Values[fieldReason])
	long := ""
	if utf8.RuneCountInString(why) > maxReason {
		long = sayTooLongText(maxReason)
	}
	want := map[string]pim.Verdict{}
	switch s.Verb {
	case VerbKeepAccess:
		item, there := r.item(rest)
		if !there {
			return Reply{Card: plain(Bad, "Nothing was done", sayItemGone), Replace: true}, nil
		}
		if why == "" && r.Round.Justify {
			long = sayWhyKeep
		}
		if long != "" {
			return Reply{Form: keepForm(r, item, cut(why, maxReason), long), Replace: true}, nil
		}
		want[item.ID] = pim.VerdictApprove
	case VerbAcceptAll:
		if want = r.recommended(); rest != shownDigest(want) {
			return acceptForm(r, cut(why, maxReason), sayListChanged)
		}
		if why == "" && r.Round.Justify && keepsAny(want) {
			long = sayWhyKeep
		}
		if long != "" {
			return acceptForm(r, cut(why, maxReason), long)
		}
	case VerbSeveral:
		verdict, problems := verdictOf(Verb(s.Values[fieldVerdict])), map[string]string{}
		for _, item := range strings.Split(s.Values[fieldPeople], ",") {
			if _, there := r.item(item); there {
				want[item] = verdict
			}
		}
		if len(want) == 0 {
			problems[fieldPeople] = sayPickPeople
		}
		if why == "" && r.Round.Justify && verdict == pim.VerdictApprove {
			problems[fieldReason] = sayWhyKeep
		}
		if long != "" {
			problems[fieldReason] = long
		}
		if len(problems) > 0 {
			return severalForm(r, s.Values, problems), nil
		}
	}
	if why == "" {
		why = sayReviewedHere(in.User.Platform)
	}
	reply, later := b.wantDecisions(ctx, in, a, r.ID, want, why)
	reply.Replace = true
	return reply, later
}

// recommended is what Microsoft recommends of those that are still open.
func (r accessReview) recommended() map[string]pim.Verdict {
	want := map[string]pim.Verdict{}
	for _, i := range r.open() {
		if i.Recommend == pim.VerdictApprove || i.Recommend == pim.VerdictDeny {
			want[i.ID] = i.Recommend
		}
	}
	return want
}

func keepsAny(want map[string]pim.Verdict) bool {
	for _, v := range want {
		if v == pim.VerdictApprove {
			return true
		}
	}
	return false
}

// shownDigest tells apart what was shown to be accepted.
func shownDigest(want map[string]pim.Verdict) string {
	var all []string
	for item, v := range want {
		all = append(all, item+"="+string(v))
	}
	slices.Sort(all)
	return hashed(strings.Join(all, ","))[:16]
}
