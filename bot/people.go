package bot

import (
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Linked lists the principals that some chat user is linked to, each once, in no
// particular order; most at the most.
func (l *Links) Linked(tx store.Tx, most int) ([]pim.Principal, error) {
	var all []pim.Principal
	seen := map[string]bool{}
	err := linked.Scan(tx, "", "", func(_ string, link Link) error {
		if id := link.Principal.ID; !seen[id] {
			seen[id] = true
			all = append(all, link.Principal)
		}
		if len(all) >= most {
			return store.Stop
		}
		return nil
	})
	return all, err
}

// All lists every link, in no particular order.
func (l *Links) All(tx store.Tx) ([]Link, error) {
	var all []Link
	err := linked.Scan(tx, "", "", func(_ string, link Link) error {
		all = append(all, link)
		return nil
	})
	return all, err
}
