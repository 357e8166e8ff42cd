package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/belaybot/belay/store"
)

// laidOut returns a store with every kind of page, its layout, and which pages hold
// its tree.
func laidOut(t *testing.T) (raw []byte, l *layout, tree []bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "belay.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		err := s.Update(context.Background(), func(tx store.Tx) error {
			for i := range 200 {
				if err := tx.Put("many", fmt.Appendf(nil, "%04d", i), bytes.Repeat([]byte{byte(round)}, 50)); err != nil {
					return err
				}
			}
			return errors.Join(tx.Put("large", []byte("k"), make([]byte, 20000)), tx.Put("few", []byte("k"), nil))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	h, err := readHeads(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	l = newLayout(bytes.NewReader(raw), h)
	if err := l.tree(h.root, l.bucket, nil, nil); err != nil {
		t.Fatal(err)
	}
	tree = l.inUse()
	if err := l.freeList(); err != nil {
		t.Fatal(err)
	}
	for id, used := range l.inUse() {
		if !used && id >= 2 {
			t.Fatalf("page %d is neither used nor free", id)
		}
	}
	return raw[:int64(h.high)*h.pageSize], l, tree
}

// inUse tells which pages were looked at.
func (l *layout) inUse() []bool {
	used := make([]bool, l.head.high)
	for id := range used {
		used[id] = l.used[id/32].Load()&(1<<(id%32)) != 0
	}
	return used
}

// Every bit in the headers and entries of the tree and of the free list counts: a
// flipped one is refused. Two kinds of flips pass, and do no harm that a seal does not
// show: in how long the last record of a page is, and a free page that is forgotten.
func TestEveryBitOfTheLayoutCounts(t *testing.T) {
	raw, l, tree := laidOut(t)
	checked := 0
	flip := func(at int64, mayPass bool, what string) {
		t.Helper()
		for bit := range 8 {
			raw[at] ^= 1 << bit
			if err := checkLayout(bytes.NewReader(raw), int64(len(raw))); err == nil && !mayPass {
				t.Errorf("%s: bit %d of byte %d went unnoticed", what, bit, at)
			} else if oerr := (*OpenError)(nil); err != nil && !errors.As(err, &oerr) {
				t.Errorf("%s: %v", what, err)
			}
			raw[at] ^= 1 << bit
			checked++
		}
	}
	for head := range int64(2) {
		for i := range int64(headSize) {
			flip(head*l.head.pageSize+pageHeader+i, false, "head")
		}
	}
	kinds := map[uint16]int{}
	for id := int64(2); id < int64(l.head.high); id++ {
		at := id * l.head.pageSize
		header := raw[at:]
		if uint64(id) != l.head.free && (!tree[id] || order.Uint64(header) != uint64(id)) {
			continue // free, or run over into
		}
		kind, count := order.Uint16(header[8:]), int64(order.Uint16(header[10:]))
		kinds[kind]++
		what := fmt.Sprintf("page %d of kind %d with %d entries", id, kind, count)
		for i := range int64(pageHeader) {
			forgets := kind == freePage && (i == 10 || i == 11)
			flip(at+i, forgets, what+", header")
		}
		if kind == freePage {
			for i := range 8 * count {
				flip(at+pageHeader+i, false, what+", list")
			}
			continue
		}
		for _, entry := range []int64{0, 1, count / 2, count - 1} {
			if entry >= count {
				continue
			}
			for i := range int64(leafEntry) {
				sizes := kind == leafPage && i >= 8 || kind == branchPage && 4 <= i && i < 8
				flip(at+pageHeader+entry*leafEntry+i, entry == count-1 && sizes, fmt.Sprintf("%s, entry %d", what, entry))
			}
		}
	}
	root := int64(l.head.root) * l.head.pageSize
	few := root + int64(bytes.Index(raw[root:], []byte("few\x00"))) + int64(len("few")) // a small bucket, in place
	for i := range int64(bucketSize + pageHeader + leafEntry) {
		switch {
		case i < 8: // where its root page would be
		case i >= bucketSize+8 && i < bucketSize+12: // kind and count
		case i >= bucketSize+pageHeader: // its entry
		default:
			continue // without meaning there
		}
		flip(few+i, false, fmt.Sprintf("small bucket, byte %d", i))
	}
	if kinds[branchPage] == 0 || kinds[leafPage] < 5 || kinds[freePage] != 1 {
		t.Errorf("the store has pages of kinds %v only", kinds)
	}
	t.Logf("%d bits flipped, pages of kinds %v", checked, kinds)
}

// Records in another order, of the same length, contradict nothing but the order.
func TestKeysMustAscend(t *testing.T) {
	raw, _, tree := laidOut(t)
	for _, keys := range [][2]string{{"0000", "0001"}, {"0000", "0100"}, {"0050", "0199"}} {
		swapped := bytes.Clone(raw)
		for from, to := range map[string]string{keys[0]: keys[1], keys[1]: keys[0]} {
			for id, live := range tree {
				page := raw[id*os.Getpagesize():][:os.Getpagesize()]
				if at := bytes.LastIndex(page, append([]byte(from), 2, 2, 2)); live && at >= 0 {
					copy(swapped[id*os.Getpagesize()+at:], to)
				}
			}
		}
		if bytes.Equal(raw, swapped) {
			t.Fatalf("%q not found", keys)
		}
		var oerr *OpenError
		if err := checkLayout(bytes.NewReader(swapped), int64(len(swapped))); !errors.As(err, &oerr) || oerr.Reason != Damaged {
			t.Errorf("%q swapped: %v", keys, err)
		}
	}
}
