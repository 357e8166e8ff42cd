package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// forget drops a file from the page cache.
func forget(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
}
