package bot_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// writes counts what is written.
type writes struct {
	store.Store
	n atomic.Int64
}

func (c *writes) Update(ctx context.Context, fn func(store.Tx) error) error {
	c.n.Add(1)
	return c.Store.Update(ctx, fn)
}

// bulkWorld has Bob review many people.
func bulkWorld(t *testing.T, people int) (*world, *bottest.Reviews, *writes) {
	t.Helper()
	var r *bottest.Reviews
	var disk writes
	w, _ := reviewWorld(t, func(o *bot.Options, round *pim.AccessReviewRound) {
		if o.Now == nil { // the round is made
			return
		}
		if r != nil {
			o.AccessReviews = r
		}
		disk.Store = o.Store
		o.Store = &disk
	})
	w.stop()
	var items []pim.AccessReviewItem
	for n := range people {
		id := fmt.Sprintf("m%03d", n)
		items = append(items, pim.AccessReviewItem{ID: id, Principal: pim.Principal{ID: "oid-" + id, Name: "Person " + id}, Recommend: pim.VerdictDeny, Verdict: pim.VerdictNotReviewed})
	}
	round := pim.AccessReviewRound{AccessReviewRef: pim.AccessReviewRef{Series: "series-9", Review: "round-9"}, Name: "Everybody", End: w.now().Add(reviewDays), Recommends: true, Reviewers: []pim.Principal{{ID: "oid-bob", Name: "Bob Brown"}}}
	r = bottest.NewReviews(w.ms, round, items...)
	w.start()
	return w, r, &disk
}

// Many decisions are sent some at a time: the document is not written for each of them.
func TestManyDecisionsAreFewWrites(t *testing.T) {
	w, r, disk := bulkWorld(t, 60)
	page, _ := w.opens("bob")
	form := w.reviewer("bob", *page.Card, "Accept recommendations (60)").Form
	before := disk.n.Load()
	w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{}})
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "and 40 more")
	if n := disk.n.Load() - before; n > 60 {
		t.Errorf("%d writes for 60 decisions", n)
	}
	if sent := r.Sent(); len(sent) != 60 || len(slices.Compact(slices.Sorted(slices.Values(sent)))) != 60 {
		t.Errorf("sent %d", len(sent))
	}
}

// One act decides a few hundred people at the most, and its form says how many are left.
func TestAnActHasAnEnd(t *testing.T) {
	w, _, _ := bulkWorld(t, 230)
	page, _ := w.opens("bob")
	form := w.reviewer("bob", *page.Card, "Accept recommendations (200)").Form
	if !strings.Contains(form.Text, "Left for later, because this is as many as one form decides: 30") {
		t.Error(form.Text)
	}
}

// What stops some decisions half way leaves the others to be sent once.
func TestAStoppedBatchIsResumed(t *testing.T) {
	w, r, _ := bulkWorld(t, 30)
	page, _ := w.opens("bob")
	form := w.reviewer("bob", *page.Card, "Accept recommendations").Form
	r.Fail("decide", nil, nil, &pim.Error{Op: "decide", Code: pim.CodeThrottled, After: 30 * time.Second}, nil, &pim.Error{Op: "decide", Code: pim.CodeUnavailable, Ambiguous: true})
	w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{}})
	w.seesLater(5*time.Second, w.teams, "chat-bob", "Recorded in Entra", "and 10 more")
	if sent := r.Sent(); len(sent) != 30 || len(slices.Compact(slices.Sorted(slices.Values(sent)))) != 30 {
		t.Errorf("sent %q", sent)
	}
}
