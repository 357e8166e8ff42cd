//go:build !killpoints || !unix

package app

import (
	"net/http"

	"github.com/belaybot/belay/store"
)

// mortal and mortalTransport are where a test of the build tag killpoints lets the process
// die. There is nothing of it without the tag.
func mortal(s store.Store) store.Store { return s }

func mortalTransport(t http.RoundTripper) http.RoundTripper { return t }
