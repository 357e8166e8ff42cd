//go:build !linux

package postgres

import (
	"context"
	"syscall"
	"time"
)

// unconfirmed does nothing here: what was sent and is not confirmed is given up with the limit
// of the round trip.
func unconfirmed(time.Duration) func(context.Context, string, string, syscall.RawConn) error {
	return nil
}
