package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"

	"golang.org/x/time/rate"

	"github.com/belaybot/belay/store"
)

// ProofPath with a challenge behind it is where a Belay proves on its public address which
// one it is: whoever has its key file can tell, and nobody else learns anything.
const ProofPath = "/proof/"

// What a keyset proves itself for. An answer to one is none to the other.
const (
	ProofOfAddress = "address" // in public
	ProofOfKeys    = "keys"    // to a command, on the socket
)

// challenge is what a proof is asked for with: enough letters that nobody was asked it before.
var challenge = regexp.MustCompile(`^[a-z2-7]{26,64}$`)

// proofs answers challenges, not too many: each costs a little.
func proofs(keys *store.Keyset) http.Handler {
	limit := rate.NewLimiter(20, 100)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.PathValue("challenge")
		switch {
		case !challenge.MatchString(asked):
			http.NotFound(w, r)
		case !limit.Allow():
			w.Header().Set("Retry-After", "1")
			http.Error(w, "asked too often", http.StatusTooManyRequests)
		default:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprintln(w, keys.Proof(ProofOfAddress, asked)) //nolint:gosec // an HMAC in plain text
		}
	})
}

// ProofInput is the input of /keys/prove.
type ProofInput struct {
	Challenge string `json:"challenge"`
}

// ProofLine is the output of /keys/prove.
type ProofLine struct {
	Proof string   `json:"proof"`
	Keys  []string `json:"keys"` // ids of the sealing keys
}

// proveKeys lets a command see whether it has the keys of the Belay that serves.
func proveKeys(_ context.Context, a *App, _ operator, in json.RawMessage, emit func(any) error) error {
	given, err := input[ProofInput](in)
	if err != nil {
		return err
	}
	if !challenge.MatchString(given.Challenge) {
		return refused("that is no challenge")
	}
	line := ProofLine{Proof: a.keys.Proof(ProofOfKeys, given.Challenge)}
	for _, k := range a.keys.Keys() {
		line.Keys = append(line.Keys, k.ID.String())
	}
	return emit(line)
}
