package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

func TestFaultyPassesTheSuiteWhenItIsNotTold(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storetest.Faulty(storetest.Memory()) })
}

func write(f *storetest.FaultyStore, key string) error {
	return f.Update(context.Background(), func(tx store.Tx) error { return tx.Put("a", []byte(key), nil) })
}

func kept(t *testing.T, s store.Store) (keys string) {
	t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		return tx.Scan("a", nil, nil, func(k, _ []byte) error { keys += string(k); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestFaultyFailsAsTold(t *testing.T) {
	f := storetest.Faulty(storetest.Memory())
	f.At(2, storetest.Lose)
	f.At(4, storetest.Keep)
	told := ""
	for i := range 6 {
		err := write(f, fmt.Sprint(i+1))
		switch {
		case errors.Is(err, store.ErrUncertain) && errors.Is(err, storetest.ErrInjected):
			told += "?"
		case errors.Is(err, storetest.ErrInjected):
			told += "x"
		case err == nil:
			told += "."
		default:
			t.Error(err)
		}
	}
	if told != ".x.?.." || kept(t, f) != "13456" || f.Updates() != 6 {
		t.Errorf("told %s, kept %s, %d updates", told, kept(t, f), f.Updates())
	}
	boom := errors.New("boom")
	f.At(1, storetest.Keep)
	err := f.Update(context.Background(), func(store.Tx) error { return boom })
	if !errors.Is(err, boom) || errors.Is(err, storetest.ErrInjected) {
		t.Errorf("the function's own error comes first: %v", err)
	}
}

func TestFaultyFailsEveryNth(t *testing.T) {
	f := storetest.Faulty(storetest.Memory())
	f.Every(3, storetest.Lose)
	for i := range 9 {
		if err := write(f, fmt.Sprint(i+1)); (err != nil) != (i%3 == 2) {
			t.Errorf("update %d: %v", i+1, err)
		}
	}
	f.Every(0, storetest.None)
	for range 5 {
		if err := write(f, "z"); err != nil {
			t.Errorf("healed: %v", err)
		}
	}
	if got := kept(t, f); got != "124578z" {
		t.Errorf("kept %s", got)
	}
}

func TestFaultyHangs(t *testing.T) {
	f := storetest.Faulty(storetest.Memory())
	f.Every(1, storetest.Hang)
	ctx, cancel := context.WithCancel(context.Background())
	outcomes := make(chan error, 2)
	go func() {
		outcomes <- f.Update(ctx, func(tx store.Tx) error { return tx.Put("a", []byte("1"), nil) })
	}()
	f.AwaitHanging(1)
	cancel()
	if err := <-outcomes; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for range 2 {
		go func() { outcomes <- write(f, "2") }()
	}
	f.AwaitHanging(2)
	if got := kept(t, f); got != "" { // a view is not held up
		t.Errorf("kept %s", got)
	}
	f.Release()
	for range 2 {
		if err := <-outcomes; !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("released: %v", err)
		}
	}
	if got := kept(t, f); got != "" {
		t.Errorf("kept %s", got)
	}
}

func TestMemoryRefusesImpureUpdates(t *testing.T) {
	s := storetest.Memory()
	ctx := context.Background()
	n := 0
	for name, fn := range map[string]func(store.Tx) error{
		"another key each time": func(tx store.Tx) error { n++; return tx.Put("a", fmt.Append(nil, n), nil) },
		"another answer each time": func(store.Tx) error {
			if n++; n%2 == 0 {
				return errors.New("even")
			}
			return nil
		},
		"writes once only": func(tx store.Tx) error {
			if n++; n%2 == 0 {
				return tx.Put("a", []byte("k"), nil)
			}
			return nil
		},
	} {
		if err := s.Update(ctx, fn); !errors.Is(err, storetest.ErrImpure) {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := s.View(ctx, func(tx store.Tx) error {
		return tx.Scan("a", nil, nil, func(k, _ []byte) error { return fmt.Errorf("%q was kept", k) })
	})
	if err != nil {
		t.Error(err)
	}
}
