//go:build profiled

package main

import (
	"net/http"
	_ "net/http/pprof" // for the benches only
	"os"
)

// A binary that is built with the tag profiled serves Go's profiles where
// TEST_PROFILES says, for the benches. No other binary has them.
func init() {
	if at := os.Getenv("TEST_PROFILES"); at != "" {
		go func() { _ = http.ListenAndServe(at, nil) }() //nolint:gosec // on loopback, until the process ends
	}
}
