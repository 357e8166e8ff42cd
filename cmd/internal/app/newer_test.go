package app

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belaybot/belay/store"
)

// listening is a listener on loopback.
func listening(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A newer Belay migrates the store while this one serves: this one stops by itself and
// says why, and does not start again. (fault 61)
func TestANewerBelayTakesOver(t *testing.T) {
	cfg, err := Load(write(t, good), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data = filepath.Join(t.TempDir(), "data")
	a, err := Open(cfg, Options{Public: listening(t), Private: listening(t)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(context.Background()) }()
	err = a.sealed.Update(t.Context(), func(tx store.Tx) error {
		return store.NewBucket[int]("store.schema").Put(tx, "version", 1_000)
	})
	if err != nil {
		t.Fatal(err)
	}
	var newer *store.SchemaError
	if err := <-done; !errors.As(err, &newer) || newer.Stored != 1_000 || !strings.Contains(err.Error(), "start the newer version") {
		t.Errorf("Run ended with %v", err)
	}
	again, err := Open(cfg, Options{Public: listening(t), Private: listening(t)})
	if !errors.As(err, &newer) {
		t.Errorf("the older version starts: %v", err)
	}
	if err == nil {
		err = again.Close()
		t.Error(err)
	}
}
