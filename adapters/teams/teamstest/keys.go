package teamstest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// KeyChoice says by which key Token signs.
type KeyChoice int

// The keys by which a token may be signed. Only the first two, and after a
// rotation the third, are what Teams would use.
const (
	KeyCurrent  KeyChoice = iota // published, endorsed for msteams
	KeyPrevious                  // the key before the last RotateKey; still published
	KeyRetired                   // the key before that; published no more
	KeyWebchat                   // published, endorsed for webchat only
	KeyUnknown                   // never published, under a kid that is not published
	KeyImposter                  // never published, under the kid of KeyCurrent
	KeyHMAC                      // HS256 with the published modulus as the secret
	KeyNone                      // no signature, alg "none"
)

// signer is a private key and its name.
type signer struct {
	KID string `json:"kid"`
	DER []byte `json:"der"` // PKCS #1
	key *rsa.PrivateKey
}

// keys are all keys of one Teams.
type keys struct {
	Bot     []signer `json:"bot"` // current first, then previous, then retired
	Webchat signer   `json:"webchat"`
	Login   signer   `json:"login"`
}

func newSigner() (signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return signer{}, err
	}
	sum := sha1.Sum(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	return signer{KID: base64.RawURLEncoding.EncodeToString(sum[:]), DER: x509.MarshalPKCS1PrivateKey(key), key: key}, nil
}

func newKeys() (keys, error) {
	var k keys
	k.Bot = make([]signer, 1)
	for _, s := range []*signer{&k.Bot[0], &k.Webchat, &k.Login} {
		var err error
		if *s, err = newSigner(); err != nil {
			return keys{}, err
		}
	}
	return k, nil
}

// parse fills in the keys after they were loaded.
func (k *keys) parse() error {
	if len(k.Bot) == 0 {
		return fmt.Errorf("it holds no key")
	}
	all := []*signer{&k.Webchat, &k.Login}
	for i := range k.Bot {
		all = append(all, &k.Bot[i])
	}
	for _, s := range all {
		var err error
		if s.key, err = x509.ParsePKCS1PrivateKey(s.DER); err != nil {
			return fmt.Errorf("a key cannot be read: %w", err)
		}
	}
	return nil
}

// RotateKey makes a new current key. The one before stays published until the
// next rotation.
func (t *Teams) RotateKey() error {
	fresh, err := newSigner()
	if err != nil {
		return err
	}
	return t.change(func(w *world) error {
		bot := append([]signer{fresh}, w.Keys.Bot...)
		w.Keys.Bot = bot[:min(len(bot), 3)]
		return nil
	})
}

// issuer is who signs what Teams sends to bots, in the public cloud.
const issuer = "https://api.botframework.com"

// Token gives a bearer token as Teams sends it with an activity. edit, when not
// nil, may change the claims before they are signed. It gives an empty string
// when the chosen key does not exist yet.
func (t *Teams) Token(edit func(jwt.MapClaims), choice KeyChoice) string {
	t.mu.Lock()
	k, service := t.world.Keys, t.urls.Service
	t.mu.Unlock()
	now := t.options.Now()
	claims := jwt.MapClaims{
		"serviceurl": service,
		"iss":        issuer,
		"aud":        t.options.AppID,
		"nbf":        now.Unix(),
		"exp":        now.Add(time.Hour).Unix(),
	}
	if edit != nil {
		edit(claims)
	}
	s := k.Bot[0]
	switch choice {
	case KeyCurrent:
	case KeyPrevious, KeyRetired:
		if len(k.Bot) <= int(choice) {
			return ""
		}
		s = k.Bot[choice]
	case KeyWebchat:
		s = k.Webchat
	case KeyUnknown, KeyImposter:
		strange, err := t.strange()
		if err != nil {
			panic("teamstest: no key can be made: " + err.Error())
		}
		if s.key = strange.key; choice == KeyUnknown {
			s.KID = strange.KID
		}
	case KeyHMAC:
		return signed(jwt.SigningMethodHS256, claims, s.KID, []byte(base64.RawURLEncoding.EncodeToString(s.key.N.Bytes())))
	case KeyNone:
		return signed(jwt.SigningMethodNone, claims, s.KID, jwt.UnsafeAllowNoneSignatureType)
	default:
		panic(fmt.Sprintf("teamstest: there is no key choice %d", choice))
	}
	return signed(jwt.SigningMethodRS256, claims, s.KID, s.key)
}

func signed(method jwt.SigningMethod, claims jwt.MapClaims, kid string, key any) string {
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"], token.Header["x5t"] = kid, kid
	text, err := token.SignedString(key)
	if err != nil {
		panic("teamstest: a token cannot be signed: " + err.Error()) // claims that are no JSON: a fault of the test
	}
	return text
}

// jwk is a published key, with the member that only the Bot Framework has.
type jwk struct {
	KeyType      string   `json:"kty"`
	Use          string   `json:"use"`
	KID          string   `json:"kid"`
	X5T          string   `json:"x5t"`
	N            string   `json:"n"`
	E            string   `json:"e"`
	Endorsements []string `json:"endorsements,omitempty"`
}

func (s signer) jwk(endorsements ...string) jwk {
	var e [4]byte
	binary.BigEndian.PutUint32(e[:], uint32(s.key.E))
	return jwk{
		KeyType: "RSA", Use: "sig", KID: s.KID, X5T: s.KID, Endorsements: endorsements,
		N: base64.RawURLEncoding.EncodeToString(s.key.N.Bytes()),
		E: base64.RawURLEncoding.EncodeToString(e[1:]),
	}
}

// OpenID serves the metadata and the keys by which a bot checks what Teams sends
// it, under /v1/.well-known/.
func (t *Teams) OpenID() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/.well-known/openidconfiguration", func(w http.ResponseWriter, _ *http.Request) {
		t.mu.Lock()
		t.counts.Metadata++
		base := t.urls.OpenID
		t.mu.Unlock()
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer":                                issuer,
			"authorization_endpoint":                "https://invalid.botframework.com",
			"jwks_uri":                              base + "/v1/.well-known/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
		})
	})
	mux.HandleFunc("GET /v1/.well-known/keys", func(w http.ResponseWriter, _ *http.Request) {
		t.mu.Lock()
		t.counts.Keys++
		k := t.world.Keys
		t.mu.Unlock()
		set := []jwk{k.Webchat.jwk("webchat")}
		for _, s := range k.Bot[:min(len(k.Bot), 2)] {
			set = append(set, s.jwk("msteams", "skype"))
		}
		writeJSON(w, http.StatusOK, map[string]any{"keys": set})
	})
	mux.HandleFunc("/", t.unknownRoute("OpenID"))
	return mux
}

// unknownRoute answers 404 and reports it.
func (t *Teams) unknownRoute(server string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t.report("%s knows no %s %s", server, r.Method, r.URL.Path)
		writeJSON(w, http.StatusNotFound, errorBody{errorDetail{"NotFound", "The resource is not known to the simulator."}})
	}
}

// writeJSON answers with v. The only failure left is that nobody listens any more.
func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("teamstest: an answer is no JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}
