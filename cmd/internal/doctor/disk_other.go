//go:build !linux && !darwin

package doctor

import "errors"

func room(string) (uint64, error) { return 0, errors.ErrUnsupported }

func writable(string) bool { return true }
