package main

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// balancer is a plain TCP balancer: each connection goes to the next backend that
// takes it. In front of a database it is the cable, which can be pulled.
type balancer struct {
	listen net.Listener
	ended  sync.WaitGroup

	mu       sync.Mutex
	backends []string // addresses; empty: cut off
	next     int
	served   []int            // connections, by their backend
	open     map[net.Conn]int // ends of connections, by their backend
	closed   bool
}

// balance forwards what comes in at a listener until the test ends.
func balance(t *testing.T, listen net.Listener, backends ...string) *balancer {
	b := &balancer{listen: listen, backends: slices.Clone(backends), served: make([]int, len(backends)), open: map[net.Conn]int{}}
	b.ended.Go(func() {
		for {
			c, err := listen.Accept()
			if err != nil {
				return // closed
			}
			b.ended.Go(func() { b.forward(c) })
		}
	})
	t.Cleanup(b.close)
	return b
}

// cable is a balancer with one backend.
func cable(t *testing.T, to string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return balance(t, l, to)
}

func (b *balancer) addr() string { return b.listen.Addr().String() }

func (b *balancer) close() {
	_ = b.listen.Close() // it may be closed
	b.mu.Lock()
	b.closed = true
	for c := range b.open {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.ended.Wait()
}

// cut stops forwarding to a backend and resets its connections.
func (b *balancer) cut(n int) { b.lead(n, "") }

// lead sends new connections of a backend to an address, and resets the old ones.
func (b *balancer) lead(n int, to string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends[n] = to
	for c, of := range b.open {
		if of == n {
			reset(c)
		}
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that Close resets
	}
	_ = c.Close()
}

// spread says whether every backend got some of the connections.
func (b *balancer) spread() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !slices.Contains(b.served, 0)
}

// carries says whether a backend is connected from that address.
func (b *balancer) carries(from string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.open {
		if c.LocalAddr().String() == from {
			return true
		}
	}
	return false
}

// forward finds a backend for a connection, and carries bytes both ways.
func (b *balancer) forward(in net.Conn) {
	out, ok := b.dial(in)
	if !ok {
		reset(in)
		return
	}
	var both sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{in: out, out: in} {
		both.Go(func() {
			_, err := io.Copy(to, from)
			if err != nil {
				reset(to) // as the other end did
				return
			}
			_ = to.(*net.TCPConn).CloseWrite() // it may be gone
		})
	}
	both.Wait()
	b.mu.Lock()
	delete(b.open, in)
	delete(b.open, out)
	b.mu.Unlock()
	_, _ = in.Close(), out.Close()
}

// dial takes the backends in turn until one answers.
func (b *balancer) dial(in net.Conn) (net.Conn, bool) {
	for range b.backends {
		b.mu.Lock()
		n := b.next % len(b.backends)
		to := b.backends[n]
		b.next++
		b.mu.Unlock()
		if to == "" {
			continue
		}
		out, err := net.Dial("tcp", to)
		if err != nil {
			continue // it is dead
		}
		b.mu.Lock()
		good := b.backends[n] == to && !b.closed
		if good {
			b.open[in], b.open[out] = n, n
			b.served[n]++
		}
		b.mu.Unlock()
		if good {
			return out, true
		}
		_ = out.Close()
	}
	return nil, false
}
