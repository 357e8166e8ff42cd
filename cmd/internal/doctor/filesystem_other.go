//go:build !linux

package doctor

import "errors"

func fileSystem(string) (string, error) { return "", errors.ErrUnsupported }
