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
		item, asShown := r.shown(rest)
		if !asShown {
			return b.shownAnew(r), nil
		}
		if why == "" && r.Round.Justify {
			long = sayWhyKeep
		}
		if long != "" {
			return Reply{Form: keepForm(r, item, cut(why, maxReason), long), Replace: true}, nil
		}
		want[item.ID] = pim.VerdictApprove
	case VerbAcceptAll:
		if want = r.recommended(); rest != r.shownDigest(want) {
			return acceptForm(r, cut(why, maxReason), sayListChanged)
		}
		if why == "" && r.Round.Justify && keepsAny(want) {
			long = sayWhyKeep
		}
		if long != "" {
			return acceptForm(r, cut(why, maxReason), long)
		}
	case VerbSeveral:
		said, problems := Verb(s.Values[fieldVerdict]), map[string]string{}
		if said != VerbKeepAccess && said != VerbRemoveAccess && said != VerbCannotTell {
			problems[fieldVerdict] = sayPickVerdict
		}
		verdict := verdictOf(said)
		open, picked := r.open(), strings.Split(s.Values[fieldPeople], ",")
		for _, i := range open {
			if slices.Contains(picked, i.ID) {
				want[i.ID] = verdict
			}
		}
		if slices.ContainsFunc(r.Items, func(i pim.AccessReviewItem) bool { return want[i.ID] == "" && slices.Contains(picked, i.ID) }) {
			problems[fieldPeople] = sayListChanged // somebody decided meanwhile
		} else if len(want) == 0 {
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
	reply, later := b.wantDecisions(ctx, in, a, r, want, why)
	reply.Replace = true
	return reply, later
}

// recommended is what Microsoft recommends of those that are still open: the first of them.
func (r accessReview) recommended() map[string]pim.Verdict {
	want := map[string]pim.Verdict{}
	for _, i := range r.open() {
		if len(want) == mostDecided {
			break
		}
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
func (r accessReview) shownDigest(want map[string]pim.Verdict) string {
	var all []string
	for _, i := range r.Items {
		if v, ok := want[i.ID]; ok {
			all = append(all, i.ID+"="+string(v)+"/"+seenOf(i).digest())
		}
	}
	slices.Sort(all)
	return hashed(strings.Join(all, ","))[:16]
}

// shownAs is how a button or a form names an item, with what was shown of it.
func (r accessReview) shownAs(i pim.AccessReviewItem) string {
	return r.ID + "/" + i.ID + "/" + seenOf(i).digest()
}

// shown is the item that a button or a form names, and whether it still is as it was shown.
func (r accessReview) shown(name string) (pim.AccessReviewItem, bool) {
	id, digest, _ := strings.Cut(name, "/")
	i, there := r.item(id)
	return i, there && digest == seenOf(i).digest()
}
