package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// kept is what the sandbox itself remembers: its ports, its made-up secrets, how
// far the clock was moved, and where the story stands.
type kept struct {
	path string
	mu   sync.Mutex

	Ports        map[string]int    `json:"ports"`
	EntraSecret  string            `json:"entra_secret"`
	SlackToken   string            `json:"slack_token"`
	SlackSigning string            `json:"slack_signing"`
	SlackClient  string            `json:"slack_client"`
	Offset       time.Duration     `json:"clock_offset"`
	Began        time.Time         `json:"began,omitzero"` // when the sandbox was made
	Story        map[string]string `json:"story"`          // step → how long it took
	// Moves are the story's: step and number of the move → the offset that it leads to.
	Moves map[string]time.Duration `json:"moves,omitempty"`
}

// loadKept reads the file, or makes up a new sandbox.
func loadKept(path string) (*kept, error) {
	k := &kept{path: path, Ports: map[string]int{}, Story: map[string]string{}, Began: time.Now().UTC().Truncate(time.Minute)}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		k.EntraSecret, k.SlackToken = "sandbox-"+rand.Text(), "xoxb-sandbox-"+rand.Text()
		k.SlackSigning, k.SlackClient = rand.Text(), "sandbox-"+rand.Text()
		return k, k.save()
	}
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, k)
	if err == nil && (k.Ports == nil || k.Story == nil || k.EntraSecret == "" || k.SlackToken == "" || k.SlackSigning == "" || k.SlackClient == "") {
		err = errors.New("something is missing in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged; choose another --data or remove the directory: %w", path, err)
	}
	return k, nil
}

// change saves what fn changed.
func (k *kept) change(fn func()) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	fn()
	return k.write()
}

func (k *kept) save() error { return k.change(func() {}) }

// write replaces the file as a whole, so that a kill leaves the old or the new one.
func (k *kept) write() error {
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(k.path, text)
}

func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // nothing is there after the rename
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// clock is business time: the wall clock plus what somebody moved it forward.
type clock struct{ kept *kept }

// Now is business time.
func (c *clock) Now() time.Time {
	c.kept.mu.Lock()
	defer c.kept.mu.Unlock()
	return time.Now().Add(c.kept.Offset)
}

// advance moves the clock forward, by up to a year.
func (c *clock) advance(d time.Duration) error {
	if d <= 0 || d > 366*24*time.Hour {
		return errors.New("the clock moves forward only, by up to a year: {\"advance\":\"1h\"}")
	}
	return c.kept.change(func() { c.kept.Offset += d })
}
