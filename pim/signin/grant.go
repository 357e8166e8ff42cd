package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// grant is a person's sign-in as it is stored, sealed by the store. Cache is
// MSAL's own, without the access tokens and id tokens.
type grant struct {
	Person   string          `json:"person"`  // Entra object id
	Session  string          `json:"session"` // new with every sign-in; what is older must not be written back
	Account  string          `json:"account"` // MSAL's home account id
	SignedIn time.Time       `json:"signedIn"`
	Cache    json.RawMessage `json:"cache"`
}

// LogValue hides the refresh token.
func (grant) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// String hides the refresh token.
func (grant) String() string { return "REDACTED" }

// GoString hides the refresh token.
func (grant) GoString() string { return "REDACTED" }

const bucketName = "grants"

func (c *Client) bucket() store.Bucket[grant] { return store.NewBucket[grant](bucketName) }

func (c *Client) random() (string, error) {
	b := make([]byte, 16)
	_, err := io.ReadFull(c.opts.Random, b)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// errNoGrant: nobody signed in, the session is over, or another sign-in has
// taken its place.
var errNoGrant = errors.New("no live sign-in")

// current reads person's grant. errNoGrant when there is none or it has reached
// its greatest age.
func (c *Client) current(ctx context.Context, person string) (g grant, err error) {
	err = c.opts.Store.View(ctx, func(tx store.Tx) error {
		g, err = c.shelf.get(tx, person)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return grant{}, errNoGrant
	case damaged(err):
		return grant{}, c.lost(ctx, person)
	case err != nil:
		return grant{}, err
	case g.Person != person:
		return grant{}, errors.New("the grant under this person's key belongs to somebody else")
	case !c.opts.Now().Before(g.SignedIn.Add(c.opts.MaxAge)):
		return grant{}, errNoGrant
	}
	return g, nil
}

// Damaged is why a sign-in ended that does not open: its record was changed on the disk, or
// swapped with somebody else's.
const Damaged = "damaged"

// damaged says that a grant does not open. Its person signs in again; for every other kind of
// record that is an outage, because nothing replaces what it held.
func damaged(err error) bool {
	var c *store.CorruptError
	return errors.As(err, &c) && c.Bucket == bucketName
}

// lost drops a sign-in that does not open. The answer is errNoGrant.
func (c *Client) lost(ctx context.Context, person string) error {
	dropped := false
	err := c.opts.Store.Update(ctx, func(tx store.Tx) error {
		dropped = false
		_, err := c.bucket().Get(tx, c.opts.Key(person))
		if !damaged(err) { // gone, or replaced meanwhile
			return nil
		}
		dropped = true
		if err := c.bucket().Delete(tx, c.opts.Key(person)); err != nil {
			return err
		}
		return c.opts.Ended(tx, person, Damaged)
	})
	if err != nil {
		return fmt.Errorf("drop a sign-in that does not open: %w", err)
	}
	if dropped {
		c.opts.Log.ErrorContext(ctx, "SOMEBODY CHANGED THE DATABASE: a sign-in does not open and was dropped; its person has to sign in again. Find out who can write to the file.", "principal", person)
	}
	return errNoGrant
}

// Live says, from the store alone, whether person's sign-in can be used now. The
// next use may still find that Microsoft has ended it.
func (c *Client) Live(ctx context.Context, person string) (bool, error) {
	_, err := c.current(ctx, person)
	if errors.Is(err, errNoGrant) {
		return false, nil
	}
	return err == nil, err
}

// keep stores a fresh sign-in in the place of an older one. Its access token
// stays in memory and is the next one that Person gives for that service: after a
// step-up it holds what MSAL's cache would not give back.
func (c *Client) keep(ctx context.Context, g grant, of *audience, t token) error {
	var old grant
	err := c.opts.Store.Update(ctx, func(tx store.Tx) error {
		var err error
		if old, err = c.shelf.get(tx, g.Person); err != nil && !errors.Is(err, store.ErrNotFound) && !damaged(err) {
			return err
		}
		return c.shelf.put(tx, g)
	})
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, old.Session)
	c.remember(g).tokens[of] = t
	return nil
}

// Forget drops person's sign-in. Nothing to drop is no error. A refresh that is
// under way cannot bring it back.
func (c *Client) Forget(ctx context.Context, person string) error {
	return c.drop(ctx, person, "", "forgotten")
}

// ForgetIn is Forget within a transaction. The tokens in memory go at once: nobody but a
// sign-in that is there could use them.
func (c *Client) ForgetIn(tx store.Tx, person, why string) error {
	return c.dropIn(tx, person, "", why)
}

// drop forgets person's sign-in, if it is that session ("" is any).
func (c *Client) drop(ctx context.Context, person, session, why string) error {
	err := c.opts.Store.Update(ctx, func(tx store.Tx) error { return c.dropIn(tx, person, session, why) })
	if err != nil {
		return fmt.Errorf("forget the sign-in: %w", err)
	}
	if f, ok := c.shelf.(*fleeting); ok {
		f.bury(person)
	}
	return nil
}

func (c *Client) dropIn(tx store.Tx, person, session, why string) error {
	g, err := c.shelf.last(tx, person)
	if errors.Is(err, store.ErrNotFound) || err == nil && session != "" && g.Session != session {
		return nil
	}
	if err != nil && !damaged(err) {
		return err
	}
	if err := c.shelf.drop(tx, person); err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.sessions, g.Session)
	c.mu.Unlock()
	return c.opts.Ended(tx, person, why)
}

// forgetPage is how many sign-ins one transaction of ForgetAll drops: each leaves an event
// in the audit trail, which takes only so many at a time.
const forgetPage = 500

// ForgetAll drops everybody's sign-in and says how many there were; why is a code. Those in
// the store go too where none are kept there any more. What was dropped stays so when it
// breaks off, and the same again does the rest.
func (c *Client) ForgetAll(ctx context.Context, why string) (int, error) {
	all := 0
	for more := true; more; {
		n := 0
		err := c.opts.Store.Update(ctx, func(tx store.Tx) (err error) {
			n, err = c.forgetPage(tx, why)
			return err
		})
		if err != nil {
			return all, fmt.Errorf("forget all sign-ins: %w", err)
		}
		all, more = all+n, n == forgetPage
	}
	if f, ok := c.shelf.(*fleeting); ok {
		for _, person := range f.all() {
			if err := c.drop(ctx, person, "", why); err != nil {
				return all, err
			}
			all++
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.sessions)
	return all, nil
}

// forgetPage drops the first sign-ins that there are.
func (c *Client) forgetPage(tx store.Tx, why string) (n int, err error) {
	drop := func(key, person, why string) error {
		n++
		if err := c.bucket().Delete(tx, key); err != nil {
			return err
		}
		return c.opts.Ended(tx, person, why)
	}
	for n < forgetPage {
		err := c.bucket().Scan(tx, "", "", func(key string, g grant) error {
			if n == forgetPage {
				return store.Stop
			}
			return drop(key, g.Person, why)
		})
		var c *store.CorruptError
		if !errors.As(err, &c) || len(c.Key) == 0 {
			return n, err
		}
		if err := drop(string(c.Key), "", Damaged); err != nil {
			return n, err
		}
	}
	return n, nil
}

// inMemory is where MSAL puts a sign-in that nobody has agreed to keep yet.
type inMemory struct{ data json.RawMessage }

// Replace gives MSAL nothing: a new sign-in starts from nothing.
func (*inMemory) Replace(context.Context, cache.Unmarshaler, cache.ReplaceHints) error { return nil }

// Export takes what MSAL learned.
func (m *inMemory) Export(_ context.Context, from cache.Marshaler, _ cache.ExportHints) (err error) {
	m.data, err = stripped(from)
	return err
}

// inStore is MSAL's cache of one session, in the store.
type inStore struct {
	client  *Client
	person  string
	session string
}

// Replace gives MSAL what is stored. A session that is over gives errNoGrant.
func (s inStore) Replace(ctx context.Context, to cache.Unmarshaler, _ cache.ReplaceHints) error {
	g, err := s.client.current(ctx, s.person)
	switch {
	case err == nil && g.Session != s.session:
		return errNoGrant
	case err != nil && !errors.Is(err, errNoGrant):
		return unavailable("grant", err)
	case err != nil:
		return err
	}
	return to.Unmarshal(g.Cache)
}

// Export stores what MSAL learned, but never revives a session that was
// forgotten or replaced meanwhile.
func (s inStore) Export(ctx context.Context, from cache.Marshaler, _ cache.ExportHints) error {
	data, err := stripped(from)
	if err != nil {
		return err
	}
	c := s.client
	err = c.opts.Store.Update(ctx, func(tx store.Tx) error {
		g, err := c.shelf.get(tx, s.person)
		if errors.Is(err, store.ErrNotFound) || err == nil && g.Session != s.session {
			return errNoGrant
		}
		if err != nil {
			return err
		}
		g.Cache = data
		return c.shelf.put(tx, g)
	})
	if err != nil && !errors.Is(err, errNoGrant) {
		return unavailable("grant", err)
	}
	return err
}

// stripped is MSAL's cache without what must not rest on a disk: access tokens,
// and id tokens, which nobody needs again.
func stripped(from cache.Marshaler) (json.RawMessage, error) {
	data, err := from.Marshal()
	if err != nil {
		return nil, err
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, errors.New("MSAL's cache is not a JSON object")
	}
	// The names are MSAL's storage contract, the same in all its languages. Only
	// what is known to be needed is kept, so that a new kind of token is not.
	kept := map[string]json.RawMessage{}
	for _, name := range []string{"RefreshToken", "Account", "AppMetadata"} {
		if part, ok := parts[name]; ok {
			kept[name] = part
		}
	}
	return json.Marshal(kept)
}

// unavailable says that the store cannot tell.
func unavailable(op string, err error) *pim.Error {
	return &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: err}
}
