package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// The layout of a bbolt file (version 2, in the byte order of the machine), as far as
// it must be known to tell whether bbolt can open and walk it: two heads, then pages up to a
// high water mark. A head points to the root of the tree and to the list of free
// pages. A page is a branch, a leaf, or such a list, and may run over into those that
// follow it. A leaf's value may be a bucket: the number of its root page, or, when
// that is 0, a small leaf in place.
const (
	headMagic   = 0xED0CDAED
	headVersion = 2
	headSize    = 64
	pageHeader  = 16
	branchEntry = 16
	leafEntry   = 16
	bucketSize  = 16

	branchPage = 0x01
	leafPage   = 0x02
	freePage   = 0x10

	minPage, maxPage = 1 << 10, 1 << 24
)

var order = binary.NativeEndian

type head struct {
	pageSize         int64
	root, free, high uint64
	tx               uint64
}

// checkFile is checkLayout of a file that nobody else writes meanwhile. Where it can be, it
// is mapped for that: of a page with records only the keys are looked at then, and no page is
// copied.
func checkFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, unmap, err := mapped(f, info.Size())
	if err != nil {
		return checkLayout(f, info.Size())
	}
	return errors.Join(guard(func() error { return checkLayout(m, info.Size()) }), unmap())
}

// memory is a file that is mapped.
type memory []byte

// ReadAt implements io.ReaderAt.
func (m memory) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// checkLayout reports what would make bbolt panic, loop, or lose data. What is in
// the records is not looked at: their seal shows whether they are sound.
func checkLayout(f io.ReaderAt, size int64) error {
	if size == 0 {
		return &OpenError{Reason: Empty}
	}
	h, err := readHeads(f, size)
	if err != nil {
		return err
	}
	l := newLayout(f, h)
	if err := l.tree(h.root, l.bucket, nil, nil); err != nil {
		return err
	}
	return l.freeList()
}

// readHeads returns the newer head. Both must be sound: when one is not, nothing
// tells whether it is the one that holds the last commit.
func readHeads(f io.ReaderAt, size int64) (head, error) {
	first, err := readHead(f, 0)
	if err != nil {
		// The page size stands in the head that cannot be read. If the second head is
		// found the file is a damaged store, otherwise it may be anything.
		for at := int64(minPage); at <= maxPage && errors.Is(err, errNoHead); at *= 2 {
			if second, err2 := readHead(f, at); err2 == nil && second.pageSize == at {
				return head{}, damaged("its first head is destroyed")
			}
		}
		return head{}, err
	}
	if first.high < 4 || first.high > uint64(size/first.pageSize) {
		return head{}, &OpenError{Reason: Truncated, Err: fmt.Errorf("%d bytes of at least %d", size, first.high*uint64(first.pageSize))}
	}
	second, err := readHead(f, first.pageSize)
	switch {
	case errors.Is(err, errNoHead), err == nil && second.pageSize != first.pageSize:
		return head{}, damaged("its second head is destroyed")
	case err != nil:
		return head{}, err
	}
	if second.high > uint64(size/second.pageSize) {
		return head{}, &OpenError{Reason: Truncated, Err: fmt.Errorf("%d bytes of at least %d", size, second.high*uint64(second.pageSize))}
	}
	if second.tx > first.tx {
		return second, nil
	}
	return first, nil
}

// errNoHead says that there is nothing like a head where one should be.
var errNoHead = &OpenError{Reason: NotAStore, Err: errors.New("it does not begin like one")}

func readHead(f io.ReaderAt, at int64) (head, error) {
	var page [pageHeader + headSize]byte
	n, err := f.ReadAt(page[:], at)
	if err != nil && !errors.Is(err, io.EOF) {
		return head{}, err
	}
	b := page[pageHeader:]
	switch {
	case n < pageHeader+4 || order.Uint32(b) != headMagic:
		return head{}, errNoHead
	case n < len(page):
		return head{}, &OpenError{Reason: Truncated, Err: errors.New("it ends in its head")}
	case order.Uint32(b[4:]) != headVersion:
		return head{}, &OpenError{Reason: Version, Err: fmt.Errorf("bbolt layout %d; this one reads %d", order.Uint32(b[4:]), headVersion)}
	}
	sum := fnv.New64a()
	sum.Write(b[:headSize-8])
	h := head{
		pageSize: int64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]),
		free:     order.Uint64(b[32:]),
		high:     order.Uint64(b[40:]),
		tx:       order.Uint64(b[48:]),
	}
	if sum.Sum64() != order.Uint64(b[56:]) {
		return head{}, damaged("the checksum of a head is wrong")
	}
	if h.pageSize < minPage || h.pageSize > maxPage || h.pageSize&(h.pageSize-1) != 0 {
		return head{}, damaged("its page size is %d", h.pageSize)
	}
	return h, nil
}

type layout struct {
	file io.ReaderAt
	head head
	used []atomic.Uint32 // a bit for each page
	more chan struct{}   // has room for whoever else may look at pages
}

func newLayout(f io.ReaderAt, h head) *layout {
	return &layout{file: f, head: h, used: make([]atomic.Uint32, h.high/32+1), more: make(chan struct{}, runtime.GOMAXPROCS(0)-1)}
}

type page struct {
	id    uint64
	flags uint16
	count int
	body  []byte // behind the header
}

// read returns a page with what it runs over into, and marks it used.
func (l *layout) read(id uint64) (page, error) {
	if id < 2 || id >= l.head.high {
		return page{}, damaged("page %d is named, and does not exist", id)
	}
	header, err := l.bytes(id, 1)
	if err != nil {
		return page{}, err
	}
	over := uint64(order.Uint32(header[12:]))
	if order.Uint64(header) != id || over >= l.head.high-id {
		return page{}, damaged("page %d has the header of another", id)
	}
	all := header
	if over > 0 {
		if all, err = l.bytes(id, 1+over); err != nil {
			return page{}, err
		}
	}
	for i := id; i <= id+over; i++ {
		if err := l.use(i); err != nil {
			return page{}, err
		}
	}
	return newPage(id, all), nil
}

// bytes are those of so many pages.
func (l *layout) bytes(id, pages uint64) ([]byte, error) {
	at, n := int64(id)*l.head.pageSize, int64(pages)*l.head.pageSize //nolint:gosec // below the high water mark, which is in the file
	if m, ok := l.file.(memory); ok && at+n <= int64(len(m)) {
		return m[at : at+n], nil
	}
	b := make([]byte, n)
	_, err := l.file.ReadAt(b, at)
	return b, err
}

func newPage(id uint64, all []byte) page {
	return page{id, order.Uint16(all[8:]), int(order.Uint16(all[10:])), all[pageHeader:]}
}

func (l *layout) use(id uint64) error {
	if bit := uint32(1) << (id % 32); l.used[id/32].Or(bit)&bit != 0 {
		return damaged("page %d is used twice", id)
	}
	return nil
}

// visit is called for every record below a tree.
type visit func(id uint64, kind uint32, value []byte) error

// tree checks the tree below a page, whose keys are from low (if any) to below
// high (if any).
func (l *layout) tree(id uint64, v visit, low, high []byte) error {
	p, err := l.read(id)
	if err != nil {
		return err
	}
	switch p.flags {
	case leafPage:
		if p.count == 0 {
			return damaged("page %d has lost its records", id)
		}
		_, err := l.leaf(p, v, low, high)
		return err
	case branchPage:
		return l.branch(p, v, low, high)
	}
	return damaged("page %d is of no known kind", id)
}

func (l *layout) branch(p page, v visit, low, high []byte) error {
	if p.count == 0 {
		return damaged("page %d leads nowhere", p.id)
	}
	end := p.count * branchEntry
	if _, ok := cut(p.body, 0, end); !ok {
		return damaged("the entries of page %d do not fit", p.id)
	}
	entry := func(i int) (key []byte, child uint64) {
		e := p.body[i*branchEntry:]
		from := i*branchEntry + int(order.Uint32(e))
		return p.body[from : from+int(order.Uint32(e[4:]))], order.Uint64(e[8:])
	}
	in := within{id: p.id, low: low, high: high}
	for i := range p.count {
		at := i * branchEntry
		e := p.body[at:]
		if uint64(at)+uint64(order.Uint32(e)) != uint64(end) {
			return damaged("the entries of page %d do not fit", p.id)
		}
		key, ok := cut(p.body, end, int(order.Uint32(e[4:])))
		if !ok {
			return damaged("a key of page %d lies outside of it", p.id)
		}
		if err := in.next(key); err != nil {
			return err
		}
		end += len(key)
	}
	return l.shared(0, p.count, func(i int) error {
		key, child := entry(i)
		below := high
		if i+1 < p.count {
			below, _ = entry(i + 1)
		}
		return l.tree(child, v, key, below)
	})
}

// shared looks at each from one number to below another. While a processor is free the second
// half of what is left is looked at beside the first.
func (l *layout) shared(from, to int, look func(int) error) error {
	for ; from < to; from++ {
		if half := from + (to-from)/2; half > from {
			select {
			case l.more <- struct{}{}:
				second := make(chan error, 1)
				go func() {
					defer func() { <-l.more }()
					debug.SetPanicOnFault(true)
					second <- guard(func() error { return l.shared(half, to, look) })
				}()
				first := guard(func() error { return l.shared(from, half, look) })
				return cmp.Or(first, <-second)
			default:
			}
		}
		if err := look(from); err != nil {
			return err
		}
	}
	return nil
}

// leaf returns where the records of the page end.
func (l *layout) leaf(p page, v visit, low, high []byte) (end int, err error) {
	in := within{id: p.id, low: low, high: high}
	end = p.count * leafEntry
	for i := range p.count {
		at := i * leafEntry
		e, ok := cut(p.body, at, leafEntry)
		if !ok || uint64(at)+uint64(order.Uint32(e[4:])) != uint64(end) {
			return 0, damaged("the entries of page %d do not fit", p.id)
		}
		ksize, vsize := int(order.Uint32(e[8:])), int(order.Uint32(e[12:]))
		record, ok := cut(p.body, end, ksize+vsize)
		if !ok {
			return 0, damaged("a record of page %d lies outside of it", p.id)
		}
		if err := v(p.id, order.Uint32(e), record[ksize:]); err != nil {
			return 0, err
		}
		if err := in.next(record[:ksize]); err != nil {
			return 0, err
		}
		end += len(record)
	}
	return end, nil
}

// bucket checks a record of the root, and all that is below it.
func (l *layout) bucket(id uint64, kind uint32, value []byte) error {
	if kind != 1 || len(value) < bucketSize {
		return damaged("a bucket in page %d is none", id)
	}
	if root := order.Uint64(value); root != 0 {
		return l.tree(root, plain, nil, nil)
	}
	value = value[bucketSize:]
	if len(value) < pageHeader || order.Uint16(value[8:]) != leafPage {
		return damaged("a bucket in page %d is cut short", id)
	}
	p := newPage(id, value)
	end, err := l.leaf(p, plain, nil, nil)
	if err == nil && end != len(p.body) {
		err = damaged("a bucket in page %d has lost records", id)
	}
	return err
}

// plain is a record of a bucket. Belay does not put buckets into buckets.
func plain(_ uint64, kind uint32, _ []byte) error {
	if kind != 0 {
		return &OpenError{Reason: NotAStore, Err: errors.New("another program's bbolt file")}
	}
	return nil
}

// freeList checks that no page is both free and used: it would be overwritten.
func (l *layout) freeList() error {
	if l.head.free == ^uint64(0) {
		return &OpenError{Reason: NotAStore, Err: errors.New("a bbolt file without a list of free pages")}
	}
	p, err := l.read(l.head.free)
	if err != nil {
		return err
	}
	if p.flags != freePage {
		return damaged("its list of free pages is missing")
	}
	n, list := uint64(p.count), p.body
	if n == 0xFFFF {
		n, list = order.Uint64(list), list[8:]
	}
	if n > uint64(len(list)/8) {
		return damaged("its list of free pages is cut short")
	}
	for i := range n {
		id := order.Uint64(list[8*i:])
		if id < 2 || id >= l.head.high {
			return damaged("page %d is free, and does not exist", id)
		}
		if err := l.use(id); err != nil {
			return err
		}
	}
	return nil
}

// cut returns size bytes of b from pos on, if they are there.
func cut(b []byte, pos, size int) ([]byte, bool) {
	if pos < 0 || size < 0 || pos > len(b) || size > len(b)-pos {
		return nil, false
	}
	return b[pos : pos+size], true
}

// within checks that the keys of a page ascend, from low (if any) to below high (if any).
type within struct {
	id        uint64
	low, high []byte
	last      []byte
	any       bool
}

func (w *within) next(key []byte) error {
	if w.any && bytes.Compare(w.last, key) >= 0 || w.low != nil && bytes.Compare(key, w.low) < 0 || w.high != nil && bytes.Compare(key, w.high) >= 0 {
		return damaged("the keys of page %d are out of order", w.id)
	}
	w.last, w.any = key, true
	return nil
}

func damaged(format string, args ...any) error {
	return &OpenError{Reason: Damaged, Err: fmt.Errorf(format, args...)}
}
