package trail

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint says what the chain was at one moment. Signed and kept outside of the
// store it shows that later somebody rewrote the chain, or cut off its end.
type Checkpoint struct {
	Size uint64 // how many events
	Hash hash   // after the last of them
	At   time.Time
}

// noteName is who signs. The key tells one Belay from another.
const noteName = "belay-audit"

// What is signed says in its first line what it is. A checkpoint must never pass for a
// beginning: whoever held the store could cut off everything before it.
const (
	ofCheckpoint = noteName
	ofBeginning  = noteName + "-beginning"
)

// origin is the first line of what is signed: what it is, and of which chain.
func origin(what string, key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return what + "/" + hex.EncodeToString(sum[:8])
}

// signer makes signed notes, as https://c2sp.org/signed-note has them.
type signer struct{ key ed25519.PrivateKey }

func (s signer) public() ed25519.PublicKey {
	return s.key.Public().(ed25519.PublicKey) //nolint:errcheck,forcetypeassert // what an Ed25519 key gives
}

// Name is the name of the key.
func (s signer) Name() string { return noteName }

// KeyHash tells keys of one name apart.
func (s signer) KeyHash() uint32 {
	v, err := note.NewVerifier(s.verifierKey())
	if err != nil {
		return 0
	}
	return v.KeyHash()
}

// Sign signs the text.
func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

func (s signer) verifierKey() string {
	key, err := note.NewEd25519VerifierKey(noteName, s.public())
	if err != nil {
		return ""
	}
	return key
}

// note is the checkpoint as a signed note; what says whether it is one, or a beginning.
func (s signer) note(what string, c Checkpoint) (string, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n%s\n", origin(what, s.public()), c.Size, base64.StdEncoding.EncodeToString(c.Hash[:]), c.At.UTC().Format(time.RFC3339))
	signed, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return "", fmt.Errorf("trail: signing a checkpoint: %w", err)
	}
	return string(signed), nil
}

// ErrCheckpoint says that a text is no checkpoint of this trail: it was changed, or
// another Belay signed it.
var ErrCheckpoint = errors.New("trail: this is no checkpoint that this Belay signed")

// PublicKey is what checkpoints can be verified with elsewhere, in the form of
// golang.org/x/mod/sumdb/note.
func (t *Trail) PublicKey() string { return t.sign.verifierKey() }

// ParseCheckpoint reads a signed checkpoint. Errors are ErrCheckpoint.
func (t *Trail) ParseCheckpoint(signed string) (Checkpoint, error) {
	return t.parse(ofCheckpoint, signed)
}

func (t *Trail) parse(what, signed string) (Checkpoint, error) {
	v, err := note.NewVerifier(t.sign.verifierKey())
	if err != nil {
		return Checkpoint{}, err
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, ErrCheckpoint
	}
	lines := strings.Split(strings.TrimSuffix(n.Text, "\n"), "\n")
	if len(lines) != 4 || lines[0] != origin(what, t.sign.public()) {
		return Checkpoint{}, ErrCheckpoint
	}
	var c Checkpoint
	if c.Size, err = strconv.ParseUint(lines[1], 10, 64); err != nil {
		return Checkpoint{}, ErrCheckpoint
	}
	if err := c.Hash.UnmarshalText([]byte(lines[2])); err != nil {
		return Checkpoint{}, ErrCheckpoint
	}
	if c.At, err = time.Parse(time.RFC3339, lines[3]); err != nil {
		return Checkpoint{}, ErrCheckpoint
	}
	return c, nil
}
