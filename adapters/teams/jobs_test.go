package teams

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
)

// When all places are taken for a moment, a delivery waits for one; not for long.
func TestARushWaitsForAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJobs(slog.New(slog.DiscardHandler))
		for range jobCount {
			if !j.take() {
				t.Fatal("there is no place at the beginning")
			}
		}
		if j.take() {
			t.Fatal("a place was given that is not there")
		}
		done, got := false, false
		go func() { got = j.take(); done = true }()
		synctest.Wait()
		if done {
			t.Fatal("who came in a rush did not wait")
		}
		j.free()
		synctest.Wait()
		if !done || !got {
			t.Error("who waited did not get the place that was given back")
		}
		for range jobCount {
			j.free()
		}
		if err := j.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
