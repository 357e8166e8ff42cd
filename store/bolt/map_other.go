//go:build !unix

package bolt

import (
	"errors"
	"os"
)

func mapped(*os.File, int64) (memory, func() error, error) { return nil, nil, errors.ErrUnsupported }
