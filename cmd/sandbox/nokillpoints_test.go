package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// killing says whether a program holds what lets it kill itself. The name is put together
// here, so that a test does not find its own.
func killing(t *testing.T, file string) bool {
	t.Helper()
	program, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(program, []byte(strings.Join([]string{"internal/app", "mortalStore"}, ".")))
}

// There is nothing in the product that could make it kill itself. With the build tag there is:
// TestTheStoryIsKilledInTheMiddle finds it in its own file.
func TestAProductCannotKillItself(t *testing.T) {
	t.Parallel()
	if killing(t, program(t)) {
		t.Error("the product holds the kill points of tests")
	}
}
