package bot

import (
	"context"
	"fmt"
	"time"

	"github.com/belaybot/belay/store"
)

// Restored says that this request was read back from a backup that was made at Made.
// What was owed then may have been done since, so every such call becomes one whose
// answer was lost: Microsoft is asked first, and only what it never heard of is sent.
type Restored struct{ Made time.Time }

func (e Restored) apply(r *Request, at time.Time) error {
	r.Lease = Lease{} // of a process that is no more
	for n := range r.Intents {
		i := &r.Intents[n]
		if !i.open() {
			continue
		}
		i.Restored = true
		if i.Kind != ToActivate && !i.Kind.review() { // an end may be planned for later; see relay
			continue
		}
		if i.SentAt.IsZero() {
			i.SentAt = i.Made // at the earliest
		}
		if i.State == IntentReady {
			i.State = IntentSent
		}
	}
	if !r.State.Final() {
		r.ObserveAt = at
	}
	r.note(at, "read back from a backup", "", e.Made.UTC().Format(time.RFC3339))
	return nil
}

// restorePage is how many requests one transaction of Restore looks at.
const restorePage = 200

// Restore prepares a store that was read back from a backup, before anything is
// settled: see Restored. It returns how many requests were open. Saying it again
// does no harm.
func (b *Bot) Restore(ctx context.Context, made time.Time) (open int, err error) {
	for from, more := "", true; more; {
		var next string
		n := 0
		at := b.o.Now().UTC()
		err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
			n = 0
			var ids []string
			ids, next, err = openPage(tx, from)
			for _, id := range ids {
				if err != nil {
					break
				}
				n++
				_, err = b.changeIn(tx, id, at, Restored{Made: made})
			}
			return err
		})
		if err != nil {
			return open, fmt.Errorf("the requests of the backup could not be prepared: %w", err)
		}
		open += n
		from, more = next, next != ""
	}
	return open, nil
}

// openPage lists requests that still live, among one page of all; next is where the
// one after it begins.
func openPage(tx store.Tx, from string) (ids []string, next string, err error) {
	seen := 0
	err = requests.Scan(tx, from, "", func(id string, r Request) error {
		if seen++; seen > restorePage {
			next = id
			return store.Stop
		}
		open := !r.State.Final()
		for _, i := range r.Intents {
			open = open || i.open()
		}
		if open {
			ids = append(ids, id)
		}
		return nil
	})
	return ids, next, err
}
