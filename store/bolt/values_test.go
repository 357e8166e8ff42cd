package bolt

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// What was kept stays as it is until the transaction ends, whatever its length is and whatever is kept
// besides or done with the caller's own.
func TestValuesAreKept(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // for lengths
	var v values
	for range 3 {
		var want, got [][]byte
		for i := range 3000 {
			value := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, rng.IntN(700))
			if i%500 == 0 {
				value = bytes.Repeat([]byte{byte(i)}, chunk/4+i)
			}
			want = append(want, slices.Clone(value))
			got = append(got, v.keep(value))
			clear(value)
		}
		for i, kept := range got {
			if kept == nil || !bytes.Equal(kept, want[i]) {
				t.Fatalf("value %d is another now, of %d bytes and not %d", i, len(kept), len(want[i]))
			}
			if cap(kept) > len(kept) && len(kept) <= chunk/4 {
				t.Fatalf("value %d could be written beyond its end", i)
			}
		}
		v.reset()
		if len(v.chunks) > 0 || len(v.spare) > maxChunks {
			t.Fatalf("%d chunks are in use, %d are kept", len(v.chunks), len(v.spare))
		}
	}
	if kept := v.keep(nil); kept == nil || len(kept) > 0 {
		t.Errorf("an empty value became %v", kept)
	}
	v.reset()
	if n := testing.AllocsPerRun(100, func() { v.keep(make([]byte, 0, 8)); v.keep([]byte("some")); v.reset() }); n > 0 {
		t.Errorf("what is kept and forgotten takes %v allocations", n)
	}
}
