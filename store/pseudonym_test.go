package store

import (
	"bytes"
	"sync"
	"testing"
)

// Pseudonyms are keys of records: they are the same in every version, and whatever was named before.
func TestPseudonymIsTheSameForEver(t *testing.T) {
	k := newKeyset(nil, bytes.Repeat([]byte{7}, nameKeySize))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				for want, parts := range map[string][]string{
					"bmo2ism5kyxl53xj5hc7o5vx7wndqliy": {"principal", "a11ce000-0000-4000-8000-000000000001"},
					"twwgu5cadndo3g2ituhbtvundmj4y22q": nil,
				} {
					if got := k.Pseudonym(parts...); got != want {
						t.Errorf("%q is %s, was %s", parts, got, want)
					}
				}
			}
		})
	}
	all.Wait()
}
