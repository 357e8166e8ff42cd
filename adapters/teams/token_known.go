package teams

import (
	"crypto/rsa"
	"crypto/sha256"
	"maps"
	"sync"
	"time"
)

// knownTokens bounds how many tokens are remembered. The connector uses one for about an hour.
const knownTokens = 64

// known remembers tokens whose signature holds, by their SHA-256: the connector sends one
// many times, and the signature is most of what it costs to check. Nothing else about a
// token is taken for granted: whether its key is still one of the connector's, and its claims,
// are looked at each time.
type known struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]proof
}

// proof is what was learnt of a token whose signature holds.
type proof struct {
	kid    string
	public *rsa.PublicKey // by which it holds
	claims claims
}

func (k *known) find(raw string) (proof, bool) {
	digest := sha256.Sum256([]byte(raw))
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.tokens[digest]
	return p, ok
}

// keep remembers a token whose signature and claims hold. What has expired makes room, and
// failing that everything does.
func (k *known) keep(raw string, p proof, now time.Time) {
	digest := sha256.Sum256([]byte(raw))
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.tokens) >= knownTokens {
		maps.DeleteFunc(k.tokens, func(_ [sha256.Size]byte, p proof) bool { return now.After(p.claims.ExpiresAt.Add(tokenLeeway)) })
	}
	if k.tokens == nil || len(k.tokens) >= knownTokens {
		k.tokens = map[[sha256.Size]byte]proof{}
	}
	k.tokens[digest] = p
}
