package bot

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// The buckets of links. Keys hold no personal identifier and no secret.
var (
	linked   = store.NewBucket[Link]("links")                // pseudonym of the chat user → the link
	linkedBy = store.NewBucket[string]("links-by-principal") // pseudonym of the principal + "/" + key in links → that key
	tickets  = store.NewBucket[Ticket]("tickets")            // SHA-256 of the one-time id
	distrust = store.NewBucket[time.Time]("distrusted")      // pseudonym of the principal → since when only a browser's sign-in counts
	hops     = store.NewBucket[Hop]("hops")                  // SHA-256 of the state
)

// TicketTime is how long a one-time link works.
const TicketTime = 10 * time.Minute

// ticketMemory is how long a ticket is remembered after it ended, so that a
// person is told that it was used or came too late, and not that it never was.
const ticketMemory = 24 * time.Hour

// Link binds a chat user to an Entra principal. It is made by signing in and in
// no other way.
type Link struct {
	User      User          `json:"user"`
	Principal pim.Principal `json:"principal"`
	Tenant    string        `json:"tenant"` // Entra tenant id
	Linked    time.Time     `json:"linked"` // UTC
	// Direct is where only this person and the bot are; without an ID it is not known.
	Direct Conversation `json:"direct"`
	Zone   string       `json:"zone,omitempty"` // time zone as the profile named it last
	// Told: the person was told in chat what was linked.
	Told bool `json:"told,omitempty"`
	// Look is when it is looked at whether the user is still a full member; zero: never.
	Look time.Time `json:"look,omitzero"`
}

// Ticket lets one person sign in once: to link, or to step up for a waiting
// intent. Its id is a secret that only this person is shown.
type Ticket struct {
	User   User         `json:"user"`
	Direct Conversation `json:"direct"` // becomes the Link's; Slack's is found without
	// Expect is the Entra object id that must sign in; empty for a first link.
	Expect  string    `json:"expect,omitempty"`
	Claims  string    `json:"claims,omitempty"`  // claims challenge as JSON
	Kind    pim.Kind  `json:"kind,omitempty"`    // the pillar whose service challenged
	Request string    `json:"request,omitempty"` // what waits for the sign-in
	Intent  string    `json:"intent,omitempty"`
	What    string    `json:"what,omitempty"`  // what goes on after it, for the person to check
	Made    time.Time `json:"made"`            // zero: now, when offered
	Expires time.Time `json:"expires"`         // zero: Made + TicketTime
	Taken   bool      `json:"taken,omitempty"` // by a chat client, for its one silent sign-in
	Used    bool      `json:"used,omitempty"`
	Fresh   bool      `json:"fresh,omitempty"` // only a sign-in that is made for it will do
	Each    bool      `json:"each,omitempty"`  // no sign-in is kept

	AuthTime time.Time `json:"-"` // when that sign-in was, by Microsoft's word; for SignedIn
}

// LinkOptions are what Links are made of. Store, Pseudonym and PublicURL are
// needed; Directory and Profiles where Slack users link themselves.
type LinkOptions struct {
	Store     store.Store
	Pseudonym func(parts ...string) string
	Trail     Trail            // nil: no audit trail, for tests
	Now       func() time.Time // wall clock; nil: time.Now
	Random    io.Reader        // nil: crypto/rand
	PublicURL string           // where browsers reach Belay, without a slash at the end
	Profiles  map[Platform]Profiles
	Directory Directory
	// Mapped is an administrator's word for Slack users whose e-mail address is
	// not the directory's: Slack user id to Entra object id. It wins over e-mail.
	Mapped map[string]string
	// EachTime: no sign-in is kept, and the page says so.
	EachTime bool
	// SignedIn is called when a person's grant is kept, so that what waited for it
	// goes on. nil: nobody waits.
	SignedIn func(ctx context.Context, principal string, t Ticket) error
	// Taken is called, in a transaction, when a link was refused because holder has the
	// account. nil: nobody is told.
	Taken func(tx store.Tx, holder, tried Link) error
	Log   *slog.Logger
}

// Links know who is who, and walk a person's browser through the sign-in.
type Links struct {
	o        LinkOptions
	refusals *refusals
}

// NewLinks fills in what is optional.
func NewLinks(o LinkOptions) *Links {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Trail == nil {
		o.Trail = noTrail{}
	}
	if o.SignedIn == nil {
		o.SignedIn = func(context.Context, string, Ticket) error { return nil }
	}
	if o.Taken == nil {
		o.Taken = func(store.Tx, Link, Link) error { return nil }
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	return &Links{o, &refusals{now: o.Now, by: map[string]*spell{}}}
}

// NewTicketID makes the id of a one-time link: 128 random bits, safe in a URL.
func NewTicketID(r io.Reader) (string, error) { return randomText(r, 16) }

func randomText(r io.Reader, bytes int) (string, error) {
	b := make([]byte, bytes)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", fmt.Errorf("no randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// hashed stands in the store for a secret that only has to be recognised.
func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// URL is the one-time link of a ticket's id.
func (l *Links) URL(id string) string { return l.o.PublicURL + "/link/" + id }

// Offer stores a ticket under an id of NewTicketID, within the transaction that
// makes something wait for it.
func (l *Links) Offer(tx store.Tx, id string, t Ticket) error {
	if t.Made.IsZero() {
		t.Made = l.o.Now().UTC()
	}
	if t.Expires.IsZero() {
		t.Expires = t.Made.Add(TicketTime)
	}
	t.Each = l.o.EachTime
	return tickets.Put(tx, hashed(id), t)
}

func (l *Links) key(u User) string {
	return l.o.Pseudonym("chat user", string(u.Platform), u.Tenant, u.ID)
}

func (l *Links) indexKey(principal string) string {
	return l.o.Pseudonym("linked principal", strings.ToLower(principal)) + "/"
}

// Of is the link of a chat user, or store.ErrNotFound.
func (l *Links) Of(tx store.Tx, u User) (Link, error) { return linked.Get(tx, l.key(u)) }

// At lists the chat users of a principal; none is no error.
func (l *Links) At(tx store.Tx, principal string) ([]Link, error) {
	var all []Link
	err := linkedBy.Prefix(tx, l.indexKey(principal), func(_ string, key string) error {
		link, err := linked.Get(tx, key)
		if err != nil {
			return fmt.Errorf("the index of links names link %s: %w", key, err)
		}
		all = append(all, link)
		return nil
	})
	return all, err
}

func (l *Links) put(tx store.Tx, link Link) error {
	key := l.key(link.User)
	if link.Look.IsZero() {
		if err := l.plan(tx, key, &link, link.Linked.Add(lookEvery)); err != nil {
			return err
		}
	}
	if err := linked.Put(tx, key, link); err != nil {
		return err
	}
	return linkedBy.Put(tx, l.indexKey(link.Principal.ID)+key, key)
}

// Told records that the person was told in chat what was linked.
func (l *Links) Told(tx store.Tx, u User) error {
	link, err := l.Of(tx, u)
	if err != nil {
		return err
	}
	link.Told = true
	return linked.Put(tx, l.key(u), link)
}

// Unlink forgets a chat user's link and returns what it was, or store.ErrNotFound. by
// is who wants it, why a code for the audit trail.
// The sign-in belongs to the principal, and is the caller's to drop.
func (l *Links) Unlink(tx store.Tx, u User, by trail.Actor, why string) (Link, error) {
	link, err := l.Of(tx, u)
	if err != nil {
		return Link{}, err
	}
	if err := errors.Join(linkedBy.Delete(tx, l.indexKey(link.Principal.ID)+l.key(u)), l.unplan(tx, l.key(u), link)); err != nil {
		return Link{}, err
	}
	if err := linked.Delete(tx, l.key(u)); err != nil {
		return Link{}, err
	}
	return link, l.o.Trail.Append(tx, trail.Event{At: l.o.Now(), Kind: trail.Unlinked, Outcome: trail.OK, Actor: by, Subject: link.Principal.ID, Reason: why,
		More: map[string]string{"platform": string(u.Platform), "user": u.ID}, Texts: trail.Texts{"subject": personText(link.Principal)}})
}

// distrusted has the person sign in with a browser: a chat client that may be in
// somebody else's hands does not vouch for them any more.
func (l *Links) distrusted(tx store.Tx, principal string, at time.Time) error {
	return distrust.Put(tx, l.indexKey(principal), at)
}

// trusts says whether a sign-in counts, and has a browser's end the distrust.
func (l *Links) trusts(tx store.Tx, principal string, browser bool) error {
	_, err := distrust.Get(tx, l.indexKey(principal))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case !browser:
		return refuse(CodeSignIn, sayBrowserOnlyNow)
	}
	return distrust.Delete(tx, l.indexKey(principal))
}

// Check is for store.Verify: it names every link that its index does not name,
// and every index entry whose link is missing or another person's.
func (l *Links) Check(tx store.Tx) []error {
	var bad []error
	see := func(what string, err error) {
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", what, err))
		}
	}
	see("links", linked.Scan(tx, "", "", func(key string, link Link) error {
		_, err := linkedBy.Get(tx, l.indexKey(link.Principal.ID)+key)
		see("link "+key+" is not in the index", err)
		if !link.Look.IsZero() {
			_, err = looks.Get(tx, dueKey(link.Look, key))
			see("link "+key+" is never looked at", err)
		}
		return nil
	}))
	see("links-by-principal", linkedBy.Scan(tx, "", "", func(at, key string) error {
		link, err := linked.Get(tx, key)
		if err == nil && at != l.indexKey(link.Principal.ID)+key {
			err = errors.New("the link is another person's")
		}
		see("links-by-principal entry "+at, err)
		return nil
	}))
	see("link-looks", looks.Scan(tx, "", "", func(at, key string) error {
		link, err := linked.Get(tx, key)
		if err == nil && at != dueKey(link.Look, key) {
			err = errors.New("the link is to be looked at another time")
		}
		see("link-looks entry "+at, err)
		return nil
	}))
	return bad
}

// Sweep removes what has ended and is no longer worth remembering. Once an hour
// is often enough.
func (l *Links) Sweep(ctx context.Context) error {
	now := l.o.Now()
	return l.o.Store.Update(ctx, func(tx store.Tx) error {
		err := hops.Scan(tx, "", "", func(key string, h Hop) error {
			if now.Before(h.Expires) {
				return nil
			}
			return hops.Delete(tx, key)
		})
		if err != nil {
			return err
		}
		return tickets.Scan(tx, "", "", func(key string, t Ticket) error {
			if now.Before(t.Expires.Add(ticketMemory)) {
				return nil
			}
			return tickets.Delete(tx, key)
		})
	})
}
