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

// A proof is the same in every version, and whatever it is for has nothing in common with
// another purpose, nor with a pseudonym.
func TestProofIsTheSameForEver(t *testing.T) {
	k := newKeyset(nil, bytes.Repeat([]byte{7}, nameKeySize))
	seen := map[string]string{k.Pseudonym("challenge"): "the pseudonym"}
	for purpose, want := range map[string]string{"address": "biautzirevkpbwnpnlk4rdm7dfiz7plyv3so4mzt7w2ec2rkao3q",
		"keys": "f6rgxysanrdgcols7cpqvr5tj7e4hipyfpgeyyk27nl33hjunona"} {
		got := k.Proof(purpose, "challenge")
		if got != want {
			t.Errorf("for %s it is %s, was %s", purpose, got, want)
		}
		if twin := seen[got]; twin != "" {
			t.Errorf("for %s it is as %s", purpose, twin)
		}
		seen[got] = purpose
	}
}
