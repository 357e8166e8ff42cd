package main

import (
	"os"
	"runtime/debug"
)

// collectLess has garbage collected less often than Go would by itself: what Belay keeps
// is small, so that this costs some megabytes in a busy moment and saves processor time. Whoever
// sets GOGC decides.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(150)
	}
}
