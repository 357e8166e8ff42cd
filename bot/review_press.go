package bot

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// reviewsRead and reviewsDecide are the permissions without which reviews cannot be seen.
const (
	reviewsRead   = "AccessReview.Read.All"
	reviewsDecide = "AccessReview.ReadWrite.All"
)

// mostReviews is how many reviews one answer lists, and itemsShown how many people a page:
// a message holds no more. An act is kept short, because its document is written at each step.
const (
	mostReviews = 8
	itemsShown  = 5
	itemsPicked = 100
	mostDecided = 200 // in one act
)

// readReview reads what a person is to decide in a review, and keeps it: the buttons of what
// they are shown lead to any process.
func (b *Bot) readReview(ctx context.Context, a actor, id string, round pim.AccessReviewRound) (r accessReview, err error) {
	items, err := b.o.AccessReviews.Items(ctx, a.ID, round.AccessReviewRef)
	if err != nil {
		return r, err
	}
	now := b.o.Now().UTC()
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getReview(tx, id)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		r = b.begunReview(before, a.Principal, round, now)
		r.saw(items, now)
		return b.putReview(tx, before, r, now)
	})
	return r, err
}

// theirReview reads a review for its reviewer.
func (b *Bot) theirReview(tx store.Tx, a actor, id string) (accessReview, error) {
	r, err := getReview(tx, id)
	if err == nil && !strings.EqualFold(r.Reviewer.ID, a.ID) {
		err = bar("not-theirs", sayNotReviewer)
	}
	return r, err
}

// reviewPress does what the buttons of a review are for.
func (b *Bot) reviewPress(ctx context.Context, in Inbound, a actor, p Press) (Reply, Later) {
	if b.o.AccessReviews == nil {
		return Reply{Card: plain(Neutral, titleReviews, sayReviewsOff)}, nil
	}
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	id, rest, _ := strings.Cut(p.ID, "/")
	if p.Verb == VerbReviews && id == moreReviews {
		from, _ := strconv.Atoi(rest)
		return b.reviewsFrom(ctx, in, a, from)
	}
	var r accessReview
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		r, err = b.theirReview(tx, a, id)
		return err
	})
	switch {
	case err != nil:
		return b.reviewRefused(ctx, in, a, p, err), nil
	case r.Round.Staged:
		return reviewPage(r, 0, b.o.Now()), nil
	case p.Verb == VerbReviews:
		return b.openReview(ctx, in, a, r, rest)
	case r.Over || !b.o.Now().Before(r.Round.End):
		return Reply{Card: plain(Neutral, titleReviewOver, sayReviewOver)}, nil
	case p.Verb == VerbAcceptAll:
		return acceptForm(r, "", "")
	case p.Verb == VerbSeveral:
		return severalForm(r, nil, nil), nil
	}
	item, asShown := r.shown(rest)
	if already := (reviewDecision{Verdict: verdictOf(p.Verb)}).is(item, a.ID); !asShown && !already {
		return b.shownAnew(r), nil
	}
	if p.Verb == VerbKeepAccess && r.Round.Justify {
		return Reply{Form: keepForm(r, item, "", "")}, nil
	}
	return b.wantDecisions(ctx, in, a, r, map[string]pim.Verdict{item.ID: verdictOf(p.Verb)}, sayReviewedHere(in.User.Platform))
}

// shownAnew answers a press or a form that was made of what is not so any more.
func (b *Bot) shownAnew(r accessReview) Reply {
	page := reviewPage(r, 0, b.o.Now())
	page.Card.Note = sayChangedMeanwhile
	return page
}

// openReview shows a page of a review, as the reviewer's own sign-in reads it now.
func (b *Bot) openReview(ctx context.Context, in Inbound, a actor, r accessReview, rest string) (Reply, Later) {
	from, _ := strconv.Atoi(rest)
	if !a.live {
		return b.offer(ctx, in, a, Ticket{})
	}
	return Reply{}, func(ctx context.Context) Reply {
		now, err := b.readReview(ctx, a, r.ID, r.Round)
		if err != nil && !r.Over && b.o.Now().Before(r.Round.End) {
			return b.reviewTrouble(in, err)
		}
		if err == nil {
			r = now
		}
		return reviewPage(r, from, b.o.Now())
	}
}

// pressed tells what waits for a sign-in of a press. Where the person has signed in meanwhile
// (goOn) and says all that is left of an act again, by the same chat account, it goes on.
// Another word about somebody takes the place of the one that waits.
func (r *accessReview) pressed(a actor, want map[string]pim.Verdict, goOn bool) (changed bool) {
	for n := range r.Acts {
		w := &r.Acts[n]
		if w.State != IntentWaiting {
			continue
		}
		same, mine := true, w.By.User.is(a.User)
		for _, d := range w.Decisions {
			same = same && (d.Outcome != "" || want[d.Item] == d.Verdict)
		}
		if same && mine && goOn && !w.Fresh {
			w.State, changed = IntentReady, true
			continue
		}
		for m := range w.Decisions {
			d := &w.Decisions[m]
			verdict, wanted := want[d.Item]
			if again := mine && verdict == d.Verdict && (!goOn || w.Fresh); wanted && !again && d.Outcome == "" && d.SentAt.IsZero() {
				d.end(reviewReplaced, nil)
				changed = true
			}
		}
	}
	return changed
}

// wantDecisions records what a reviewer decides, durably before they are answered; from then
// on it is settled. What was pressed before, or decided the same, is not recorded twice. shown
// is the review as the reviewer saw it.
func (b *Bot) wantDecisions(ctx context.Context, in Inbound, a actor, shown accessReview, want map[string]pim.Verdict, why string) (Reply, Later) {
	id, act, ticket, at := shown.ID, b.newID(), b.newTicket(), b.o.Now().UTC()
	var made reviewAct
	var r accessReview
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		made = reviewAct{ID: act, By: a.Person, Made: at, State: IntentReady, Trace: traceOf(ctx)}
		before, err := b.theirReview(tx, a, id)
		if err != nil {
			return err
		}
		if before.Round.Staged {
			return refuse(CodeInvalid, sayReviewStaged)
		}
		if before.Over || !at.Before(before.Round.End) {
			return refuse(CodeInvalid, sayReviewOver)
		}
		r = before.clone()
		changed := r.pressed(a, want, b.stands(a) && !b.reviewFresh(r))
		owing := r.owing()
		for _, item := range shown.Items { // in their order
			verdict, wanted := want[item.ID]
			d := reviewDecision{Item: item.ID, Of: item.Principal, Verdict: verdict, Why: why, Saw: seenOf(item)}
			if wanted && !owing[strings.ToLower(item.ID)] && !d.is(item, a.ID) {
				made.Decisions = append(made.Decisions, d)
			}
		}
		if len(made.Decisions) == 0 {
			if changed {
				return b.putReview(tx, before, r, at)
			}
			return nil
		}
		r.Acts = append(r.Acts, made)
		if last := &r.Acts[len(r.Acts)-1]; !b.stands(a) || b.reviewFresh(r) {
			if err := b.waitForReviewer(tx, r, last, ticket, nil, at); err != nil {
				return err
			}
			made = *last
		}
		return b.putReview(tx, before, r, at)
	})
	if err != nil {
		return b.reviewRefused(ctx, in, a, Press{Verb: VerbReviews, ID: id}, err), nil
	}
	b.kick(id, true)
	b.kick(b.bulletinID(actPost(id, act)), true)
	switch {
	case len(made.Decisions) == 0:
		return Reply{Card: plain(Neutral, titleReviewKnown, sayReviewKnown)}, nil
	case made.State == IntentWaiting:
		return b.reviewWaits(made), nil
	}
	page := reviewPage(r, 0, b.o.Now()) // who is left
	page.Card.Note = sayReviewSending(len(made.Decisions))
	return page, nil
}

// reviewWaits says where the link is that decisions wait for.
func (b *Bot) reviewWaits(a reviewAct) Reply {
	c := Card{Title: "Sign in to finish", Tone: Waiting, Text: saySignInSent}
	if a.Fresh {
		c.Text = sayReviewInPerson
	}
	if a.By.Direct.ID == "" {
		c.Actions, c.Note = []Action{{Label: "Sign in", Style: Primary, URL: b.o.Links.URL(a.Ticket)}}, sayLinkOnce
	}
	if b.o.SingleSignOn != nil && a.By.User.Platform == Teams && !a.Fresh {
		c.SignIn = &SignIn{Ticket: a.Ticket, URL: b.o.Links.URL(a.Ticket)}
	}
	return Reply{Card: &c}
}

func verdictOf(v Verb) pim.Verdict {
	switch v {
	case VerbKeepAccess:
		return pim.VerdictApprove
	case VerbRemoveAccess:
		return pim.VerdictDeny
	}
	return pim.VerdictDontKnow
}

// reviewTrouble explains why reviews cannot be read.
func (b *Bot) reviewTrouble(in Inbound, err error) Reply {
	if code := pim.CodeOf(err); code == pim.CodeForbidden {
		b.o.Log.Warn("Microsoft does not let a reviewer see their access reviews", "permission", reviewsDecide)
		return Reply{Card: plain(Bad, titleReviews, sayReviewsBlind)}
	}
	return b.trouble(in, err)
}

// reviewRefused explains why nothing was recorded, and tells the audit trail of what is not
// for the presser.
func (b *Bot) reviewRefused(ctx context.Context, in Inbound, a actor, p Press, err error) Reply {
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Bad, "Nothing was done", sayReviewOutdated)}
	}
	if why := whyRefused(err); why != "" {
		b.o.Links.refused(ctx, a.User, trail.Event{At: b.o.Now().UTC(), Kind: trail.Press, Outcome: trail.No, Actor: auditActor(a.Person), Verb: string(p.Verb),
			Reason: why, Texts: trail.Texts{"actor": personText(a.Principal)}})
	}
	return b.trouble(in, err)
}

// TellUnreviewed has the security channels hear, once a quarter, of privileged roles that
// nobody reviews, durably with tx. Told again in the same quarter it only becomes true.
func (b *Bot) TellUnreviewed(tx store.Tx, roles []string, at time.Time) error {
	at = at.UTC()
	id := "reviews/" + at.Format("2006") + "-Q" + strconv.Itoa(1+(int(at.Month())-1)/3)
	first := at
	if before, err := getBulletin(tx, b.bulletinID(id)); err == nil {
		first = before.At
	} else if !errors.Is(err, store.ErrNotFound) || len(roles) == 0 {
		return ignoreMissing(err)
	}
	return b.post(tx, Bulletin{ID: id, Event: NoticePosture, Severity: Medium, Card: UnreviewedCard(roles, b.o.Portal), At: first})
}
