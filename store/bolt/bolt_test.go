package bolt_test

import (
	"path/filepath"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/storetest"
)

func open(t *testing.T, path string, opt bolt.Options) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newKeys(t *testing.T) *store.Keyset {
	t.Helper()
	k, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestBolt(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, filepath.Join(t.TempDir(), "belay.db"), bolt.Options{})
	})
}

func TestSealedBolt(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return store.Seal(open(t, filepath.Join(t.TempDir(), "belay.db"), bolt.Options{}), newKeys(t))
	})
}

func TestBoltIsDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T, dir string) (store.Store, func()) {
		s, err := bolt.Open(filepath.Join(dir, "belay.db"), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s, closing(t, s)
	})
}

func TestSealedBoltIsDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T, dir string) (store.Store, func()) {
		keys, err := store.LoadOrCreateKeyFile(filepath.Join(dir, "belay.key"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(filepath.Join(dir, "belay.db"), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sealed := store.Seal(s, keys)
		if err := store.Verify(t.Context(), sealed); err != nil {
			t.Fatal(err)
		}
		return sealed, closing(t, s)
	})
}

func closing(t *testing.T, s *bolt.Store) func() {
	return func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
