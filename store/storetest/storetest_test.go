package storetest_test

import (
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storetest.Memory() })
}

func TestSealedMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		keys, err := store.NewKeyset()
		if err != nil {
			t.Fatal(err)
		}
		return store.Seal(storetest.Memory(), keys)
	})
}
