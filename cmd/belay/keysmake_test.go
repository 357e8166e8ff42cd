package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/belaybot/belay/store"
)

// Keys for several replicas are made before the first of them starts, once.
func TestKeysAreMadeAhead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "belay.keys")
	var said bytes.Buffer
	if code := run(context.Background(), []string{"keys", "make", path}, nil, &said, &said); code != exitOK {
		t.Fatalf("exit %d: %s", code, said.String())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if _, err := store.LoadKeyFile(path); err != nil {
		t.Error(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code := run(context.Background(), []string{"keys", "make", path}, nil, &said, &said); code != exitRefused {
		t.Errorf("again: exit %d", code)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was replaced (%v)", err)
	}
	if code := run(context.Background(), []string{"keys", "make", filepath.Join(path, "x")}, nil, &said, &said); code != exitRefused {
		t.Errorf("no directory: exit %d", code)
	}
}
