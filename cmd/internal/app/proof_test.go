package app

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belaybot/belay/store"
)

// Who has the keys can tell the answer; a challenge is one that nobody chose with a purpose, and
// answers are not given without a measure.
func TestProofs(t *testing.T) {
	keys, err := store.LoadOrCreateKeyFile(filepath.Join(t.TempDir(), "belay.keys"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+ProofPath+"{challenge}", proofs(keys))
	ask := func(challenge string) (status int, body string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, ProofPath+challenge, nil))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	const asked = "abcdefghijklmnopqrstuvwxyz"
	status, proof := ask(asked)
	if status != http.StatusOK || proof != keys.Proof(ProofOfAddress, asked) {
		t.Errorf("HTTP %d, %s", status, proof)
	}
	for name, other := range map[string]string{"another purpose": keys.Proof(ProofOfKeys, asked), "a pseudonym": keys.Pseudonym(asked), "another challenge": keys.Proof(ProofOfAddress, asked+"a")} {
		if strings.HasPrefix(proof, other) || strings.HasPrefix(other, proof) {
			t.Errorf("%s has the same answer", name)
		}
	}
	for _, odd := range []string{"short", strings.Repeat("a", 65), "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "principal/" + asked} {
		if status, body := ask(odd); status != http.StatusNotFound {
			t.Errorf("%q: HTTP %d, %s", odd, status, body)
		}
	}
	refused := false
	for n := 0; n < 1000 && !refused; n++ {
		status, body := ask(asked)
		refused = status == http.StatusTooManyRequests && !strings.Contains(body, proof)
	}
	if !refused {
		t.Error("a thousand are answered at once")
	}
}
