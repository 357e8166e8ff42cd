package signin

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"

	"github.com/belaybot/belay/pim"
)

// spare is how long a token must still live to be given away.
const spare = 5 * time.Minute

// token is an access token. It lives in memory only.
type token struct {
	value string
	ends  time.Time
}

// LogValue hides the token.
func (token) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// String hides the token.
func (token) String() string { return "REDACTED" }

// GoString hides the token.
func (token) GoString() string { return "REDACTED" }

// session is what lives in memory only of one sign-in.
type session struct {
	tokens map[*audience]token
	until  time.Time // when the sign-in reaches its greatest age

	turn sync.Mutex // held by the one refresh that runs, whatever service it is for
	seen *witness
	msal *confidential.Client
}

// remember is the memory of g's sign-in. c.mu is held. Memories of sign-ins that
// have reached their age go on this occasion.
func (c *Client) remember(g grant) *session {
	now := c.opts.Now()
	for id, s := range c.sessions {
		if !now.Before(s.until) {
			delete(c.sessions, id)
		}
	}
	s := c.sessions[g.Session]
	if s == nil {
		s = &session{until: g.SignedIn.Add(c.opts.MaxAge), tokens: map[*audience]token{}}
		c.sessions[g.Session] = s
	}
	return s
}

// Person is an access token of that person for Graph, silently. It never asks
// anybody but the sign-in service, and one refresh serves all who wait for it.
//
// Errors are *pim.Error. CodeSignIn: no sign-in, its greatest age is reached, or
// Microsoft has ended it; in the last case it is forgotten. CodeStepUp: more
// proof is needed, see Claims. CodeForbidden: the answer lacks a permission.
// CodeUnavailable, CodeThrottled, CodeInvalidClientConfig as their names say;
// the sign-in is kept.
func (c *Client) Person(ctx context.Context, person string) (string, error) {
	return c.person(ctx, person, c.graph)
}

func (c *Client) person(ctx context.Context, person string, of *audience) (string, error) {
	for attempt := 0; ; attempt++ {
		g, err := c.current(ctx, person)
		if errors.Is(err, errNoGrant) {
			return "", &pim.Error{Op: "person", Code: pim.CodeSignIn, Err: errNoGrant}
		}
		if err != nil {
			return "", unavailable("person", err)
		}
		if t, ok := c.held(g, of); ok {
			return t.value, nil
		}
		// The refresh is not bound to the first caller: others may wait for it too.
		wait := c.flight.DoChan(g.Session+" "+of.resource, func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*callTime)
			defer cancel()
			return c.refresh(ctx, g, of)
		})
		select {
		case <-ctx.Done():
			return "", unavailable("person", ctx.Err())
		case done := <-wait:
			if t, ok := done.Val.(token); ok && done.Err == nil {
				return t.value, nil
			}
			// A newer sign-in may have taken the place of this one: look again, once.
			if !errors.Is(done.Err, errNoGrant) || attempt > 0 {
				return "", refusal("person", done.Err)
			}
		}
	}
}

// held is the access token in memory, if it lives long enough.
func (c *Client) held(g grant, of *audience) (token, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[g.Session]
	if s == nil || !c.opts.Now().Add(spare).Before(s.tokens[of].ends) {
		return token{}, false
	}
	return s.tokens[of], true
}

// refresh asks for a new access token with g's refresh token. One refresh of a
// session runs at a time.
func (c *Client) refresh(ctx context.Context, g grant, of *audience) (token, error) {
	const op = "refresh"
	if t, ok := c.held(g, of); ok {
		return t, nil // somebody was faster
	}
	s, err := c.client(g)
	if err != nil {
		return token{}, refusal(op, err)
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	result, err := s.msal.AcquireTokenSilent(ctx, of.scopes,
		confidential.WithSilentAccount(confidential.Account{HomeAccountID: g.Account}))
	if errors.Is(err, errNoGrant) {
		return token{}, err
	}
	if err := of.granted(op, s.seen); err != nil {
		return token{}, err
	}
	if err != nil {
		return token{}, c.refused(ctx, g, of, refusal(op, err))
	}
	t := token{value: result.AccessToken, ends: result.ExpiresOn}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.tokens[of] = t
	return t, nil
}

// client is g's memory with an MSAL client of its own in it.
func (c *Client) client(g grant) (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.remember(g)
	if s.msal != nil {
		return s, nil
	}
	seen := &witness{Client: c.http}
	m, err := c.msal(inStore{client: c, person: g.Person, session: g.Session}, seen)
	if err == nil {
		s.msal, s.seen = &m, seen
	}
	return s, err
}

// refused forgets a sign-in whose refresh token Entra will not take again. One
// that only lacks proof (CodeStepUp) or an answer is kept, and so is one for Graph
// where an administrator has not agreed to another service, or a policy stands before
// that one.
func (c *Client) refused(ctx context.Context, g grant, of *audience, e *pim.Error) error {
	if e.Code != pim.CodeSignIn && (e.Code != pim.CodeForbidden || of != c.graph) || of != c.graph && errors.Is(e, errBlocked) {
		return e
	}
	c.opts.Log.InfoContext(ctx, "sign-in ended by Microsoft", "principal", g.Person, "service", e.Service, "correlation", e.RequestID)
	if err := c.drop(ctx, g.Person, g.Session, "Microsoft: "+e.Service); err != nil {
		return unavailable(e.Op, err)
	}
	e.Code = pim.CodeSignIn
	return e
}
