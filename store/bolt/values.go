package bolt

import "slices"

const (
	chunk     = 256 << 10
	maxChunks = 4 // a megabyte, which a rush fills
)

// values holds what one transaction of the committer puts. bbolt keeps a value until the commit has
// written it, and the caller may use its own again at once; after the transaction nobody
// reads the copy, and the next one takes its place. It belongs to whoever has the turn.
type values struct {
	chunks [][]byte // of which the last one is being filled
	spare  [][]byte // empty
}

// keep copies a value.
func (v *values) keep(value []byte) []byte {
	if len(value) > chunk/4 {
		return append([]byte{}, value...) // and not nil, which bbolt does not take for a value
	}
	last := len(v.chunks) - 1
	if last < 0 || cap(v.chunks[last])-len(v.chunks[last]) < len(value) {
		v.more()
		last = len(v.chunks) - 1
	}
	from := len(v.chunks[last])
	v.chunks[last] = append(v.chunks[last], value...)
	return slices.Clip(v.chunks[last][from:])
}

func (v *values) more() {
	var c []byte
	if n := len(v.spare); n > 0 {
		c, v.spare = v.spare[n-1], v.spare[:n-1]
	} else {
		c = make([]byte, 0, chunk)
	}
	v.chunks = append(v.chunks, c)
}

// reset is for when the transaction has ended.
func (v *values) reset() {
	for _, c := range v.chunks {
		if len(v.spare) < maxChunks {
			v.spare = append(v.spare, c[:0])
		}
	}
	clear(v.chunks)
	v.chunks = v.chunks[:0]
}
