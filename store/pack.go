package store

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"
)

// packed is the first byte of a packed value: no JSON begins with it. What follows is the JSON,
// deflated.
const packed = 0x01

// Pack sets the value of key as Put does, and deflates it, for values that are kept long and
// change no more: a value of some KB takes a quarter of the room. Every reader reads both.
//
// It is deflated before it is sealed, so the length of what is stored depends on what is in
// it. Do not pack a value that has a secret in it beside text that somebody else chose.
func (b Bucket[T]) Pack(tx Tx, key string, v T) error {
	return b.encoded(v, func(raw []byte) error {
		small, err := deflate(raw)
		switch {
		case err != nil:
			return fmt.Errorf("store: bucket %s: %w", b.name, err)
		case len(raw) > MaxValue:
			return fmt.Errorf("%w: %d bytes in bucket %s, at most %d", ErrTooLarge, len(raw), b.name, MaxValue)
		case len(small) < len(raw):
			raw = small
		}
		return tx.Put(b.name, []byte(key), raw)
	})
}

// A deflater is more than half a megabyte, so they are used again. An inflater is 40 KB.
var (
	deflaters = sync.Pool{New: func() any {
		w, _ := flate.NewWriter(nil, flate.DefaultCompression) // an error is of the level only
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}
)

func deflate(raw []byte) ([]byte, error) {
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	small := bytes.NewBuffer(append(make([]byte, 0, len(raw)/2), packed))
	w.Reset(small)
	_, err := w.Write(raw)
	err = errors.Join(err, w.Close())
	return small.Bytes(), err
}

// unpacked is what was packed, or raw if it was not.
func unpacked(raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != packed {
		return raw, nil
	}
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(raw[1:]), nil); err != nil {
		return nil, err
	}
	whole := bytes.NewBuffer(make([]byte, 0, 4*len(raw)))
	n, err := whole.ReadFrom(io.LimitReader(r, MaxValue+1))
	if err == nil && n > MaxValue {
		err = ErrTooLarge
	}
	return whole.Bytes(), err
}
