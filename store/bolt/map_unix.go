//go:build unix

package bolt

import (
	"os"
	"syscall"
)

// mapped maps a file for reading. Whoever reads it has called debug.SetPanicOnFault.
func mapped(f *os.File, size int64) (memory, func() error, error) {
	if size <= 0 || int64(int(size)) != size {
		return nil, nil, syscall.EINVAL
	}
	m, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return m, func() error { return syscall.Munmap(m) }, nil
}
