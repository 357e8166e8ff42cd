package postgres

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// servers are those that an address names. The one that was the primary last is asked
// first: another one may be dead without a word, and every new connection would
// wait for it.
type servers struct {
	mu       sync.Mutex
	resolved map[string][]string // what a name last stood for
	primary  string              // as the network writes it; empty: none was found yet
}

// lookup resolves the name of a server.
func (s *servers) lookup(ctx context.Context, host string) ([]string, error) {
	all, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resolved[host] = all
	primary, _, _ := net.SplitHostPort(s.primary) // of a socket, and of none, it is empty
	return firstOf(all, func(at string) bool { return at == primary }), nil
}

// found notes where the primary is.
func (s *servers) found(at net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.primary = at.String()
}

// order puts the primary before the others.
func (s *servers) order(c *pgx.ConnConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	all = firstOf(all, func(to *pgconn.FallbackConfig) bool {
		return slices.ContainsFunc(append(s.resolved[to.Host], to.Host), func(host string) bool {
			_, address := pgconn.NetworkAddress(host, to.Port)
			return address == s.primary
		})
	})
	c.Host, c.Port, c.TLSConfig, c.Fallbacks = all[0].Host, all[0].Port, all[0].TLSConfig, all[1:]
}

// firstOf puts those that are meant before the others, each in the order they were in.
func firstOf[T any](all []T, meant func(T) bool) []T {
	rank := func(one T) int {
		if meant(one) {
			return 0
		}
		return 1
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// dialer connects, and notices a machine that is gone without a word. A server
// that is only slow still confirms what reaches its machine, and is waited for.
func dialer(l limits, others bool) *net.Dialer {
	d := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 2},
		ControlContext:  unconfirmed(l.silence),
	}
	if others {
		d.Timeout = l.dial
	}
	return d
}

// suspect is told of every round trip that failed. When a connection was lost on which
// nobody gave up waiting, its server may be gone: those beside it are not used any more, or
// one caller after another would wait on them.
func (s *Store) suspect(ctx context.Context, err error) error {
	if err = s.fail(err); ctx.Err() == nil && hasReason(err, Unreachable) && s.pool != nil {
		s.pool.Reset()
	}
	return err
}

// lives asks a connection that was not used for a moment whether it still is one. The pool
// asks again where this says so, and drops it.
func (s *Store) lives(ctx context.Context, p pgxpool.ShouldPingParams) bool {
	if p.IdleDuration < time.Second {
		return false
	}
	short, cancel := context.WithTimeout(ctx, s.opt.limits.silence)
	defer cancel()
	return s.suspect(ctx, p.Conn.Ping(short)) != nil
}
