package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// target is what is asked, and what a right answer is.
type target struct {
	name  string
	addr  string
	next  *atomic.Int64            // numbers the requests: none is sent twice
	most  int64                    // so many there are; 0: without end
	make  func(n int64) []byte     // the n-th request as it goes over the wire
	check func(answer answer) bool // whether it is the right answer
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
}

// outcome is one figure: how many were answered rightly in which time, and how long each
// of them took, sorted.
type outcome struct {
	took   []time.Duration
	early  int // right answers before the count began
	wrong  int
	sample string // of a wrong answer
	over   time.Duration
	used   time.Duration // processor time of the server
}

func (o outcome) rate() float64 { return float64(len(o.took)) / o.over.Seconds() }

func (o outcome) at(q float64) time.Duration {
	if len(o.took) == 0 {
		return 0
	}
	return o.took[min(len(o.took)-1, int(q*float64(len(o.took))))]
}

// closed lets so many connections ask, each again as soon as it was answered: first for
// a while that is not counted, then for d.
func (t target) closed(conns int, d time.Duration) outcome {
	warm := d / 4
	begin := time.Now().Add(warm)
	return t.drive(conns, begin, begin.Add(d), func(_ int64) time.Time { return time.Time{} })
}

// open asks at a fixed rate whether or not there are answers, over up to conns
// connections. How long it took is counted from the time at which it was to be asked.
func (t target) open(rate float64, conns int, d time.Duration) outcome {
	first := time.Now().Add(10 * time.Millisecond)
	begin := first.Add(d / 4)
	return t.drive(conns, begin, begin.Add(d), func(n int64) time.Time {
		return first.Add(time.Duration(float64(n) / rate * float64(time.Second)))
	})
}

// drive asks until end and counts what was asked from begin on.
func (t target) drive(conns int, begin, end time.Time, when func(n int64) time.Time) outcome {
	var all outcome
	var mu sync.Mutex
	var done sync.WaitGroup
	var order atomic.Int64
	for range conns {
		done.Go(func() {
			var mine outcome
			c := &conn{addr: t.addr}
			defer c.close()
			for {
				at := when(order.Add(1) - 1)
				if at.After(end) { // not slept for: it would be in the time over which answers are counted
					break
				}
				if !at.IsZero() {
					time.Sleep(time.Until(at))
				}
				now := time.Now()
				if at.IsZero() {
					at = now
				}
				if at.After(end) || t.most > 0 && t.next.Load() >= t.most {
					break
				}
				a, err := c.ask(t.make(t.next.Add(1) - 1))
				took := time.Since(at)
				switch {
				case at.Before(begin):
					if err == nil && t.check(a) {
						mine.early++
					}
				case err != nil:
					mine.wrong++
					mine.sample = err.Error()
				case !t.check(a):
					mine.wrong++
					mine.sample = fmt.Sprintf("%d %.200s", a.status, a.body)
				default:
					mine.took = append(mine.took, took)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all.took, all.early, all.wrong = append(all.took, mine.took...), all.early+mine.early, all.wrong+mine.wrong
			if mine.sample != "" {
				all.sample = mine.sample
			}
		})
	}
	done.Wait()
	all.over = time.Since(begin)
	slices.Sort(all.took)
	return all
}

var dialer net.Dialer

// conn is one connection that is kept. It costs the machine as little as can be, since
// what it costs is missing to the server.
type conn struct {
	addr string
	c    net.Conn
	r    *bufio.Reader
	body []byte
}

func (c *conn) close() {
	if c.c != nil {
		_ = c.c.Close() // it was only read from
		c.c = nil
	}
}

// ask sends a request and reads the answer. One that could not be sent because the
// server had closed the connection meanwhile is sent again on a new one.
func (c *conn) ask(request []byte) (answer, error) {
	for try := 0; ; try++ {
		fresh := c.c == nil
		if fresh {
			dialled, err := dialer.DialContext(context.Background(), "tcp", c.addr)
			if err != nil {
				return answer{}, err
			}
			c.c, c.r = dialled, bufio.NewReaderSize(dialled, 8<<10)
		}
		if err := c.c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			return answer{}, err
		}
		_, err := c.c.Write(request)
		var a answer
		var more bool
		if err == nil {
			a, more, err = c.read()
		}
		if err != nil || !more {
			c.close()
		}
		if err == nil || fresh || try > 0 || !errors.Is(err, io.EOF) {
			return a, err
		}
	}
}

// read reads a response of HTTP/1.1 and says whether the connection can be used again.
func (c *conn) read() (a answer, more bool, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return a, false, err
	}
	if len(line) < 12 {
		return a, false, errors.New("no status line")
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, false, err
	}
	length, chunked, more := 0, false, true
	for {
		line, err = c.r.ReadSlice('\n')
		if err != nil {
			return a, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return a, false, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("Connection")):
			more = !bytes.EqualFold(value, []byte("close"))
		}
	}
	c.body = c.body[:0]
	for {
		if chunked {
			line, err := c.r.ReadSlice('\n')
			if err != nil {
				return a, false, err
			}
			n, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
			if err != nil {
				return a, false, err
			}
			length = int(n)
		}
		at := len(c.body)
		c.body = slices.Grow(c.body, length)[:at+length]
		if _, err := io.ReadFull(c.r, c.body[at:]); err != nil {
			return a, false, err
		}
		if !chunked {
			break
		}
		if _, err := c.r.Discard(2); err != nil {
			return a, false, err
		}
		if length == 0 {
			break
		}
	}
	a.body = c.body
	return a, more, nil
}

// post is a request over the wire.
func post(path, addr, contentType string, body []byte, headers ...string) []byte {
	b := make([]byte, 0, len(body)+512)
	b = append(b, "POST "...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, addr...)
	b = append(b, "\r\nContent-Type: "...)
	b = append(b, contentType...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	for pair := range slices.Chunk(headers, 2) {
		b = append(b, "\r\n"...)
		b = append(b, pair[0]...)
		b = append(b, ": "...)
		b = append(b, pair[1]...)
	}
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}
