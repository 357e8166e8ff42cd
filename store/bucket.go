package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Bucket is typed access, as JSON, to one bucket. Two Buckets of the same name must have the
// same T, but for one that only reads and whose T has some of the other's fields. A zero Bucket
// has no name and refuses everything.
type Bucket[T any] struct{ name string }

// NewBucket returns typed access to the bucket of that name; see CheckKey for what
// a name may be.
func NewBucket[T any](name string) Bucket[T] { return Bucket[T]{name} }

// Name is the bucket's name.
func (b Bucket[T]) Name() string { return b.name }

// Get returns the value of key, ErrNotFound, or a *CorruptError when what is
// stored is not a T.
func (b Bucket[T]) Get(tx Tx, key string) (T, error) {
	raw, err := tx.Get(b.name, []byte(key))
	if err != nil {
		var zero T
		return zero, err
	}
	return b.decode([]byte(key), raw)
}

// Put sets the value of key.
func (b Bucket[T]) Put(tx Tx, key string, v T) error {
	return b.encoded(v, func(raw []byte) error { return tx.Put(b.name, []byte(key), raw) })
}

// encoded gives use the JSON of v, which is written over when it returns.
func (b Bucket[T]) encoded(v T, use func(raw []byte) error) error {
	e := encoders.Get().(*encoder)
	defer e.done()
	if err := e.json.Encode(v); err != nil {
		return fmt.Errorf("store: bucket %s: %w", b.name, err)
	}
	return use(bytes.TrimSuffix(e.text.Bytes(), []byte("\n")))
}

// An encoder is used again, and its memory with it: a value is copied by whoever keeps it.
type encoder struct {
	text bytes.Buffer
	json *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.json = json.NewEncoder(&e.text)
	return e
}}

// mostSpare is the largest buffer that is kept to be used again.
const mostSpare = 64 << 10

func (e *encoder) done() {
	if e.text.Cap() > mostSpare {
		return
	}
	clear(e.text.Bytes()) // nothing that is sealed on the disk lies about here
	e.text.Reset()
	encoders.Put(e)
}

// Delete removes key. Deleting what is not there is no error.
func (b Bucket[T]) Delete(tx Tx, key string) error {
	return tx.Delete(b.name, []byte(key))
}

// Scan visits from <= key < to in ascending order; an empty to goes to the end of
// the bucket. fn ends it early by returning Stop. See Tx.Scan.
func (b Bucket[T]) Scan(tx Tx, from, to string, fn func(key string, v T) error) error {
	return b.scan(tx, []byte(from), bound(to), fn)
}

// Prefix visits every key that begins with prefix, in ascending order.
func (b Bucket[T]) Prefix(tx Tx, prefix string, fn func(key string, v T) error) error {
	return b.scan(tx, []byte(prefix), after([]byte(prefix)), fn)
}

func (b Bucket[T]) scan(tx Tx, from, to []byte, fn func(key string, v T) error) error {
	return tx.Scan(b.name, from, to, func(key, raw []byte) error {
		v, err := b.decode(key, raw)
		if err != nil {
			return err
		}
		return fn(string(key), v)
	})
}

func (b Bucket[T]) decode(key, raw []byte) (T, error) {
	var v T
	raw, err := unpacked(raw)
	if err == nil {
		// What encoding/json is to become, which reads the same twice as fast.
		err = jsonv1.Unmarshal(raw, &v)
	}
	if err != nil {
		var zero T
		return zero, &CorruptError{Bucket: b.name, Key: append([]byte(nil), key...), Err: err}
	}
	return v, nil
}

func bound(to string) []byte {
	if to == "" {
		return nil
	}
	return []byte(to)
}

// after returns the first key above all keys that begin with prefix, or nil when
// there is none.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}
