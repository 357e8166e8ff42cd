package bot

import (
	"errors"
	"fmt"
	"strings"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// holders tells which of Belay's requests stands for one of Microsoft's, so that each
// has one document, whoever finds it first: hash of Microsoft's id → id.
var holders = store.NewBucket[string]("held")

func holderKey(kind pim.Kind, held string) string {
	return hashed(string(kind) + "\x00" + strings.ToLower(held))
}

// heldError says that one of Microsoft's requests has another document already.
type heldError struct{ request string }

func (e *heldError) Error() string { return "it is followed as request " + e.request }

// putHeld keeps the index. It belongs to put.
func (d documents) putHeld(tx store.Tx, before, r Request) error {
	if r.Held.ID == "" || r.Held.ID == before.Held.ID {
		return nil
	}
	key := holderKey(r.Role.Kind, r.Held.ID)
	switch id, err := holders.Get(tx, key); {
	case errors.Is(err, store.ErrNotFound):
		return holders.Put(tx, key, r.ID)
	case err != nil:
		return err
	case id != r.ID:
		return &heldError{id}
	}
	return nil
}

// holder is the request that stands for one of Microsoft's, or store.ErrNotFound.
func (d documents) holder(tx store.Tx, kind pim.Kind, held string) (Request, error) {
	id, err := holders.Get(tx, holderKey(kind, held))
	if err != nil {
		return Request{}, err
	}
	r, err := d.get(tx, id)
	if err != nil {
		return r, fmt.Errorf("the index of Microsoft's requests names %s: %v", id, err) //nolint:errorlint // not found is a fault here, and not the answer
	}
	return r, nil
}

// checkHeld is for store.Verify.
func checkHeld(tx store.Tx) (bad []error) {
	err := holders.Scan(tx, "", "", func(key, id string) error {
		r, err := requests.Get(tx, id)
		if err == nil && holderKey(r.Role.Kind, r.Held.ID) != key {
			err = errors.New("it stands for another one")
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("held entry %s: request %s: %w", key, id, err))
		}
		return nil
	})
	if err != nil {
		bad = append(bad, err)
	}
	return bad
}
