package bot

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// The way of a browser through a sign-in:
//
//	Open      shows the ticket; changes nothing, because scanners follow links
//	Begin     the person pressed Continue: one hop, bound to this browser
//	Take      the browser is back with the hop's state; one hop is taken once
//	Vouch     first Slack link only: the browser is that Slack user's; the next hop
//	Complete  who signed in at Microsoft may be who; the link, the grant, go on
//
// Sending one's own link to somebody else (cross-user OAuth session fixation)
// fails at Vouch, or at Complete where the ticket names who must sign in, and
// sending Microsoft's page fails at Take, because the other browser has no session.

// Step is where a hop leads.
type Step string

// The two places a browser is sent to.
const (
	StepSlack Step = "slack" // Sign in with Slack
	StepEntra Step = "entra" // Microsoft's sign-in page
)

// Hop is one trip of a browser to a sign-in page and back.
type Hop struct {
	Step     Step      `json:"step"`
	Ticket   string    `json:"ticket"`  // key of the ticket
	Session  string    `json:"session"` // SHA-256 of the browser's session
	State    string    `json:"-"`       // known only while the hop is made
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`          // PKCE
	Vouched  bool      `json:"vouched,omitempty"` // the browser is the Slack user's
	Claims   string    `json:"claims,omitempty"`
	Kind     pim.Kind  `json:"kind,omitempty"`   // the pillar whose service challenged
	Hint     string    `json:"hint,omitempty"`   // account to offer
	Choose   bool      `json:"choose,omitempty"` // ask for the account
	Fresh    bool      `json:"fresh,omitempty"`  // ask for a sign-in that is made now
	Made     time.Time `json:"made"`
	Expires  time.Time `json:"expires"`
}

// LogValue hides the secrets.
func (Hop) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Authorization is the trip to Microsoft that h stands for; state comes from Take.
func (h Hop) Authorization(redirect string) pim.Authorization {
	return pim.Authorization{State: h.State, Nonce: h.Nonce, Verifier: h.Verifier,
		Redirect: redirect, Claims: h.Claims, Kind: h.Kind, Hint: h.Hint, Choose: h.Choose, Fresh: h.Fresh, Since: h.Made}
}

// ticket reads a ticket that can still be used. Every error is an *Error or the
// store's.
func (l *Links) ticket(tx store.Tx, key string, now time.Time) (Ticket, error) {
	t, err := tickets.Get(tx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Ticket{}, refuse(CodeNotFound, sayLinkUnknown)
	case err != nil:
		return Ticket{}, err
	case t.Used:
		return Ticket{}, refuse(CodeInvalid, sayLinkUsed)
	case !now.Before(t.Expires):
		return Ticket{}, refuse(CodeInvalid, sayLinkExpired)
	}
	return t, nil
}

// Open shows the ticket of a one-time link. It consumes nothing. An *Error says
// why the link cannot be used.
func (l *Links) Open(ctx context.Context, id string) (t Ticket, err error) {
	now := l.o.Now()
	err = l.o.Store.View(ctx, func(tx store.Tx) error {
		t, err = l.ticket(tx, hashed(id), now)
		return err
	})
	return t, err
}

// Begin makes the first hop of a one-time link for one browser. session is that
// browser's secret; only its hash is stored.
//
// A first Slack link goes to Slack first: the link may have been sent to
// somebody else, and nothing but Slack can tell whose browser this is. A ticket
// of Teams, or one that names who must sign in, needs no such proof: Complete
// accepts exactly the Entra account that the platform, or the earlier link,
// already vouched for, so that another person's browser gains nobody anything.
func (l *Links) Begin(ctx context.Context, id, session string) (Hop, error) {
	h, err := l.hop(hashed(id), session)
	if err != nil {
		return Hop{}, err
	}
	return l.store(ctx, h, func(t Ticket, h *Hop) error {
		if firstSlack(t) {
			h.Step = StepSlack
		}
		return nil
	})
}

func firstSlack(t Ticket) bool { return t.User.Platform == Slack && t.Expect == "" }

// hop makes a hop to Microsoft with fresh secrets.
func (l *Links) hop(ticket, session string) (h Hop, err error) {
	if session == "" {
		return Hop{}, errors.New("a hop needs a browser session")
	}
	h = Hop{Step: StepEntra, Ticket: ticket, Session: hashed(session)}
	for _, secret := range []*string{&h.State, &h.Nonce, &h.Verifier} {
		if *secret, err = randomText(l.o.Random, 32); err != nil {
			return Hop{}, err
		}
	}
	return h, nil
}

// store keeps a hop for a ticket that can still be used.
func (l *Links) store(ctx context.Context, made Hop, decide func(Ticket, *Hop) error) (h Hop, err error) {
	now := l.o.Now().UTC()
	err = l.o.Store.Update(ctx, func(tx store.Tx) error {
		h = made
		t, err := l.ticket(tx, h.Ticket, now)
		if err != nil {
			return err
		}
		if err := decide(t, &h); err != nil {
			return err
		}
		h.Claims, h.Kind, h.Expires, h.Fresh, h.Made = t.Claims, t.Kind, t.Expires, t.Fresh, now
		switch link, err := l.Of(tx, t.User); {
		case errors.Is(err, store.ErrNotFound):
			h.Choose = true
		case err != nil:
			return err
		default:
			h.Hint = link.Principal.UPN
		}
		return hops.Put(tx, hashed(h.State), h)
	})
	if err != nil {
		return Hop{}, err
	}
	return h, nil
}

// Take ends a hop: its state is used up by whoever brings it, so that of two
// callbacks at once exactly one goes on. An *Error says that the state is
// unknown, used or too old, that it belongs to another browser or another step,
// or that the ticket has ended meanwhile.
func (l *Links) Take(ctx context.Context, step Step, state, session string) (h Hop, t Ticket, err error) {
	now := l.o.Now()
	var no error
	err = l.o.Store.Update(ctx, func(tx store.Tx) error {
		no = nil
		h, err = hops.Get(tx, hashed(state))
		if errors.Is(err, store.ErrNotFound) {
			no = &Error{Code: CodeInvalid, Message: sayHopUnknown, why: "unknown-state"}
			return nil
		}
		if err != nil {
			return err
		}
		t, no = l.ticket(tx, h.Ticket, now)
		if _, told := ErrorMessage(no); no != nil && !told {
			return no
		}
		// Refused or not, the state is used up.
		return hops.Delete(tx, hashed(state))
	})
	switch {
	case err != nil:
		return Hop{}, Ticket{}, err
	case no != nil:
	case subtle.ConstantTimeCompare([]byte(h.Session), []byte(hashed(session))) != 1:
		no = bar("other-browser", sayOtherBrowser)
	case h.Step != step:
		no = &Error{Code: CodeInvalid, Message: sayHopUnknown, why: "other-step"}
	}
	if no != nil {
		l.turnedAway(ctx, t, browser, pim.Principal{}, no)
		return Hop{}, Ticket{}, no
	}
	h.State = state
	return h, t, nil
}

// Vouch goes on to Microsoft once Slack has said whose browser this is: team and
// user come from Slack's verified id token.
func (l *Links) Vouch(ctx context.Context, at Hop, session, team, user string) (Hop, error) {
	if at.Step != StepSlack || at.Session != hashed(session) {
		return Hop{}, refuse(CodeInvalid, sayHopUnknown)
	}
	h, err := l.hop(at.Ticket, session)
	if err != nil {
		return Hop{}, err
	}
	var seen Ticket
	h, err = l.store(ctx, h, func(t Ticket, h *Hop) error {
		seen = t
		if team == "" || user == "" || t.User.Tenant != team || t.User.ID != user {
			return bar("other-slack-user", sayOtherSlackUser)
		}
		h.Vouched = true
		return nil
	})
	if err != nil {
		l.turnedAway(ctx, seen, trail.Actor{Platform: string(Slack), Tenant: team, User: user}, pim.Principal{}, err)
	}
	return h, err
}

// Complete decides whether who, proven by Microsoft, may be linked to the
// ticket's chat user. If so it makes or confirms the link, calls keep, lets go on
// what waited, and uses up the ticket. Nothing is kept of anybody else.
//
// The order matters. A grant without a link is never made, and the ticket is used
// up last: a crash before that leaves a link that still works, and everything
// before it may be done again without harm.
func (l *Links) Complete(ctx context.Context, h Hop, who pim.Identity, keep func(context.Context) error) (link Link, err error) {
	var t Ticket
	defer func() {
		if err != nil {
			l.turnedAway(ctx, t, signingIn(t, h, who), who.Principal, err)
		}
	}()
	now := l.o.Now().UTC()
	err = l.o.Store.View(ctx, func(tx store.Tx) error {
		t, err = l.ticket(tx, h.Ticket, now)
		return err
	})
	if err != nil {
		return Link{}, err
	}
	principal, zone, err := l.proven(ctx, t, h, who)
	if err != nil {
		return Link{}, err
	}
	authTime, err := t.proven(h, who, now)
	if err != nil {
		return Link{}, SignInFailed(err)
	}
	ctx = context.WithoutCancel(ctx) // a closed tab must not leave half of it
	err = l.o.Store.Update(ctx, func(tx store.Tx) error {
		if t, err = l.ticket(tx, h.Ticket, now); err != nil {
			return err
		}
		if err := l.trusts(tx, principal.ID, h.Step == StepEntra); err != nil {
			return err
		}
		if link, err = l.bind(tx, t, principal, who.Tenant, zone, now); err != nil {
			return err
		}
		return l.audit(tx, link, now, authTime)
	})
	if taken, ok := errors.AsType[*takenError](err); ok {
		return Link{}, errors.Join(err, l.taken(ctx, taken.holder, Link{User: t.User, Principal: principal, Tenant: who.Tenant, Linked: now}))
	}
	if err != nil {
		return Link{}, err
	}
	l.o.Log.InfoContext(ctx, "signed in", "platform", link.User.Platform, "principal", who.ID, "new", link.Linked.Equal(now))
	if err := keep(ctx); err != nil {
		return Link{}, &Error{Code: CodeInternal, Message: sayNotKept, Err: err}
	}
	t.AuthTime = authTime
	if err := l.o.SignedIn(ctx, who.ID, t); err != nil {
		return Link{}, &Error{Code: CodeInternal, Message: sayNotResumed, Err: err}
	}
	err = l.o.Store.Update(ctx, func(tx store.Tx) error {
		if t, err = l.ticket(tx, h.Ticket, now); err != nil {
			return err // another tab was first with the same account
		}
		t.Used = true
		return tickets.Put(tx, h.Ticket, t)
	})
	if err != nil {
		return Link{}, err
	}
	return link, nil
}

// proven is when who signed in for a ticket that wants that proven; zero for every
// other. It does not rest on whoever redeemed the code: a hop that never asked for a
// fresh sign-in proves none.
func (t Ticket) proven(h Hop, who pim.Identity, now time.Time) (time.Time, error) {
	if !t.Fresh {
		return time.Time{}, nil
	}
	a := h.Authorization("")
	if !a.Fresh {
		a.Fresh, a.Since = true, time.Time{}
	}
	return who.SignedIn, a.Proves(who, now)
}

// audit records a sign-in, and the link where it is a new one.
func (l *Links) audit(tx store.Tx, link Link, now, authTime time.Time) error {
	e := trail.Event{At: now, Kind: trail.SignedIn, Outcome: trail.OK, Subject: link.Principal.ID, Texts: trail.Texts{"actor": personText(link.Principal)},
		Actor: trail.Actor{Principal: link.Principal.ID, Platform: string(link.User.Platform), Tenant: link.User.Tenant, User: link.User.ID}}
	if !authTime.IsZero() {
		e.More = auditPresence(Proof{AuthTime: authTime})
	}
	if link.Linked.Equal(now) {
		made := e
		made.Kind = trail.Linked
		if err := l.o.Trail.Append(tx, made); err != nil {
			return err
		}
	}
	return l.o.Trail.Append(tx, e)
}

// bind makes the link, or confirms the one there is.
func (l *Links) bind(tx store.Tx, t Ticket, p pim.Principal, tenant, zone string, now time.Time) (Link, error) {
	link, err := l.Of(tx, t.User)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if t.User.Platform == Slack && t.Expect != "" {
			return Link{}, bar("unlinked-since", sayUnlinkedSince)
		}
		link = Link{User: t.User, Tenant: tenant, Linked: now}
	case err != nil:
		return Link{}, err
	case !strings.EqualFold(link.Principal.ID, p.ID):
		return Link{}, bar("linked-already", fmt.Sprintf(sayLinkedAlready, personText(link.Principal)))
	}
	others, err := l.At(tx, p.ID)
	if err != nil {
		return Link{}, err
	}
	for _, o := range others {
		if o.User.Platform == t.User.Platform && o.User.Tenant == t.User.Tenant && o.User.ID != t.User.ID {
			return Link{}, &Error{Code: CodeNotAllowed, Message: sayPrincipalTaken, Err: &takenError{o}, why: "account-taken"}
		}
	}
	link.User.Name = t.User.Name
	link.Principal, link.Zone = p, cmp.Or(zone, link.Zone)
	switch {
	case t.Direct.ID != "":
		link.Direct = t.Direct
	case t.User.Platform == Slack:
		// Slack opens the direct conversation itself when a user id is posted to.
		link.Direct = Conversation{Platform: Slack, Tenant: t.User.Tenant, ID: t.User.ID, Private: true}
	}
	return link, l.put(tx, link)
}

// proven is the identity rule: may this Entra identity be that chat user? zone is the
// time zone of their profile, where that was read.
func (l *Links) proven(ctx context.Context, t Ticket, h Hop, who pim.Identity) (p pim.Principal, zone string, err error) {
	somebodyElse := func() (pim.Principal, string, error) {
		why := "other-account"
		if t.User.Platform == Teams && !strings.EqualFold(who.Tenant, t.User.Tenant) {
			why = "other-tenant"
		}
		return pim.Principal{}, "", bar(why, fmt.Sprintf(sayOtherAccount, personText(who.Principal)))
	}
	// The token's mail is not taken over: Microsoft does not vouch for it.
	p = pim.Principal{ID: who.ID, Name: who.Name, UPN: who.UPN}
	switch {
	case who.ID == "" || t.Expect != "" && !strings.EqualFold(who.ID, t.Expect):
		return somebodyElse()
	case t.User.Platform == Teams:
		if !strings.EqualFold(who.ID, t.User.ID) || !strings.EqualFold(who.Tenant, t.User.Tenant) {
			return somebodyElse()
		}
		return p, "", nil
	case t.User.Platform == Slack && t.Expect != "":
		return p, "", nil
	case t.User.Platform == Slack && h.Vouched:
		return l.matching(ctx, t.User, who)
	}
	return pim.Principal{}, "", bar("not-vouched", sayHopUnknown)
}

// matching is the rule for a first Slack link: an administrator's mapping, or the
// directory's address of that object id is the profile's. An address alone is
// never enough, because anybody may write one into a profile.
func (l *Links) matching(ctx context.Context, u User, who pim.Identity) (p pim.Principal, zone string, err error) {
	profiles, ok := l.o.Profiles[u.Platform]
	if !ok || l.o.Directory == nil {
		return pim.Principal{}, "", fmt.Errorf("links of %s users need Profiles and a Directory", u.Platform)
	}
	profile, err := profiles.Profile(ctx, u)
	if err != nil {
		return pim.Principal{}, "", &Error{Code: CodeBusy, Message: sayNoProfile, Err: err}
	}
	if !profile.Full {
		return pim.Principal{}, "", bar("guest", sayGuest)
	}
	p, err = l.o.Directory.Principal(ctx, who.ID)
	if err != nil {
		return pim.Principal{}, "", &Error{Code: CodeBusy, Message: sayNoDirectory, Err: err}
	}
	if !strings.EqualFold(p.ID, who.ID) {
		return pim.Principal{}, "", errors.New("the directory answered with another object id")
	}
	mapped, ok := l.o.Mapped[u.ID]
	switch {
	case ok && !strings.EqualFold(mapped, who.ID):
		return pim.Principal{}, "", bar("mapped-elsewhere", fmt.Sprintf(sayMappedElsewhere, personText(p)))
	case !ok && !sameAddress(profile.Email, p.Mail) && !sameAddress(profile.Email, p.UPN):
		return pim.Principal{}, "", bar("other-address", fmt.Sprintf(sayNotSameAddress, personText(p)))
	}
	return p, profile.Zone, nil
}

// sameAddress compares without regard to the case of ASCII letters only: Unicode
// has other letters that fold to them.
func sameAddress(a, b string) bool {
	if !strings.Contains(a, "@") {
		return false
	}
	lower := func(s string) string {
		return strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, s)
	}
	return lower(a) == lower(b)
}
